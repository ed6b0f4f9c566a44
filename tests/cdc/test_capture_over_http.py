"""Stories of capture through the real SDK: the simulated service plays what no emulator does.

In each of them every commit is audited (`tests.simulators.audit`): no record lost or doubled, no
item but as its newest record says, no child before its parent.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

from cdc.errors import (
    Throttled,
)
from cdc.source import ListedShard
from tests.simulators.http_world import HttpWorld

HOUR = 3600.0


@pytest.fixture
def world() -> Iterator[HttpWorld]:
    with HttpWorld.served(shards=2) as served:
        yield served


# ---------------------------------------------------------------- shards


def test_a_bootstrap_beside_writes_splits_and_rollovers_ends_with_the_table(
    world: HttpWorld,
) -> None:
    world.fill(500)
    world.clock.advance(HOUR)  # only the scan has these
    world.write_for(12.0)
    world.clock.after(3.0, lambda: world.table.split(world.table.open_shards()[0].shard_id))
    world.clock.after(6.0, world.table.rollover)
    world.clock.after(9.0, lambda: world.table.split(world.table.open_shards()[-1].shard_id))

    world.run(16.0)

    assert len(world.table.shards) == 2 + 2 + 3 + 2
    world.assert_whole()


def test_a_write_that_changes_nothing_is_silent(world: HttpWorld) -> None:
    world.follow()
    before = world.memory.commits[-1].version
    world.clock.every(0.2, lambda: world.table.put("key-1", value=1), until=5.0)

    status = world.run(6.0).status()

    assert status.records_total == 0
    assert world.memory.commits[-1].version <= before + 1  # proofs only


def test_more_than_a_thousand_shards_converge_under_throttling() -> None:
    with HttpWorld.served(shards=115) as world:
        world.fill(300)
        for _ in range(8):
            world.clock.advance(2 * HOUR)
            world.table.rollover()
        assert len(world.table.listed()) == 1_035
        world.table.limit("list_shards", 10.0)
        world.table.fail("get_records", Throttled("rate"), times=9)
        world.clock.after(2.0, lambda: world.fill(600))
        world.clock.after(3.0, world.table.rollover)
        world.clock.after(4.0, lambda: world.fill(700))

        world.run(16.0)

        assert len(world.memory.commits[-1].shards) == 1_150
        world.assert_whole()


@pytest.mark.soak
def test_more_than_a_thousand_open_shards_converge() -> None:
    with HttpWorld.served(shards=1_030) as world:
        world.fill(300)
        world.clock.after(2.0, lambda: world.fill(600))
        world.clock.after(5.0, world.table.rollover)
        world.clock.after(6.0, lambda: world.fill(700))

        world.run(60.0)

        world.assert_whole()


# ---------------------------------------------------------------- listings


def test_children_that_are_listed_late_are_read_from_their_start(world: HttpWorld) -> None:
    world.follow()
    world.table.child_listed_after = 45.0
    world.write_for(20.0)
    world.clock.after(4.0, world.table.rollover)

    world.run(80.0)

    world.assert_whole()


def test_a_shard_that_some_listings_leave_out_is_read_on(world: HttpWorld) -> None:
    world.follow()
    chance = random.Random(7)
    world.table.distort = lambda shards: [each for each in shards if chance.random() < 0.7]
    world.write_for(200.0, each=2.0)
    world.clock.every(70.0, world.table.rollover, until=150.0)

    world.run(300.0)

    world.assert_whole()


def test_a_parent_that_is_listed_as_open_beside_its_child_is_read_first(world: HttpWorld) -> None:
    world.follow()
    world.table.distort = lambda shards: [replace(shard, is_closed=False) for shard in shards]
    world.table.page_records = 3
    world.write_for(10.0)
    for shard in world.table.open_shards():
        slow = partial(world.table.fail, "get_records", Throttled("rate"), shard_id=shard.shard_id)
        world.clock.after(4.0, partial(slow, seconds=65.0))
    world.clock.after(5.0, world.table.rollover)

    world.run(200.0)

    world.assert_whole()


def test_a_child_whose_parent_is_gone_is_read() -> None:
    with HttpWorld.served() as world:
        world.table.rollover()
        world.table.distort = lambda shards: [shard for shard in shards if shard.parent_id]
        world.write_for(3.0)

        world.run(6.0)

        (only,) = world.memory.commits[-1].shards.values()
        assert only.parent_id is not None
        world.assert_whole()


def test_closed_shards_of_a_stale_listing_are_not_asked_for(world: HttpWorld) -> None:
    ghost = ListedShard("shardId-00000001600000000000-00000000", None, is_closed=True)
    world.table.distort = lambda shards: [ghost, *shards]
    world.write_for(3.0)

    world.run(6.0)

    assert ("open_iterator", ghost.shard_id) not in world.table.calls
    world.assert_whole()
