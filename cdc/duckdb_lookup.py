"""One item by its identity: in the deltas, then in base."""

from __future__ import annotations

from uuid import UUID

from cdc import duckdb_sql as sql
from cdc.duckdb_file import Database
from cdc.duckdb_gate import Gate
from cdc.duckdb_state import Held
from cdc.keys import Item
from cdc.rebuild import rebuild


def lookup(database: Database, gate: Gate, held: Held, identity: UUID) -> Item | None:
    """The item, or None. In the direction in which rows move, so that none is missed on its way."""
    if held.learns:
        with gate.writing():
            held.learn(database.writer)
    state, changed = held.state, held.changed
    columns = state.columns
    deltas = [each for each in (state.active, state.frozen) if changed.has(each, identity.bytes)]
    with database.cursor() as cursor:
        for delta in deltas:
            rows = cursor.execute(sql.lookup_delta(delta, columns, identity)).fetchall()
            if rows:
                dead, *row = rows[0]
                return None if dead else rebuild(columns, row[:-1], row[-1])
        rows = cursor.execute(sql.lookup_base(columns, identity)).fetchall()
    return rebuild(columns, rows[0][:-1], rows[0][-1]) if rows else None
