"""What the lineage machine keeps of a shard, and the gap rules; see also test_lineage_table."""

from dataclasses import replace

import pytest

from cdc import lineage_events as events
from cdc.checkpoint import MARGIN_SECONDS, RETENTION_SECONDS
from cdc.lineage import Horizon, IllegalTransition, Shard, State, step
from cdc.lineage_events import ShardEvent
from cdc.position import After, End, FromStart, Position
from cdc.shard_progress import ShardProgress

NOW = 1_000_000.0
SHARD = "shardId-00000000000999000000-a"  # began at 999,000
READABLE = NOW - 60
UNREADABLE = NOW - RETENTION_SECONDS + MARGIN_SECONDS - 1


def shard(
    state: State = State.READING,
    position: Position | None = None,
    *,
    created_at: float | None = None,
    tip_at: float | None = None,
    ended_at: float | None = None,
    shard_id: str = SHARD,
) -> Shard:
    where = After("100") if position is None else position
    return Shard(ShardProgress(shard_id, None, where, created_at, tip_at, ended_at), state)


def in_state(state: State) -> Shard:
    if state in (State.DRAINED, State.FINISHED):
        return shard(state, End(), ended_at=READABLE)
    return shard(state, created_at=READABLE)


def after(before: Shard, event: ShardEvent) -> Shard:
    return step(before, event, Horizon())


# ---------------------------------------------------------------- reading


def test_a_page_moves_the_position_behind_its_last_record() -> None:
    event = events.PageRead(SHARD, NOW, is_empty=False, last_sequence="101", newest_created=NOW - 3)

    progress = after(shard(created_at=READABLE), event).progress

    assert progress.position == After("101")
    assert progress.created_at == NOW - 3


def test_an_empty_page_leaves_the_position_where_it_is() -> None:
    event = events.PageRead(SHARD, NOW, is_empty=True)

    assert after(shard(), event).progress.position == After("100")


def test_sequence_numbers_are_ordered_as_integers_of_any_length() -> None:
    event = events.PageRead(SHARD, NOW, is_empty=False, last_sequence="0001000", newest_created=NOW)

    assert after(shard(position=After("999")), event).progress.position == After("0001000")


def test_a_page_that_would_move_the_position_back_is_a_bug() -> None:
    event = events.PageRead(SHARD, NOW, is_empty=False, last_sequence="99", newest_created=NOW)

    with pytest.raises(IllegalTransition, match="does not lie behind"):
        after(shard(position=After("100")), event)


def test_five_empty_pages_over_a_second_prove_the_tip() -> None:
    current = shard()
    for number in range(5):
        current = after(current, events.PageRead(SHARD, NOW + number / 4, is_empty=True))

    assert current.progress.tip_at == NOW


def test_a_new_iterator_begins_the_proof_again() -> None:
    current = shard()
    for number in range(4):
        current = after(current, events.PageRead(SHARD, NOW + number, is_empty=True))
    current = after(after(current, events.IteratorLost(SHARD)), events.IteratorOpened(SHARD))
    current = after(current, events.PageRead(SHARD, NOW + 9, is_empty=True))

    assert current.progress.tip_at is None


def test_the_end_of_a_shard_is_dated_by_what_was_proven_not_by_when_it_was_read() -> None:
    ended = after(shard(created_at=NOW - 5_000, tip_at=NOW - 4_000), events.EndReached(SHARD, NOW))

    assert ended.progress.position == End()
    assert ended.progress.ended_at == NOW - 4_000


def test_a_child_starts_with_its_parents_end_as_proof() -> None:
    child = after(shard(State.BLOCKED, FromStart()), events.ParentFinished(SHARD, NOW - 7))

    assert child.progress.tip_at == NOW - 7


# ---------------------------------------------------------------- gaps


def test_a_trimmed_position_that_was_proven_recently_is_read_again_from_the_start() -> None:
    refused = after(
        shard(State.READY, created_at=UNREADABLE, tip_at=READABLE),
        events.PositionRefused(SHARD, NOW),
    )

    assert refused.state is State.READY
    assert refused.opening_position == FromStart()
    assert refused.progress.position == After("100")


def test_a_trimmed_position_that_nothing_proves_is_lost() -> None:
    refused = after(shard(State.READY, created_at=UNREADABLE), events.PositionRefused(SHARD, NOW))

    assert refused.state is State.LOST


def test_a_position_of_unknown_age_is_lost_once_it_is_refused() -> None:
    assert after(shard(State.READY), events.PositionRefused(SHARD, NOW)).state is State.LOST


def test_a_shard_whose_start_is_refused_too_is_lost() -> None:
    once = after(shard(State.READY, created_at=READABLE), events.PositionRefused(SHARD, NOW))

    assert after(once, events.PositionRefused(SHARD, NOW)).state is State.LOST


def test_a_page_ends_the_replay() -> None:
    replaying = replace(shard(created_at=READABLE), replays=True)

    read = after(replaying, events.PageRead(SHARD, NOW, is_empty=True))

    assert read.opening_position == After("100")


def test_a_start_older_than_the_retention_is_lost_although_the_service_would_answer() -> None:
    waiting = shard(State.READY, FromStart())

    began = 999_000.0
    in_time = began + RETENTION_SECONDS - MARGIN_SECONDS - 1
    assert after(waiting, events.TimePassed(SHARD, in_time)).state is State.READY
    assert after(waiting, events.TimePassed(SHARD, in_time + 1)).state is State.LOST


def test_a_start_is_as_young_as_the_records_that_are_wanted_from_it() -> None:
    waiting = shard(
        State.READY, FromStart(skip_before=NOW), shard_id="shardId-00000000000000001000-a"
    )

    assert after(waiting, events.TimePassed(SHARD, NOW + 3600)).state is State.READY


def test_an_unread_shard_that_is_gone_while_its_child_is_there_has_lost_its_tail() -> None:
    gone = after(in_state(State.READY), events.Unlisted(SHARD, NOW, has_listed_child=True))

    assert gone.state is State.LOST


def test_a_leaf_that_is_gone_for_longer_than_the_retention_is_lost() -> None:
    leaf = shard(State.DRAINED, End(), ended_at=UNREADABLE)

    assert after(leaf, events.Unlisted(SHARD, NOW, has_listed_child=False)).state is State.LOST


def test_a_finished_shard_is_forgotten_after_two_days_without_being_listed() -> None:
    old = shard(State.FINISHED, End(), ended_at=NOW - 48 * 3600 - 1)

    assert after(old, events.Unlisted(SHARD, NOW, has_listed_child=True)).state is State.FORGOTTEN


def test_a_parent_that_turns_up_late_blocks_a_child_that_was_not_begun() -> None:
    waiting = shard(State.READY, FromStart())

    assert after(waiting, events.ParentListed(SHARD)).state is State.BLOCKED
