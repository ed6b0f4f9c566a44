"""The competent simple way: boto3's client, and one statement for ten pages of 1,000 records.

The newest record of each key is taken, as Snowmelt does. DuckDB gets the pages as Arrow and one
MERGE; SQLite gets executemany in WAL mode. A row of a second table keeps the position, in the same
transaction.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.kit.child import measured, preload
from benchmarks.kit.copies import copied
from benchmarks.sides import capture_tables as tables
from benchmarks.sides.capture_naive import Answer, answers, stream_client
from benchmarks.workload.entries import ATTRIBUTES, KEY_NAMES
from benchmarks.workload.pages import RECORDS_PER_PAGE

_PAGES_A_COMMIT = 10
_SET = ", ".join(f"{name} = batch.{name}" for name in ATTRIBUTES if name not in KEY_NAMES)
_VALUES = ", ".join(f"batch.{name}" for name in ATTRIBUTES)
_MERGE = f"""
MERGE INTO items USING batch ON items.tenant = batch.tenant AND items.route = batch.route
WHEN MATCHED AND batch.dead THEN DELETE
WHEN MATCHED THEN UPDATE SET {_SET}
WHEN NOT MATCHED AND NOT batch.dead THEN INSERT ({", ".join(ATTRIBUTES)}) VALUES ({_VALUES})
"""
_POSITION = "UPDATE position SET sequence = ?"


def run(params: dict[str, Any]) -> dict[str, Any]:
    """From the stream on loopback, the shards in turn."""
    engine, pages = params["engine"], params["pages"]
    preload("pyarrow")
    client = stream_client(params["endpoint"])
    write = _write_duckdb if engine == "duckdb" else _write_sqlite
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        path = copied(params["path"], Path(directory))
        connection: Any = tables.connect(engine, path)
        if engine == "sqlite":
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
        with measured() as span:
            read = answers(client, pages)
            while group := list(islice(read, _PAGES_A_COMMIT)):
                records = [record for answer in group for record in answer["Records"]]
                connection.execute("BEGIN")
                write(connection, _newest(records))
                connection.execute(_POSITION, [records[-1]["dynamodb"]["SequenceNumber"]])
                connection.execute("COMMIT")
        connection.close()
        content, _ = tables.content(engine, path)
    return {"content": content, **span.rates(pages * RECORDS_PER_PAGE)}


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
    connection.executemany(tables.INSERT, [row for row in newest.values() if row is not None])
    connection.executemany(tables.DELETE, [key for key, row in newest.items() if row is None])


def _write_duckdb(connection: Any, newest: dict[tables.Row, tables.Row | None]) -> None:
    import pyarrow as pa

    filler = (None,) * (len(ATTRIBUTES) - len(KEY_NAMES))
    rows = [row if row is not None else (*key, *filler) for key, row in newest.items()]
    columns = dict(zip(ATTRIBUTES, map(list, zip(*rows, strict=True)), strict=True))
    columns["dead"] = [row is None for row in newest.values()]
    connection.register("batch", pa.table(columns))
    connection.execute(_MERGE)
    connection.unregister("batch")
