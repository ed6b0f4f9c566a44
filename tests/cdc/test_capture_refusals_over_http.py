"""Stories of pages, refusals and restarts of capture through the real SDK; every commit is audited.

Long stories poll each five seconds: a call through the SDK takes two milliseconds.
"""

from collections.abc import Iterator
from functools import partial

import pytest

from cdc.capture_status import CaptureSettings
from cdc.errors import (
    AccessDenied,
    LineageChanged,
    PositionLost,
    SourceUnreachable,
    StreamDisabled,
    Trimmed,
)
from cdc.position import End, FromStart
from tests.simulators.faults import ServiceRefusal
from tests.simulators.http_world import HttpWorld

MINUTE, HOUR = 60.0, 3600.0
RARELY = CaptureSettings(poll_interval_seconds=5.0)


@pytest.fixture
def world() -> Iterator[HttpWorld]:
    with HttpWorld.served(shards=2) as served:
        yield served


# ---------------------------------------------------------------- pages and iterators


def test_short_pages_and_empty_pages_before_data_hide_nothing(world: HttpWorld) -> None:
    world.table.page_records = 2
    world.table.empty_pages = 4
    world.table.scan_page_items = 7
    world.table.scan_gaps = True
    world.fill(50)
    world.clock.advance(HOUR)  # only the scan has these
    world.write_for(5.0)

    world.run(30.0)

    scans = [call.keys for call in world.table.served if call.action == "Scan"]
    assert () in scans[:3]

    world.assert_whole()


def test_pages_are_cut_by_bytes(world: HttpWorld) -> None:
    world.follow()
    world.table.served.clear()

    def write() -> None:
        for number in range(12):
            world.table.put(f"large-{number}", text="x" * 300_000)

    world.clock.after(1.0, write)

    world.run(10.0)

    pages = [len(call.sequences) for call in world.table.served if call.action == "GetRecords"]
    assert max(pages) == 3
    world.assert_whole()


def test_iterators_that_expire_during_an_outage_are_taken_anew_without_a_gap(
    world: HttpWorld,
) -> None:
    world.settings = RARELY
    world.follow()
    world.clock.after(
        1.0, lambda: world.table.fail("get_records", SourceUnreachable("away"), seconds=16 * MINUTE)
    )
    world.write_for(20 * MINUTE, each=10.0)

    status = world.run(25 * MINUTE).status()

    assert status.iterator_refreshes_total >= 1
    assert "ExpiredIteratorException" in world.refusals()
    world.assert_whole()


def test_records_that_were_trimmed_unread_are_a_lost_position(world: HttpWorld) -> None:
    world.follow()
    world.clock.after(10.0, lambda: world.table.put("key-1", value=-1))
    world.run(20.0)
    world.table.put("key-2", value=-2)
    world.clock.advance(25 * HOUR)

    world.restart()
    with pytest.raises(PositionLost):
        world.run()


def test_a_position_trimmed_after_it_was_proven_read_goes_on_without_doubling(
    world: HttpWorld,
) -> None:
    world.follow()
    world.clock.after(2.0, lambda: world.table.put("old", value=1))
    world.run(10.0)
    for _ in range(5):  # what is read up to the tip then is proven to be all there was
        world.clock.advance(5 * HOUR)
        world.restart()
        world.run(10.0)
    world.table.put("new", value=1)

    world.restart()
    status = world.run(10.0).status()

    assert "TrimmedDataAccessException" in world.refusals()
    assert status.records_total == 1
    world.assert_whole()


def test_what_is_read_again_from_the_start_is_known_and_not_doubled(world: HttpWorld) -> None:
    world.follow()
    world.write_for(3.0)
    world.run(6.0)
    for shard in world.table.open_shards():
        trimmed = Trimmed("The operation tried to read past the oldest stream record in a shard")
        world.table.fail("open_iterator", trimmed, times=1, shard_id=shard.shard_id)
    world.table.put("new", value=1)

    world.restart()
    status = world.run(5.0).status()

    assert "TrimmedDataAccessException" in world.refusals()
    assert status.records_total == 1
    world.assert_whole()


# ---------------------------------------------------------------- refusals


