"""Calls of the source on threads, with the results in one queue for the loop.

A job never raises a `CdcError`: it comes back in the result, because the loop decides what to do
about it. Any other exception is a bug and is raised where results are taken. Bodies are parsed
here, off the loop's thread. Stream and scan have threads of their own, or a scan of 32 segments
would starve the stream beside it.

`Workers` is the seam for tests: a simulator runs the jobs on the spot and moves a virtual clock.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeVar

from cdc.bootstrap import ScanAsk
from cdc.errors import CdcError, StreamDisabled
from cdc.pace import Ask
from cdc.position import Position
from cdc.records import RecordPage, ScanPage, parse_scan
from cdc.source import ShardListing, Source, SourceDescription

Lane = Literal["stream", "scan"]
T = TypeVar("T")
_LONGEST_WAIT_SECONDS = 0.2  # how late the loop may notice that it has to stop


@dataclass(frozen=True, slots=True)
class PageFetched:
    """One poll of a shard. `iterator`: the one that was used, None if none was given.

    `requested_at`: service time; `began_at`: the same moment on the clock of the workers.
    """

    shard_id: str
    iterator: str | None
    page: RecordPage | None = None
    size_bytes: int = 0
    requested_at: float = 0.0
    error: CdcError | None = None
    began_at: float = 0.0


@dataclass(frozen=True, slots=True)
class ScanFetched:
    """One page of a segment."""

    segment: int
    page: ScanPage | None = None
    size_bytes: int = 0
    error: CdcError | None = None


@dataclass(frozen=True, slots=True)
class ShardsFetched:
    """A listing; with a full one comes what the table is now."""

    ask: Ask
    listing: ShardListing | None = None
    error: CdcError | None = None
    description: SourceDescription | None = None
    description_error: CdcError | None = None


Fetched = PageFetched | ScanFetched | ShardsFetched
Job = Callable[[], Fetched]


class Workers(Protocol):
    """Runs jobs somewhere and gives their results in the order in which they ended."""

    def monotonic(self) -> float:
        """Seconds of a clock that is never set back."""

    def submit(self, lane: Lane, job: Job) -> None:
        """Start a job, now or when a thread is free."""

    def results(self, timeout_seconds: float, most: int) -> list[Fetched]:
        """At most `most` results; none if there is none within the time, or earlier."""

    def beside(self, work: Callable[[], T]) -> Future[T]:
        """Do something of the loop's own beside it, one after the other."""

    def pause(self, seconds: float, stop: threading.Event) -> None:
        """Do nothing for a while, or until `stop` is set."""

    def close(self) -> None:
        """Start nothing more; jobs under way end by themselves and are forgotten."""


class ThreadWorkers:
    """Threads of this process."""

    def __init__(self, stream_threads: int, scan_threads: int) -> None:
        self._results: queue.SimpleQueue[Fetched | Exception] = queue.SimpleQueue()
        self._lanes = {
            "stream": ThreadPoolExecutor(stream_threads, "snowmelt-stream"),
            "scan": ThreadPoolExecutor(scan_threads, "snowmelt-scan"),
        }
        self._beside = ThreadPoolExecutor(1, "snowmelt-upkeep")

    def monotonic(self) -> float:
        return time.monotonic()

    def submit(self, lane: Lane, job: Job) -> None:
        self._lanes[lane].submit(self._run, job)

    def results(self, timeout_seconds: float, most: int) -> list[Fetched]:
        taken: list[Fetched] = []
        try:
            taken.append(self._take(min(max(timeout_seconds, 0.0), _LONGEST_WAIT_SECONDS)))
            while len(taken) < most:
                taken.append(self._take(0.0))
        except queue.Empty:
            pass  # fewer than asked for are ready: go on with these
        return taken

    def beside(self, work: Callable[[], T]) -> Future[T]:
        return self._beside.submit(work)

    def pause(self, seconds: float, stop: threading.Event) -> None:
        stop.wait(seconds)

    def close(self) -> None:
        for pool in (*self._lanes.values(), self._beside):
            pool.shutdown(wait=False, cancel_futures=True)

    def _take(self, timeout_seconds: float) -> Fetched:
        result = self._results.get(timeout=timeout_seconds) if timeout_seconds else self._ready()
        if isinstance(result, Exception):
            raise result
        return result

    def _ready(self) -> Fetched | Exception:
        return self._results.get_nowait()

    def _run(self, job: Job) -> None:
        try:
            self._results.put(job())
        except Exception as error:  # noqa: BLE001 - raised in the loop, where it ends the run
            self._results.put(error)


def poll(
    source: Source,
    shard_id: str,
    iterator: str | None,
    position: Position,
    monotonic: Callable[[], float],
) -> PageFetched:
    """Read the next page of a shard, with a new iterator where there is none."""
    began_at = monotonic()
    try:
        if iterator is None:
            iterator = source.open_iterator(shard_id, position)
            began_at = monotonic()
        raw = source.get_records(iterator)
        page = raw.parse(raw.body)
    except CdcError as error:
        return PageFetched(shard_id, iterator, error=error, began_at=began_at)
    size_bytes = len(raw.body)
    return PageFetched(shard_id, iterator, page, size_bytes, raw.requested_at, began_at=began_at)


def scan_page(source: Source, ask: ScanAsk) -> ScanFetched:
    """Read the next page of a segment of the table."""
    try:
        raw = source.scan(ask.segment, ask.total_segments, ask.start_key, ask.limit)
        page = parse_scan(raw.body)
    except CdcError as error:
        return ScanFetched(ask.segment, error=error)
    return ScanFetched(ask.segment, page, len(raw.body))


def list_shards(source: Source, ask: Ask, begun: ShardListing | None) -> ShardsFetched:
    """Make a listing; with a full one the table is described too. `begun`: one to go on with.

    A stream that is gone is no reason not to describe: the table may have another one by now.
    """
    try:
        listed = ShardsFetched(ask, _listing(source, ask, begun))
    except CdcError as error:
        listed = ShardsFetched(ask, error=error)
    is_over = listed.error is None or isinstance(listed.error, StreamDisabled)
    if ask.kind != "full" or not is_over:
        return listed
    try:
        return replace(listed, description=source.describe())
    except CdcError as error:
        return replace(listed, description_error=error)


def _listing(source: Source, ask: Ask, begun: ShardListing | None) -> ShardListing:
    match ask.kind:
        case "children":
            return source.list_children(ask.shard_id)
        case "newer":
            return source.list_newer(ask.shard_id)
        case "full":
            return source.list_shards(begun)
