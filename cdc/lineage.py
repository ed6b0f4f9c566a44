"""Which shard is read from where, and when: the state machine of a stream's shards.

A shard of DynamoDB Streams has at most one parent; it closes after some hours or when its partition
splits, and its children go on. In Kinesis two shards can be merged into one, which has both as
parents. Changes of one key lie in one shard at a time, so order per key holds only if a parent is
read to its end before a child is begun. That gives the states:

    BLOCKED    a parent still has unread records
    READY      wants an iterator at its position
    READING    has one
    DRAINED    read to its end; no child is listed yet
    FINISHED   read to its end; its children have taken over, or the stream is disabled
    LOST       records can be missing between the position and what the service still holds
    FORGOTTEN  finished, older than 48 h and listed no more: removed from the graph

The rules, each of them a bug somewhere else:
- Reading begins at START only at the bootstrap (records before `skip_before` are skipped) and with
  each shard first seen later; never at LATEST, which loses what came before the first poll.
- A listing is no consistent snapshot. An open parent may have a listed child: the child waits. A
  closed shard's child may not be listed yet: DRAINED, and asked for again. A parent that nobody
  lists counts as read, or its children would wait for ever. A partial answer makes no orphans.
- `AFTER s` refused as trimmed, while the shard was proven read up to less than the retention ago,
  is no gap: all that is unread is newer. It is read from its start, and s and before are dropped.
- START answers even where records were trimmed, so its age is checked before it is used. Kinesis
  answers that way at every position, so there each is checked (`Horizon.is_told`).
- Anything else that is refused is LOST. Never a silent jump.

A pair of state and event that is not in `TRANSITIONS` is a bug (`IllegalTransition`), not a data
error. `docs/lineage.md` is made from that table. One thread feeds the pages in the order in which
they enter the pending batch, so positions always are exactly what the next commit covers. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from cdc.checkpoint import MARGIN_SECONDS, RETENTION_SECONDS, unread_since
from cdc.lineage_events import (
    ChildListed,
    EndReached,
    IteratorLost,
    IteratorOpened,
    PageRead,
    ParentFinished,
    ParentListed,
    PositionRefused,
    ShardEvent,
    ShardRefused,
    StreamEnded,
    TimePassed,
    Unlisted,
)
from cdc.position import After, At, End, FromStart, progress_order
from cdc.shard_progress import ShardProgress
from cdc.tip import TipProof

# A stream's records live 24 h; Flink keeps finished shards twice that long, for late listings.
REMEMBER_SECONDS = 48 * 3600.0


class State(Enum):
    """What a shard waits for; see the module's text."""

    BLOCKED = "blocked"
    READY = "ready"
    READING = "reading"
    DRAINED = "drained"
    FINISHED = "finished"
    LOST = "lost"
    FORGOTTEN = "forgotten"


class IllegalTransition(Exception):
    """An event came in a state where it cannot happen: a bug in the caller or in the table."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """How long the stream keeps records, and how early a position counts as unreadable.

    `is_told`: the service refuses a position behind which records were trimmed.
    """

    retention_seconds: float = RETENTION_SECONDS
    margin_seconds: float = MARGIN_SECONDS
    is_told: bool = True

    def is_past(self, since: float | None, now: float) -> bool:
        """True if a record as old as `since` may be trimmed; an unknown age is not called past."""
        return since is not None and since + self.retention_seconds - self.margin_seconds <= now


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard. `replays`: its position was trimmed, so it is read again from its start."""

    progress: ShardProgress
    state: State
    tip: TipProof = field(default_factory=TipProof)
    replays: bool = False
    reason: str = ""

    @property
    def opening_position(self) -> FromStart | At | After | End:
        """Where the next iterator has to be taken."""
        return FromStart() if self.replays else self.progress.position


Handler = Callable[[Shard, Any, Horizon], Shard]


@dataclass(frozen=True, slots=True)
class Transition:
    """The states that an event may lead to, and the function that chooses."""

    targets: tuple[State, ...]
    handler: Handler


def _to(state: State) -> Transition:
    return Transition((state,), lambda shard, _event, _horizon: replace(shard, state=state))


def _lost(reason: str) -> Transition:
    return Transition((State.LOST,), lambda shard, _event, _horizon: _lose(shard, reason))


def _lose(shard: Shard, reason: str) -> Shard:
    return replace(shard, state=State.LOST, reason=reason)


def _unblock(shard: Shard, event: ParentFinished, _horizon: Horizon) -> Shard:
    times = [time for time in (shard.progress.tip_at, event.ended_at) if time is not None]
    progress = replace(shard.progress, tip_at=max(times, default=None))
    return replace(shard, state=State.READY, progress=progress)


def _block(shard: Shard, _event: ParentListed, _horizon: Horizon) -> Shard:
    if isinstance(shard.progress.position, FromStart):
        return replace(shard, state=State.BLOCKED)
    return _lose(shard, "its parent was listed after reading had begun")


