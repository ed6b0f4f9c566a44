"""Iterators and pages: expired, empty, short, asked for once."""

from functools import partial

from cdc.errors import SourceUnreachable
from tests.conformance.consumer import Wishes
from tests.conformance.stage import ScriptedStage, Stage
from tests.conformance.story import story

MINUTE = 60.0


@story("6.4", on_local="jumps")
def a_write_after_sixteen_minutes_of_silence_is_read(s: Stage) -> None:
    s.live(partial(s.jump, 16 / 60), partial(s.put, "first"))

    s.assert_whole()


@story("6.5", "5.7", on_local="jumps")
def an_iterator_that_expires_in_mid_run_costs_no_record(s: Stage) -> None:
    s.fill(5)
    s.live()
    scans = s.scans()

    s.live(
        partial(s.put, "before"),
        partial(s.jump, 16 / 60),
        partial(s.put, "behind"),
        partial(s.delete, "key-1"),
    )

    s.assert_whole(scans)


@story("6.5", "5.7", shards=2)
def iterators_that_expire_in_an_outage_are_taken_anew_from_the_last_record(
    s: ScriptedStage,
) -> None:
    s.wishes = Wishes(poll_seconds=5.0)
    s.live()
    away = SourceUnreachable("away")
    s.clock.after(60.0, lambda: s.table.fail("get_records", away, seconds=16 * MINUTE))
    s.write_for(18 * MINUTE, each=20.0)

    s.live_on(20 * MINUTE)

    assert "ExpiredIteratorException" in s.refusals()
    assert len(s.delivered()) == len(set(s.delivered()))
    s.assert_whole()


@story("6.7")
def shards_are_never_begun_at_their_latest_record(s: ScriptedStage) -> None:
    s.live()
    s.put("before its first record")
    s.roll_over()
    s.put("in a shard that nobody has seen")
    s.live(s.roll_over, partial(s.put, "after a rollover"))

    kinds = {call.request["ShardIteratorType"] for call in s.served("GetShardIterator")}
    assert "LATEST" not in kinds
    s.assert_whole()


@story("6.7", shards=3)
def a_kill_between_a_page_and_its_commit_loses_nothing(s: ScriptedStage) -> None:
    s.fill(30)
    s.live()
    for turn in range(8):
        s.put(f"key-{turn}", value="changed")
        s.put(f"key-{turn + 8}", value="changed")
        pages = len(s.delivered())

        def look(pages: int = pages) -> bool:
            if len(s.delivered()) > pages:
                s.kill()
            return True

        s.clock.every(0.001, look, until=20.0)
        s.live_until_killed(20.0)
        s.clock.advance(21.0)  # that nobody is killed later

    s.live()
    s.assert_whole()


@story("6.19")
def a_restart_in_the_middle_of_a_shard_reads_only_what_is_left(s: ScriptedStage) -> None:
    s.table.page_records = 10
    s.live(partial(s.fill, 60))
    before = set(s.delivered())
    for number in range(40):
        s.put(f"new-{number}")
    s.table.served.clear()

    s.live()

    assert len(s.delivered()) == 40
    assert not before & set(s.delivered())
    s.assert_whole()


@story("6.19", "5.1", on_local="jumps")
def a_restart_resumes_behind_its_last_record_without_a_scan(s: Stage) -> None:
    s.fill(5)
    s.live(partial(s.put, "read"))
    scans = s.scans()
    s.put("unread")
    s.delete("key-2")

    s.live()

    s.assert_whole(scans)


@story("6.26", shards=3)
def no_record_is_asked_for_twice_in_one_life(s: ScriptedStage) -> None:
    s.wishes = Wishes(seed=3)
    s.table.page_records = 4
    s.live()
    s.write_for(6.0, each=0.05)
    s.clock.after(3.0, s.roll_over)

    s.live_on(25.0)

    assert len(s.delivered()) == len(set(s.delivered()))
    s.assert_whole()


@story("6.27")
def the_iterator_of_an_idle_table_is_moved_on_by_empty_pages(s: ScriptedStage) -> None:
    s.wishes = Wishes(poll_seconds=10.0)
    s.live()

    s.live(lambda: s.clock.after(40 * MINUTE, partial(s.put, "at last")))
    s.live_on(41 * MINUTE)

    assert s.refusals() == set()
    s.assert_whole()


@story("6.27")
def ten_minutes_of_empty_pages_before_data_are_walked_through(s: ScriptedStage) -> None:
    s.wishes = Wishes(poll_seconds=5.0)
    s.live()
    s.table.empty_pages = 120
    s.put("behind them")

    s.live(within_seconds=15 * MINUTE)

    s.assert_whole()
