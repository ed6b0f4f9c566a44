"""Holes in files: what a file system gives back and reads as zeros."""

from __future__ import annotations

import ctypes

_KEEP_SIZE_AND_PUNCH = 0x01 | 0x02  # FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE


def punched(descriptor: int, offset: int, size: int) -> bool:
    """Make a range of a file a hole, its length unchanged; False where that cannot be done."""
    library = ctypes.CDLL(None)
    call = getattr(library, "fallocate64", None) or getattr(library, "fallocate", None)
    if call is None:
        return False
    where = (ctypes.c_int64(offset), ctypes.c_int64(size))
    return int(call(descriptor, _KEEP_SIZE_AND_PUNCH, *where)) == 0
