"""Snowmelt's bootstrap over HTTP: from the first call to the commit that ends the scan, sorted."""

from __future__ import annotations

import logging
import sqlite3
import tempfile
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import structlog

from benchmarks.kit.child import Span, measured, preload
from benchmarks.workload.scan_pages import TABLE, content
from cdc.aws import AwsParams
from cdc.capture import Capture
from cdc.capture_status import CaptureSettings
from cdc.checkpoint import Checkpoint
from cdc.dynamodb import DynamoDbSource
from cdc.engines import open_accelerator


def run(params: dict[str, Any]) -> dict[str, Any]:
    """The file is thrown away."""
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        path = Path(directory) / f"{TABLE}.{params['engine']}"
        span = load(params["engine"], path, params["endpoint"])
        found = file_content(params["engine"], path) if params["verify"] else None
    return {"measures": {params["measure"]: span.rates(params["rows"])}, "content": found}


def load(engine: Any, path: Path, endpoint: str) -> Span:
    """Capture into a new file with the settings of production, the stream beside the scan."""
    preload("pyarrow.compute")
    stop = threading.Event()

    def on_commit(committed: Checkpoint) -> None:
        if committed.scan.ended_at is not None:
            stop.set()

    warnings_only = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=warnings_only)
    source = _source(endpoint)
    keys = source.describe().keys  # botocore is loaded before the clock starts, on every side
    with measured() as span:
        accelerator = open_accelerator(engine, path, TABLE, keys=keys, create=True)
        capture = Capture(
            source,
            accelerator,
            settings=CaptureSettings(),
            generation=1,
            stop=stop,
            on_commit=on_commit,
        )
        capture.run()
    accelerator.close()
    return span


def file_content(engine: str, path: Path) -> str:
    """What plain programs see in the file."""
    import duckdb

    if engine == "duckdb":
        with duckdb.connect(str(path), read_only=True) as connection:
            return content(connection, TABLE)
    with duckdb.connect(":memory:") as connection:
        connection.register("rows", sqlite_rows(path, f"SELECT * FROM {TABLE}"))
        return content(connection, "rows")


def sqlite_rows(path: Path, statement: str) -> pa.Table:
    """What a statement finds in a SQLite file, as text."""
    with closing(sqlite3.connect(path)) as reader:
        cursor = reader.execute(statement)
        names = [name for name, *_ in cursor.description]
        columns = zip(names, zip(*cursor.fetchall(), strict=True), strict=True)
        return pa.table({name: [_text(cell) for cell in cells] for name, cells in columns})


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _source(endpoint: str) -> DynamoDbSource:
    params = AwsParams(
        region="us-east-1",
        auth="key",
        access_key_id="benchmark",
        secret_access_key="benchmark",  # noqa: S106 - the server on loopback checks none
        endpoint_url=endpoint,
    )
    return DynamoDbSource(TABLE, params)
