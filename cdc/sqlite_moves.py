"""Which pages of the main file were written since a freeze: those that checkpoints moved there.

In WAL mode a page reaches the main file by a checkpoint alone, and each of ours notes beforehand
the pages of all frames that it may move. Frames that are committed meanwhile, and moved too, are
noted afterwards, from how far SQLite says it came. Where that cannot be told, and where somebody
else wrote to the file (its time of change is not as a checkpoint of ours left it), nothing is known
any more: then a snapshot reads every page.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from cdc.sqlite_wal import FRAME_HEADER_BYTES, WAL_HEADER_BYTES, WalIndex, WalState

# A dictionary of so many pages takes some 50 MB; a file in which more changed is read as quickly.
_MOST_PAGES = 500_000
_MARKS = 4
_CHUNK_FRAMES = 256
_TRIES = 50
_PAUSE_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Mark:
    """A freeze, as the file's moves count them."""

    moves: MovedPages
    number: int


class MovedPages:
    """The moves of one open file. Used while checkpoints are held off, or by the one under way."""

    def __init__(self, path: Path, main: int, index: WalIndex) -> None:
        self._log = Path(f"{path}-wal")
        self._main = main
        self._index = index
        self._number = 0
        # By page number: when it was moved last. Pages moved before the oldest mark are left out.
        self._moved: dict[int, int] = {}
        self._known_since = 0
        self._marks: deque[int] = deque(maxlen=_MARKS)
        self._left = self._stamp()

    def checkpoint(self, connection: sqlite3.Connection, mode: str) -> bool:
        """Move the log into the main file without waiting. True if all of it was moved.

        SQLite reports a reader in the way in the row that it returns, not as an error.
        """
        self._check_untouched()
        before = self._state()
        if before is not None and before.main_is_complete and mode == "PASSIVE":
            return True  # the next commit may begin another log, of which nothing was noted
        try:
            if before is not None:
                self._note(before.backfilled, before.frames)
            row = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
            busy, in_log, moved = (int(value) for value in row)
            if before is None:
                self._forget()
            elif moved > before.frames:
                after = self._state()
                if after is not None and after.salt == before.salt:
                    self._note(before.frames, moved)
                else:
                    self._forget()
        except BaseException:
            self._forget()
            raise
        finally:
            self._left = self._stamp()
        return not busy and in_log == moved

    def sync(self) -> None:
        """Have what was moved on disk.

        SQLite does it only where nothing is left to move, and there commits may wait for it.
        """
        os.fsync(self._main)

    def mark(self) -> Mark:
        """This freeze, for `since` of a later one."""
        self._check_untouched()
        self._number += 1
        self._marks.append(self._number)
        oldest = self._marks[0]
        if len(self._marks) == _MARKS and oldest > self._known_since:
            self._known_since = oldest
            self._moved = {page: at for page, at in self._moved.items() if at > oldest}
        return Mark(self, self._number)

    def since(self, mark: object) -> frozenset[int] | None:
        """Numbers from 0 of the pages that may differ from those at the mark; None: any may."""
        self._check_untouched()
        if not isinstance(mark, Mark) or mark.moves is not self:
            return None
        if mark.number < self._known_since:
            return None
        return frozenset(page - 1 for page, at in self._moved.items() if at > mark.number)

    def _note(self, first: int, last: int) -> None:
        """The pages of the log's frames from the one behind `first` to `last`."""
        self._number += 1
        try:
            pages = _pages(self._log, first, last)
        except OSError:
            self._forget()
            return
        self._moved |= dict.fromkeys(pages, self._number)
        if len(self._moved) > _MOST_PAGES:
            self._forget()

    def _forget(self) -> None:
        self._number += 1
        self._known_since = self._number
        self._moved = {}

    def _state(self) -> WalState | None:
        """The last commit; None if commits follow one another too fast to see one."""
        for _ in range(_TRIES):
            state = self._index.state()
            if state is not None:
                return state
            time.sleep(_PAUSE_SECONDS)
        return None

    def _check_untouched(self) -> None:
        if self._stamp() != self._left:
            self._forget()
            self._left = self._stamp()

    def _stamp(self) -> tuple[int, int]:
        status = os.fstat(self._main)
        return status.st_mtime_ns, status.st_size


def _pages(log: Path, first: int, last: int) -> set[int]:
    pages: set[int] = set()
    if first >= last:
        return pages
    file = os.open(log, os.O_RDONLY | os.O_CLOEXEC)  # the log carries no locks
    try:
        head = os.pread(file, WAL_HEADER_BYTES, 0)
        (page_size,) = struct.unpack_from(">I", head, 8)
        frame = struct.Struct(f">I{FRAME_HEADER_BYTES - 4 + page_size}x")
        for at in range(first, last, _CHUNK_FRAMES):
            count = min(_CHUNK_FRAMES, last - at)
            data = os.pread(file, count * frame.size, WAL_HEADER_BYTES + at * frame.size)
            if len(data) != count * frame.size:
                raise OSError(f"{log} ends at frame {at + len(data) // frame.size}, not {last}")
            pages.update(page for (page,) in frame.iter_unpack(data))
    finally:
        os.close(file)
    return pages
