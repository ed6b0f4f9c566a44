"""The tables that the other ways of capture write: their columns declared beforehand, and a key.

Snowmelt finds its columns by itself and keeps what does not fit; these know the table already, and
keep what the column's type makes of a value. Each table is filled once and copied for each turn.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from benchmarks.workload import entries
from benchmarks.workload.entries import ATTRIBUTES

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
# The misfits of a scanned row lie in `_rest`; here a name that is a number is its text.
PLAIN = "* REPLACE (coalesce(name, json_extract_string(_rest, '$.name.N')) AS name)"
Row = tuple[Any, ...]
_ARROW = {"_rest": pa.string(), "name": pa.string(), "state": pa.string()}

INSERT = f"INSERT OR REPLACE INTO items VALUES ({', '.join('?' * len(ATTRIBUTES))})"
DELETE = "DELETE FROM items WHERE tenant = ? AND route = ?"


def fill(params: dict[str, Any]) -> dict[str, Any]:
    """Make the file with all rows in their first revision."""
    engine, path = params["engine"], Path(params["path"])
    connection = connect(engine, path)
    connection.execute(_create_table(engine, keyed=params["keyed"]))
    connection.execute("CREATE TABLE position (sequence VARCHAR)")
    connection.execute("INSERT INTO position VALUES ('')")
    names = ", ".join(ATTRIBUTES)
    with duckdb.connect(":memory:") as plain:
        for batch in entries.all_rows(params["rows"]):
            plain.register("rows", batch.rows)
            rows = plain.sql(f"SELECT {names} FROM (SELECT {PLAIN} FROM rows)").to_arrow_table()
            if engine == "duckdb":
                connection.register("rows", rows)
                connection.execute("INSERT INTO items SELECT * FROM rows")
                connection.unregister("rows")
            else:
                connection.execute("BEGIN")
                connection.executemany(INSERT.removesuffix(" OR REPLACE"), _tuples(rows))
                connection.execute("COMMIT")
    connection.close()
    return {}


def _create_table(engine: str, *, keyed: bool) -> str:
    types = _TYPES[engine]
    columns = [f"{name} {types.get(name, 'VARCHAR')}" for name in ATTRIBUTES]
    key = ", PRIMARY KEY (tenant, route)" if keyed else ""
    return f"CREATE TABLE items ({', '.join(columns)}{key})"


def connect(engine: str, path: Path) -> Any:
    """A connection without implicit transactions; SQLite's takes Decimal as text."""
    if engine == "duckdb":
        return duckdb.connect(str(path))
    sqlite3.register_adapter(Decimal, str)
    return sqlite3.connect(path, isolation_level=None)


def content(engine: str, path: Path) -> tuple[str, int]:
    """The digest of the rows of a closed file, as its engine shows them, and how many are misfits.

    Only a file of Snowmelt's has the column `_rest`.
    """
    with entries.connect() as connection:
        if engine == "duckdb":
            connection.execute(f"ATTACH '{path}' AS file (READ_ONLY)")
            connection.execute("CREATE VIEW stored AS SELECT * FROM file.main.items")
        else:
            _load_sqlite(connection, path)
        names = [row[0] for row in connection.execute("DESCRIBE stored").fetchall()]
        is_plain = "_rest" not in names
        connection.execute(f"CREATE VIEW plain AS SELECT {'*' if is_plain else PLAIN} FROM stored")
        count = "count(NULL)" if is_plain else "count(_rest)"
        ((misfits,),) = connection.execute(f"SELECT {count} FROM stored").fetchall()
        return entries.digest(connection, "plain"), misfits


def _load_sqlite(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    with closing(sqlite3.connect(path)) as reader:
        cursor = reader.execute("SELECT * FROM items")
        names = [column[0] for column in cursor.description]
        verb = "CREATE TABLE stored AS"
        while rows := list(islice(cursor, 100_000)):
            columns = zip(names, zip(*rows, strict=True), strict=True)
            table = {name: pa.array(cells, _ARROW.get(name)) for name, cells in columns}
            connection.register("part", pa.table(table))
            connection.execute(f"{verb} SELECT * FROM part")
            verb = "INSERT INTO stored"


def _tuples(rows: pa.Table) -> list[Row]:
    return list(zip(*(column.to_pylist() for column in rows.columns), strict=True))
