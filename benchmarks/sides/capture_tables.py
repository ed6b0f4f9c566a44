"""The tables that the other ways of capture write: nine columns declared beforehand and a key.

Snowmelt finds its columns by itself and keeps what does not fit; these know the table already, and
keep what the column's type makes of a value.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.workload.content import digest
from benchmarks.workload.pages import ATTRIBUTES
from cdc.keys import canonical_number

NUMBERS = ("revision", "weight", "updated_at")
_TYPES = {
    "duckdb": {
        "revision": "BIGINT",
        "weight": "DOUBLE",
        "updated_at": "BIGINT",
        "enabled": "BOOLEAN",
    },
    "sqlite": {
        "revision": "INTEGER",
        "weight": "REAL",
        "updated_at": "INTEGER",
        "enabled": "INTEGER",
    },
}
Row = tuple[Any, ...]


def create_table(engine: str, *, keyed: bool) -> str:
    """The statement that makes `items`."""
    types = _TYPES[engine]
    columns = [f"{name} {types.get(name, 'VARCHAR')}" for name in ATTRIBUTES]
    key = ", PRIMARY KEY (tenant, route)" if keyed else ""
    return f"CREATE TABLE items ({', '.join(columns)}{key})"


def open_sqlite(path: Path) -> sqlite3.Connection:
    """A connection without implicit transactions that takes Decimal as text."""
    sqlite3.register_adapter(Decimal, str)
    return sqlite3.connect(path, isolation_level=None)


def open_duckdb(path: Path) -> Any:
    """A connection with the engine's defaults."""
    import duckdb

    return duckdb.connect(str(path))


def content(connection: Any) -> str:
    """The digest of all rows of `items`."""
    cursor = connection.execute(f"SELECT {', '.join(ATTRIBUTES)} FROM items")
    return digest(_plain(row) for row in _fetched(cursor))


def _fetched(cursor: Any) -> Iterator[Row]:
    while rows := cursor.fetchmany(10_000):
        yield from rows


def _plain(row: Row) -> dict[str, Any]:
    item = {name: value for name, value in zip(ATTRIBUTES, row, strict=True) if value is not None}
    item |= {name: canonical_number(str(item[name])) for name in NUMBERS}
    return {**item, "enabled": bool(item["enabled"]), "config": json.loads(item["config"])}
