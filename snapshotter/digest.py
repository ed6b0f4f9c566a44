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


def tagged(data: bytes | bytearray | memoryview, algorithm: DigestAlgorithm) -> str:
    """`algorithm:hex`, for digests that no header explains."""
    return f"{algorithm}:{digest(data, algorithm).hex()}"


def matches(data: bytes | bytearray | memoryview, expected: str) -> bool:
    """True if `expected` (`algorithm:hex`) is the digest of `data`."""
    for algorithm in ("blake3", "sha256"):
        if expected.startswith(f"{algorithm}:"):
            return tagged(data, algorithm) == expected
    return False


def segment_digests(segment: bytes) -> list[bytes]:
    """The block digests in an encoded segment, in block order."""
    return [
        segment[at + _DIGEST_AT : at + ENTRY_BYTES] for at in range(0, len(segment), ENTRY_BYTES)
    ]


def root(digests: Iterable[bytes], algorithm: DigestAlgorithm) -> str:
    """The root digest over block digests in block order, holes as 32 zero bytes; hex."""
    return digest(b"".join(digests), algorithm).hex()
