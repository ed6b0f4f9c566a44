"""Limits that are kept, and health that follows the data and not the loop."""

from functools import partial

from cdc.errors import SourceUnreachable, Throttled
from tests.conformance.consumer import Gap, Wishes
from tests.conformance.stage import ScriptedStage
from tests.conformance.story import story

HOUR = 3600.0
AWAY = SourceUnreachable("away")
STREAM_CALLS = ("list_shards", "list_children", "open_iterator", "get_records")


@story("6.30", "6.16", shards=2)
def limits_are_kept_for_each_shard_and_not_for_all_together(s: ScriptedStage) -> None:
    s.table.limit("get_records", 5.0)
    s.table.limit("list_shards", 10.0)
    s.live()
    s.table.served.clear()

    def burst() -> None:
        for number in range(36):  # pages that are full by their bytes
            s.put(f"large-{number}", text="x" * 310_000)

    s.live(burst, s.roll_over)

    assert s.refusals() == set()
    assert s.most_in_a_second("GetRecords") > 5  # two shards, five each
    s.assert_whole()


@story("6.30", "6.16", shards=2)
def one_throttled_shard_does_not_hold_up_the_other(s: ScriptedStage) -> None:
    s.live(partial(s.fill, 10))
    slow, quick = (shard.shard_id for shard in s.table.open_shards())
    s.table.fail("get_records", Throttled("rate"), shard_id=slow, seconds=60.0)
    shown = []
    s.clock.after(1.0, partial(s.fill, 40))
    s.clock.after(10.0, lambda: shown.append(len(s.consumer.items())))

    s.live_on(30.0)

    mine = [record for record in s.table.shards[quick].records if record.created >= 0]
    assert shown[0] >= len({record.text for record in mine}) - 10
    s.live()
    s.assert_whole()


@story("6.9", "6.14", over_http=False)
def while_nothing_answers_lag_grows_and_it_is_said(s: ScriptedStage) -> None:
    s.wishes = Wishes(poll_seconds=60.0)
    s.live(partial(s.put, "read"))
    for call in STREAM_CALLS:
        s.table.fail(call, AWAY, seconds=30 * HOUR)
    told = s.ask(HOUR, 12 * HOUR, 23 * HOUR, 29 * HOUR)

    s.live_on(29.5 * HOUR)

    lags = [health.lag_seconds or 0 for _, health in told]
    assert [round(lag / HOUR) for lag in lags] == [1, 12, 23, 29]
    assert all(health.problem for _, health in told)
    assert len({health.readable_until for _, health in told}) == 1, "polls moved the horizon"
    now, last = told[-1]
    assert (last.readable_until or 0) < now


@story("6.14", "6.15", over_http=False)
def what_was_silent_for_longer_than_a_day_does_not_go_on_as_if_nothing_were(
    s: ScriptedStage,
) -> None:
    s.wishes = Wishes(poll_seconds=60.0)
    s.live(partial(s.put, "read"))
    for call in STREAM_CALLS:
        s.table.fail(call, AWAY, seconds=30 * HOUR)
    s.clock.after(HOUR, partial(s.put, "never read"))

    s.ends_in(Gap, seconds=31 * HOUR)


@story("6.9", "6.14", over_http=False)
def a_process_that_cannot_list_is_not_ready_however_busy_it_is(s: ScriptedStage) -> None:
    s.live(partial(s.put, "read"))
    s.roll_over()
    s.put("in the child")
    for call in ("list_shards", "list_children"):
        s.table.fail(call, AWAY)
    told = s.ask(10 * 60.0)

    s.live_on(11 * 60.0)

    ((_, health),) = told
    assert not health.ready
    assert (health.lag_seconds or 0) > 9 * 60
    assert health.problem is not None


@story("6.9", "6.14", over_http=False)
def one_that_reads_all_the_time_and_falls_behind_says_how_far_the_horizon_is(
    s: ScriptedStage,
) -> None:
    """No call fails, every poll brings a record: the loop is alive, the data is not."""
    s.table.page_records = 1
    s.live(partial(s.put, "read"))
    s.wishes = Wishes(poll_seconds=1800.0)
    numbers = iter(range(10**9))
    s.clock.every(180.0, lambda: s.put(f"key-{next(numbers) % 50}", at=s.clock.now))
    told = s.ask(2 * HOUR, 22 * HOUR)

    s.live_on(22.5 * HOUR)

    for now, health in told:
        assert health.lag_seconds is not None
        assert health.readable_until is not None
        assert health.lag_seconds > 0.8 * (now - told[0][0])
    (_, early), (now, late) = told
    assert early.problem is None
    assert late.problem is not None
    assert (late.readable_until or 0) - now < 6 * HOUR
