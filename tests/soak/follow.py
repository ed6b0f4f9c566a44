"""Capture of the soak's stream, audited commit by commit, in a process of its own.

    python -m tests.soak.follow PORT BEGAN_AT LANES RATE ROLLOVER ENGINE POLL SECONDS DIRECTORY

prints one JSON document; its seconds begin with the first commit. Each commit has to hold exactly
as many records as its positions moved over; in the end the positions are at the end of all that was
written, and each item has the value of its newest record. So nothing is lost, and nothing doubled.
"""

import http.client
import json
import logging
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import structlog

from cdc.accelerator import Accelerator
from cdc.aws import AwsParams
from cdc.batch import Batch
from cdc.capture import Capture
from cdc.capture_status import CaptureSettings
from cdc.checkpoint import Checkpoint
from cdc.dynamodb import DynamoDbSource
from cdc.engines import open_accelerator
from cdc.keys import KeyAttribute, KeySchema
from cdc.position import After, End, Position
from snowmelt.memory import keep_large_pieces, settle
from tests.soak.plan import FIRST_SEQUENCE, KEYS_PER_LANE, TABLE, Plan, key_of

LAG_STEP_SECONDS = 0.01
PATIENCE_SECONDS = 120.0  # for the first commit, and for the last
START_SECONDS = 20.0  # what was written before the first poll says nothing about lag


