"""What people load a table with today: awswrangler, and dlt with the resource its guides show.

Both run in environments of their own (`benchmarks.kit.tools`), so nothing of ours but the workload
is imported here. Each leaves a DuckDB file, and knows no stream: writes during the load are missed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.kit.child import measured, preload
from benchmarks.workload.scan_pages import TABLE, content

_ACCESS = {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark"}


def awswrangler(params: dict[str, Any]) -> dict[str, Any]:
    """`read_items` in two segments (its default here) into Arrow types, and `CREATE TABLE AS`."""
    preload("awswrangler", "duckdb", "pandas", "pyarrow")
    import boto3
    import duckdb

    tool: Any = import_module("awswrangler")  # in its own environment, which no checker sees
    _allow(params)
    session = boto3.Session(region_name="us-east-1")

    def load(path: Path) -> None:
        frame = tool.dynamodb.read_items(
            table_name=TABLE,
            allow_full_scan=True,
            consistent=True,
            dtype_backend="pyarrow",
            boto3_session=session,
        )
        with duckdb.connect(str(path)) as connection:
            connection.register("frame", frame)
            connection.execute(f"CREATE TABLE {TABLE} AS SELECT * FROM frame")

    return _run(params, load, TABLE, "config['{}']")


def dlt(params: dict[str, Any]) -> dict[str, Any]:
    """A resource over boto3's `Table.scan`, nested values kept as JSON, into its DuckDB."""
    preload("boto3", "dlt", "duckdb")
    import boto3

    tool: Any = import_module("dlt")
    _allow(params)
    table = boto3.resource("dynamodb", region_name="us-east-1").Table(TABLE)

    @tool.resource(name=TABLE, max_table_nesting=0)  # type: ignore[untyped-decorator]
    def items() -> Iterator[list[dict[str, Any]]]:
        start: dict[str, Any] = {}
        while True:
            answer = table.scan(ConsistentRead=True, **start)
            yield answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def load(path: Path) -> None:
        pipeline = tool.pipeline(
            pipeline_name="benchmark",
            pipelines_dir=str(path.parent / "pipelines"),
            destination=tool.destinations.duckdb(str(path)),
            dataset_name="loaded",
        )
        pipeline.run(items())

    return _run(params, load, f"loaded.{TABLE}", "config->>'{}'")


def _allow(params: Mapping[str, Any]) -> None:
    os.environ.update(_ACCESS, AWS_ENDPOINT_URL_DYNAMODB=params["endpoint"])
    os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="ERROR")


def _run(
    params: dict[str, Any], load: Callable[[Path], None], table: str, nested: str
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        path = Path(directory) / "items.duckdb"
        with measured() as span:
            load(path)
        found = _content(path, table, nested) if params["verify"] else None
    return {"measures": {params["measure"]: span.rates(params["rows"])}, "content": found}


def _content(path: Path, table: str, nested: str) -> str:
    import duckdb

    with duckdb.connect(str(path), read_only=True) as connection:
        return content(connection, table, nested)
