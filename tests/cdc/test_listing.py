"""Listings over HTTP: one budget for a stream, and parts that count."""

from collections.abc import Iterator
from typing import Any

import pytest

from cdc.aws import ServiceClock
from cdc.capture_status import CaptureSettings
from cdc.dynamodb import DynamoDbSource
from cdc.errors import Throttled
from cdc.listing import CallBudget
from cdc.pace import FEW_DRAINED
from cdc.source import ListedShard
from tests.simulators.clock import VirtualClock
from tests.simulators.http_world import HttpWorld, params_of, pauses_move
from tests.simulators.service import simulated_service
from tests.simulators.stream import SimulatedTable

SHARDS = 130
REPETITIONS = 3 * 6  # botocore asks three times, the source six
CALM = CaptureSettings(max_calls_per_second=100.0)  # polls are not what these are about
CALMER = CaptureSettings(max_calls_per_second=40.0)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def table(clock: VirtualClock) -> SimulatedTable:
    return SimulatedTable(clock, shards=250)


@pytest.fixture
def endpoint(table: SimulatedTable, clock: VirtualClock) -> Iterator[str]:
    with simulated_service(table) as endpoint_url, pauses_move(clock):
        yield endpoint_url


def source_of(table: SimulatedTable, endpoint_url: str) -> DynamoDbSource:
    clock = ServiceClock(local=lambda: table.clock.now)
    return DynamoDbSource(table.name, params_of(endpoint_url), clock)


def asked_of(table: SimulatedTable) -> list[dict[str, Any]]:
    return [call.request for call in table.served if call.action == "DescribeStream"]


def starts(table: SimulatedTable) -> list[str | None]:
    return [request.get("ExclusiveStartShardId") for request in asked_of(table)]


def assert_within_budget(table: SimulatedTable) -> None:
    times = [call.at for call in table.served if call.action == "DescribeStream"]
    assert len(times) > 5
    assert all(later - earlier > 0.999 for earlier, later in zip(times, times[5:], strict=False))


def count_of(world: HttpWorld, state: str) -> int:
    """Shards in a state; with "" in any."""
    shards = world.capture.status().shards
    return shards.get(state, 0) if state else sum(shards.values())


class Breaking:
    """Lets some pages of a listing through, then refuses one until nobody repeats it any more."""

    def __init__(self, lets_through: int) -> None:
        self.lets_through = lets_through
        self.pages = -1

    def __call__(self, shards: list[ListedShard]) -> list[ListedShard]:
        self.pages += 1
        if self.pages % (self.lets_through + REPETITIONS) >= self.lets_through:
            raise Throttled("Rate exceeded")
        return shards


def test_turns_are_a_fifth_of_a_second_apart_whoever_takes_them() -> None:
    budget = CallBudget()

    waits = [budget.reserve(now) for now in (100.0, 100.0, 100.1, 105.0)]

    assert waits == pytest.approx([0.0, 0.2, 0.3, 0.0])


def test_two_datasets_that_follow_one_stream_share_its_budget(
    table: SimulatedTable, endpoint: str
) -> None:
    first, second = source_of(table, endpoint), source_of(table, endpoint)
    for _ in range(2):
        first.list_shards()
        second.list_children(second.list_shards().shards[0].shard_id)

    assert_within_budget(table)


def test_repetitions_by_the_sdk_take_turns_too(table: SimulatedTable, endpoint: str) -> None:
    table.fail("list_shards", Throttled("Rate exceeded"), times=5)

    source_of(table, endpoint).list_shards()

    assert len(starts(table)) == 5 + 3
    assert_within_budget(table)


def test_a_listing_that_breaks_is_given_as_far_as_it_came_and_gone_on_with(
    table: SimulatedTable, endpoint: str
) -> None:
    source = source_of(table, endpoint)
    table.distort = Breaking(2)

    part = source.list_shards()
    assert len(part.shards) == 200
    assert not part.is_complete
    assert part.last_id == part.shards[-1].shard_id
    whole = source.list_shards(part)

    assert starts(table)[-1] == part.last_id
    assert whole.is_complete
    assert whole.last_id is None
    assert [shard.shard_id for shard in whole.shards] == sorted(table.shards)


def test_a_listing_that_cannot_be_gone_on_with_starts_over(
    table: SimulatedTable, endpoint: str
) -> None:
    source = source_of(table, endpoint)
    breaking = Breaking(2)
    table.distort = breaking
    part = source.list_shards()
    table.distort = lambda shards: [] if starts(table) == before else shards
    before = starts(table)  # the next page comes back empty: the service lost its place

    whole = source.list_shards(part)

    assert whole.is_complete
    assert len(whole.shards) == 250


def test_what_is_newer_than_a_shard_is_listed_without_the_rest(
    table: SimulatedTable, endpoint: str
) -> None:
    oldest = sorted(table.shards)
    table.rollover()

    newer = source_of(table, endpoint).list_newer(oldest[-1])

    assert not newer.is_complete
    assert {shard.parent_id for shard in newer.shards} == set(oldest)
    assert starts(table)[0] == oldest[-1]
    assert len(starts(table)) == 3  # of 500 shards


def test_a_stream_whose_listings_always_break_is_followed_all_the_same() -> None:
    """All or nothing would never end: two pages, and each second one is refused."""
    with HttpWorld.served(shards=SHARDS, settings=CALMER) as world:
        world.table.distort = Breaking(1)
        world.fill(300)
        world.clock.after(20.0, world.table.rollover)

        world.run_until(lambda: count_of(world, "reading") == SHARDS < count_of(world, ""), 300.0)

        world.assert_whole()


def test_the_children_of_many_shards_are_found_by_few_calls() -> None:
    with HttpWorld.served(shards=110, settings=CALM) as world:
        world.clock.advance(3600.0)
        world.table.rollover()
        world.clock.advance(3600.0)
        world.follow()
        world.table.served.clear()
        world.clock.after(2.0, world.table.rollover)

        world.run(20.0)

        filtered = [each for each in asked_of(world.table) if "ShardFilter" in each]
        assert len(filtered) <= FEW_DRAINED
        assert starts(world.table).count(None) - len(filtered) == 1  # from the start only once
        assert (
            len(starts(world.table)) - len(filtered) <= 3 + 2
        )  # pages: of 220, then of the 110 new
        assert count_of(world, "") == 3 * 110
