"""A poll of an idle shard by two ways, alone and in a whole capture."""

from __future__ import annotations

import json
import logging
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import structlog

from benchmarks.kit.child import measured
from cdc.aws import AwsParams, make_clients
from cdc.capture import Capture
from cdc.capture_status import CaptureSettings
from cdc.dynamodb import DynamoDbSource
from cdc.engines import open_accelerator
from cdc.keys import KeyAttribute, KeySchema
from cdc.position import FromStart
from cdc.records import parse_records
from cdc.source import RawPage
from tests.soak.plan import TABLE

_THREADS = (1, 16)


class _Snowmelt(DynamoDbSource):
    """Counts its polls."""

    polls = 0

    def get_records(self, iterator: str) -> RawPage:
        self.polls += 1
        return super().get_records(iterator)


class _Botocore(DynamoDbSource):
    """Polls by botocore's client; its parser reads the few bytes of an empty page."""

    polls = 0

    def __init__(self, table: str, params: AwsParams) -> None:
        super().__init__(table, params)
        (self._streams,) = make_clients("dynamodbstreams", params, {})

    def get_records(self, iterator: str) -> RawPage:
        self.polls += 1
        requested_at = self.now()
        answer = self._streams.get_records(ShardIterator=iterator, Limit=1000)
        body = {"Records": answer["Records"], "NextShardIterator": answer["NextShardIterator"]}
        return RawPage(json.dumps(body).encode(), requested_at)


_WAYS: dict[str, type[_Snowmelt | _Botocore]] = {"snowmelt": _Snowmelt, "botocore": _Botocore}


def polls(params: dict[str, Any]) -> dict[str, Any]:
    """Calls as fast as they go, then a capture that has nothing to do."""
    warnings_only = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=warnings_only)
    source = _WAYS[params["way"]](TABLE, _aws(params["endpoint"]))
    iterator = source.open_iterator(source.list_shards().shards[0].shard_id, FromStart())
    page = parse_records(source.get_records(iterator).body)
    measures = {
        f"{threads} thread{'s' * (threads > 1)}": _alone(source, iterator, threads, params)
        for threads in _THREADS
    }
    measures[f"{params['shards']:,} idle shards"] = _idle(source, params)
    is_idle = not page.records and page.next_iterator is not None
    return {"measures": measures, "content": "nothing" if is_idle else "something"}


def _alone(
    source: _Snowmelt | _Botocore, iterator: str, threads: int, params: dict[str, Any]
) -> dict[str, float]:
    counts = [0] * threads
    until = time.perf_counter() + params["seconds"]

    def work(index: int) -> None:
        while time.perf_counter() < until:
            parse_records(source.get_records(iterator).body)
            counts[index] += 1

    workers = [threading.Thread(target=work, args=(index,)) for index in range(threads)]
    with measured() as span:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    calls = sum(counts)
    return {
        "cpu_us_per_call": span.cpu_seconds * 1e6 / calls,
        "calls_per_second": calls / span.seconds,
        "peak_rss_mib": span.peak_rss_mib,
    }


def _idle(source: _Snowmelt | _Botocore, params: dict[str, Any]) -> dict[str, float]:
    """The capture's share of a core once all shards are proven to be at their tips."""
    stop = threading.Event()
    keys = KeySchema(KeyAttribute("id", "S"))
    with tempfile.TemporaryDirectory(dir=params["scratch"]) as directory:
        path = Path(directory) / "idle.sqlite"
        file = open_accelerator("sqlite", path, TABLE, keys=keys, create=True)
        capture = Capture(source, file, settings=CaptureSettings(), generation=1, stop=stop)
        thread = threading.Thread(target=capture.run)
        thread.start()
        while thread.is_alive() and not capture.status().ready:
            time.sleep(0.1)
        before = source.polls
        with measured() as span:
            stop.wait(params["idle_seconds"])
        calls = source.polls - before
        stop.set()
        thread.join()
        file.close()
    return {
        "cpu_us_per_call": span.cpu_seconds * 1e6 / max(1, calls),
        "calls_per_second": calls / span.seconds,
        "cpu_share": span.cpu_seconds / span.seconds,
        "peak_rss_mib": span.peak_rss_mib,
    }


def _aws(endpoint: str) -> AwsParams:
    return AwsParams(
        region="us-east-1",
        auth="key",
        access_key_id="benchmark",
        secret_access_key="benchmark",  # noqa: S106 - the stream checks none
        endpoint_url=endpoint,
    )
