"""Pages and refusals of capture through the real SDK; `tests.conformance` has the stories.

Every commit is audited (`tests.simulators.audit`): no record lost or doubled, no item but as its
newest record says, no child before its parent.
"""

from collections.abc import Iterator
from functools import partial

import pytest

from cdc.capture_status import CaptureSettings
from cdc.errors import (
    AccessDenied,
)
from cdc.position import FromStart
from tests.simulators.faults import ServiceRefusal
from tests.simulators.http_world import HttpWorld

MINUTE, HOUR = 60.0, 3600.0
RARELY = CaptureSettings(poll_interval_seconds=5.0)


@pytest.fixture
def world() -> Iterator[HttpWorld]:
    with HttpWorld.served(shards=2) as served:
        yield served


# ---------------------------------------------------------------- pages and shards


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


def test_a_write_that_changes_nothing_is_silent(world: HttpWorld) -> None:
    world.follow()
    before = world.memory.commits[-1].version
    world.clock.every(0.2, lambda: world.table.put("key-1", value=1), until=5.0)

    status = world.run(6.0).status()

    assert status.records_total == 0
    assert world.memory.commits[-1].version <= before + 1  # proofs only


@pytest.mark.soak
def test_more_than_a_thousand_open_shards_converge() -> None:
    with HttpWorld.served(shards=1_030) as world:
        world.fill(300)
        world.clock.after(2.0, lambda: world.fill(600))
        world.clock.after(5.0, world.table.rollover)
        world.clock.after(6.0, lambda: world.fill(700))

        world.run(60.0)

        world.assert_whole()


# ---------------------------------------------------------------- refusals


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
