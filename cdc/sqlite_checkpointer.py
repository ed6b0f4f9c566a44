"""When SQLite's log is moved into the main file: by size or in idle times, never during a freeze.

Two steps. PASSIVE moves what no reader still needs and lets everybody go on. TRUNCATE then empties
the log; it fails at once if a reader still uses the log, and the next call tries again. After a
complete first step new readers leave the log alone, so the old ones run out by themselves unless a
commit comes between. If the log has grown far beyond its limit all the same, commits wait a moment
for that.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cdc.accelerator import Maintenance
from cdc.errors import FileUnusable
from cdc.sqlite_file import checkpoint, connect_writer
from cdc.sqlite_wal import WalIndex, WalState

# Small enough for a step to take tens of milliseconds and for the tail of a snapshot to stay small.
LOG_LIMIT_BYTES = 4 * 1024 * 1024
# From here on commits wait for readers, for at most the time below.
LOG_ALARM_BYTES = 64 * 1024 * 1024
_DRAIN_SECONDS = 1.0
_RETRY_SECONDS = 0.005


class Checkpointer:
    """Owns every checkpoint of a file. `writing` is the lock of the connection `writer`."""

    def __init__(
        self, path: Path, index: WalIndex, writer: sqlite3.Connection, writing: threading.Lock
    ) -> None:
        self._path = path
        self._index = index
        self._writer = writer
        self._writing = writing
        self._freezes = 0
        self._is_ending = False
        # Held during a checkpoint, so that a freeze begins before or after it.
        self._gate = threading.Condition()
        # A connection of its own, so that commits go on during the first step.
        self._mover = connect_writer(path)
        self._mover.execute("PRAGMA busy_timeout=0")

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
        """Move the log if that is due."""
        with self._gate:
            self._check_going_on()
            state = self._index.state()
            if self._freezes or state is None or not _is_due(state, idle=idle):
                return Maintenance(wal_bytes=self._log_bytes())
            is_moved = checkpoint(self._mover, "PASSIVE")
            if is_moved or state.length >= LOG_ALARM_BYTES:
                patience = _DRAIN_SECONDS if state.length >= LOG_ALARM_BYTES else 0.0
                is_moved = self._empty(patience) or is_moved
            return Maintenance(checkpointed=is_moved, wal_bytes=self._log_bytes())

    def _check_going_on(self) -> None:
        if self._is_ending:
            raise FileUnusable(f"{self._path}: the file is closed", hint="open it again")

    def _empty(self, patience_seconds: float) -> bool:
        deadline = time.monotonic() + patience_seconds
        with self._writing:
            while not checkpoint(self._mover, "TRUNCATE"):
                if time.monotonic() >= deadline:
                    return False
                time.sleep(_RETRY_SECONDS)
        return True

    def _log_bytes(self) -> int:
        state = self._index.state()
        return 0 if state is None else state.length

    def close(self) -> None:
        self._mover.close()


def _is_due(state: WalState, *, idle: bool) -> bool:
    if idle:
        return state.frames > 0
    return state.length >= LOG_LIMIT_BYTES
