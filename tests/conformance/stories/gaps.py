"""What is a gap, and what is none: a gap is said, and never a silent jump."""

from functools import partial

import pytest

from cdc.errors import ShardNotFound, SourceUnreachable, Trimmed
from tests.conformance.consumer import Gap, NoStream, Wishes
from tests.conformance.stage import ScriptedStage, Stage
from tests.conformance.story import story

HOUR = 3600.0
TRIMMED = Trimmed("The operation tried to read past the oldest stream record in a shard")
UNKNOWN = ShardNotFound("Requested resource not found: Shard does not exist")


@story("5.2", "6.23", "6.15", on_local="jumps")
def a_record_that_was_trimmed_unread_is_a_gap_at_each_start(s: Stage) -> None:
    s.fill(3)
    s.live(partial(s.put, "read"))
    scans = s.scans()
    s.put("never read")
    s.jump(25)

    for _ in range(2):
        s.ends_in(Gap)

    assert s.scans() == scans


@story("5.9", "6.23", on_local="jumps")
def a_first_record_that_was_trimmed_unread_is_a_gap_though_the_service_answers(s: Stage) -> None:
    s.live()
    s.put("the first of all, never read")
    s.jump(25)
    s.put("this one can be read")

    s.ends_in(Gap)


@story("5.8", on_local="jumps")
def a_trimmed_position_that_was_proven_read_is_no_gap(s: Stage) -> None:
    s.live(partial(s.put, "old"))
    s.jump(20)
    s.live()  # at the tip: there was nothing more
    scans = s.scans()
    s.jump(10)
    s.put("new")

    s.live()

    s.assert_whole(scans)


@story("5.8")
def what_is_read_again_from_the_start_is_not_taken_for_news(s: ScriptedStage) -> None:
    s.live(partial(s.fill, 20))
    s.table.fail("open_iterator", TRIMMED, times=1)
    s.put("new")

    s.live()

    assert "TrimmedDataAccessException" in s.refusals()
    s.assert_whole()


@story("6.23")
def records_trimmed_while_they_are_being_read_are_a_gap(s: ScriptedStage) -> None:
    s.live(partial(s.put, "read"))
    s.clock.after(5.0, lambda: s.table.fail("get_records", TRIMMED, times=3))

    s.ends_in(Gap)


@story("6.23", over_http=False)
def what_was_trimmed_while_the_process_stood_still_is_a_gap(s: ScriptedStage) -> None:
    def stand_still() -> None:
        s.put("lost")
        s.jump(25)

    s.clock.after(20.0, stand_still)
    s.live()

    s.ends_in(Gap)


@story("6.6", shards=2, over_http=False)
def a_shard_that_ages_out_while_it_is_stuck_is_one_gap_and_no_loop(s: ScriptedStage) -> None:
    s.wishes = Wishes(poll_seconds=300.0)
    s.live(partial(s.fill, 10))
    stuck = s.table.open_shards()[0].shard_id
    s.fill(20)
    for call in ("open_iterator", "get_records"):
        s.table.fail(call, SourceUnreachable("away"), shard_id=stuck, seconds=25 * HOUR)
    told = s.ask(23 * HOUR)
    s.clock.after(HOUR, partial(s.jump, 21))

    with pytest.raises(Gap):
        s.live_on(26 * HOUR)

    ((_, health),) = told
    assert (health.lag_seconds or 0) > 22.9 * HOUR
    assert health.problem is not None


@story("5.2", "6.17")
def a_shard_that_the_service_forgot_is_a_gap(s: ScriptedStage) -> None:
    s.live(partial(s.put, "read"))
    s.table.fail("open_iterator", UNKNOWN)

    s.ends_in(Gap)


@story("5.3", "6.17")
def a_shard_that_was_read_to_its_end_may_be_gone(s: ScriptedStage) -> None:
    s.live(partial(s.put, "in the parent"), s.roll_over, partial(s.put, "in the child"))
    (parent,) = (each.shard_id for each in s.table.shards.values() if each.closed_at)
    s.jump(2)
    s.live()
    scans = s.scans()
    s.jump(23)
    assert parent not in [shard.shard_id for shard in s.table.listed()]
    s.roll_over()
    s.put("in a grandchild")

    s.live()

    s.assert_whole(scans)


@story("5.4")
def a_shard_at_its_end_whose_children_are_gone_too_is_a_gap(s: ScriptedStage) -> None:
    s.table.child_listed_after = 1e9
    s.live(partial(s.put, "read"), s.roll_over)
    s.live_on(3.0)
    s.table.child_listed_after = 0.0
    s.roll_over()
    s.put("never read")
    s.jump(25)
    s.roll_over()
    s.jump(25)

    s.ends_in(Gap)


@story("5.4", "4.1", over_http=False)
def leaves_of_a_disabled_stream_may_go(s: ScriptedStage) -> None:
    s.wishes = Wishes(poll_seconds=60.0)
    s.live(partial(s.put, "last"))
    shown = s.shown()
    s.clock.after(60.0, s.disable)

    s.live_on(30 * HOUR)

    assert s.shown() == shown
    assert s.table.listed() == []
    s.ends_in(NoStream)


@story("5.5", "6.12")
def a_parent_that_is_unlisted_before_its_end_was_read_is_a_gap(s: ScriptedStage) -> None:
    s.live(partial(s.put, "read"))
    (parent,) = s.table.shards
    s.put("its tail")
    s.roll_over()
    s.table.distort = lambda shards: [each for each in shards if each.shard_id != parent]
    s.table.fail("open_iterator", SourceUnreachable("away"), shard_id=parent, seconds=100.0)

    s.ends_in(Gap)
