"""Whole files compressed by zstd, as the competent simple ways do it."""

from __future__ import annotations

from pathlib import Path

import zstandard

_LEVEL = 3


def compress(source: Path, target: Path) -> Path:
    """Compress like `zstd -3 -T0`."""
    compressor = zstandard.ZstdCompressor(level=_LEVEL, threads=-1)
    with source.open("rb") as plain, target.open("wb") as packed:
        compressor.copy_stream(plain, packed, size=source.stat().st_size)
    return target


def decompress(source: Path, target: Path) -> Path:
    """The file that `compress` was given."""
    with source.open("rb") as packed, target.open("wb") as plain:
        zstandard.ZstdDecompressor().copy_stream(packed, plain)
    return target
