"""When the delta is folded into base, and when base is sorted anew.

A lookup skips the row groups whose key range excludes the key, so each run of rows that were
folded in later costs it one more group. Sorting writes all of base, and the next snapshot uploads
all of it: done once when the scan has ended, and again when a quarter of base came in by folds.
"""

from __future__ import annotations

from dataclasses import replace

from cdc import duckdb_sql as sql
from cdc import duckdb_state as states
from cdc.duckdb_file import Database
from cdc.duckdb_state import State

FOLD_ROWS = 100_000
# One checkpoint of a log of this size stalls commits for under 0.1 s.
CHECKPOINT_WAL_BYTES = 4 * 1024 * 1024


def fold_if_due(database: Database, state: State, *, idle: bool) -> tuple[State, int]:
    """The state afterwards and the number of changes that left the delta. Nobody may be frozen."""
    if state.checkpoint is None or state.checkpoint.scan.ended_at is None:
        return state, 0
    delta = _rows(database, sql.DELTA)
    fold = delta >= FOLD_ROWS or (idle and delta > 0)
    settle = not state.settled
    if fold and not settle:
        settle = state.unsorted_rows + delta > max(FOLD_ROWS, _rows(database, sql.BASE) // 4)
    # Sorting writes base a second time before the first is given up.
    if settle and database.has_room(database.main.size()):
        new = replace(state, settled=True, unsorted_rows=0)
        statements = sql.settle(state.columns, state.keys)
    elif fold:
        new = replace(state, unsorted_rows=state.unsorted_rows + delta)
        statements = sql.fold(state.columns, state.keys)
    else:
        return state, 0
    database.before_drop()
    with database.transaction() as cursor:
        for statement in statements:
            cursor.execute(statement)
        settled = str(new.settled).lower()
        facts = {"settled": settled, "unsorted_rows": str(new.unsorted_rows)}
        states.write_meta(cursor, facts)
    return new, delta


def _rows(database: Database, table: str) -> int:
    return int(database.writer.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])
