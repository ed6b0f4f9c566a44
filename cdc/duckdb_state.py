"""What an accelerator file says of itself: dataset, keys, columns, checkpoint, counters, upkeep.

Held in memory as one value that is replaced after each commit, and read from the file at open. The
functions here run inside the caller's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from cdc import checkpoint as checkpoints
from cdc.batch import Batch, Poison
from cdc.checkpoint import Checkpoint
from cdc.columns import Columns
from cdc.duckdb_changed import Changed
from cdc.duckdb_file import Database
from cdc.duckdb_sql import (
    BASE,
    DELTAS,
    FORMAT,
    GIVE_UP_SORTING,
    NEXT,
    OTHER,
    READ_CHECKPOINT,
    SCHEMA,
    add_columns,
    create,
    forget,
    identities,
    insert_delta,
    view,
)
from cdc.errors import FileEmpty, FileUnusable, FormatUnknown
from cdc.keys import KeySchema
from cdc.shard_progress import encode_shards, finished


@dataclass(frozen=True, slots=True)
class State:
    """The committed state. `settled`: base was sorted after the scan; unsorted: folded since.

    `active` names the delta that changes go to; `written_rows` came to it since, those that newer
    ones replaced included. `is_sorting`: base is being copied, sorted.
    """

    dataset: str
    keys: KeySchema
    columns: Columns = field(default_factory=Columns)
    checkpoint: Checkpoint | None = None
    counters: Mapping[str, int] = field(default_factory=dict)
    settled: bool = False
    unsorted_rows: int = 0
    active: str = "a"
    active_rows: int = 0
    written_rows: int = 0
    frozen_rows: int = 0
    is_sorting: bool = False

    @property
    def frozen(self) -> str:
        """The other delta."""
        return OTHER[self.active]

    @property
    def is_scanned(self) -> bool:
        """True once the scan has ended: until then tombstones stay, and base is only added to."""
        return self.checkpoint is not None and self.checkpoint.scan.ended_at is not None

    @property
    def resting(self) -> list[str]:
        """The long tables, where commits leave them alone: only upkeep changes them."""
        return [BASE] * self.is_scanned + [NEXT] * self.is_sorting


@dataclass(slots=True)
class Held:
    """The committed state of an open file; replaced only by who is alone among its writers."""

    state: State
    changed: Changed = field(default_factory=Changed)

    @property
    def learns(self) -> bool:
        """True if it is worth asking the deltas what they have changes of."""
        return self.changed.learns(self.state.active_rows + self.state.frozen_rows)

    def learn(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Ask them. To be called by who is alone among writers."""
        if self.learns:
            found = {name: cursor.execute(identities(name)).fetchall() for name in DELTAS}
            self.changed.learn({name: {one for (one,) in rows} for name, rows in found.items()})


def is_ours(cursor: duckdb.DuckDBPyConnection, path: Path) -> bool:
    """True for a file of ours, False for one without any table. Raises FileUnusable for others."""
    tables = cursor.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'db'"
    ).fetchall()
    if (SCHEMA, "meta") in tables:
        return True
    if tables:
        raise FileUnusable(f"cannot use {path}: its tables were not made by snowmelt")
    return False


def initialise(cursor: duckdb.DuckDBPyConnection, dataset: str, keys: KeySchema) -> None:
    """Create all tables and the view."""
    for statement in create(dataset):
        cursor.execute(statement)
    cursor.execute(f"INSERT INTO {SCHEMA}.columns VALUES (?)", [Columns().encode()])
    facts = {"format": FORMAT, "dataset": dataset, "keys": json.dumps(keys.to_json())}
    write_meta(cursor, facts)


def load(cursor: duckdb.DuckDBPyConnection, path: Path) -> State:
    """The state that the file holds. Raises FormatUnknown or FileUnusable."""
    meta = dict(cursor.execute(f"SELECT name, value FROM {SCHEMA}.meta").fetchall())
    if meta.get("format") != FORMAT:
        raise FormatUnknown(
            f"{path} has format {meta.get('format')!r}, this program knows {FORMAT}"
        )
    texts = cursor.execute(READ_CHECKPOINT).fetchall()
    columns = cursor.execute(f"SELECT text FROM {SCHEMA}.columns").fetchall()
    counters = cursor.execute(f"SELECT name, value FROM {SCHEMA}.counters").fetchall()
    active = meta.get("active", "a")
    active_rows = row_count(cursor, DELTAS[active])
    try:
        return State(
            dataset=meta["dataset"],
            keys=KeySchema.from_json(json.loads(meta["keys"])),
            columns=Columns.decode(columns[0][0]),
            checkpoint=checkpoints.decode(*texts[0]) if texts else None,
            counters=dict(counters),
            settled=meta.get("settled") == "true",
            unsorted_rows=int(meta.get("unsorted_rows", "0")),
            active=active,
            active_rows=active_rows,
            written_rows=active_rows,
            frozen_rows=row_count(cursor, DELTAS[OTHER[active]]),
        )
    except (IndexError, KeyError, ValueError, TypeError) as error:
        raise FileUnusable(f"cannot read the state in {path}: {error!r}") from error


