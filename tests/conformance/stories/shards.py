"""Shards that follow each other: children, parents, rollovers, splits."""

from dataclasses import replace
from functools import partial

from cdc.errors import Throttled
from tests.conformance.consumer import Wishes
from tests.conformance.stage import ScriptedStage, Stage, Step
from tests.conformance.story import story


@story("6.1", over_http=False)
def children_that_are_listed_up_to_two_minutes_late_are_read(s: ScriptedStage) -> None:
    s.fill(5)
    for late in (0.0, 40.0, 120.0):
        steps = s.set(child_listed_after=late), s.roll_over, partial(s.put, f"behind {late}")
        s.live(*steps, within_seconds=late + 65)
    s.assert_whole()


@story("6.1", "6.9", over_http=False)
def a_child_that_is_never_listed_is_told_and_lag_grows(s: ScriptedStage) -> None:
    s.table.child_listed_after = 1e9
    s.live(s.roll_over)
    told = s.ask(590.0)

    s.live_on(600.0)

    ((_, health),) = told
    assert (health.lag_seconds or 0) > 580
    assert health.problem is not None


@story("6.2", on_local="fast")
def three_rollovers_are_followed(s: Stage) -> None:
    s.fill(20)
    steps: list[Step] = []
    for turn in range(3):
        steps += [s.roll_over, partial(s.put, f"key-{turn}", value="changed")]
    scans: list[int] = []  # of the bootstrap: a service whose clock is fast refuses some calls
    s.live(lambda: scans.append(s.scans()), *steps, partial(s.delete, "key-7"))

    s.assert_whole(scans=scans[0])


@story("6.11", "6.24", shards=2)
def a_child_waits_for_its_parent_however_late_that_is(s: ScriptedStage) -> None:
    """Some listings say besides that the parent is open."""
    s.table.page_records = 3
    s.live()
    s.table.distort = lambda shards: [replace(shard, is_closed=False) for shard in shards]
    parents = [shard.shard_id for shard in s.table.open_shards()]
    slow = partial(s.table.fail, "get_records", Throttled("rate"), seconds=65.0)
    s.write_for(6.0)
    s.clock.after(2.0, lambda: [slow(shard_id=parent) for parent in parents])
    s.clock.after(3.0, s.roll_over)

    s.live_on(150.0)

    for parent, child in ((s.table.shards[each].parent_id, each) for each in s.table.shards):
        if parent is not None:
            last = [call.at for call in s.served("GetRecords") if call.shard_id == parent][-1]
            first = next(call.at for call in s.served("GetRecords") if call.shard_id == child)
            assert first >= last, f"{child} was read before the end of {parent}"
    s.assert_whole()


@story("6.18", shards=2)
def shards_that_appear_during_the_bootstrap_are_read_from_their_start(s: ScriptedStage) -> None:
    s.fill(300)
    s.jump(1)  # only the scan has these
    s.table.scan_page_items = 40
    s.write_for(12.0)
    s.clock.after(0.02, lambda: s.table.split(s.table.open_shards()[0].shard_id))
    s.clock.after(0.05, s.roll_over)
    s.clock.after(6.0, s.roll_over)
    s.clock.after(9.0, lambda: s.table.split(s.table.open_shards()[-1].shard_id))

    s.live_on(16.0)

    assert len(s.table.shards) == 2 + 2 + 3 + 3 + 2
    s.assert_whole()


@story("6.25")
def a_child_whose_parent_nobody_lists_is_read(s: ScriptedStage) -> None:
    s.roll_over()
    s.table.distort = lambda shards: [shard for shard in shards if shard.parent_id]
    s.live(partial(s.put, "orphan"))

    s.assert_whole()


@story("6.8", shards=3)
def answers_in_any_order_and_longer_numbers_lose_and_double_nothing(s: ScriptedStage) -> None:
    s.wishes = Wishes(seed=7)
    s.write_for(8.0, each=0.05)
    for at in (2.0, 5.0):
        s.clock.after(at, s.roll_over)
    for _ in range(3):
        s.live_on(4.0)

    assert {len(number) for number in s.delivered()} == {21, 22}
    s.assert_whole()


@story("6.10", shards=2)
def two_consumers_of_one_stream_do_not_move_each_other(s: ScriptedStage) -> None:
    s.fill(20)
    first, second = s.consumer, s.another_consumer()
    for turn in range(4):
        for s.consumer in (first, second):
            s.live(partial(s.put, f"key-{turn}", value="changed"), s.roll_over)

    for s.consumer in (first, second):
        s.live()
        s.assert_whole()
