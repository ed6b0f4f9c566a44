"""The digest, and where there is a key the signature, that a JSON object of the bucket carries.

    {"blake3":"<64 hex>","format":1, … }        or "sha256"

The digest is over every byte behind the first comma. The first 77 bytes and the member `format`
stay the same in every version, so that a reader can say "too new" and not only "broken". A
signature (`snapshotter.signature`) is the last member. Pure.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from snapshotter.digest import digest
from snapshotter.errors import Corrupt, FormatTooNew
from snapshotter.format import FORMAT_VERSION, POINTER_LIMIT, DigestAlgorithm
from snapshotter.signature import Sign

_SEAL_BYTES = 77
_ALGORITHMS: tuple[DigestAlgorithm, ...] = ("blake3", "sha256")

_T = TypeVar("_T")


class _Format(msgspec.Struct):
    format: int


# Made while the module is loaded: msgspec lays a type out at its first use, and two threads that do
# so at once end the process.
_FORMAT = msgspec.json.Decoder(_Format)


def seal(value: Any, algorithm: DigestAlgorithm) -> bytes:
    """A JSON object with its digest in front."""
    return _with_digest(msgspec.json.encode(value)[1:], algorithm)


def _with_digest(rest: bytes, algorithm: DigestAlgorithm) -> bytes:
    return b'{"%b":"%b",%b' % (algorithm.encode(), digest(rest, algorithm).hex().encode(), rest)


def signed(data: bytes, sign: Sign) -> bytes:
    """A sealed pointer or page with a signature, and the digest over that too."""
    algorithm = next(name for name in _ALGORITHMS if data.startswith(b'{"%b"' % name.encode()))
    result = _with_digest(sign(data[_SEAL_BYTES:]), algorithm)
    if len(result) > POINTER_LIMIT:
        raise ValueError(f"a signed object of {len(result)} bytes is over the limit")
    return result


def signable(data: bytes) -> bytes:
    """What of a sealed object is signed, the signature itself behind it."""
    return data[_SEAL_BYTES:]


def unseal(
    data: bytes, decoder: msgspec.json.Decoder[_T], where: str, *, limit: int = POINTER_LIMIT
) -> _T:
    """The object of the decoder's type that was sealed. Raises Corrupt or FormatTooNew."""
    if not _SEAL_BYTES < len(data) <= limit:
        raise Corrupt(f"{where}: {len(data)} bytes")
    head, rest = data[:_SEAL_BYTES], data[_SEAL_BYTES:]
    seals = (
        b'{"%b":"%b",' % (algorithm.encode(), digest(rest, algorithm).hex().encode())
        for algorithm in _ALGORITHMS
        if head.startswith(b'{"%b"' % algorithm.encode())
    )
    if head not in seals:
        raise Corrupt(f"{where}: does not match its own digest")
    body = b"{" + rest
    try:
        version = _FORMAT.decode(body).format
        if version > FORMAT_VERSION:
            raise FormatTooNew(f"{where}: format {version}, this reader knows {FORMAT_VERSION}")
        if version != FORMAT_VERSION:
            raise Corrupt(f"{where}: format {version} never existed")
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise Corrupt(f"{where}: {error}") from error
