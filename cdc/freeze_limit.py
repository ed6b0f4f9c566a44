"""How far the log may grow while an image is frozen: then the snapshot ends, and not the writer.

The engine's log is not moved during a freeze, so a snapshot to a slow store makes it grow for as
long as it takes. Whoever reads the image asks now and then; the next snapshot begins from a log
that was moved.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cdc.errors import NoSpace

MOST_GROWTH_BYTES = 1024 * 1024 * 1024
# Where the disk has less left, growth of the second size is too much already.
LEAST_FREE_BYTES = 256 * 1024 * 1024
SOME_GROWTH_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LogWatch:
    """A log and its length when the freeze began."""

    log: Path
    begun_bytes: int

    def check(self) -> None:
        """Raise NoSpace if the log has grown too much."""
        grown = _size(self.log) - self.begun_bytes
        if grown < SOME_GROWTH_BYTES:
            return
        status = os.statvfs(self.log.parent)
        if grown < MOST_GROWTH_BYTES and status.f_bavail * status.f_frsize >= LEAST_FREE_BYTES:
            return
        raise NoSpace(
            f"the snapshot is given up: {self.log} grew by {grown >> 20} MiB while it was written",
            hint="the next one begins from a shorter log; look why the store is slow",
        )


def watched(log: Path) -> LogWatch:
    """The log as it is now."""
    return LogWatch(log, _size(log))


def _size(log: Path) -> int:
    try:
        return log.stat().st_size
    except FileNotFoundError:
        return 0