class Audit:
    """Looks at every commit."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.records = self.commits = 0
        self.commit_seconds = 0.0
        self.wrong: list[str] = []
        self.lags: Counter[int] = Counter()
        self.read: dict[str, int] = {}

    def commit(self, batch: Batch, checkpoint: Checkpoint) -> None:
        moved, now = 0, time.time()
        for shard_id, progress in checkpoint.shards.items():
            before = self.read.get(shard_id, 0)
            upto = self._index(progress.position)
            if upto == before:
                continue
            moved += upto - before
            self.read[shard_id] = upto
            oldest = now - self.plan.written_at(shard_id, before)
            newest = now - self.plan.written_at(shard_id, upto - 1)
            if now < self.plan.began_at + START_SECONDS:
                continue
            for lag in (oldest, newest):  # the truth lies between; half of the records each
                self.lags[int(lag / LAG_STEP_SECONDS)] += (upto - before + 1) // 2
        if checkpoint.version == 1:  # of the bootstrap: what is closed by then counts as read
            return
        if moved != batch.records:
            self.wrong.append(f"version {checkpoint.version}: {batch.records} for {moved}")
        self.records += batch.records

    def missing(self, now: float) -> int:
        """Records written until then that no commit covers."""
        plan, last = self.plan, self.plan.generation_at(now)
        return sum(
            plan.records_at(generation, now) - self.read.get(plan.shard_id(lane, generation), 0)
            for generation in range(last + 1)
            for lane in range(plan.lanes)
        )

    def lag_ms(self, share: float) -> int:
        wanted, seen = share * self.lags.total(), 0
        for step, count in sorted(self.lags.items()):
            seen += count
            if seen >= wanted:
                return round((step + 1) * LAG_STEP_SECONDS * 1000)
        return 0

    def _index(self, position: Position) -> int:
        match position:
            case After(sequence):
                return int(sequence) - FIRST_SEQUENCE + 1
            case End():
                return self.plan.records_of_closed
            case _:
                return 0


class Audited:
    """An accelerator whose commits are looked at."""

    def __init__(self, accelerator: Accelerator, audit: Audit) -> None:
        self._accelerator = accelerator
        self._audit = audit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._accelerator, name)

    def apply(self, batch: Batch, checkpoint: Checkpoint) -> None:
        began = time.monotonic()
        self._accelerator.apply(batch, checkpoint)
        self._audit.commits += 1
        self._audit.commit_seconds += time.monotonic() - began
        self._audit.commit(batch, checkpoint)


def follow(
    port: int, plan: Plan, engine: Any, poll_seconds: float, seconds: float, directory: Path
) -> dict[str, Any]:
    audit, stop = Audit(plan), threading.Event()
    keys = KeySchema(KeyAttribute("id", "S"))
    file = open_accelerator(engine, directory / f"soak.{engine}", TABLE, keys=keys, create=True)
    capture = Capture(
        DynamoDbSource(TABLE, _params(port)),
        cast("Accelerator", Audited(file, audit)),
        settings=CaptureSettings(poll_interval_seconds=poll_seconds),
        generation=1,
        stop=stop,
    )
    failures: list[BaseException] = []
    thread = threading.Thread(target=_run, args=(capture, failures))
    thread.start()
    _wait(thread, lambda: audit.commits > 0)
    samples = _sample(thread, seconds)
    stopped_at = float(_tell(port, "stop")["stopped_at"])
    _wait(thread, lambda: audit.missing(stopped_at) == 0)
    status = capture.status()
    stop.set()
    thread.join(60)
    wrong_items = _wrong_items(file, plan, stopped_at)
    file.close()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "engine": engine,
        "seconds": seconds,
        "failures": [repr(error) for error in failures],
        "records": audit.records,
        "missing": audit.missing(stopped_at),
        "wrong_commits": audit.wrong[:5],
        "wrong_items": wrong_items,
        "commits": audit.commits,
        "commit_mean_ms": round(1000 * audit.commit_seconds / max(1, audit.commits)),
        "lag_p50_ms": audit.lag_ms(0.5),
        "lag_p99_ms": audit.lag_ms(0.99),
        "rss_mib": [round(mib, 1) for _, mib in samples],
        "rss_most_mib": max(mib for _, mib in samples),
        "slope_mib_per_minute": _slope(samples, min(180.0, seconds / 2)),
        "cpu_share": (usage.ru_utime + usage.ru_stime) / seconds,
        "errors": dict(status.errors),
        "shards": dict(status.shards),
        "server": _tell(port, "report"),
    }


def _run(capture: Capture, failures: list[BaseException]) -> None:
    try:
        capture.run()
    except BaseException as error:  # noqa: BLE001 - told in the document
        failures.append(error)


def _wait(thread: threading.Thread, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while thread.is_alive() and not holds() and time.monotonic() < deadline:
        time.sleep(0.2)


def _sample(thread: threading.Thread, seconds: float) -> list[tuple[float, float]]:
    """(seconds, MiB) each second."""
    began, samples = time.monotonic(), []
    while (passed := time.monotonic() - began) < seconds and thread.is_alive():
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        samples.append((passed, pages * resource.getpagesize() / 2**20))
        time.sleep(1.0)
    return samples


def _slope(samples: list[tuple[float, float]], since: float) -> float:
    """MiB a minute, by least squares."""
    kept = [(at / 60, mib) for at, mib in samples if at >= since]
    if len(kept) < 2:
        return 0.0
    middle = sum(at for at, _ in kept) / len(kept)
    level = sum(mib for _, mib in kept) / len(kept)
    above = sum((at - middle) * (mib - level) for at, mib in kept)
    return above / sum((at - middle) ** 2 for at, _ in kept)


def _wrong_items(file: Accelerator, plan: Plan, now: float) -> int:
    """Items that do not have the value of their newest record, or are not there."""
    generation = plan.generation_at(now)
    written = plan.number_of(generation, plan.records_at(generation, now))
    newest = range(max(0, written - KEYS_PER_LANE), written)
    expected = {key_of(lane, number): number for lane in range(plan.lanes) for number in newest}
    for page in file.items():
        for item in page:
            if expected.get(item["id"]["S"]) == int(item["n"]["N"]):
                del expected[item["id"]["S"]]
            else:
                expected[item["id"]["S"]] = -1
    return len(expected)


def _tell(port: int, what: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/", b"", {"X-Soak": what})
    told: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return told


def _params(port: int) -> AwsParams:
    return AwsParams(
        region="eu-west-1",
        auth="key",
        access_key_id="soak",
        secret_access_key="soak",
        endpoint_url=f"http://127.0.0.1:{port}",
    )


def _main(port: str, began: str, lanes: str, rate: str, rollover: str, *rest: str) -> None:
    settle()  # as a node does at its start, and where it captures
    keep_large_pieces()
    engine, poll_seconds, seconds, directory = rest
    level = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(
        wrapper_class=level, logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    plan = Plan(float(began), int(lanes), float(rate), float(rollover))
    told = follow(int(port), plan, engine, float(poll_seconds), float(seconds), Path(directory))
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    _main(*sys.argv[1:])
