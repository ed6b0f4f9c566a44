"""Scans that are throttled, large, or take longer than the stream keeps records."""

from cdc.bootstrap import segments_for
from cdc.capture_status import CaptureSettings
from cdc.checkpoint import resumable_until
from cdc.errors import Throttled
from cdc.source import RawPage
from tests.simulators.stream import SimulatedTable
from tests.simulators.world import World

HOUR = 3600.0
GB = 10**9


class Metered:
    """A table with a capacity in items a second, saved up for two seconds at most."""

    def __init__(self, table: SimulatedTable, items_per_second: float) -> None:
        self._table = table
        self._rate = items_per_second
        self._saved = 2 * items_per_second
        self._at = table.clock.now
        self.refused = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._table, name)

    def scan(self, *arguments: object) -> RawPage:
        now = self._table.clock.now
        self._saved = min(2 * self._rate, self._saved + (now - self._at) * self._rate)
        self._at = now
        if self._saved <= 0:
            self.refused += 1
            raise Throttled("ProvisionedThroughputExceededException")
        page = self._table.scan(*arguments)  # type: ignore[arg-type]  # as they were given
        self._saved -= page.body.count(b'"id"')
        return page


def test_segments_follow_items_and_bytes() -> None:
    assert segments_for(10, 1000) == 1
    assert segments_for(1_500, 1000) == 2
    assert segments_for(50_000_000, GB) == 32
    assert segments_for(9_000, 20 * GB) == 10  # few items, and large ones
    assert segments_for(10**9, 300 * GB) == 150  # one for 2 GB, as AWS advises
    assert segments_for(10**9, 10**15) == 512


def test_a_hot_segment_does_not_stop_the_others() -> None:
    world = World(settings=CaptureSettings(scan_segments=4))
    world.fill(800)
    world.table.scan_page_items = 20
    world.table.fail("scan", Throttled("hot partition"), seconds=60.0, shard_id="2")

    world.run(20.0)
    segments = world.memory.commits[-1].scan.segments
    assert [segment.done for segment in segments] == [True, True, False, True]
    assert segments[2].rows == 0

    world.run(120.0)
    assert world.memory.commits[-1].scan.ended_at is not None
    world.assert_equal()


def test_a_throttled_table_is_read_at_its_own_rate_with_few_refusals() -> None:
    world = World(settings=CaptureSettings(scan_segments=16))
    world.fill(1_000)
    world.table.scan_page_items = 40
    world.source = metered = Metered(world.table, items_per_second=20.0)  # type: ignore[assignment]  # by __getattr__

    seconds = world.run_until(lambda: world.rows_scanned() == 1_000, most_seconds=200.0)

    assert seconds < 1.5 * 1_000 / 20
    assert metered.refused < 2 * world.calls("scan")
    world.assert_equal()


def test_positions_stay_valid_through_a_scan_of_thirty_hours_and_a_restart() -> None:
    settings = CaptureSettings(poll_interval_seconds=300.0, scan_max_rcu=1 / 1800, scan_segments=3)
    world = World(settings=settings, shards=2)
    world.fill(54)
    world.table.scan_page_items = 1
    world.clock.every(4 * HOUR, world.table.rollover)

    def write() -> None:
        world.table.put("often", at=world.clock.now)
        if world.clock.now % (6 * HOUR) < HOUR:
            world.table.delete(next(iter(world.table.items)))

    world.clock.every(HOUR, write, until=31 * HOUR)
    margins = []

    def look() -> None:
        if world.commits and world.commits[-1].scan.ended_at is None:
            margins.append((resumable_until(world.commits[-1]) or 0.0) - world.clock.now)

    world.clock.every(HOUR, look)

    world.run(13 * HOUR)  # and is killed: the next process begins where the last commit was
    world.clock.advance(2 * HOUR)
    lineage = world.commits[-1].lineage
    world.run(18 * HOUR)

    assert len(margins) > 24
    assert min(margins) > 19 * HOUR  # of 24, whatever the scan takes
    last = world.commits[-1]
    assert last.lineage == lineage  # never begun anew, so no gap was found
    assert (last.scan.ended_at or 0.0) - last.scan.started_at > 28 * HOUR
    world.assert_whole()
