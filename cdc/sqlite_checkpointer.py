"""When SQLite's log is moved into the main file: by size or in idle times, never during a freeze.

Two steps. PASSIVE moves what no reader still needs and lets everybody go on; moving takes as long
as committing did, so in busy times a thread does it beside the next commits, and once more for what
came meanwhile. RESTART lets the next commit begin the log anew; TRUNCATE gives its space back, too,
which takes half a second for a large one and is for idle times. Both fail at once if a reader still
uses the log. After a complete first step new readers leave the log alone, so the old ones run out
by themselves unless a commit comes between: where queries follow one another without a pause, that
would be for ever. So when little is left to move, commits wait for as long as short queries take,
once a second at most, and longer if the log has grown far beyond its limit. If that does not help,
as after a freeze of minutes, they wait for both steps.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from cdc.accelerator import Maintenance
from cdc.errors import FileUnusable
from cdc.sqlite_file import connect_writer
from cdc.sqlite_moves import MovedPages
from cdc.sqlite_wal import WalIndex

# Small enough for a step to take tens of milliseconds and for the tail of a snapshot to stay small.
LOG_LIMIT_BYTES = 4 * 1024 * 1024
# From here on commits wait longer for readers of the log, and from four times as much for its move
# too. Some batches long, so that a backlog waits rarely.
LOG_ALARM_BYTES = 128 * 1024 * 1024
_DRAIN_SECONDS = 1.0
# What commits wait, once in so many seconds, for readers of a log that is to be begun anew.
_PATIENCE_SECONDS = 0.02
_BETWEEN_SECONDS = 1.0
_FEW_FRAMES = 512
# What came during a long move is moved by a short one, and so on.
_PASSES = 4
_RETRY_SECONDS = 0.005


class Checkpointer:
    """Owns every checkpoint of a file. `writing` is the lock of its writer."""

    def __init__(
        self, path: Path, index: WalIndex, moves: MovedPages, writing: threading.Lock
    ) -> None:
        self._path = path
        self._index = index
        self._moves = moves
        self._writing = writing
        self._freezes = 0
        self._is_ending = False
        # Held during a checkpoint, so that a freeze begins before or after it.
        self._gate = threading.Condition()
        # A connection of its own, so that commits go on during the first step.
        self._mover = connect_writer(path)
        self._mover.execute("PRAGMA busy_timeout=0")
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="sqlite-log")
        self._moving: Future[None] | None = None
        self._empties_at = 0.0

    @contextmanager
    def held_off(self) -> Iterator[None]:
        """No checkpoint begins before the context ends."""
        with self._gate:
            self._check_going_on()
            self._freezes += 1
        try:
            yield
        finally:
            with self._gate:
                self._freezes -= 1
                self._gate.notify_all()

    def end(self) -> None:
        """Let freezes end and no other begin, nor a checkpoint: descriptors will be closed."""
        with self._gate:
            self._is_ending = True
            self._gate.wait_for(lambda: self._freezes == 0)

    def run(self, *, idle: bool) -> Maintenance:
        """Move the log if that is due. Raises what went wrong beside commits since."""
        self._check_going_on()
        if self._moving is not None and self._moving.done():
            moved, self._moving = self._moving, None
            moved.result()
        size = self._log_bytes()
        if idle or size >= 4 * LOG_ALARM_BYTES:
            return self._move_and_empty(idle=idle)
        if size >= LOG_LIMIT_BYTES and self._moving is None:
            self._moving = self._beside.submit(self._move)
        return Maintenance(wal_bytes=size)

    def _move(self) -> None:
        with self._gate:
            if self._freezes or self._is_ending:
                return
            for _ in range(_PASSES):
                self._moves.checkpoint(self._mover, "PASSIVE")
                self._moves.sync()
                state = self._index.state()
                if state is None:
                    return
                if state.frames - state.backfilled < _FEW_FRAMES:
                    break
            else:
                return
            if time.monotonic() >= self._empties_at:
                self._empty(_patience_seconds(state.length, _PATIENCE_SECONDS), gives_back=False)
                self._empties_at = time.monotonic() + _BETWEEN_SECONDS

    def _move_and_empty(self, *, idle: bool) -> Maintenance:
        with self._gate:
            self._check_going_on()
            state = self._index.state()
            if self._freezes or state is None or not state.frames:
                return Maintenance(wal_bytes=self._log_bytes())
            is_moved = self._moves.checkpoint(self._mover, "PASSIVE")
            if is_moved or not idle:
                patience = _patience_seconds(state.length, 0.0)
                is_moved = self._empty(patience, gives_back=idle) or is_moved
            return Maintenance(checkpointed=is_moved, wal_bytes=self._log_bytes())

    def _check_going_on(self) -> None:
        if self._is_ending:
            raise FileUnusable(f"{self._path}: the file is closed", hint="open it again")

    def _empty(self, patience_seconds: float, *, gives_back: bool) -> bool:
        mode = "TRUNCATE" if gives_back else "RESTART"
        deadline = time.monotonic() + patience_seconds
        with self._writing:
            self._moves.checkpoint(self._mover, "PASSIVE")
            while not self._moves.checkpoint(self._mover, mode):
                if time.monotonic() >= deadline:
                    return False
                time.sleep(_RETRY_SECONDS)
        return True

    def _log_bytes(self) -> int:
        state = self._index.state()
        return 0 if state is None or state.main_is_complete else state.length

    def close(self) -> None:
        self._beside.shutdown()
        self._mover.close()


def _patience_seconds(log_bytes: int, usual: float) -> float:
    return _DRAIN_SECONDS if log_bytes >= LOG_ALARM_BYTES else usual
