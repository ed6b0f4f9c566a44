"""Listings: long, late, incomplete, contradictory, stale."""

import random
from dataclasses import replace
from functools import partial

from cdc.errors import SourceUnreachable, Throttled
from cdc.source import ListedShard
from tests.conformance.consumer import Wishes
from tests.conformance.stage import ScriptedStage
from tests.conformance.story import story

HOUR = 3600.0


@story("6.3", shards=101)
def a_hundred_and_one_open_shards_are_all_read(s: ScriptedStage) -> None:
    s.fill(400)

    s.live(partial(s.fill, 500))

    assert len({call.shard_id for call in s.served("GetRecords")}) == 101
    s.assert_whole()


@story("6.3", shards=50)
def rollovers_on_the_third_page_of_a_listing_are_followed(s: ScriptedStage) -> None:
    for _ in range(4):
        s.clock.advance(2 * HOUR)
        s.roll_over()
    assert len(s.table.listed()) == 250
    s.live(s.roll_over, partial(s.fill, 200))

    s.assert_whole()


@story("6.9", "6.3", shards=115)
def a_thousand_shards_slow_calls_and_errors_converge(s: ScriptedStage) -> None:
    """200 ms a call, eight at a time; every twentieth call fails."""
    for _ in range(8):
        s.clock.advance(2 * HOUR)
        s.roll_over()
    assert len(s.table.listed()) == 1_035
    s.fill(300)
    s.wishes = Wishes(call_seconds=0.2 / 8, ready_lag_seconds=20.0)
    s.table.limit("list_shards", 10.0)
    s.table.shake(0.05, [Throttled("rate"), SourceUnreachable("time-out")])

    s.live(partial(s.fill, 500), s.roll_over, partial(s.fill, 600))

    assert s.calls("get_records") > 1_000
    s.assert_whole()


@story("6.12", "6.21", shards=2)
def a_shard_that_some_listings_leave_out_is_read_on(s: ScriptedStage) -> None:
    s.live()
    chance = random.Random(7)
    s.table.distort = lambda shards: [each for each in shards if chance.random() < 0.7]
    s.wishes = Wishes(poll_seconds=1.0)
    s.write_for(150.0, each=3.0)
    s.clock.every(70.0, s.roll_over, until=145.0)

    s.live_on(260.0)

    s.assert_whole()


@story("6.21", shards=50)
def one_bad_lineage_among_five_hundred_does_not_stop_the_others(s: ScriptedStage) -> None:
    """One shard says that its grandchild is its parent."""
    for _ in range(9):
        s.clock.advance(HOUR)
        s.roll_over()
    ids = sorted(s.table.shards)
    bad, grandchild = (
        ids[0],
        next(
            each.shard_id
            for each in s.table.shards.values()
            if s.table.shards[each.parent_id or ids[0]].parent_id == ids[0]
        ),
    )

    def in_a_circle(shards: list[ListedShard]) -> list[ListedShard]:
        return [
            replace(each, parent_id=grandchild) if each.shard_id == bad else each for each in shards
        ]

    s.table.distort = in_a_circle
    s.live(partial(s.fill, 300), s.roll_over, partial(s.fill, 350))

    s.assert_whole()


@story("6.20", "6.17")
def a_parent_that_is_still_listed_but_trimmed_is_not_asked_for(s: ScriptedStage) -> None:
    (real,) = s.table.shards
    ghost = ListedShard("shardId-00000001600000000000-00000000", None, is_closed=True)
    s.table.distort = lambda shards: [
        ghost,
        *(replace(each, parent_id=ghost.shard_id) for each in shards if each.shard_id == real),
    ]

    s.live(partial(s.put, "real"))
    s.live_on(130.0)

    assert s.calls("open_iterator", ghost.shard_id) == 0
    s.assert_whole()


@story("6.20", "6.24")
def a_closed_parent_that_the_first_listing_left_out_is_no_gap(s: ScriptedStage) -> None:
    """Its child was there before the bootstrap began, so the scan has all that it held."""
    s.put("in the parent")
    s.clock.advance(60.0)
    s.roll_over()
    s.clock.advance(60.0)
    s.table.distort = lambda shards: [shard for shard in shards if shard.parent_id]
    s.live(partial(s.put, "in the child"))
    s.table.distort = lambda shards: shards

    s.live_on(70.0)
    s.live(partial(s.put, "read on"))

    s.assert_whole()


@story("6.22", shards=2)
def children_are_found_at_once_and_full_listings_are_rare(s: ScriptedStage) -> None:
    s.live()
    s.table.calls.clear()
    found = []

    def roll_over() -> None:
        s.roll_over()
        at = s.clock.now
        s.put("marker", at=at)
        s.clock.after(2.0, lambda: found.append(s.shows_all()))

    s.clock.every(45.0, roll_over, until=190.0)
    s.live_on(200.0)

    assert found == [True] * 4
    assert s.calls("list_shards") <= 200 / 60 + 1
    s.assert_whole()


@story("6.16", shards=20)
def the_budget_of_listings_is_kept_while_another_process_takes_its_half(s: ScriptedStage) -> None:
    """The service allows ten a second; two processes must fit in. A listing takes six calls."""
    for _ in range(29):
        s.clock.advance(HOUR / 2)
        s.roll_over()
    s.live()
    s.table.served.clear()
    s.table.limit("list_shards", 5.0)  # what the other process leaves
    s.table.limit("list_children", 5.0)
    s.table.child_listed_after = 10.0
    s.wishes = Wishes(poll_seconds=2.0)
    s.clock.after(1.0, s.roll_over)

    s.live_on(20.0)
    s.live(partial(s.fill, 100))

    assert s.most_in_a_second("DescribeStream") <= 5
    assert s.refusals() == set()
    s.assert_whole()
