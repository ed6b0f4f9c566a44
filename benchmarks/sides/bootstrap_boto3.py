"""The competent simple way: boto3's client, a statement a page, columns known beforehand."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.kit.child import measured, preload
from benchmarks.workload.scan_pages import KEY_NAMES, TABLE, content

_TYPES = {
    "tenant": "VARCHAR",
    "route": "VARCHAR",
    "name": "VARCHAR",
    "state": "VARCHAR",
    "revision": "BIGINT",
    "weight": "DOUBLE",
    "enabled": "BOOLEAN",
    "config": "VARCHAR",
    "updated_at": "BIGINT",
}
_COLUMNS = ", ".join(f"{name} {kind}" for name, kind in _TYPES.items())
_INSERT = f"INSERT INTO {TABLE} VALUES ({', '.join('?' * len(_TYPES))})"
_READ = f"SELECT {', '.join(_TYPES)} FROM {TABLE}"
_Row = tuple[Any, ...]


def run(params: dict[str, Any]) -> dict[str, Any]:
    """Load the table, a transaction for each page."""
    import boto3

    client = boto3.client(
        "dynamodb",
        endpoint_url=params["endpoint"],
        region_name="us-east-1",
        aws_access_key_id="benchmark",
        aws_secret_access_key="benchmark",  # noqa: S106 - the server on loopback checks none
    )
    pages = client.get_paginator("scan").paginate(TableName=TABLE, ConsistentRead=True)
    load = _load_duckdb if params["engine"] == "duckdb" else _load_sqlite
    preload("duckdb", "pyarrow")
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        path = Path(directory) / "items.db"
        with measured() as span:
            load(path, ([_row(item) for item in page["Items"]] for page in pages))
        found = _content(params["engine"], path) if params["verify"] else None
    return {"measures": {params["measure"]: span.rates(params["rows"])}, "content": found}


def _row(item: dict[str, dict[str, Any]]) -> _Row:
    return tuple(_cell(item.get(name)) for name in _TYPES)


def _cell(typed: dict[str, Any] | None) -> Any:
    if typed is None:
        return None
    ((kind, value),) = typed.items()
    if kind == "M":
        return json.dumps({name: _cell(inner) for name, inner in value.items()})
    return None if kind == "NULL" else value


def _load_duckdb(path: Path, pages: Iterator[list[_Row]]) -> None:
    import duckdb
    import pyarrow as pa

    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE TABLE {TABLE} ({_COLUMNS})")
        for rows in pages:
            columns = zip(_TYPES, zip(*rows, strict=True), strict=True)
            connection.register("page", pa.table({name: list(cells) for name, cells in columns}))
            connection.execute(f"INSERT INTO {TABLE} SELECT * FROM page")
            connection.unregister("page")


def _load_sqlite(path: Path, pages: Iterator[list[_Row]]) -> None:
    import sqlite3

    key = ", ".join(KEY_NAMES)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"CREATE TABLE {TABLE} ({_COLUMNS}, PRIMARY KEY ({key}))")
        for rows in pages:
            connection.execute("BEGIN")
            connection.executemany(_INSERT, rows)
            connection.execute("COMMIT")


def _content(engine: str, path: Path) -> str:
    import duckdb

    from benchmarks.sides.bootstrap_snowmelt import sqlite_rows

    if engine == "duckdb":
        with duckdb.connect(str(path), read_only=True) as connection:
            return content(connection, TABLE)
    with duckdb.connect(":memory:") as connection:
        connection.register("rows", sqlite_rows(path, _READ))
        return content(connection, "rows")
