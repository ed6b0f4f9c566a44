"""Whose turn it is to be polled, on a clock that is passed in."""

import pytest

from cdc.schedule import Schedule

POLL = 0.25


def schedule(*shards: str, poll: float = POLL, calls: float = 500.0) -> Schedule:
    """The shards are due at 0, in this order."""
    made = Schedule(poll_seconds=poll, shard_calls_per_second=5.0, most_calls_per_second=calls)
    for number, shard in enumerate(shards):
        made.add(shard, 0.0, float(number))
    return made


def take_all(made: Schedule, now: float) -> list[str]:
    taken = []
    while (shard := made.take_due(now)) is not None:
        taken.append(shard)
    return taken


def pause_of(made: Schedule, now: float) -> float:
    return made.next_at() - now


def test_a_full_page_is_followed_at_once_but_not_faster_than_the_service_allows() -> None:
    made = schedule("a")
    take_all(made, 100.0)

    made.full_page("a", 100.05, 100.0, None)
    assert made.next_at() == 100.2
    take_all(made, 100.2)
    made.full_page("a", 101.0, 100.2, None)
    assert made.next_at() == 101.0


def test_no_answer_of_any_kind_lets_a_shard_be_read_six_times_a_second() -> None:
    made, now, calls = schedule("a", poll=0.01), 0.0, []
    answers = (made.part_page, made.idle_page, made.full_page)
    for number in range(60):
        take_all(made, now)
        calls.append(now)
        if number % 4 == 3:
            made.failed("a", now + 0.001, now, None, 0.99)
        else:
            answers[number % 4]("a", now + 0.001, now, None)
        now = made.next_at()

    assert all(later - earlier >= 0.999 for earlier, later in zip(calls, calls[5:], strict=False))


def test_an_idle_shard_slows_down_to_three_quarters_of_a_second() -> None:
    made, pauses, now = schedule("a"), [], 0.0
    for _ in range(5):
        take_all(made, now)
        made.idle_page("a", now, now, now)
        pauses.append(pause_of(made, now))
        now = made.next_at()

    assert pauses == [0.25, 0.5, 0.75, 0.75, 0.75]


def test_a_record_makes_an_idle_shard_quick_again() -> None:
    made = schedule("a")
    take_all(made, 0.0)
    for _ in range(4):
        made.idle_page("a", 0.0, 0.0, None)
    take_all(made, 1.0)

    made.part_page("a", 1.0, 1.0, None)

    assert pause_of(made, 1.0) == POLL


@pytest.mark.parametrize("calls", [100.0, 500.0])
def test_a_thousand_idle_shards_keep_to_the_calls_that_they_may_make(calls: float) -> None:
    made = schedule(*(f"shard-{number}" for number in range(1_000)), calls=calls)
    now, made_calls = 0.0, []
    while now < 40.0:
        for shard in take_all(made, now):
            made_calls.append(now)
            made.idle_page(shard, now, now, now)
        now = made.next_at()

    settled = [at for at in made_calls if at >= 20.0]
    assert len(settled) == pytest.approx(20 * calls, rel=0.1)


def test_shards_with_records_are_polled_more_often_than_idle_ones_when_calls_are_short() -> None:
    shards = [f"{kind}-{number}" for kind in ("busy", "idle") for number in range(100)]
    made, now, polled = schedule(*shards, calls=100.0), 0.0, {"busy": 0, "idle": 0}
    while now < 80.0:
        for shard in take_all(made, now):
            kind = shard.partition("-")[0]
            polled[kind] += now >= 40.0
            answered = made.part_page if kind == "busy" else made.idle_page
            answered(shard, now, now, now)
        now = made.next_at()

    assert polled["busy"] / 40 == pytest.approx(80, rel=0.1)
    assert polled["idle"] / 40 == pytest.approx(20, rel=0.1)


def test_the_shard_with_the_oldest_unread_records_is_read_first() -> None:
    made = Schedule(poll_seconds=POLL, shard_calls_per_second=5.0, most_calls_per_second=500.0)
    for shard, since in (("new", 300.0), ("old", 100.0), ("middle", 200.0)):
        made.add(shard, 0.0, since)

    assert take_all(made, 0.0) == ["old", "middle", "new"]


def test_a_shard_of_unknown_age_counts_as_the_oldest() -> None:
    made = schedule("a", "b")
    made.add("unknown", 0.0, None)
    made.drop("a")

    assert take_all(made, 0.0) == ["unknown", "b"]


def test_a_backlog_leaves_each_fourth_turn_to_those_that_wait() -> None:
    made = schedule("old", "b", "c")
    turns = []
    for number in range(12):
        shard = made.take_due(100.0 + number)
        assert shard is not None
        turns.append(shard)
        made.full_page(shard, 100.0 + number, 99.0 + number, 0.0 if shard == "old" else 50.0)

    assert turns.count("old") == 9
    assert {"b", "c"} < set(turns)


def test_a_shard_is_not_due_while_a_call_is_under_way() -> None:
    made = schedule("a")

    assert take_all(made, 0.0) == ["a"]
    assert take_all(made, 1e9) == []
    assert made.next_at() == float("inf")


def test_a_shard_that_has_ended_is_not_due_any_more() -> None:
    made = schedule("a", "b")
    made.drop("a")

    assert "a" not in made
    assert take_all(made, 0.0) == ["b"]
