"""Large pieces of memory go back to the system when they are let go of.

glibc raises the size from which it does that with each large piece that is freed, up to 32 MiB, and
every thread keeps what it was given then: the reads of a restore, 12 MiB each in several threads,
would stay in the process for as long as it runs.

A capture asks for pieces of some MiB with each batch. If they went back each time, the system would
fill new pages with zeros for each: a sixth of the decode's time. So it keeps them.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of mallopt
_MIB = 1024 * 1024


def give_back_large_pieces() -> None:
    """To be called once, before there are threads. Without glibc it does nothing."""
    _tell(_MMAP_THRESHOLD, _MIB)


def keep_large_pieces() -> None:
    """From now on they are kept, as glibc does by itself after a while."""
    _tell(_MMAP_THRESHOLD, 32 * _MIB)
    _tell(_TRIM_THRESHOLD, 64 * _MIB)


def _tell(what: int, value: int) -> None:
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(what, value)
