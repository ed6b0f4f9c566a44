"""Who wrote it: Ed25519 signatures of pointer, catalog pages and manifest headers.

    ,"signature":"<key id: 16 hex digits>:<signature: 128 hex digits>"}        162 bytes

A signature is the last member of its JSON object and covers every byte in front of its comma: of a
pointer or page from offset 77 on, behind its digest, of a manifest from offset 0 on. What is signed
begins with the kind of object, the dataset, the bucket's identity and a page's name, so that no
signature serves for another object, dataset or bucket. A key's id is the first 16 hex digits of the
SHA-256 of its public 32 bytes. Keys are PEM, or its middle line alone. `cryptography` takes a tenth
of a second to load, so it is loaded with the first key only. Pure.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from snapshotter.errors import Untrusted

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

Kind = Literal["pointer", "page", "header"]


class Sign(Protocol):
    """Turns the bytes of a JSON object into those of a signed one; `front` is covered besides."""

    def __call__(self, data: bytes, front: bytes = b"") -> bytes:
        """Ends with the closing brace again."""


_TAIL = re.compile(rb',"signature":"([0-9a-f]{16}):([0-9a-f]{128})"\} *\Z')
# By how much a signature makes an object longer, whose closing brace it repeats.
ADDED_BYTES = len(b',"signature":""') + 16 + 1 + 128
_LINES = re.compile(r"-----(?:BEGIN|END) [A-Z ]+-----")


@dataclass(frozen=True, slots=True)
class Subject:
    """What is signed. `bucket_id`: of `bucket.json`. `name`: of a page, which does not say it."""

    kind: Kind
    dataset: str
    bucket_id: str
    name: str = ""

    def message(self, data: bytes) -> bytes:
        """What a signature of `data` is over; no name or id holds a zero byte."""
        names = ("snowmelt", self.kind, self.dataset, self.bucket_id, self.name)
        return b"".join(name.encode() + b"\0" for name in names) + data


class Signer:
    """A private key. Its text is kept by nothing here and shown by nothing."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_key = private.public_key()
        self.key_id = key_id(self.public_key.public_bytes_raw())

    @staticmethod
    def of(text: str) -> Signer:
        """The key in a text. Raises ValueError, which repeats nothing of it."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_der_private_key

        try:
            key: object = load_der_private_key(_der(text), password=None)
        except (ValueError, TypeError):
            key = None
        if isinstance(key, Ed25519PrivateKey):
            return Signer(key)
        raise ValueError("is not an Ed25519 private key in PEM, not encrypted")

    def sign(self, subject: Subject) -> Sign:
        """What signs as this."""

        def signed(data: bytes, front: bytes = b"") -> bytes:
            body = data.removesuffix(b"}")
            signature = self._private.sign(subject.message(front + body)).hex()
            return b'%b,"signature":"%b:%b"}' % (body, self.key_id.encode(), signature.encode())

        return signed


class TrustedKeys:
    """The public keys of those who may publish."""

    def __init__(self, keys: Mapping[str, Ed25519PublicKey]) -> None:
        self._keys = keys

    @staticmethod
    def of(texts: Iterable[str]) -> TrustedKeys:
        """The keys in these texts. Raises ValueError."""
        keys = [public_key(text) for text in texts]
        return TrustedKeys({key_id(key.public_bytes_raw()): key for key in keys})

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._keys)

    def check(self, subject: Subject, data: bytes, where: str) -> None:
        """Raise Untrusted unless one of these keys signed `data` as this."""
        from cryptography.exceptions import InvalidSignature

        tail = _TAIL.search(data)
        if tail is None:
            raise Untrusted(f"{where}: not signed")
        signer = tail[1].decode()
        key = self._keys.get(signer)
        if key is None:
            raise Untrusted(f"{where}: signed by {signer}, trusted are {', '.join(self.ids)}")
        try:
            key.verify(bytes.fromhex(tail[2].decode()), subject.message(data[: tail.start()]))
        except InvalidSignature:
            raise Untrusted(
                f"{where}: not what {signer} signed",
                hint="it was changed, or signed for another object, dataset or bucket",
            ) from None


def signer_of(data: bytes) -> str | None:
    """Id of the key that claims to have signed, None if none does."""
    tail = _TAIL.search(data)
    return None if tail is None else tail[1].decode()


def public_key(text: str) -> Ed25519PublicKey:
    """The public key in a text. Raises ValueError."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    if "PRIVATE" in text:
        raise ValueError("is a private key; only its public half belongs there")
    try:
        key: object = load_der_public_key(_der(text))
    except (ValueError, TypeError):
        key = None
    if isinstance(key, Ed25519PublicKey):
        return key
    raise ValueError("is not an Ed25519 public key in PEM")


def key_id(public: bytes) -> str:
    """16 hex digits that name a key, from its 32 bytes."""
    return hashlib.sha256(public).hexdigest()[:16]


def _der(text: str) -> bytes:
    try:
        return base64.b64decode("".join(_LINES.sub("", text).split()), validate=True)
    except binascii.Error as error:
        raise ValueError("is not base64") from error
