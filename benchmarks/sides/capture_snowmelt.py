"""Snowmelt's way from GetRecords bodies to committed rows, and the same over HTTP."""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from itertools import islice
from pathlib import Path
from typing import Any

import structlog

from benchmarks.kit.child import Span, measured
from benchmarks.workload.content import DATASET, digest, plain
from benchmarks.workload.pages import KEYS, RECORDS_PER_PAGE, SHARDS, last_sequence, shard_id
from benchmarks.workload.states import checkpoint, empty_batch
from cdc.accelerator import Accelerator
from cdc.aws import AwsParams
from cdc.capture import Capture
from cdc.capture_status import CaptureSettings
from cdc.checkpoint import Checkpoint
from cdc.decode import Decoder, ShardRecords
from cdc.dynamodb import DynamoDbSource
from cdc.engines import open_accelerator
from cdc.position import After
from cdc.records import parse_records


def wire(params: dict[str, Any]) -> dict[str, Any]:
    """Parse, decode, apply and maintain, as capture's loop does, `pages_per_commit` at a time."""
    files: list[str] = params["files"]
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        accelerator = _new_file(params, Path(directory))
        decoder = Decoder(KEYS)
        current = checkpoint(time.time())
        accelerator.apply(empty_batch(accelerator.columns()), current)
        columns = accelerator.columns()
        remaining = iter(enumerate(files))
        with measured() as span:
            while group := list(islice(remaining, params["pages_per_commit"])):
                batch = decoder.changes([_page(number, file) for number, file in group], columns)
                columns, current = batch.columns, current.next()
                accelerator.apply(batch, current)
                accelerator.maintain(idle=False)
        return _result(params, span, accelerator)


def over_http(params: dict[str, Any]) -> dict[str, Any]:
    """Capture against the canned stream, from its start to the commit of the last record."""
    pages = len(params["files"])
    wanted = {
        shard_id(shard): After(last_sequence(pages, shard)) for shard in range(min(SHARDS, pages))
    }
    stop = threading.Event()

    def on_commit(committed: Checkpoint) -> None:
        positions = {name: shard.position for name, shard in committed.shards.items()}
        if all(positions.get(name) == position for name, position in wanted.items()):
            stop.set()

    warnings_only = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=warnings_only)
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        accelerator = _new_file(params, Path(directory))
        source = _source(params["endpoint"])
        source.describe()  # botocore is loaded before the clock starts, on every side
        capture = Capture(
            source,
            accelerator,
            settings=_settings(),
            generation=1,
            stop=stop,
            on_commit=on_commit,
        )
        with measured() as span:
            capture.run()
        return _result(params, span, accelerator)


def _settings() -> CaptureSettings:
    # The canned stream has no limit of calls, and its records are as old as its page files.
    return CaptureSettings(
        shard_calls_per_second=10_000.0, poll_interval_seconds=0.05, skip_slack_seconds=6 * 3600.0
    )


def _source(endpoint: str) -> DynamoDbSource:
    params = AwsParams(
        region="us-east-1",
        auth="key",
        access_key_id="benchmark",
        secret_access_key="benchmark",  # noqa: S106 - the canned stream checks none
        endpoint_url=endpoint,
    )
    return DynamoDbSource(DATASET, params)


def _new_file(params: dict[str, Any], directory: Path) -> Accelerator:
    path = directory / f"{DATASET}.{params['engine']}"
    return open_accelerator(params["engine"], path, DATASET, keys=KEYS, create=True)


def _page(number: int, file: str) -> ShardRecords:
    page = parse_records(Path(file).read_bytes())
    return ShardRecords(shard_id(number % SHARDS), page.records)


def _result(params: dict[str, Any], span: Span, accelerator: Accelerator) -> dict[str, Any]:
    content = None
    if params["verify"]:
        content = digest(plain(item) for page in accelerator.items() for item in page)
    accelerator.close()
    rates = span.rates(len(params["files"]) * RECORDS_PER_PAGE)
    return {"measures": {params["measure"]: rates}, "content": content}
