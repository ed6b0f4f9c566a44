"""Digests of blocks, segments and headers: blake3 by default, sha256 where a site demands it.

Both are 32 bytes long, so the map does not depend on the choice. They find damage and mistakes;
they are no signature: who may write the bucket can write matching digests. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from blake3 import blake3

from snapshotter.format import DIGEST_BYTES, ENTRY_BYTES, DigestAlgorithm

_DIGEST_AT = ENTRY_BYTES - DIGEST_BYTES


def digest(data: bytes | bytearray | memoryview, algorithm: DigestAlgorithm) -> bytes:
    """32 bytes."""
    if algorithm == "blake3":
        return blake3(data).digest()
    return hashlib.sha256(data).digest()


class Digester:
    """Digests of many small blocks: a hasher that is used again costs a tenth less. One thread."""

    def __init__(self, algorithm: DigestAlgorithm) -> None:
        self._algorithm = algorithm
        self._hasher = blake3()

    def of(self, data: memoryview) -> bytes:
        """The digest of all of it."""
        if self._algorithm != "blake3":
            return digest(data, self._algorithm)
        self._hasher.reset()
        return self._hasher.update(data).digest()

    def of_blocks(self, data: memoryview, block_size: int) -> list[bytes]:
        """The digest of each `block_size` bytes; the last block may be short."""
        starts = range(0, len(data), block_size)
        if self._algorithm != "blake3":
            return [digest(data[at : at + block_size], self._algorithm) for at in starts]
        found: list[bytes] = []
        reset, update, finish = self._hasher.reset, self._hasher.update, self._hasher.digest
        for at in starts:
            reset()
            update(data[at : at + block_size])
            found.append(finish())
        return found


def tagged(data: bytes | bytearray | memoryview, algorithm: DigestAlgorithm) -> str:
    """`algorithm:hex`, for digests that no header explains."""
    return f"{algorithm}:{digest(data, algorithm).hex()}"


def matches(data: bytes | bytearray | memoryview, expected: str) -> bool:
    """True if `expected` (`algorithm:hex`) is the digest of `data`."""
    for algorithm in ("blake3", "sha256"):
        if expected.startswith(f"{algorithm}:"):
            return tagged(data, algorithm) == expected
    return False


def segment_digests(segment: bytes, first: int = 0, count: int | None = None) -> list[bytes]:
    """The block digests in an encoded segment, in block order: of `count` entries from `first`."""
    begin = first * ENTRY_BYTES + _DIGEST_AT
    end = len(segment) if count is None else (first + count) * ENTRY_BYTES
    return [segment[at : at + DIGEST_BYTES] for at in range(begin, end, ENTRY_BYTES)]


def root(segments: Iterable[bytes], algorithm: DigestAlgorithm) -> str:
    """The root digest over the block digests of encoded segments, holes as 32 zero bytes; hex."""
    hasher = blake3() if algorithm == "blake3" else hashlib.sha256()
    for segment in segments:
        hasher.update(_all_digests(segment))
    return hasher.hexdigest()


def _all_digests(segment: bytes) -> bytearray:
    """As `segment_digests`, one behind the other: copied word by word of all entries at once."""
    count = len(segment) // ENTRY_BYTES
    words, found = memoryview(segment).cast("Q"), bytearray(count * DIGEST_BYTES)
    into = memoryview(found).cast("Q")
    for word in range(DIGEST_BYTES // 8):
        into[word :: DIGEST_BYTES // 8] = words[_DIGEST_AT // 8 + word :: ENTRY_BYTES // 8]
    return found
