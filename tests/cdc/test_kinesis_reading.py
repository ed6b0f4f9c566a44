"""What the reading loop makes of pages that only Kinesis has."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import pytest

from cdc.capture_status import CaptureSettings
from cdc.graph import ShardGraph
from cdc.lineage import Horizon
from cdc.polling import Fetched, Job, Lane, PageFetched
from cdc.position import After
from cdc.reader import StreamReader
from cdc.records import RecordPage
from cdc.source import ListedShard, ShardListing
from cdc.tip import PROOF_PAGES
from cdc.troubles import Troubles
from tests.simulators.clock import VirtualClock
from tests.simulators.stream import SimulatedTable

T = TypeVar("T")
NOW = 1_700_000_000.0
SHARD = "shardId-000000000000"


class Still:
    """Workers that do nothing; time stands where it was set."""

    def __init__(self) -> None:
        self.now = 0.0
        self.submitted = 0

    def monotonic(self) -> float:
        return self.now

    def submit(self, lane: Lane, job: Job) -> None:
        self.submitted += lane == "stream" and job is not None

    def results(self, timeout_seconds: float, most: int) -> list[Fetched]:
        return []

    def beside(self, work: Callable[[], T]) -> Future[T]:
        raise AssertionError("nothing is committed here")

    def pause(self, seconds: float, stop: threading.Event) -> None:
        pass

    def close(self) -> None:
        pass


class Reading:
    """One shard, whose pages the test makes up."""

    def __init__(self) -> None:
        listing = ShardListing((ListedShard(SHARD, None, False),), True, True, NOW)
        horizon = Horizon(is_told=False)
        self.graph = ShardGraph.start(listing, began_at=NOW, slack_seconds=300, horizon=horizon)
        self.workers = Still()
        settings = CaptureSettings()
        jitter: Callable[[], float] = lambda: 0.0  # noqa: E731
        source = SimulatedTable(VirtualClock(NOW))
        self.reader = StreamReader(source, self.graph, self.workers, Troubles(), settings, jitter)
        self.reader.discovery.full_at = 1e9
        self.reader.submit_due(0.0)

    def take(self, page: RecordPage, at: float = 0.0) -> None:
        """A page that was asked for at this time, and came at once."""
        self.workers.now = at
        self.reader.take_page(PageFetched(SHARD, "iterator", page, 100, NOW + at, began_at=at), at)

    def next_at(self) -> float:
        """When the shard is asked again."""
        return self.reader.next_at()

    @property
    def position(self) -> object:
        return self.graph[SHARD].progress.position


@pytest.fixture
def reading() -> Reading:
    return Reading()


def test_records_of_other_tables_move_the_position_and_are_not_handed_over(
    reading: Reading,
) -> None:
    reading.take(RecordPage([], "next", last=("17", NOW), has_more=False))

    assert reading.position == After("17")
    assert reading.reader.take_pending() == []
    assert reading.reader.empty_polls == 0


def test_a_shard_that_has_more_is_not_at_its_tip_however_many_pages_are_empty(
    reading: Reading,
) -> None:
    for number in range(2 * PROOF_PAGES):
        reading.take(RecordPage([], "next", has_more=True), at=float(number))
        reading.reader.submit_due(number + 0.5)
    assert reading.graph[SHARD].progress.tip_at is None

    for number in range(PROOF_PAGES):
        reading.take(RecordPage([], "next", has_more=False), at=50.0 + number)
        reading.reader.submit_due(50.5 + number)
    assert reading.graph[SHARD].progress.tip_at == NOW + 50.0


def test_a_shard_that_has_more_is_asked_again_at_once_whatever_the_page_held(
    reading: Reading,
) -> None:
    reading.take(RecordPage([], "next", has_more=True), at=10.0)

    assert reading.next_at() == pytest.approx(10.2)


def test_a_shard_that_gave_ten_mebibytes_is_left_alone_for_five_seconds(reading: Reading) -> None:
    page = RecordPage([], "next", last=("17", NOW), has_more=True, rest_seconds=5.0)

    reading.take(page, at=10.0)

    assert reading.next_at() == pytest.approx(15.0)