def write_meta(cursor: duckdb.DuckDBPyConnection, facts: Mapping[str, str]) -> None:
    """Replace facts of the file."""
    _replace(cursor, f"{SCHEMA}.meta", facts)


def write_checkpoint(
    cursor: duckdb.DuckDBPyConnection, checkpoint: Checkpoint, before: Checkpoint | None
) -> None:
    """Replace the checkpoint; of its finished shards only if they are others than `before`."""
    now = finished(checkpoint.shards)
    _write_text(cursor, "checkpoint", checkpoints.encode_unfinished(checkpoint))
    if before is None or finished(before.shards) != now:
        _write_text(cursor, "finished", encode_shards(now))


def _write_text(cursor: duckdb.DuckDBPyConnection, table: str, text: str) -> None:
    cursor.execute(f"DELETE FROM {SCHEMA}.{table}")
    cursor.execute(f"INSERT INTO {SCHEMA}.{table} VALUES (?)", [text])


def write_columns(cursor: duckdb.DuckDBPyConnection, old: State, new: Columns) -> None:
    """Add the columns that the file does not have, to the tables, the view and the record."""
    added = new.since(old.columns)
    for statement in (
        *add_columns(added, is_sorting=old.is_sorting),
        view(old.dataset, new, old.active),
    ):
        cursor.execute(statement)
    _write_text(cursor, "columns", new.encode())


def add_changes(
    cursor: duckdb.DuckDBPyConnection, state: State, batch: Batch, changed: Changed
) -> State:
    """Write the registered batch to the active delta, over older changes of its items."""
    changed.add(state.active, batch.rows["_h"])
    ((forgotten,),) = cursor.execute(forget(state.active)).fetchall()
    cursor.execute(insert_delta(state.active, batch.columns))
    came = batch.rows.num_rows
    live, written = state.active_rows - forgotten + came, state.written_rows + came
    return replace(state, active_rows=live, written_rows=written)


def swap(cursor: duckdb.DuckDBPyConnection, state: State) -> State:
    """The state with the deltas' roles exchanged; the frozen one must be empty."""
    new = replace(
        state,
        active=state.frozen,
        active_rows=0,
        written_rows=0,
        frozen_rows=state.active_rows,
    )
    cursor.execute(view(new.dataset, new.columns, new.active))
    write_meta(cursor, {"active": new.active})
    return new


def row_count(cursor: duckdb.DuckDBPyConnection, table: str) -> int:
    """Rows of a table."""
    return int(cursor.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def write_counters(cursor: duckdb.DuckDBPyConnection, changed: Mapping[str, int]) -> None:
    """Replace totals."""
    if changed:
        _replace(cursor, f"{SCHEMA}.counters", changed)


def write_quarantine(
    cursor: duckdb.DuckDBPyConnection, poison: Iterable[Poison], at: float | None
) -> None:
    """Keep records that could not be decoded. `at`: service time in epoch seconds."""
    rows = [[at, one.shard_id, one.sequence, one.reason, one.raw] for one in poison]
    if rows:
        cursor.executemany(f"INSERT INTO {SCHEMA}.quarantine VALUES (?, ?, ?, ?, ?)", rows)


def counted(counters: Mapping[str, int], batch: Batch) -> dict[str, int]:
    """The totals that a batch changes."""
    news = {f"misfit:{name}": count for name, count in batch.misfits.items() if count}
    if batch.poison:
        news["quarantined"] = len(batch.poison)
    return {name: counters.get(name, 0) + count for name, count in news.items()}


def _replace(
    cursor: duckdb.DuckDBPyConnection, table: str, values: Mapping[str, str] | Mapping[str, int]
) -> None:
    names = list(values)
    cursor.execute(f"DELETE FROM {table} WHERE name IN (SELECT unnest(?))", [names])
    cursor.execute(
        f"INSERT INTO {table} SELECT unnest(?), unnest(?)", [names, list(values.values())]
    )


def prepared(database: Database, dataset: str, keys: KeySchema | None, *, create: bool) -> State:
    path = database.path
    if not is_ours(database.writer, path):
        if not create:
            raise FileEmpty(f"cannot open {path}: it holds no dataset")
        if keys is None:
            raise FileUnusable(f"cannot create {path}: the table's keys are not known")
        with database.transaction() as cursor:
            initialise(cursor, dataset, keys)
    with database.transaction() as cursor:
        cursor.execute(GIVE_UP_SORTING)  # of a process that ended meanwhile
    state = load(database.writer, path)
    if state.dataset != dataset:
        raise FileUnusable(
            f"cannot open {path} as dataset {dataset!r}: it holds {state.dataset!r}",
            hint="use the name that the file was made with, or another acceleration.path",
        )
    if keys is not None and keys != state.keys:
        raise FileUnusable(
            f"cannot open {path}: its keys are {state.keys.to_json()}, not {keys.to_json()}",
            hint="the file is of another table: use another acceleration.path",
        )
    return state
