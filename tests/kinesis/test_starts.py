"""Where reading of a Kinesis stream begins, and where it must not go on silently."""

import pytest

from cdc.errors import LineageChanged, PositionLost
from tests.cdc.follower import is_ready
from tests.kinesis.world import World

pytestmark = pytest.mark.parametrize("engine", ["duckdb"])


def test_a_shard_that_closed_just_before_the_scan_is_read_for_what_comes_again_later(
    routes: World,
) -> None:
    closed = routes.stream.open_shards()[0]
    routes.put("a", v=1)
    routes.delete("a")
    routes.put("b", v=1)
    routes.put("b", v=2)
    routes.feed.skip()
    inserted, _, old, _ = routes.feed.table.log
    routes.feed.send_to(closed, *routes.feed.table.log)
    child, _ = routes.stream.split(closed)

    with routes.follower.running() as capture:
        routes.feed.send_to(child, inserted, old)  # the service delivers them again
        routes.settled(capture, 6)
        assert routes.values() == {"b": "2"}


def test_shards_that_closed_hours_before_are_not_read_and_nothing_is_missing(
    routes: World,
) -> None:
    merged = routes.stream.merge(*routes.stream.open_shards())
    routes.advance(hours=2)
    halves = routes.stream.split(merged)
    routes.advance(hours=2)
    routes.put("a", v=1)
    routes.feed.skip()
    routes.feed.send_to(halves[0], routes.feed.table.log[-1])
    youngest = routes.stream.merge(*halves)

    with routes.follower.running() as capture:
        routes.put("a", v=2)
        routes.feed.skip()
        routes.feed.send_to(youngest, routes.feed.table.log[-1])
        routes.settled(capture, 2)

    # The child of the first two closed as long ago; its own children did not.
    assert len(routes.stream.shards()) == 6
    assert routes.front.calls["GetShardIterator"] == 4


def test_a_reader_that_was_away_longer_than_the_stream_keeps_records_says_so(
    routes: World,
) -> None:
    with routes.follower.running() as capture:
        for number, shard in enumerate(routes.stream.open_shards()):
            routes.put("a", v=number)
            routes.feed.send_to(shard, routes.feed.table.log[-1])
        routes.settled(capture, 2)  # so each shard has a position in it
    routes.put("a", v=2)
    routes.feed.skip()
    routes.feed.send_to(routes.stream.open_shards()[0], routes.feed.table.log[-1])
    routes.advance(hours=25)

    with pytest.raises(PositionLost), routes.follower.running(is_ready):
        pass


def test_a_stream_that_was_made_anew_under_its_name_is_another_one(routes: World) -> None:
    with routes.follower.running() as capture:
        routes.put("a", v=1)
        routes.settled(capture, routes.feed.send())
    routes.put("a", v=2)
    routes.feed.skip()  # it went into no stream
    routes.stream.make_anew(shards=2)

    with pytest.raises((LineageChanged, PositionLost)), routes.follower.running(is_ready):
        pass
