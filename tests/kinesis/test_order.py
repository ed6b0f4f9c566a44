"""Which of several changes of an item is the newest, told by real captures and counted."""

import pytest

from tests.cdc.follower import wait
from tests.kinesis.world import SECONDS, World
from tests.simulators.change_documents import Change

pytestmark = pytest.mark.parametrize("engine", ["duckdb"])


def changes_of_one_instant(routes: World, *values: int) -> list[Change]:
    """Changes of item `a` with one time, of which nothing was sent."""
    with routes.feed.one_instant():
        for value in values:
            routes.put("a", v=value)
    routes.feed.skip()
    return routes.feed.table.log[-len(values) :]


def test_changes_of_one_instant_are_ordered_by_what_each_found(routes: World) -> None:
    with routes.follower.running() as capture:
        shard = routes.stream.open_shards()[0]
        first, second, third = changes_of_one_instant(routes, 1, 2, 3)
        routes.feed.send_to(shard, third, first, second)
        routes.settled(capture, 3)

        wait(lambda: capture.status().dropped.by_images == 1, SECONDS)
        assert routes.values() == {"a": "3"}
        assert routes.front.calls["GetItem"] == 0


def test_what_the_images_do_not_tell_is_read_from_the_table(routes: World) -> None:
    with routes.follower.running() as capture:
        shard = routes.stream.open_shards()[0]
        there_and_back = changes_of_one_instant(routes, 1, 2, 1, 2, 5)
        routes.feed.send_to(shard, *there_and_back[1:3], there_and_back[4])
        routes.settled(capture, 3)
        assert routes.values() == {"a": "5"}

        routes.feed.send_to(shard, there_and_back[3], there_and_back[0])
        routes.settled(capture, 5)
        assert routes.values() == {"a": "5"}
        wait(lambda: capture.status().dropped.by_table == 2, SECONDS)
        assert routes.front.calls["GetItem"] == 2


def test_a_change_in_milliseconds_is_no_older_than_one_in_microseconds_of_that_millisecond(
    routes: World,
) -> None:
    with routes.follower.running() as capture:
        shard = routes.stream.open_shards()[0]
        routes.feed.table.now_us = int(routes.kinesalite.now()) * 1_000_000 + 5_000_400
        routes.feed.table.step_us = 100
        routes.put("a", v=1)
        routes.put("a", v=2)
        early, late = routes.feed.table.log
        routes.feed.skip()
        routes.feed.send_to(shard, early)
        routes.settled_records(capture, 1)
        routes.feed.unit = "ms"  # which says the beginning of the millisecond, before `early`
        routes.feed.send_to(shard, late)

        routes.settled(capture, 2)
        assert routes.values() == {"a": "2"}
