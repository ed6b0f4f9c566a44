"""What a process is told about its memory at its start, and where a capture begins.

Python's collector looks for cycles when so many objects were made, and at all of them again and
again: the plan of a restore is a hundred thousand objects without a cycle, and looking at them
took a twentieth of its CPU. So it begins later.

Large pieces of memory go back to the system when they are let go of.

glibc raises the size from which it does that with each large piece that is freed, up to 32 MiB, and
every thread keeps what it was given then: maps and buffers of a restore would stay in the process
for as long as it runs.

A capture asks for pieces of some MiB with each batch. If they went back each time, the system would
fill new pages with zeros for each: a sixth of the decode's time. So it keeps them.
"""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of mallopt
_MIB = 1024 * 1024
_NEW_OBJECTS = 50_000  # Python's own: 700


def settle() -> None:
    """To be called once, before there are threads. Without glibc it is the collector's part."""
    gc.set_threshold(_NEW_OBJECTS)
    _tell(_MMAP_THRESHOLD, _MIB)


def keep_large_pieces() -> None:
    """From now on they are kept, as glibc does by itself after a while."""
    _tell(_MMAP_THRESHOLD, 32 * _MIB)
    _tell(_TRIM_THRESHOLD, 64 * _MIB)


def _tell(what: int, value: int) -> None:
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(what, value)
