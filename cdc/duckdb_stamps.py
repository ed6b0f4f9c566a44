"""The table of stamps in a DuckDB file, made with the first of them.

    _snowmelt.stamps   as `cdc.ordering.STAMPS`, digests as UUID; one row per identity

It has no index, so a commit looks at every identity in it (40 ms for five million), whatever the
number of its changes. A lookup skips the row groups that lie before all times of a batch, since
stamps are written nearly in the order of time.

A stamp that was replaced takes room until its whole row group is dead, and one item that does not
change keeps that alive. So when more is dead than alive, the oldest rows are written anew at the
end, some row groups at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import duckdb
import pyarrow as pa

from cdc.duckdb_file import ROW_GROUP_ROWS, Database
from cdc.duckdb_sql import SCHEMA
from cdc.ordering import STAMPS, empty_stamps

TABLE = f"{SCHEMA}.stamps"
# The names under which Arrow tables are registered with the writer's connection.
_BATCH, _ASKED = "_snowmelt_batch_stamps", "_snowmelt_asked"
_DIGESTS = ("_h", "image", "before")
_CREATE = (
    f"CREATE TABLE IF NOT EXISTS {TABLE} (_h UUID, first_us BIGINT, last_us BIGINT, event VARCHAR,"
    " image UUID, before UUID, crowded BOOLEAN, repaired_us BIGINT)"
)
_FORGET = f"DELETE FROM {TABLE} WHERE _h IN (SELECT _h::UUID FROM {_BATCH})"
_FORGET_STEP_US = 600 * 1_000_000
_ROWS = (
    f"SELECT estimated_size, (SELECT count(*) FROM {TABLE}), (SELECT min(rowid) FROM {TABLE})"
    " FROM duckdb_tables() WHERE database_name = 'db'"
    f" AND schema_name = '{SCHEMA}' AND table_name = 'stamps'"
)
_MOVE = (
    f"INSERT INTO {TABLE} SELECT * FROM {TABLE} WHERE rowid < ?",
    f"DELETE FROM {TABLE} WHERE rowid < ?",
)
# Rows that a step moves or drops. Half as many are written from one look whether it is due to the
# next: where half of a step's rows are dead, it makes the room that was written.
MOVE_ROWS = 8 * ROW_GROUP_ROWS


def _columns(as_digest: str) -> str:
    return ", ".join(as_digest.format(name) if name in _DIGESTS else name for name in STAMPS.names)


_INSERT = f"INSERT INTO {TABLE} SELECT {_columns('{}::UUID')} FROM {_BATCH}"
_BYTES = "unhex(replace({0}::VARCHAR, '-', '')) AS {0}"
_READ = (
    f"SELECT {_columns(_BYTES)} FROM {TABLE}"
    f" WHERE last_us >= ? AND _h IN (SELECT _h::UUID FROM {_ASKED})"
)


class Stamps:
    """The stamps of one file; used by whoever may write to it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._exists = False
        self._forgotten_us = 0
        self._written = 0

    @contextmanager
    def offered(self, stamps: pa.Table | None) -> Iterator[None]:
        """Let the writer read them. To be entered before its transaction."""
        with ExitStack() as stack:
            if stamps is not None:
                stack.enter_context(self._database.registered(_BATCH, stamps))
            yield

    def write(self, cursor: duckdb.DuckDBPyConnection, stamps: pa.Table | None) -> None:
        """Those that were offered, in the place of older ones of the same items."""
        if stamps is not None:
            for statement in (_CREATE, _FORGET, _INSERT):
                cursor.execute(statement)
            self._written += stamps.num_rows

    def read(self, identities: pa.Array, since_us: int) -> pa.Table:
        """The stamps of these items, if they reach to `since_us`."""
        if not self._is_there():
            return empty_stamps()
        asked = pa.table({"_h": identities})
        with self._database.registered(_ASKED, asked):
            found = self._database.writer.sql(_READ, params=[since_us]).to_arrow_table()
        return found.cast(STAMPS)

    def maintain(self, before_us: int | None) -> None:
        """Drop what is older, some minutes of it at a time, and the room of what was replaced."""
        self._forget(before_us)
        if self._written >= MOVE_ROWS // 2:
            self._written = 0
            self._move()

    def _move(self) -> None:
        """One step, if more is dead than alive, and more than a step moves."""
        ((held, alive, first),) = self._database.writer.execute(_ROWS).fetchall()
        if held - alive > max(alive, MOVE_ROWS):
            with self._database.transaction() as cursor:
                for statement in _MOVE:
                    cursor.execute(statement, [first + MOVE_ROWS])

    def _forget(self, before_us: int | None) -> None:
        is_due = before_us is not None and before_us >= self._forgotten_us + _FORGET_STEP_US
        if is_due and self._is_there():
            with self._database.transaction() as cursor:
                cursor.execute(f"DELETE FROM {TABLE} WHERE last_us < ?", [before_us])
            self._forgotten_us = before_us or 0

    def _is_there(self) -> bool:
        if not self._exists:
            query = (
                "SELECT count(*) FROM duckdb_tables() WHERE database_name = 'db'"
                f" AND schema_name = '{SCHEMA}' AND table_name = 'stamps'"
            )
            ((count,),) = self._database.writer.execute(query).fetchall()
            self._exists = bool(count)
        return self._exists
