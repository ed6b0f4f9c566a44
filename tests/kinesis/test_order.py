"""Changes of one instant: which is the newest, told by a real capture and counted."""

import pytest

from tests.kinesis.world import World
from tests.simulators.change_documents import Change


def changes_of_one_instant(routes: World, key: str, *values: int) -> list[Change]:
    """Changes of an item with one time, of which nothing was sent."""
    with routes.feed.one_instant():
        for value in values:
            routes.put(key, v=value)
    routes.feed.skip()
    return routes.feed.table.log[-len(values) :]


@pytest.mark.parametrize("engine", ["duckdb"])
def test_changes_of_one_instant_are_ordered_by_their_images_or_by_the_table(routes: World) -> None:
    with routes.follower.running() as capture:
        shard = routes.stream.open_shards()[0]
        first, second, third = changes_of_one_instant(routes, "a", 1, 2, 3)
        routes.feed.send_to(shard, third, first, second)
        routes.settled(capture, 3)
        assert (capture.status().dropped.by_images, routes.front.calls["GetItem"]) == (1, 0)

        there_and_back = changes_of_one_instant(routes, "b", 1, 2, 1, 2, 5)
        routes.feed.send_to(shard, *there_and_back[1:3], there_and_back[4])
        routes.settled(capture, 6)
        routes.feed.send_to(shard, there_and_back[3], there_and_back[0])
        routes.settled(capture, 8)

        assert routes.values() == {"a": "3", "b": "5"}
        assert (capture.status().dropped.by_table, routes.front.calls["GetItem"]) == (2, 2)
