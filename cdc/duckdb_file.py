"""One DuckDB file, attached and locked down: connection, cursors, transactions, checkpoint.

The file is attached as `db` to an instance of its own, because the settings that freeze a file and
bound its memory belong to the instance. The engine never checkpoints by itself, neither by size nor
at close: what lies in the main file changes only in `checkpoint()`, so a copier can read meanwhile.

Two traps are held here. Closing any descriptor of the main file drops this process's POSIX locks on
it, so the file is opened for reading once, after the engine opened it, and closed after the engine
closed it. And a failed transaction that is left open blocks all later checkpoints, so each is
rolled back.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from cdc.duckdb_blocks import MainFile, table_blocks, used_blocks
from cdc.duckdb_errors import translated, translating
from cdc.duckdb_sql import SCHEMA, literal
from cdc.errors import FileUnusable
from cdc.storage_versions import STORAGE_VERSION

# A row group is what a lookup reads per column: smaller than the default (122,880), so 2× faster.
ROW_GROUP_ROWS = 16_384
# A checkpoint writes about what the log holds; with less room it may fail, and then DuckDB gives
# the whole database up until it is opened again.
_CHECKPOINT_ROOM_BYTES = 4 * 1024 * 1024
_CLOSE_POLL_SECONDS = 0.01
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "checkpoint_threshold": "1000TB",
    "auto_checkpoint_skip_wal_threshold": 2**40,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "python_enable_replacements": False,
    # Row groups with dead rows would be merged in checkpoints, so that one takes up to a second;
    # base is written anew when it is sorted.
    "max_vacuum_tasks": 0,
    # For `cdc.duckdb_pool`, when all else is locked.
    "allowed_configs": ["memory_limit"],
}


def fold_log(path: Path) -> None:
    """Write the log of a closed file into the file itself, so that one file remains."""
    database = Database(path, exists=True)
    try:
        if not database.checkpoint():
            raise FileUnusable(f"cannot fold the log into {path}: the engine refused")
    finally:
        database.close()
    if database.wal_bytes():
        raise FileUnusable(f"cannot fold the log into {path}: {database.wal_path.name} remains")


class Database:
    """An attached file."""

    def __init__(
        self,
        path: Path,
        *,
        exists: bool,
        memory_limit: str | None = None,
        storage_version: str = STORAGE_VERSION,
    ) -> None:
        self.path = path
        self.wal_path = Path(f"{path}.wal")
        self.usual_limit = "RESET memory_limit"
        if memory_limit is not None:
            self.usual_limit = f"SET memory_limit = {literal(memory_limit)}"
        # Blocks of what was dropped since the last checkpoint; None if they are not known, as in a
        # log that another process wrote.
        self._dropped = None if self.wal_bytes() else frozenset[int]()
        self._idle: list[duckdb.DuckDBPyConnection] = []
        self._all: set[duckdb.DuckDBPyConnection] = set()
        self._is_closing = False
        # Held for each use of `_root` too: a connection refuses a second thread.
        self._lock = threading.Lock()
        with translating(path, "open" if exists else "create"):
            self._root = _connect(path, memory_limit, None if exists else storage_version)
            try:
                self.main = MainFile(path)
            except BaseException:
                self._root.close()
                raise
        self.writer = self._new_cursor()
        # Of upkeep, whose transactions go on beside the writer's.
        self.mover = self._new_cursor()
        # As the engine names it, "v1.5.0+": the version that can read the file, and later ones.
        self.storage_version = _storage_version(self.writer)

    # ------------------------------------------------------------ cursors

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of this thread's own for a while; its results must be drained."""
        with self._lock:
            cursor = self._idle.pop() if self._idle else None
        if cursor is None:
            cursor = self._new_cursor()
        try:
            yield cursor
        except BaseException:
            # In an unknown state: what it read may be half drained.
            self._drop(cursor)
            raise
        with self._lock:
            if cursor in self._all:
                self._idle.append(cursor)

    @contextmanager
    def alone(self) -> Iterator[duckdb.DuckDBPyConnection | None]:
        """A new cursor while nobody has one but `writer` and `mover`, or can get one; else None."""
        with self._lock:
            others = len(self._all) - len(self._idle) - 2
            with closing(self._root.cursor()) as cursor:
                yield None if others else cursor

    @contextmanager
    def snapshot(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor in a read-only transaction: one point in time, and nothing can be written."""
        with self.cursor() as cursor:
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            try:
                yield cursor
            finally:
                with suppress(duckdb.Error):
                    cursor.execute("ROLLBACK")

    @contextmanager
    def pinned(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A `snapshot` whose point in time is now, and not that of its first statement."""
        with self.snapshot() as cursor:
            cursor.execute(f"SELECT count(*) FROM {SCHEMA}.meta").fetchall()
            yield cursor

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The writer's cursor in a transaction: committed at the end, rolled back on any error."""
        with self.begun() as cursor:
            yield cursor
            cursor.commit()

    @contextmanager
    def begun(
        self, cursor: duckdb.DuckDBPyConnection | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor, or the writer's, in a transaction: rolled back unless the block commits."""
        cursor = cursor or self.writer
        cursor.begin()
        try:
            yield cursor
        finally:
            # One that was committed, or failed at that, is over, and then there is nothing to do.
            with suppress(duckdb.Error):
                cursor.rollback()

    @contextmanager
    def registered(self, name: str, rows: Any) -> Iterator[None]:
        """Let the writer read an Arrow table by a name. To be entered before its transaction.

        Registering makes a temporary view, which would be part of that.
        """
        self.writer.register(name, rows)
        try:
            yield
        finally:
            with suppress(duckdb.Error):
                self.writer.unregister(name)

    def _new_cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._is_closing:
                raise duckdb.ConnectionException(f"{self.path} is closed")
            cursor = self._root.cursor()
            self._all.add(cursor)
        cursor.execute("USE db")
        return cursor

    def _drop(self, cursor: duckdb.DuckDBPyConnection) -> None:
        with self._lock:
            self._all.discard(cursor)
        cursor.close()

    # ------------------------------------------------------------ log

    def wal_bytes(self) -> int:
        """Length of the engine's log; after a commit all of it is on disk."""
        try:
            return self.wal_path.stat().st_size
        except FileNotFoundError:
            return 0

    def has_room(self, size: int) -> bool:
        """True if the file system has `size` bytes left for this process."""
        status = os.statvfs(self.path)
        return status.f_bavail * status.f_frsize >= size

    def checkpoint(self) -> bool:
        """Move the log into the main file. False if readers or a full disk forbid it: try later.

        Raises FileUnusable or NoSpace if the engine failed half way; the file then needs reopening.
        """
        if not self.has_room(2 * self.wal_bytes() + _CHECKPOINT_ROOM_BYTES):
            return False
        try:
            self.writer.execute("CHECKPOINT")
        except duckdb.TransactionException:
            return False  # somebody reads a state that is older than the last delete
        except duckdb.Error as error:
            raise translated(error, self.path, "checkpoint") from error
        self._dropped = frozenset()
        return True

    def used_blocks(self, known: Mapping[str, frozenset[int]]) -> frozenset[int] | None:
        """Blocks that the last commit needs; None if the engine counts otherwise, then all are.

        The log may still name what was dropped since the last checkpoint, so that counts as well.
        A commit beside the call makes the counts differ. `known`: blocks of tables at rest.
        """
        if self._dropped is None:
            return None
        with self.cursor() as cursor:
            now, counted = used_blocks(cursor, known)
        used = now | self._dropped
        return used if len(used) == counted else None

    def before_drop(self, table: str) -> None:
        """Note the blocks of a table that is about to be dropped, until the next checkpoint."""
        if self._dropped is not None:
            with self.cursor() as cursor:
                self._dropped |= table_blocks(cursor, table)

    def close(self) -> None:
        """Stop what runs, and release the file. The log stays as it is."""
        with self._lock:
            self._is_closing = True
            cursors, self._idle, self._all = list(self._all), [], set()
        while cursors:
            cursors = [cursor for cursor in cursors if not _closed(cursor)]
            if cursors:
                time.sleep(_CLOSE_POLL_SECONDS)
        self._root.close()
        self.main.release()


def _closed(cursor: duckdb.DuckDBPyConnection) -> bool:
    try:
        cursor.interrupt()
        cursor.close()
    except duckdb.ResourceInUseException:
        return False  # a statement runs in another thread and has not noticed the interrupt yet
    except duckdb.ConnectionException:
        return True  # its user closed it
    return True


def _storage_version(cursor: duckdb.DuckDBPyConnection) -> str:
    rows = cursor.execute(
        "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'db'"
    ).fetchall()
    return str(rows[0][0]).removesuffix("+")


def _connect(
    path: Path, memory_limit: str | None, storage_version: str | None
) -> duckdb.DuckDBPyConnection:
    # Spilling would else go to `.tmp` in the working directory.
    settings = {**_SETTINGS, "temp_directory": f"{path}.tmp"}
    if memory_limit is not None:
        settings["memory_limit"] = memory_limit
    options = ["TYPE duckdb", f"ROW_GROUP_SIZE {ROW_GROUP_ROWS}"]
    if storage_version is not None:
        options.append(f"STORAGE_VERSION {literal(storage_version)}")
    root = duckdb.connect(":memory:", config=settings)
    try:
        root.execute(f"ATTACH {literal(str(path))} AS db ({', '.join(options)})")
        root.execute("PRAGMA disable_checkpoint_on_shutdown")
        root.execute("SET enable_external_access = false")
        root.execute("SET lock_configuration = true")
    except BaseException:
        root.close()
        raise
    return root


def clear_spill(path: Path) -> None:
    """Remove what a killed process spilled beside the file."""
    shutil.rmtree(f"{path}.tmp", ignore_errors=True)