def _read(shard: Shard, event: PageRead, _horizon: Horizon) -> Shard:
    old = shard.progress
    tip = shard.tip.after_page(is_empty=event.is_empty, requested_at=event.requested_at)
    tips = [time for time in (old.tip_at, tip.tip_at) if time is not None]
    progress = replace(old, tip_at=max(tips, default=None))
    if event.last_sequence is not None:
        times = [time for time in (old.created_at, event.newest_created) if time is not None]
        position = After(event.last_sequence)
        if progress_order(position) <= progress_order(old.position):
            raise IllegalTransition(
                f"shard {old.shard_id}: {position} does not lie behind {old.position}"
            )
        progress = replace(progress, position=position, created_at=max(times, default=None))
    return replace(shard, progress=progress, tip=tip, replays=False)


def _drain(shard: Shard, event: EndReached, _horizon: Horizon) -> Shard:
    # Not the time of the page: a reader that lags drains the shard hours after its child began.
    since = unread_since(shard.progress)
    ended_at = event.requested_at if since is None else since
    progress = replace(shard.progress, position=End(), ended_at=ended_at)
    return Shard(progress, State.DRAINED)


def _reopen(shard: Shard, _event: IteratorLost, _horizon: Horizon) -> Shard:
    return replace(shard, state=State.READY, tip=TipProof())


def _refuse(shard: Shard, event: PositionRefused, horizon: Horizon) -> Shard:
    since = unread_since(shard.progress)
    if since is None or horizon.is_past(since, event.now):
        return _lose(shard, "its position is older than the stream's retention")
    if shard.replays:
        return _lose(shard, "neither its position nor its start can be read")
    return replace(shard, state=State.READY, tip=TipProof(), replays=True)


def _check_start(shard: Shard, event: TimePassed, horizon: Horizon) -> Shard:
    is_silent = isinstance(shard.progress.position, FromStart) or not horizon.is_told
    if is_silent and horizon.is_past(unread_since(shard.progress), event.now):
        return _lose(shard, "its first records are older than the stream's retention")
    return shard


def _miss_ready(shard: Shard, event: Unlisted, _horizon: Horizon) -> Shard:
    if event.has_listed_child:
        return _lose(shard, "it is listed no more while its child is, so its tail is gone")
    return shard


def _miss_drained(shard: Shard, event: Unlisted, horizon: Horizon) -> Shard:
    ended_at = shard.progress.ended_at
    if ended_at is None or horizon.is_past(ended_at, event.now):
        return _lose(shard, "it and all that followed it are listed no more")
    return shard


def _miss_finished(shard: Shard, event: Unlisted, _horizon: Horizon) -> Shard:
    ended_at = shard.progress.ended_at
    if ended_at is not None and ended_at + REMEMBER_SECONDS < event.now:
        return replace(shard, state=State.FORGOTTEN)
    return shard


_STAY_OR_LOST = (State.READY, State.LOST)
TRANSITIONS: Mapping[tuple[State, type[ShardEvent]], Transition] = {
    (State.BLOCKED, ParentFinished): Transition((State.READY,), _unblock),
    (State.BLOCKED, ParentListed): _to(State.BLOCKED),
    (State.BLOCKED, Unlisted): _to(State.BLOCKED),
    (State.READY, ParentListed): Transition((State.BLOCKED, State.LOST), _block),
    (State.READY, TimePassed): Transition(_STAY_OR_LOST, _check_start),
    (State.READY, IteratorOpened): _to(State.READING),
    (State.READY, PositionRefused): Transition(_STAY_OR_LOST, _refuse),
    (State.READY, ShardRefused): _lost("the service does not know it"),
    (State.READY, Unlisted): Transition(_STAY_OR_LOST, _miss_ready),
    (State.READING, PageRead): Transition((State.READING,), _read),
    (State.READING, EndReached): Transition((State.DRAINED,), _drain),
    (State.READING, IteratorLost): Transition((State.READY,), _reopen),
    (State.READING, PositionRefused): Transition(_STAY_OR_LOST, _refuse),
    (State.READING, ShardRefused): _lost("the service does not know it any more"),
    (State.READING, ParentListed): _lost("its parent was listed after reading had begun"),
    (State.READING, Unlisted): _to(State.READING),
    (State.DRAINED, ChildListed): _to(State.FINISHED),
    (State.DRAINED, StreamEnded): _to(State.FINISHED),
    (State.DRAINED, Unlisted): Transition((State.DRAINED, State.LOST), _miss_drained),
    (State.DRAINED, ParentListed): _lost("its parent was listed after it had been read"),
    (State.FINISHED, Unlisted): Transition((State.FINISHED, State.FORGOTTEN), _miss_finished),
    (State.FINISHED, ParentListed): _lost("its parent was listed after it had been read"),
    (State.LOST, ParentListed): _to(State.LOST),
    (State.LOST, Unlisted): _to(State.LOST),
}


def step(shard: Shard, event: ShardEvent, horizon: Horizon) -> Shard:
    """The shard after the event. Raises IllegalTransition for a pair that is not in the table."""
    transition = TRANSITIONS.get((shard.state, type(event)))
    if transition is None:
        raise IllegalTransition(
            f"{type(event).__name__} cannot happen to shard {event.shard_id}, {shard.state.value}"
        )
    after = transition.handler(shard, event, horizon)
    if after.state not in transition.targets:
        raise IllegalTransition(
            f"{type(event).__name__} led shard {event.shard_id} to {after.state.value}"
        )
    return after
