"""One item by its identity: in the deltas, then in base."""

from __future__ import annotations

from uuid import UUID

from cdc import duckdb_sql as sql
from cdc.duckdb_file import Database
from cdc.duckdb_state import State
from cdc.keys import Item
from cdc.rebuild import rebuild


def lookup(database: Database, state: State, identity: UUID) -> Item | None:
    """The item, or None. In the direction in which rows move, so that none is missed on its way."""
    columns = state.columns
    with database.cursor() as cursor:
        # One statement asks both deltas, because most items are in neither.
        found = {name for (name,) in cursor.execute(sql.in_deltas(identity)).fetchall()}
        for delta in (state.active, state.frozen):
            statement = sql.lookup_delta(delta, columns, identity)
            changed = cursor.execute(statement).fetchall() if delta in found else []
            if changed:
                dead, *row = changed[0]
                return None if dead else rebuild(columns, row[:-1], row[-1])
        rows = cursor.execute(sql.lookup_base(columns, identity)).fetchall()
    return rebuild(columns, rows[0][:-1], rows[0][-1]) if rows else None