def test_the_rates_of_the_service_are_kept_to(world: HttpWorld) -> None:
    world.table.limit("get_records", 5.0)
    world.table.limit("list_shards", 10.0)
    world.fill(3_000)
    for number in range(50):  # three to a page
        world.table.put(f"large-{number}", text="x" * 310_000)
    world.write_for(5.0)
    world.clock.after(2.0, world.table.rollover)

    world.run(12.0)

    assert world.refusals() == set()
    world.assert_whole()


@pytest.mark.parametrize(
    "code",
    [
        "LimitExceededException",
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
    ],
)
def test_throttling_by_any_name_delays_and_loses_nothing(world: HttpWorld, code: str) -> None:
    for operation in ("describe", "list_shards", "open_iterator", "get_records", "scan"):
        world.table.fail(operation, ServiceRefusal(code, "Rate exceeded"), times=7)
    world.fill(250)
    world.clock.advance(HOUR)
    world.write_for(10.0)

    world.run(60.0)

    assert world.refusals() == {code}
    world.assert_whole()


def test_failures_of_the_service_itself_are_waited_out(world: HttpWorld) -> None:
    world.follow()
    for operation in ("list_shards", "list_children", "open_iterator", "get_records"):
        for code, status in (("InternalServerError", 500), ("ServiceUnavailable", 503)):
            failure = ServiceRefusal(code, "Sorry", status=status)
            world.clock.after(3.0, partial(world.table.fail, operation, failure, times=9))
    world.write_for(20.0)
    world.clock.after(5.0, world.table.rollover)

    world.run(120.0)

    assert {"InternalServerError", "ServiceUnavailable"} <= world.refusals()
    world.assert_whole()


def test_ten_minutes_without_permission_are_told_and_lose_nothing(world: HttpWorld) -> None:
    world.settings = RARELY
    world.follow()
    denied = AccessDenied("User is not authorized to perform dynamodb:GetRecords")
    world.clock.after(5.0, lambda: world.table.fail("get_records", denied, seconds=10 * MINUTE))
    world.write_for(12 * MINUTE, each=10.0)
    world.clock.after(100.0, world.table.rollover)
    told: list[str | None] = []
    world.clock.after(8 * MINUTE, lambda: told.append(world.capture.status().degraded))

    status = world.run(14 * MINUTE).status()

    assert told[0] is not None
    assert "dynamodb:GetRecords" in told[0]
    assert status.degraded is None
    world.assert_whole()


# ---------------------------------------------------------------- processes and streams


def test_processes_that_come_and_go_read_every_record_once(world: HttpWorld) -> None:
    world.fill(300)
    world.clock.advance(HOUR)
    world.table.scan_page_items = 11
    world.write_for(20.0)
    world.clock.every(6.0, world.table.rollover, until=15.0)

    for _ in range(7):
        world.restart()
        world.run(3.5)

    world.assert_whole()


def test_a_disabled_stream_is_read_to_its_end_and_its_successor_is_refused(
    world: HttpWorld,
) -> None:
    world.follow()
    world.clock.after(2.0, lambda: world.table.put("last", value=1))
    world.clock.after(2.1, world.table.disable)

    status = world.run(3 * MINUTE).status()
    assert status.stream_is_over
    assert all(isinstance(s.position, End) for s in world.memory.commits[-1].shards.values())
    world.assert_whole()

    world.restart()
    with pytest.raises(StreamDisabled):
        world.run()
    world.table.enable()
    with pytest.raises(LineageChanged, match="stream"):
        world.run()


def test_a_table_made_anew_while_it_is_followed_is_noticed(world: HttpWorld) -> None:
    world.follow()
    world.clock.after(10.0, world.table.recreate)

    with pytest.raises(LineageChanged):
        world.run(5 * MINUTE)


def test_old_images_are_not_taken_for_new_ones() -> None:
    with HttpWorld.served(view_type="NEW_AND_OLD_IMAGES") as world:
        world.follow()
        world.write_for(5.0)
        world.run(10.0)

        world.assert_whole()


def test_the_service_time_is_that_of_its_answers(world: HttpWorld) -> None:
    world.follow()

    assert 0 <= world.clock.now - world.source.now() <= 1.0
    first = world.memory.commits[0]
    assert all(isinstance(shard.position, FromStart) for shard in first.shards.values())
