"""Indexes on the attribute columns of a SQLite file, made and dropped beside its life.

They are made by upkeep, one at a time, once the scan has ended: a scan that has to keep them costs
several times as much. Making one waits for no reader, but holds up commits (about 1 s for each
million rows). An index leaves rows without its first attribute out, as DynamoDB's own do. It lies
in the file, so a snapshot carries it.

The names of the attributes are the index's name: that is how a file says which ones it has.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from cdc.columns import Columns
from cdc.sqlite_schema import ROWS, quoted

_PREFIX = "_snowmelt_by:"
_LIST = f"SELECT name FROM sqlite_master WHERE type = 'index' AND name GLOB '{_PREFIX}*'"

Names = tuple[str, ...]


def present(connection: sqlite3.Connection) -> frozenset[Names]:
    """The indexes that the file has."""
    rows = connection.execute(_LIST).fetchall()
    return frozenset(tuple(json.loads(name.removeprefix(_PREFIX))) for (name,) in rows)


def steps(wanted: Iterable[Names], held: frozenset[Names], columns: Columns) -> list[str]:
    """The statements that lead to the wanted indexes; those without their columns have to wait."""
    names = frozenset(columns.names)
    possible = [index for index in dict.fromkeys(wanted) if names.issuperset(index)]
    dropped = [f"DROP INDEX {_name(index)}" for index in sorted(held - frozenset(possible))]
    return dropped + [_create(index) for index in possible if index not in held]


def _create(index: Names) -> str:
    listed = ", ".join(map(quoted, index))
    return f"CREATE INDEX {_name(index)} ON {ROWS} ({listed}) WHERE {quoted(index[0])} IS NOT NULL"


def _name(index: Names) -> str:
    return quoted(_PREFIX + json.dumps(index, ensure_ascii=False, separators=(",", ":")))
