"""The DuckDB accelerator: a dataset as base + two deltas in one file, with its checkpoint.

Changes go to the active delta, so a commit costs the same at any size of base; `maintain` folds the
frozen one in, sorted, once the scan has ended and while nobody has the file frozen. Statements are
in `cdc.duckdb_sql`, the file in `cdc.duckdb_file`, folding in `cdc.duckdb_upkeep`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import duckdb
import pyarrow as pa

from cdc import duckdb_sql as sql
from cdc import duckdb_state as states
from cdc.accelerator import Engine, FrozenImage, Layout, Maintenance, QueryLimits, QueryResult
from cdc.batch import Batch
from cdc.checkpoint import Checkpoint
from cdc.columns import Columns
from cdc.duckdb_blocks import table_blocks
from cdc.duckdb_errors import translating
from cdc.duckdb_file import Database, clear_spill
from cdc.duckdb_freeze import main_part, open_tail
from cdc.duckdb_gate import Gate
from cdc.duckdb_lookup import lookup
from cdc.duckdb_query import Queries
from cdc.duckdb_stamps import Stamps
from cdc.duckdb_state import Held, State, prepared
from cdc.duckdb_upkeep import CHECKPOINT_WAL_BYTES, Upkeep, swap_is_due
from cdc.errors import CdcError, FileUnusable
from cdc.keys import Item, KeySchema
from cdc.rebuild import rebuild


class DuckdbAccelerator:
    """See `cdc.accelerator.Accelerator`."""

    engine: Engine = "duckdb"
    commits_beside_upkeep = True

    def __init__(self, database: Database, state: State) -> None:
        self.path = database.path
        self.dataset = state.dataset
        self.keys = state.keys
        self._database = database
        self._held = Held(state)
        self._stamps = Stamps(database)
        self._behind_rows = 0
        self._growth = 0
        self._gate = Gate()
        self._upkeep = Upkeep(database, self._gate, self._held)
        self.cleaning = self._upkeep.cleaning
        self._queries = Queries(database, state.dataset)
        self.layout = Layout()
        self._closed = False

    @classmethod
    def open(
        cls,
        path: Path,
        dataset: str,
        *,
        keys: KeySchema | None,
        create: bool,
        memory_limit: str | None,
        storage_version: str,
    ) -> DuckdbAccelerator:
        """Open the file, or make it if `create` and it is missing. See `cdc.engines`."""
        path = path.absolute()
        exists = path.exists()
        if not exists and not create:
            raise FileUnusable(f"cannot open {path}: there is no such file")
        clear_spill(path)
        database = Database(
            path, exists=exists, memory_limit=memory_limit, storage_version=storage_version
        )
        try:
            with translating(path, "open"):
                state = prepared(database, dataset, keys, create=create)
                database.checkpoint()
                return cls(database, state)
        except BaseException:
            database.close()
            raise

    def checkpoint(self) -> Checkpoint | None:
        return self._held.state.checkpoint

    def columns(self) -> Columns:
        return self._held.state.columns

    def counters(self) -> Mapping[str, int]:
        return dict(self._held.state.counters)

    # ------------------------------------------------------------ writing

    def apply(self, batch: Batch, checkpoint: Checkpoint) -> None:
        def write(cursor: duckdb.DuckDBPyConnection, state: State) -> State:
            new = states.add_changes(cursor, state, batch, self._held.changed)
            return states.swap(cursor, new) if swap_is_due(new) else new

        self._commit(batch, checkpoint, write, "apply a batch to")

    def append_scan(self, batch: Batch, checkpoint: Checkpoint) -> None:
        def write(cursor: duckdb.DuckDBPyConnection, state: State) -> State:
            cursor.execute(sql.insert_base(batch.columns))
            return state

        self._commit(batch, checkpoint, write, "append a scan page to")

    def _commit(
        self,
        batch: Batch,
        checkpoint: Checkpoint,
        write: Callable[[duckdb.DuckDBPyConnection, State], State],
        action: str,
    ) -> None:
        is_growing = len(sql.grown(self.columns(), batch.columns)) > len(self.columns())
        with (
            translating(self.path, action),
            self._asking_after_errors(),
            self._gate.upkeep() if is_growing else nullcontext(),
            self._gate.writing(),
        ):
            old = self._held.state
            columns = sql.grown(old.columns, batch.columns)
            counters = states.counted(old.counters, batch)
            new = replace(
                old, columns=columns, checkpoint=checkpoint, counters={**old.counters, **counters}
            )
            registered = self._database.registered(sql.BATCH, batch.rows)
            offered = self._stamps.offered(batch.stamps)
            with self._changing(is_growing), registered, offered:
                with self._database.transaction() as cursor:
                    if is_growing:
                        states.write_columns(cursor, old, columns)
                    if batch.rows.num_rows:
                        new = write(cursor, new)
                    states.write_counters(cursor, counters)
                    states.write_quarantine(cursor, batch.poison, checkpoint.updated_at)
                    self._stamps.write(cursor, batch.stamps)
                    states.write_checkpoint(cursor, checkpoint, old.checkpoint)
                self._held.state = new
                self._behind_rows += batch.rows.num_rows

    @contextmanager
    def _asking_after_errors(self) -> Iterator[None]:
        """After an error hold whatever the file says. To be entered before the gate's locks."""
        try:
            yield
        except BaseException:
            with self._gate.upkeep(), self._gate.writing():
                self._upkeep.begin_anew()
                # A file that cannot even be read keeps the old state until it is opened again.
                with suppress(duckdb.Error, CdcError):
                    self._held.state = states.load(self._database.writer, self.path)
            raise

    @contextmanager
    def _changing(self, is_changing: bool) -> Iterator[None]:  # noqa: FBT001 - by a fact
        """Odd while columns are added or widened: a lookup knows then that it saw half of it."""
        self._growth += is_changing
        try:
            yield
        finally:
            self._growth += is_changing

    # ------------------------------------------------------------ reading

    def read(self, key: Item) -> Item | None:
        identity = UUID(bytes=self.keys.identity(key))
        with translating(self.path, "look up a key in"):
            while True:
                growth = self._growth
                if growth % 2 == 0:
                    item = lookup(self._database, self._gate, self._held, identity)
                    if self._growth == growth:
                        return item
                with self._gate.writing():
                    pass  # columns are being changed: wait for that commit

    def stamps(self, identities: pa.Array, since_us: int) -> pa.Table:
        with self._gate.writing(), translating(self.path, "look up stamps in"):
            return self._stamps.read(identities, since_us)

    def items(self, page_rows: int = 10_000) -> Iterator[list[Item]]:
        with translating(self.path, "read the items of"), self._at_commit() as (cursor, state):
            cursor.execute(sql.select_items(self.dataset, state.columns))
            while rows := cursor.fetchmany(page_rows):
                yield [rebuild(state.columns, row[:-1], row[-1]) for row in rows]

    def row_count(self) -> int:
        with translating(self.path, "count the rows of"), self._database.pinned() as cursor:
            # Of base alone the engine knows it without a look at the rows.
            has_deltas = any(states.row_count(cursor, delta) for delta in sql.DELTAS.values())
            return states.row_count(cursor, sql.view_name(self.dataset) if has_deltas else sql.BASE)

    def query(self, sql: str, limits: QueryLimits) -> QueryResult:
        return self._queries.run(sql, limits)

    @contextmanager
    def _at_commit(self) -> Iterator[tuple[duckdb.DuckDBPyConnection, State]]:
        """A read transaction and the state of exactly the same commit."""
        with ExitStack() as stack:
            with self._gate.writing():
                cursor = stack.enter_context(self._database.pinned())
                state = self._held.state
            yield cursor, state

    # ------------------------------------------------------------ freezing

    @contextmanager
    def freeze(self) -> Iterator[FrozenImage]:
        with ExitStack() as stack:
            with translating(self.path, "freeze"):
                image = self._frozen(stack)
            yield image

    def _frozen(self, stack: ExitStack) -> FrozenImage:
        """The image; what it needs until the end of the freeze is left on the stack."""
        with ExitStack() as reader:
            with self._gate.upkeep(), self._gate.writing():
                state = self._held.state
                if state.checkpoint is None:
                    raise FileUnusable(
                        f"cannot freeze {self.path}: it holds no checkpoint yet",
                        hint="wait for the first commit",
                    )
                self._gate.hold()
                stack.callback(self._gate.release)
                self._database.main.hold()
                stack.callback(self._database.main.release)
                tail = open_tail(self._database.wal_path, self._database.wal_bytes())
                if tail is not None:
                    stack.callback(os.close, tail.descriptor)
                cursor = reader.enter_context(self._database.pinned())
            row_count = states.row_count(cursor, sql.view_name(self.dataset))
        with self._database.cursor() as cursor:
            known = {table: table_blocks(cursor, table) for table in state.resting}
        with self._gate.writing():
            used = self._database.used_blocks(known)
        main = main_part(self._database.main, used)
        return FrozenImage(
            engine=self.engine,
            engine_version=duckdb.__version__,
            storage_version=self._database.storage_version,
            checkpoint=state.checkpoint,
            columns=state.columns,
            keys=self.keys,
            row_count=row_count,
            parts=(main,) if tail is None else (main, tail),
        )

    # ------------------------------------------------------------ upkeep

    def maintain(self, *, idle: bool) -> Maintenance:
        with (
            translating(self.path, "maintain"),
            self._asking_after_errors(),
            self._gate.upkeep(),
        ):
            if self._gate.is_frozen:
                return Maintenance(wal_bytes=self._database.wal_bytes())
            self._upkeep.layout = self.layout
            with self._gate.writing():
                behind_rows, self._behind_rows = self._behind_rows, 0
            with self._widening():
                done = self._upkeep.run(idle=idle, behind_rows=behind_rows)
            with self._gate.writing():
                self._stamps.maintain(self.layout.stamps_since_us)
                wal = self._database.wal_bytes()
                # What was folded leaves dead blocks behind, which only a checkpoint gives back.
                due = wal >= CHECKPOINT_WAL_BYTES or (wal > 0 and idle and done.is_last)
                due |= self.cleaning.stage == "copied"
                checkpointed = due and self._upkeep.checkpoint()
                wal, widens = self._database.wal_bytes(), self._upkeep.is_widening
            return Maintenance(done.folded_rows, checkpointed, wal, not done.is_last, widens)

    @contextmanager
    def _widening(self) -> Iterator[None]:
        """Alone, if columns get another type in what follows."""
        if self._upkeep.is_widening:
            with self._gate.writing(), self._changing(True):
                yield
        else:
            yield

    def close(self) -> None:
        with self._gate.upkeep(), self._gate.writing():
            if not self._closed:
                self._closed = True
                self._database.close()
