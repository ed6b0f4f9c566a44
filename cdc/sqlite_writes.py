"""The statements of one commit: rows from Arrow, new columns, tombstones, counters, checkpoint.

Runs inside the transaction of `cdc.sqlite_accelerator`, on its writing connection. Rows are
written in the order of their identity, so that neighbours meet on the same page.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cdc import checkpoint as checkpoints
from cdc import sqlite_schema as schema
from cdc import sqlite_stamps as stamps
from cdc.batch import Batch, Poison, schema_of
from cdc.checkpoint import Checkpoint
from cdc.columns import Columns
from cdc.keys import KeySchema
from cdc.shard_progress import ShardProgress, encode_shards, finished


@dataclass(frozen=True, slots=True)
class Known:
    """What a commit needs of the one before. `indexed`: names of the columns of the key's index.

    `finished`: the shards that the file holds as read to their end.
    """

    columns: Columns
    row_count: int
    is_scanning: bool
    indexed: tuple[str, ...]
    finished: Mapping[str, ShardProgress]


class Writes:
    """Writes batches; remembers what the last commit left."""

    def __init__(self, connection: sqlite3.Connection, dataset: str, keys: KeySchema) -> None:
        self._connection = connection
        self._dataset = dataset
        self._keys = keys
        self._known: Known | None = self._learn()

    def begin(self) -> Known:
        """What the file holds."""
        return self._known or self._learn()

    def commit(self, known: Known | None) -> None:
        """Remember what was committed. None: the outcome is open, the file is asked next time."""
        self._known = known

    def _learn(self) -> Known:
        execute = self._connection.execute
        columns = schema.columns_of(execute(schema.READ_COLUMNS).fetchall())
        ((text, apart, row_count),) = execute(schema.READ_STATE).fetchall()
        held = None if text is None else checkpoints.decode(text, apart)
        is_scanning = held is None or held.scan.ended_at is None
        ((has_index,),) = execute(schema.HAS_KEY_INDEX).fetchall()
        indexed = schema.key_columns(self._keys, columns) if has_index else ()
        ended = finished(held.shards if held else {})
        return Known(columns, row_count, is_scanning, indexed, ended)

    def apply(self, batch: Batch, checkpoint: Checkpoint) -> Known:
        """Write changes, the newest state over older, and the checkpoint."""
        known = self._grow(self.begin(), batch.columns)
        if batch.rows.num_rows:
            rows = _checked(batch, known.columns)
            dead = rows["_dead"]
            gone = rows.filter(dead)["_h"].to_pylist()
            change = self._upsert(_tuples(rows.filter(pc.invert(dead)), known.columns), known)
            change -= self._delete(gone)
            if checkpoint.scan.ended_at is None:
                self._connection.executemany(schema.BURY, zip(gone))
            known = replace(known, row_count=known.row_count + change)
        if batch.stamps is not None:
            stamps.write(self._connection, batch.stamps)
        return self._finish(known, batch, checkpoint)

    def append(self, batch: Batch, checkpoint: Checkpoint) -> Known:
        """Write scanned rows that the stream has not touched, and the checkpoint."""
        known = self._grow(self.begin(), batch.columns)
        if batch.rows.num_rows:
            rows = _tuples(_checked(batch, known.columns), known.columns)
            ((has_tombstones,),) = self._connection.execute(schema.HAS_TOMBSTONES).fetchall()
            append = partial(schema.append, known.columns, has_tombstones=bool(has_tombstones))
            added = self._write(append, rows, known.columns)
            known = replace(known, row_count=known.row_count + added)
        return self._finish(known, batch, checkpoint)

    def _grow(self, known: Known, columns: Columns) -> Known:
        mine = known.columns
        if columns.all[: len(mine)] != mine.all[: len(columns)]:
            raise ValueError("the batch's columns do not continue the file's")
        if len(columns) <= len(mine):
            return known
        for statement in schema.grow(self._dataset, columns.since(mine), columns):
            self._connection.execute(statement)
        self._connection.executemany(
            schema.ADD_COLUMN_ROW,
            [(column.name, column.kind, column.scale) for column in columns.since(mine)],
        )
        known = replace(known, columns=columns)
        # In a table that is followed it would keep a commit waiting.
        return known if known.is_scanning or known.row_count else self._indexed(known)

    def _indexed(self, known: Known) -> Known:
        """Make the key's index where it is missing: sorted at once it takes a tenth of the time."""
        if known.indexed:
            return known
        indexed = schema.key_columns(self._keys, known.columns)
        if indexed:
            self._connection.execute(schema.create_key_index(indexed))
        return replace(known, indexed=indexed)

    def _upsert(self, rows: list[tuple[Any, ...]], known: Known) -> int:
        """Write rows; how many items there are more than before."""
        if not rows:
            return 0
        existing = self._existing([row[0] for row in rows])
        columns, upsert = known.columns, partial(schema.upsert, known.columns, known.indexed)
        if self._write(upsert, rows, columns) != len(rows):
            self._write(partial(schema.overwrite, columns), rows, columns)
        return len(rows) - existing

    def _existing(self, identities: list[bytes]) -> int:
        found = (self._connection.execute(schema.PROBE, some) for some in _padded(identities))
        return sum(count for cursor in found for (count,) in cursor.fetchall())

    def _delete(self, identities: list[bytes]) -> int:
        groups = list(_padded(identities))
        return self._connection.executemany(schema.DELETE_ROWS, groups).rowcount if groups else 0

    def _write(
        self, statement: Callable[[int], str], rows: list[tuple[Any, ...]], columns: Columns
    ) -> int:
        """Run the statement for groups of rows; how many were written.

        Each run gives Python's lock away, and beside busy threads it takes milliseconds to get it
        back: as long as to write a hundred rows.
        """
        written = at = 0
        for size in schema.groups(columns):
            end = at + (len(rows) - at) // size * size
            groups = [tuple(chain.from_iterable(rows[n : n + size])) for n in range(at, end, size)]
            if groups:
                written += self._connection.executemany(statement(size), groups).rowcount
            at = end
        return written

    def _finish(self, known: Known, batch: Batch, checkpoint: Checkpoint) -> Known:
        is_scanning = checkpoint.scan.ended_at is None
        if known.is_scanning and not is_scanning:
            self._connection.execute(schema.FORGET_TOMBSTONES)
            known = self._indexed(known)
        counts = {f"misfit:{name}": count for name, count in batch.misfits.items()}
        if batch.poison:
            counts["quarantined"] = self._quarantine(batch.poison)
        if counts:
            self._connection.executemany(schema.COUNT_UP, counts.items())
        text = checkpoints.encode_unfinished(checkpoint)
        self._connection.execute(schema.WRITE_STATE, (checkpoint.version, text, known.row_count))
        ended = finished(checkpoint.shards)
        if ended != known.finished:
            self._connection.execute(schema.WRITE_FINISHED, [encode_shards(ended)])
        return replace(known, is_scanning=is_scanning, finished=ended)

    def _quarantine(self, poison: Iterable[Poison]) -> int:
        rows = [(record.shard_id, record.sequence, record.reason, record.raw) for record in poison]
        return self._connection.executemany(schema.QUARANTINE, rows).rowcount


def _checked(batch: Batch, columns: Columns) -> pa.Table:
    """The batch's rows by identity, with a NULL cell for each column that only the file has.

    Raises ValueError for other types than the contract's: SQLite would store what it is given.
    """
    wanted = schema_of(batch.columns)
    if batch.rows.schema.names != wanted.names or batch.rows.schema.types != wanted.types:
        raise ValueError(f"the batch's rows are {batch.rows.schema.types}, not {wanted.types}")
    rows = batch.rows
    for field in schema_of(columns):
        if field.name not in wanted.names:
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    return rows.sort_by("_h")


def _padded(identities: list[bytes]) -> Iterator[list[bytes | None]]:
    """Groups of `schema.PROBE_SIZE`, the last one with NULLs, which are equal to nothing."""
    for start in range(0, len(identities), schema.PROBE_SIZE):
        some = identities[start : start + schema.PROBE_SIZE]
        yield [*some, *[None] * (schema.PROBE_SIZE - len(some))]


def _tuples(rows: pa.Table, columns: Columns) -> list[tuple[Any, ...]]:
    names = ("_h", *columns.names, "_rest")
    return list(zip(*(rows[name].to_pylist() for name in names), strict=True))
