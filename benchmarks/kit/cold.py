"""A page cache without the files of a benchmark, so that each side reads them from the disk."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

_DROP = Path("/proc/sys/vm/drop_caches")
# Of pages, directory entries and inodes.
_ALL = "3"

_DISKS = Path("/proc/diskstats")
_QUIET_SECONDS = 0.5
_MOST_SECONDS = 3.0

How = Literal["drop_caches", "fadvise"]


def make_cold(places: Iterable[Path]) -> How:
    """Write out what is dirty and drop it. Without the right to drop all: files below `places`."""
    os.sync()
    _settle()
    try:
        _DROP.write_text(_ALL)
    except OSError:
        for place in places:
            for file in (place,) if place.is_file() else place.rglob("*"):
                if file.is_file():
                    _forget(file)
        return "fadvise"
    return "drop_caches"


def _settle() -> None:
    """Wait until the disks are idle: what a side deleted is discarded behind it."""
    ends = time.monotonic() + _MOST_SECONDS
    before = ""
    while _DISKS.exists() and before != (now := _DISKS.read_text()) and time.monotonic() < ends:
        before = now
        time.sleep(_QUIET_SECONDS)


def _forget(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
