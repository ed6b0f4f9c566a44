"""How eagerly shards are read, and how much of it fits: whole captures on a virtual clock."""

from collections import defaultdict
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from cdc.capture_status import CaptureSettings
from cdc.errors import SourceUnreachable, Throttled
from cdc.graph import ShardGraph
from cdc.lineage import Horizon
from cdc.polling import Fetched, Job, Lane, PageFetched, poll
from cdc.reader import StreamReader
from cdc.troubles import Troubles
from tests.simulators.clock import InlineWorkers, VirtualClock
from tests.simulators.stream import SimulatedTable, place
from tests.simulators.world import World

MEBIBYTE = 1024 * 1024


class Watched(InlineWorkers):
    """Keeps which shards are being asked, in which order; never one of them twice at a time."""

    def __init__(self, clock: VirtualClock, *more: Any) -> None:
        super().__init__(clock, *more)
        self.order: list[str] = []
        self.under_way: set[str] = set()

    def submit(self, lane: Lane, job: Job) -> None:
        if isinstance(job, partial) and job.func is poll:
            shard_id = job.args[1]
            assert shard_id not in self.under_way, "a second call of one shard"
            self.under_way.add(shard_id)
            self.order.append(shard_id)
        super().submit(lane, job)

    def results(self, timeout_seconds: float, most: int) -> list[Fetched]:
        results = super().results(timeout_seconds, most)
        self.under_way -= {each.shard_id for each in results if isinstance(each, PageFetched)}
        return results


class Reading:
    """A reader of a table, turned by hand."""

    def __init__(self, table: SimulatedTable, **settings: Any) -> None:
        self.workers = Watched(table.clock)  # type: ignore[arg-type]  # a virtual one
        graph = ShardGraph.start(
            table.list_shards(), began_at=0.0, slack_seconds=0.0, horizon=Horizon()
        )
        told = replace(CaptureSettings(), **settings)
        self.reader = StreamReader(table, graph, self.workers, Troubles(), told, lambda: 0.5)
        self.reader.discovery.full_at = float("inf")

    def turn(self, most: int = 1_000) -> None:
        """Submit what fits, and take all that comes."""
        self.reader.submit_due(self.workers.monotonic())
        for result in self.workers.results(0.0, most):
            assert isinstance(result, PageFetched)
            self.reader.take_page(result, self.workers.monotonic())


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def watching(monkeypatch: pytest.MonkeyPatch) -> list[Watched]:
    made: list[Watched] = []

    def make(clock: VirtualClock, *more: Any) -> Watched:
        made.append(Watched(clock, *more))
        return made[-1]

    monkeypatch.setattr("tests.simulators.world.InlineWorkers", make)
    return made


# ---------------------------------------------------------------- eagerness


def test_one_write_each_five_seconds_to_an_idle_table_arrives_within_a_second() -> None:
    world = World(shards=8)
    world.fill(8)
    world.run_until(lambda: world.capture.status().ready)
    already, written, arrived = world.audit.records, list[float](), list[float]()

    def look() -> None:
        arrived.extend([world.clock.now] * (world.audit.records - already - len(arrived)))

    def write() -> None:
        written.append(world.clock.now)
        world.table.put(f"key-{len(written)}", text=f"write {len(written)}")

    world.clock.every(5.03, write, until=118.0)
    world.clock.every(0.01, look)
    asked = world.calls("get_records")

    world.run(120.0)

    assert len(arrived) == len(written) == 23
    assert max(at - since for at, since in zip(arrived, written, strict=True)) < 1.0
    assert world.calls("get_records") - asked < 8 * 120 / 0.65, "idle shards are asked too often"


