"""The lineage machine, every state against every event: what follows, or that it is refused.

`MACHINE` is written by hand, and compared with the machine that runs pair by pair. A cell with two
states has an example for each; the first is `usual`, the second stands in `OTHERWISE`.
"""

from dataclasses import replace
from enum import Enum
from typing import Any

import pytest

from cdc import lineage_events as events
from cdc.checkpoint import MARGIN_SECONDS, RETENTION_SECONDS
from cdc.lineage import TRANSITIONS, Horizon, IllegalTransition, Shard, State, step
from cdc.lineage_events import ShardEvent
from cdc.position import After, End, FromStart
from cdc.shard_progress import ShardProgress

NOW = 1_000_000.0
SHARD = "shardId-00000000000999000000-a"  # began at 999,000
READABLE = NOW - 60
UNREADABLE = NOW - RETENTION_SECONDS + MARGIN_SECONDS - 1
LONG_AGO = NOW - 48 * 3600 - 1
REFUSED = "-"

MACHINE = """
                BLOCKED READY        READING    DRAINED      FINISHED           LOST FORGOTTEN
ParentFinished  READY   -            -          -            -                  -    -
ParentListed    BLOCKED LOST/BLOCKED LOST       LOST         LOST               LOST -
IteratorOpened  -       READING      -          -            -                  -    -
IteratorLost    -       -            READY      -            -                  -    -
PageRead        -       -            READING    -            -                  -    -
EndReached      -       -            DRAINED    -            -                  -    -
PositionRefused -       READY/LOST   READY/LOST -            -                  -    -
ShardRefused    -       LOST         LOST       -            -                  -    -
TimePassed      -       READY/LOST   -          -            -                  -    -
ChildListed     -       -            -          FINISHED     -                  -    -
StreamEnded     -       -            -          FINISHED     -                  -    -
Unlisted        BLOCKED READY/LOST   READING    DRAINED/LOST FINISHED/FORGOTTEN LOST -
"""

USUAL: dict[str, ShardEvent] = {
    type(event).__name__: event
    for event in (
        events.ParentFinished(SHARD, ended_at=NOW - 5),
        events.ParentListed(SHARD),
        events.IteratorOpened(SHARD),
        events.IteratorLost(SHARD),
        events.PageRead(SHARD, NOW, is_empty=False, last_sequence="200", newest_created=NOW - 1),
        events.EndReached(SHARD, NOW),
        events.PositionRefused(SHARD, NOW),
        events.ShardRefused(SHARD),
        events.TimePassed(SHARD, NOW),
        events.ChildListed(SHARD),
        events.StreamEnded(SHARD),
        events.Unlisted(SHARD, NOW, has_listed_child=False),
    )
}


def usual(state: State) -> Shard:
    """A shard in this state that was proven read a minute ago."""
    if state in (State.DRAINED, State.FINISHED, State.FORGOTTEN):
        return Shard(ShardProgress(SHARD, None, End(), ended_at=READABLE), state)
    return Shard(ShardProgress(SHARD, None, After("100"), created_at=READABLE), state)


def with_progress(state: State, **changes: Any) -> Shard:
    shard = usual(state)
    return replace(shard, progress=replace(shard.progress, **changes))


OTHERWISE: dict[tuple[State, str], tuple[Shard, ShardEvent]] = {
    (State.READY, "ParentListed"): (
        with_progress(State.READY, position=FromStart(), created_at=None),
        USUAL["ParentListed"],
    ),
    (State.READY, "PositionRefused"): (
        with_progress(State.READY, created_at=UNREADABLE),
        USUAL["PositionRefused"],
    ),
    (State.READY, "TimePassed"): (
        with_progress(State.READY, position=FromStart(), created_at=UNREADABLE),
        events.TimePassed(SHARD, NOW + RETENTION_SECONDS),
    ),
    (State.READY, "Unlisted"): (
        usual(State.READY),
        events.Unlisted(SHARD, NOW, has_listed_child=True),
    ),
    (State.READING, "PositionRefused"): (
        with_progress(State.READING, created_at=UNREADABLE),
        USUAL["PositionRefused"],
    ),
    (State.DRAINED, "Unlisted"): (
        with_progress(State.DRAINED, ended_at=UNREADABLE),
        USUAL["Unlisted"],
    ),
    (State.FINISHED, "Unlisted"): (
        with_progress(State.FINISHED, ended_at=LONG_AGO),
        USUAL["Unlisted"],
    ),
}


def machine() -> dict[tuple[str, str], tuple[str, ...]]:
    """(state, event) -> the states that may follow, none where the pair is refused."""
    head, *rows = [line.split() for line in MACHINE.strip().splitlines()]
    return {
        (state, event): () if cell == REFUSED else tuple(cell.split("/"))
        for event, *cells in rows
        for state, cell in zip(head, cells, strict=True)
    }


def kinds_of_events() -> set[str]:
    found = {name: kind for name, kind in vars(events).items() if isinstance(kind, type)}
    return {name for name, kind in found.items() if ShardEvent in kind.__mro__} - {"ShardEvent"}


def after(shard: Shard, event: ShardEvent) -> Enum:
    return step(shard, event, Horizon()).state


def test_the_table_has_a_cell_for_every_state_and_every_event() -> None:
    pairs = {(state.name, event) for state in State for event in kinds_of_events()}

    assert machine().keys() == pairs
    assert USUAL.keys() == kinds_of_events()


@pytest.mark.parametrize("event", USUAL)
@pytest.mark.parametrize("state", list(State), ids=lambda state: state.name)
def test_each_pair_leads_where_the_table_says_or_is_refused(state: State, event: str) -> None:
    targets = machine()[state.name, event]
    transition = TRANSITIONS.get((state, type(USUAL[event])))

    if not targets:
        assert transition is None
        with pytest.raises(IllegalTransition):
            after(usual(state), USUAL[event])
        return
    assert transition is not None
    assert {target.name for target in transition.targets} == set(targets)
    assert after(usual(state), USUAL[event]).name == targets[0]
    assert ((state, event) in OTHERWISE) is (len(targets) > 1)
    if len(targets) > 1:
        assert after(*OTHERWISE[state, event]).name == targets[1]


def test_every_state_is_reached_and_only_the_last_ones_are_never_left() -> None:
    reached = {target for targets in machine().values() for target in targets}
    left = {state for (state, _), targets in machine().items() if set(targets) - {state}}

    assert reached == {state.name for state in State}
    assert {state.name for state in State} - left == {"LOST", "FORGOTTEN"}


def test_a_shard_that_was_lost_or_forgotten_keeps_its_position() -> None:
    for event in ("ParentListed", "Unlisted"):
        lost = usual(State.LOST)
        assert step(lost, USUAL[event], Horizon()).progress == lost.progress
