"""The accelerator in a SQLite file: the engine for reading single items by key.

Every change is one transaction on one connection. Readers, freezes and commits do not wait for
each other (WAL mode); the log is moved into the main file by `maintain` alone, and never during a
freeze. Tables: `cdc.sqlite_schema`. Freeze: `cdc.sqlite_freeze`. SQL of users: `cdc.sqlite_query`.

Durability: a commit survives a kill; a power failure may take back the last commits, rows and
checkpoint together. `freeze` syncs what it shows.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from cdc import checkpoint as checkpoints
from cdc import sqlite_indexes as indexes
from cdc import sqlite_schema as schema
from cdc import sqlite_stamps
from cdc.accelerator import (
    Engine,
    FrozenImage,
    Layout,
    Maintenance,
    QueryLimits,
    QueryResult,
)
from cdc.batch import Batch
from cdc.checkpoint import Checkpoint
from cdc.cleaning import Cleaning
from cdc.columns import Columns
from cdc.errors import FileUnusable
from cdc.keys import Item, KeySchema
from cdc.ordering import empty_stamps
from cdc.rebuild import rebuild
from cdc.sqlite_checkpointer import Checkpointer
from cdc.sqlite_file import FileLock, connect_writer, transaction, translated
from cdc.sqlite_freeze import frozen_parts
from cdc.sqlite_moves import MovedPages
from cdc.sqlite_open import Meta, prepare
from cdc.sqlite_readers import Readers
from cdc.sqlite_wal import WalIndex
from cdc.sqlite_workers import QueryWorkers
from cdc.sqlite_writes import Known, Writes

# The database file format of SQLite; every release since 2004 reads it.
STORAGE_VERSION = "3"


class SqliteAccelerator:
    """A dataset in a SQLite file. `open` is the way to get one."""

    engine: Engine = "sqlite"
    commits_beside_upkeep = False

    def __init__(self, path: Path, meta: Meta, lock: FileLock, writer: sqlite3.Connection) -> None:
        self.path = path
        self.dataset = meta.dataset
        self.keys = meta.keys
        self._lock = lock
        self._writer = writer
        # Held by whoever uses `_writer`.
        self._writing = threading.Lock()
        self._main = os.open(path, os.O_RDONLY)
        self._index = WalIndex(path)
        self._readers = Readers(path)
        self._workers = QueryWorkers(path, meta.dataset)
        self._writes = Writes(writer, meta.dataset, meta.keys)
        self._moves = MovedPages(path, self._main, self._index)
        self._checkpointer = Checkpointer(path, self._index, self._moves, self._writing)
        # The committed columns, or for an instant older ones: `read` checks.
        columns = self._writes.begin().columns
        self._read_sql = (columns, schema.read_row(columns))
        self.layout = Layout()
        self.cleaning = Cleaning(is_needless=True)
        self._has_stamps = False
        self._forgetting = sqlite_stamps.Forgetting()
        self._indexes: frozenset[tuple[str, ...]] | None = None
        self._closed = False

    @classmethod
    def open(
        cls, path: Path, dataset: str, *, keys: KeySchema | None, create: bool
    ) -> SqliteAccelerator:
        """Open the file, or make a new one if `create` and it is not there yet.

        Raises FileBusy, FileUnusable (also for a file of another dataset or other keys), NoSpace,
        FormatUnknown.
        """
        path = path.absolute()
        if not create and not path.exists():
            raise FileUnusable(f"{path}: there is no such file")
        lock = FileLock(path)
        writer: sqlite3.Connection | None = None
        try:
            with translated(path, "opening"):
                writer = connect_writer(path)
                meta = prepare(writer, path, dataset, keys=keys, create=create)
                return cls(path, meta, lock, writer)
        except BaseException:
            if writer is not None:
                writer.close()
            lock.release()
            raise

    # ------------------------------------------------------------------ writing

    def apply(self, batch: Batch, checkpoint: Checkpoint) -> None:
        """Commit changes from the stream; an empty batch commits the checkpoint alone."""
        self._commit("applying changes", lambda: self._writes.apply(batch, checkpoint))

    def append_scan(self, batch: Batch, checkpoint: Checkpoint) -> None:
        """Commit scanned rows. Rows that the stream has touched stay as they are."""
        self._commit("storing scanned items", lambda: self._writes.append(batch, checkpoint))

    def _commit(self, doing: str, write: Callable[[], Known]) -> None:
        with self._writing:
            if self._closed:
                raise FileUnusable(f"{self.path}: the file is closed", hint="open it again")
            known: Known | None = None
            try:
                with (
                    translated(self.path, doing),
                    transaction(self._writer, "BEGIN IMMEDIATE"),
                ):
                    written = write()
                known = written
                if written.columns is not self._read_sql[0]:
                    self._read_sql = (written.columns, schema.read_row(written.columns))
            finally:
                self._writes.commit(known)

    # ------------------------------------------------------------------ reading

    def checkpoint(self) -> Checkpoint | None:
        """The committed checkpoint; None in a file without one."""
        with self._readers.lease() as connection, translated(self.path, "reading the checkpoint"):
            return _read_checkpoint(connection)

    def row_count(self) -> int:
        """Items in the view. Counted by each commit, since count(*) reads the whole table."""
        with self._readers.lease() as connection, translated(self.path, "counting rows"):
            return _read_row_count(connection)

    def columns(self) -> Columns:
        """The committed columns."""
        with self._readers.lease() as connection, translated(self.path, "reading the columns"):
            return _read_columns(connection)

    def counters(self) -> Mapping[str, int]:
        """Totals kept in the file: misfits by attribute (`misfit:NAME`), `quarantined`."""
        with self._readers.lease() as connection, translated(self.path, "reading the counters"):
            return dict(connection.execute(schema.READ_COUNTERS).fetchall())

    def read(self, key: Item) -> Item | None:
        """The exact item with this key (typed DynamoDB JSON), or None."""
        identity = self.keys.identity(key)
        columns, statement = self._read_sql
        with self._readers.lease() as connection, translated(self.path, "reading an item"):
            while True:
                rows = connection.execute(statement, (identity,)).fetchall()
                if not rows:
                    return None
                ((count, *cells, rest),) = rows
                if count == len(columns):
                    return rebuild(columns, cells, rest)
                # A commit has added columns since; without them the item would lack attributes.
                columns = _read_columns(connection)
                statement = schema.read_row(columns)
                self._read_sql = (columns, statement)

    def stamps(self, identities: pa.Array, since_us: int) -> pa.Table:
        """What is remembered of these items, if it reaches to `since_us`."""
        with self._readers.lease() as connection, translated(self.path, "reading stamps"):
            self._has_stamps = self._has_stamps or sqlite_stamps.exists(connection)
            if not self._has_stamps:
                return empty_stamps()
            return sqlite_stamps.read(connection, identities, since_us)

    def items(self, page_rows: int = 10_000) -> Iterator[list[Item]]:
        """Every exact item through the view, in pages, at one point in time.

        Each page is a statement of its own in one transaction: a statement that is left open would
        outlive the closing of its connection.
        """
        with (
            self._readers.lease() as connection,
            translated(self.path, "reading items"),
            transaction(connection),
        ):
            columns = _read_columns(connection)
            statement = schema.read_page(columns)
            last = b""
            while rows := connection.execute(statement, (last, page_rows)).fetchall():
                yield [rebuild(columns, row[1:-1], row[-1]) for row in rows]
                last = rows[-1][0]

    def query(self, sql: str, limits: QueryLimits) -> QueryResult:
        """One read-only statement, locked down. Raises QueryRefused."""
        return self._workers.query(sql, len(self._read_sql[0]), limits)

    # ------------------------------------------------------------------ care

    def maintain(self, *, idle: bool) -> Maintenance:
        """Make what indexes lack; move the log into the main file if due and nobody is frozen."""
        with translated(self.path, "making an index"):
            self._make_indexes(all_of_them=idle)
        with translated(self.path, "forgetting stamps"):
            self._forget_stamps()
        with translated(self.path, "moving the log into the file"):
            return self._checkpointer.run(idle=idle)

    def _make_indexes(self, *, all_of_them: bool) -> None:
        """One after each commit, so that a table that is busy does not wait for all at once."""
        wanted = self.layout.indexes
        if wanted is None:
            return
        with self._writing:
            known = None if self._closed else self._writes.begin()
            if known is None or known.is_scanning:
                return
            if self._indexes is None:
                self._indexes = indexes.present(self._writer)
            due = indexes.steps(wanted, self._indexes, known.columns)
            for statement in due if all_of_them else due[:1]:
                with transaction(self._writer, "BEGIN IMMEDIATE"):
                    self._writer.execute(statement)
                self._indexes = indexes.present(self._writer)

    def _forget_stamps(self) -> None:
        due = self._forgetting.statement(self.layout.stamps_since_us) if self._has_stamps else None
        if due is None:
            return
        with self._writing, transaction(self._writer, "BEGIN IMMEDIATE"):
            self._writer.execute(*due)

    @contextmanager
    def freeze(self) -> Iterator[FrozenImage]:
        """The state of the last commit, readable until the context ends; apply goes on.

        Raises FileUnusable if nothing was committed yet.
        """
        with (
            self._checkpointer.held_off(),
            self._readers.lease() as connection,
            frozen_parts(self.path, connection, self._main, self._index, self._moves) as parts,
        ):
            checkpoint = _read_checkpoint(connection)
            if checkpoint is None:
                raise FileUnusable(f"{self.path}: freezing: the file holds no checkpoint yet")
            yield FrozenImage(
                engine=self.engine,
                engine_version=sqlite3.sqlite_version,
                storage_version=STORAGE_VERSION,
                checkpoint=checkpoint,
                columns=_read_columns(connection),
                keys=self.keys,
                row_count=_read_row_count(connection),
                parts=parts,
            )

    def close(self) -> None:
        """Commit nothing, release the file. Waits for a freeze to end, ends queries and reads."""
        with self._writing:
            if self._closed:
                return
            self._closed = True
        self._checkpointer.end()
        self._workers.close()
        self._readers.close()
        with self._writing:
            # Closing the last connection moves the log into the file and removes the sidecars.
            self._checkpointer.close()
            self._writer.close()
        # Only now: closing these would have dropped the locks of connections still open.
        self._index.close()
        os.close(self._main)
        self._lock.release()


def _read_checkpoint(connection: sqlite3.Connection) -> Checkpoint | None:
    ((text, finished, _),) = connection.execute(schema.READ_STATE).fetchall()
    return None if text is None else checkpoints.decode(text, finished)


def _read_row_count(connection: sqlite3.Connection) -> int:
    ((rows,),) = connection.execute(schema.READ_ROW_COUNT).fetchall()
    return int(rows)


def _read_columns(connection: sqlite3.Connection) -> Columns:
    return schema.columns_of(connection.execute(schema.READ_COLUMNS).fetchall())
