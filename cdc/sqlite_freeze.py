"""The state of one commit, readable while the writer goes on: main file and log up to there.

A read transaction on a connection of its own pins the commit: SQLite then neither restarts the log
nor writes newer pages into the main file. Where the commit ends in the log comes from the
wal-index, seen equal before and after the transaction began, so neither apply nor freeze ever
waits for the other. If the main file alone holds the commit there is no tail.

The main file is read through a descriptor that the accelerator opens once (closing one would drop
the process's locks on the file); the log carries no locks and is opened for each freeze.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cdc.accelerator import FreezeBroken, FrozenPart, Reopened
from cdc.freeze_limit import LogWatch, watched
from cdc.sqlite_file import PAGE_BYTES, translated
from cdc.sqlite_moves import MovedPages
from cdc.sqlite_slack import LARGEST_BYTES, cleared
from cdc.sqlite_wal import WalIndex, WalState, ends_in_commit

# The log is stored anew with each snapshot, in blocks that compress well.
TAIL_BLOCK_BYTES = 256 * 1024
_TRIES = 200
_PAUSE_SECONDS = 0.001


@dataclass(slots=True)
class MainPart:
    """The database file at its length of the freeze."""

    path: Path
    descriptor: int
    index: WalIndex
    moves: MovedPages
    watch: LogWatch
    state: WalState
    length: int
    name: Literal["main", "tail"] = "main"
    block_size: int = PAGE_BYTES
    preamble: int = 0
    used: frozenset[int] | None = None

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`; fewer only at the end of the part. Nothing in the gaps."""
        first = offset // self.block_size * self.block_size
        last = min(self.length, -(-(offset + size) // self.block_size) * self.block_size)
        data = _read(self.descriptor, first, last - first)
        if self.length <= LARGEST_BYTES:
            data = cleared(data, first)
        return data[offset - first : offset - first + size]

    def verify_unchanged(self) -> None:
        """Raise FreezeBroken if a checkpoint wrote to the file, whoever ran it."""
        now = _settled(self.index)
        same_log = now.salt == self.state.salt
        # A complete log may be restarted by the next commit: then nothing of the new one is moved
        # yet.
        untouched = now.attempted == (self.state.attempted if same_log else 0)
        may_restart = self.state.main_is_complete
        size = os.fstat(self.descriptor).st_size
        if not untouched or not (same_log or may_restart) or size != self.length:
            raise FreezeBroken("a checkpoint of SQLite wrote to the file while it was being read")

    def check_room(self) -> None:
        """Raise NoSpace if the log has grown too much since the freeze began."""
        self.watch.check()

    def mark(self) -> object:
        """What `changed_since` of a later freeze needs to know of this one."""
        return self.moves.mark()

    def changed_since(self, mark: object) -> frozenset[int] | None:
        """Pages that may differ from those at the mark; None: any may."""
        return self.moves.since(mark)

    def reopened(self, log: Sequence[FrozenPart], *, counts: bool) -> Reopened | None:
        """What another process finds in this file and its log."""
        from cdc.sqlite_image import reopened

        return reopened(self.path, [self, *log], counts=counts)


@dataclass(slots=True)
class TailPart:
    """The log up to the commit."""

    descriptor: int
    state: WalState
    length: int
    name: Literal["main", "tail"] = "tail"
    block_size: int = TAIL_BLOCK_BYTES
    preamble: int = 0
    used: frozenset[int] | None = None

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`; fewer only at the end of the part."""
        return _read(self.descriptor, offset, min(size, self.length - offset))

    def verify_unchanged(self) -> None:
        """Raise FreezeBroken if the log was restarted."""
        if not ends_in_commit(self.descriptor, self.state):
            raise FreezeBroken("SQLite restarted its log while it was being read")


def _read(descriptor: int, offset: int, size: int) -> bytes:
    data = os.pread(descriptor, max(size, 0), offset)
    while len(data) < size:  # a signal or a network file system may cut a read short
        more = os.pread(descriptor, size - len(data), offset + len(data))
        if not more:
            raise FreezeBroken("SQLite shortened a file while it was being read")
        data += more
    return data


def _settled(index: WalIndex) -> WalState:
    for _ in range(_TRIES):
        state = index.state()
        if state is not None:
            return state
        time.sleep(_PAUSE_SECONDS)
    raise FreezeBroken("the wal-index of SQLite cannot be read")


@contextmanager
def frozen_parts(
    path: Path, connection: sqlite3.Connection, main: int, index: WalIndex, moves: MovedPages
) -> Iterator[tuple[MainPart | TailPart, ...]]:
    """The parts at one commit, which the caller also sees through `connection`, in a transaction.

    `main`: the accelerator's descriptor of the database file. The log is synced first, since what a
    snapshot names must not be lost to a power failure afterwards.
    """
    with translated(path, "freezing"):
        state = _pin(connection, index)
    watch = watched(Path(f"{path}-wal"))
    log: int | None = None
    try:
        parts: list[MainPart | TailPart] = [
            MainPart(path, main, index, moves, watch, state, os.fstat(main).st_size),
        ]
        if not state.main_is_complete:
            with translated(path, "freezing the log"):
                log = os.open(f"{path}-wal", os.O_RDONLY)
                os.fsync(log)
            if not ends_in_commit(log, state):
                raise FreezeBroken("the log of SQLite does not end where its index says")
            parts.append(TailPart(log, state, state.length))
        yield tuple(parts)
    finally:
        if log is not None:
            os.close(log)
        connection.execute("ROLLBACK")


def _pin(connection: sqlite3.Connection, index: WalIndex) -> WalState:
    """Begin a read transaction whose commit is the one that the wal-index names."""
    for _ in range(_TRIES):
        before = index.state()
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM _snowmelt_checkpoint").fetchall()
        if before is not None and before == index.state():
            return before
        connection.execute("ROLLBACK")
        time.sleep(_PAUSE_SECONDS)
    raise FreezeBroken("commits follow one another too fast to freeze one")
