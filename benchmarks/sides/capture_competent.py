"""The competent simple way: a fast JSON parser, and one statement for a page of 1,000 records.

The newest record of each key is taken, as Snowmelt does. SQLite gets executemany in WAL mode;
DuckDB gets the page as Arrow, deletes its keys and inserts its rows. A row of a second table keeps
the position, in the same transaction. Over HTTP it has boto3's client, and so botocore's parser.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.kit.child import measured, preload
from benchmarks.sides import capture_tables as tables
from benchmarks.sides.capture_naive import answers, stream_client
from benchmarks.workload.pages import ATTRIBUTES, KEY_NAMES, RECORDS_PER_PAGE

Answer = dict[str, Any]
_UPSERT = f"INSERT OR REPLACE INTO items VALUES ({', '.join('?' * len(ATTRIBUTES))})"
_DELETE = "DELETE FROM items WHERE tenant = ? AND route = ?"
_FORGET = (
    "DELETE FROM items USING batch WHERE items.tenant = batch.tenant AND items.route = batch.route"
)
_INSERT = f"INSERT INTO items SELECT {', '.join(ATTRIBUTES)} FROM batch WHERE NOT dead"
_POSITION = "UPDATE position SET sequence = ?"


def wire(params: dict[str, Any]) -> dict[str, Any]:
    """From bodies on disk."""
    decode = msgspec.json.decode
    return _run(params, lambda: (decode(Path(file).read_bytes()) for file in params["files"]))


def over_http(params: dict[str, Any]) -> dict[str, Any]:
    """From the canned stream, the shards in turn."""
    client = stream_client(params["endpoint"])
    return _run(params, lambda: answers(client, len(params["files"])))


def _run(params: dict[str, Any], read: Callable[[], Iterable[Answer]]) -> dict[str, Any]:
    engine = params["engine"]
    if engine == "duckdb":
        preload("pyarrow")
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        path = Path(directory) / f"items.{engine}"
        connection: Any = getattr(tables, f"open_{engine}")(path)
        connection.execute(tables.create_table(engine, keyed=engine == "sqlite"))
        connection.execute("CREATE TABLE position (sequence VARCHAR)")
        connection.execute("INSERT INTO position VALUES ('')")
        if engine == "sqlite":
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
        write = _write_duckdb if engine == "duckdb" else _write_sqlite
        with measured() as span:
            for answer in read():
                records = answer["Records"]
                connection.execute("BEGIN")
                write(connection, _newest(records))
                connection.execute(_POSITION, [records[-1]["dynamodb"]["SequenceNumber"]])
                connection.execute("COMMIT")
        content = tables.content(connection) if params["verify"] else None
        connection.close()
    rates = span.rates(len(params["files"]) * RECORDS_PER_PAGE)
    return {"measures": {params["measure"]: rates}, "content": content}


def _newest(records: Iterable[Answer]) -> dict[tables.Row, tables.Row | None]:
    """The last row of each key, None where it was deleted."""
    newest: dict[tables.Row, tables.Row | None] = {}
    for record in records:
        change = record["dynamodb"]
        key = tuple(_cell(change["Keys"][name]) for name in KEY_NAMES)
        image = change.get("NewImage")
        newest[key] = (
            None if image is None else tuple(_cell(image.get(name)) for name in ATTRIBUTES)
        )
    return newest


def _cell(typed: dict[str, Any] | None) -> Any:
    if typed is None:
        return None
    ((kind, value),) = typed.items()
    if kind == "M":
        return json.dumps({name: _cell(inner) for name, inner in value.items()})
    return None if kind == "NULL" else value


def _write_sqlite(connection: Any, newest: dict[tables.Row, tables.Row | None]) -> None:
    connection.executemany(_UPSERT, [row for row in newest.values() if row is not None])
    connection.executemany(_DELETE, [key for key, row in newest.items() if row is None])


def _write_duckdb(connection: Any, newest: dict[tables.Row, tables.Row | None]) -> None:
    import pyarrow as pa

    filler = (None,) * (len(ATTRIBUTES) - len(KEY_NAMES))
    rows = [row if row is not None else (*key, *filler) for key, row in newest.items()]
    columns = dict(zip(ATTRIBUTES, _columns(rows), strict=True))
    batch = pa.table({**columns, "dead": [row is None for row in newest.values()]})
    connection.register("batch", batch)
    connection.execute(_FORGET)
    connection.execute(_INSERT)
    connection.unregister("batch")


def _columns(rows: list[tables.Row]) -> Iterator[list[Any]]:
    return (list(column) for column in zip(*rows, strict=True))
