"""Which objects of a bucket hold a text, also in what no snapshot refers to any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

import zstandard

_MAGIC = b"\x28\xb5\x2f\xfd"


def plain(data: bytes) -> Iterator[bytes]:
    """The object as it lies there, and each frame in it as it was."""
    yield data
    view = memoryview(data)
    at = data.find(_MAGIC)
    while at >= 0:
        with suppress(zstandard.ZstdError):  # four bytes of something else
            yield zstandard.ZstdDecompressor().decompressobj().decompress(view[at:])
        at = data.find(_MAGIC, at + 1)


def holding(objects: Iterable[tuple[str, bytes]], text: str) -> list[str]:
    """Names of the objects with this text."""
    wanted = text.encode()
    return [name for name, data in objects if any(wanted in piece for piece in plain(data))]