def test_no_shard_is_read_faster_than_the_service_allows() -> None:
    world = World(shards=4, settings=CaptureSettings(poll_interval_seconds=0.05))
    world.table.page_records = 1_000
    world.fill(4_000)
    asked: defaultdict[str, list[float]] = defaultdict(list)
    ask = world.table.get_records

    def get_records(iterator: str) -> Any:
        page = ask(iterator)
        asked[world.table.calls[-1][1]].append(world.clock.now)
        return page

    world.table.get_records = get_records  # type: ignore[method-assign]
    world.write_for(6.0)
    world.table.fail("get_records", Throttled("rate"), times=5)

    world.run(8.0)

    assert len(asked) == 4
    for times in asked.values():
        gaps = [later - earlier for earlier, later in zip(times, times[5:], strict=False)]
        assert len(times) > 20
        assert min(gaps) >= 0.999


# ---------------------------------------------------------------- bounds


def test_one_call_of_a_shard_is_under_way_at_a_time(watching: list[Watched]) -> None:
    world = World(shards=5, seed=11)
    world.table.page_records = 7
    world.write_for(20.0)
    world.table.fail("get_records", SourceUnreachable("no answer"), times=20)
    world.clock.after(5.0, world.table.rollover)
    world.clock.after(9.0, lambda: world.table.split(world.table.open_shards()[0].shard_id))

    world.run(30.0)

    assert len(set(watching[-1].order)) == 5 + 5 + 2
    world.assert_whole()


def test_pages_that_may_come_fit_into_the_budget(clock: VirtualClock) -> None:
    reading = Reading(SimulatedTable(clock, shards=50), in_flight_bytes=7 * MEBIBYTE)

    reading.reader.submit_due(clock.now)

    assert len(reading.workers.under_way) == 7


def test_pages_that_wait_for_their_commit_slow_reading_down(clock: VirtualClock) -> None:
    table = SimulatedTable(clock, shards=40)
    for number in range(160):
        table.put(f"key-{number}", text="x" * 300_000)
    reading = Reading(table, in_flight_bytes=8 * MEBIBYTE)

    for _ in range(30):
        reading.turn()
        clock.advance(0.3)
        most = reading.reader.pending_bytes + len(reading.workers.under_way) * MEBIBYTE
        assert most <= 8 * MEBIBYTE
    asked = len(reading.workers.order)
    reading.reader.submit_due(clock.now)
    assert len(reading.workers.order) == asked, "there is room before the commit"
    assert reading.reader.next_at() == float("inf")

    assert reading.reader.take_pending()
    reading.turn()
    assert len(reading.workers.order) > asked


def test_a_page_larger_than_all_before_makes_fewer_calls_fit(clock: VirtualClock) -> None:
    table = SimulatedTable(clock, shards=20)
    table.page_bytes = 3 * MEBIBYTE
    for number in range(20):
        table.put(f"key-{number}", text="x" * (3 * MEBIBYTE))
    reading = Reading(table, in_flight_bytes=12 * MEBIBYTE)
    reading.turn()
    reading.reader.take_pending()
    clock.advance(1.0)

    reading.reader.submit_due(clock.now)

    assert len(reading.workers.under_way) == 3


def test_a_shard_that_is_behind_is_read_before_those_that_are_not(clock: VirtualClock) -> None:
    table = SimulatedTable(clock, shards=6)
    table.page_records = 5
    clock.advance(3600.0)
    behind = table.open_shards()[0]
    keys = (key for key in map(str, range(5_000)) if behind.low <= place(key) < behind.high)
    for key in keys:
        table.put(key, value=1)
    clock.advance(600.0)
    reading = Reading(table, in_flight_bytes=MEBIBYTE, shard_calls_per_second=1_000.0)
    for _ in range(100):
        reading.turn()
        reading.reader.take_pending()
        clock.advance(5.0)

    turns = reading.workers.order[40:]  # once the others are proven to be at their tips
    assert len(behind.records) > 100 * table.page_records
    assert turns.count(behind.shard_id) >= 0.7 * len(turns)
    assert set(turns) == set(table.shards), "the others were left waiting"
