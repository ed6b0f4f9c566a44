"""All shards of a stream together: listings become events of shards, and ends release children.

`cdc.lineage` knows one shard at a time; this module knows who is whose parent, and answers the
questions of the reading loop: which shards want an iterator and where (`openings`), whose children
have to be looked for (`drained`), and what was lost (`losses`). Pure; used by one thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from cdc.checkpoint import shard_started_at
from cdc.lineage import Horizon, Shard, State, step
from cdc.lineage_events import (
    ChildListed,
    EndReached,
    ParentFinished,
    ParentListed,
    ShardEvent,
    StreamEnded,
    TimePassed,
    Unlisted,
)
from cdc.position import After, At, End, FromStart, Position, sequence_order
from cdc.shard_progress import ShardProgress
from cdc.source import ListedShard, ShardListing

# Clocks may differ, and a position may be older than its shard's end.
_LISTING_SLACK_SECONDS = 300.0


class ShardGraph:
    """The shards of one stream with their states, positions and proofs."""

    def __init__(self, horizon: Horizon, began_at: float | None = None) -> None:
        self._horizon = horizon
        self._began_at = began_at
        self._shards: dict[str, Shard] = {}
        self._children: dict[str, list[str]] = {}
        self._in_state: dict[State, dict[str, None]] = {state: {} for state in State}

    @classmethod
    def start(
        cls,
        listing: ShardListing,
        *,
        began_at: float,
        slack_seconds: float,
        horizon: Horizon,
        is_ordered: bool = True,
        passed: Collection[str] = (),
    ) -> ShardGraph:
        """The graph of a bootstrap that begins at `began_at`, service time, before its scan.

        Open shards are read from their start, without records that the scan is sure to see; what a
        closed shard holds was written before, so it counts as read. Not in a stream without order:
        what an open shard brings again must meet the newer change in a closed one. There only those
        of `passed_over` count as read.
        """
        graph = cls(horizon, began_at)
        opening = FromStart(began_at - slack_seconds)
        graph._admit(
            _progress(shard, End(), ended_at=began_at)
            if shard.is_closed and (is_ordered or shard.shard_id in passed)
            else _progress(shard, opening)
            for shard in listing.shards
        )
        return graph

    @classmethod
    def resume(
        cls,
        shards: Mapping[str, ShardProgress],
        horizon: Horizon,
        *,
        began_at: float | None = None,
    ) -> ShardGraph:
        """The graph that a checkpoint describes; its bootstrap began at `began_at`."""
        graph = cls(horizon, began_at)
        graph._admit(shards.values())
        return graph

    # ------------------------------------------------------------ events

    def handle(self, event: ShardEvent) -> None:
        """Apply an event of one shard, and what follows from it for its children."""
        self._put(step(self._shards[event.shard_id], event, self._horizon))
        if not isinstance(event, EndReached):
            return
        for child in self._children.get(event.shard_id, ()):
            shard = self._shards[child]
            if shard.state is State.BLOCKED and not self._waits(shard.progress, self._shards):
                ended_at = self._ended_at(shard.progress.parents)
                self._put(step(shard, ParentFinished(child, ended_at), self._horizon))
        self._finish_parents()

    def keep_to(self, horizon: Horizon) -> None:
        """From now on the stream keeps its records for another time."""
        self._horizon = horizon

    def advance(self, now: float) -> None:
        """Move service time on: a shard that waits at its start may become unreadable."""
        for shard_id in list(self._in_state[State.READY]):
            self.handle(TimePassed(shard_id, now))

    def listed(self, listing: ShardListing) -> tuple[str, ...]:
        """Take in a listing; gives the ids of the shards that are new."""
        ids = {shard.shard_id for shard in listing.shards}
        new = [shard for shard in listing.shards if self._is_news(shard, listing, ids)]
        self._admit(
            _progress(shard, FromStart(), tip_at=self._ended_at(_parents(shard))) for shard in new
        )
        for shard in new:
            for child in self._children.get(shard.shard_id, ()):
                if self._shards[child].state is not State.BLOCKED:
                    self.handle(ParentListed(child))
        self._finish_parents()
        if listing.is_complete:
            if not listing.stream_is_enabled:
                for shard_id in list(self._in_state[State.DRAINED]):
                    self.handle(StreamEnded(shard_id))
            self._notice_missing(ids, listing.listed_at)
        return tuple(shard.shard_id for shard in new)

    # ------------------------------------------------------------ questions

    def __getitem__(self, shard_id: str) -> Shard:
        return self._shards[shard_id]

    def shards(self) -> Iterable[Shard]:
        """Every shard that is remembered."""
        return self._shards.values()

    def openings(self) -> list[tuple[str, Position]]:
        """Shards that want an iterator, and where."""
        waiting = self._in_state[State.READY]
        return [(shard_id, self._shards[shard_id].opening_position) for shard_id in waiting]

    def reading(self) -> Iterable[str]:
        """Shards that hold an iterator."""
        return self._in_state[State.READING]

    def drained(self) -> tuple[str, ...]:
        """Shards whose children are to be looked for."""
        return tuple(self._in_state[State.DRAINED])

    def older_than_children(self) -> str | None:
        """A shard behind which, by its id, all children that are looked for have to be listed.

        Ids begin with the time of creation, and a child is created when its parent ends. None if
        there is no such shard with another one behind it, which a listing then has to show.
        """
        drained = [self._shards[shard_id].progress for shard_id in self._in_state[State.DRAINED]]
        ended = [shard.ended_at for shard in drained if shard.ended_at is not None]
        started = {shard_id: shard_started_at(shard_id) for shard_id in self._shards}
        if not ended or len(ended) < len(drained) or None in started.values():
            return None
        until = min(ended) - _LISTING_SLACK_SECONDS
        parent = min(shard.shard_id for shard in drained)
        newest = max(started)
        known = (each for each, at in started.items() if at is not None and at < until)
        older = [shard_id for shard_id in (*known, parent) if shard_id != newest]
        return max(older, default=None)

    def losses(self) -> tuple[Shard, ...]:
        """Shards whose position cannot be read without a gap."""
        return tuple(self._shards[shard_id] for shard_id in self._in_state[State.LOST])

    def is_over(self) -> bool:
        """True if nothing will ever come: every shard is finished (the stream is disabled)."""
        return len(self._in_state[State.FINISHED]) == len(self._shards) > 0

    def first_wanted(self, shard_id: str) -> int:
        """Records with a smaller sequence number are known already."""
        match self._shards[shard_id].progress.position:
            case After(sequence):
                return sequence_order(sequence) + 1
            case At(sequence):
                return sequence_order(sequence)
            case _:
                return 0

    def progress(self) -> dict[str, ShardProgress]:
        """What the checkpoint of the next commit says."""
        return {shard_id: shard.progress for shard_id, shard in self._shards.items()}

    def by_state(self) -> dict[str, int]:
        """How many shards there are in each state."""
        return {state.value: len(ids) for state, ids in self._in_state.items() if ids}

    # ------------------------------------------------------------ inside

    def _put(self, shard: Shard) -> None:
        shard_id = shard.progress.shard_id
        before = self._shards.get(shard_id)
        if before is not None:
            if before.state is not shard.state:
                del self._in_state[before.state][shard_id]
        else:
            for parent in shard.progress.parents:
                self._children.setdefault(parent, []).append(shard_id)
        if shard.state is State.FORGOTTEN:
            del self._shards[shard_id]
            for parent in shard.progress.parents:
                self._children[parent].remove(shard_id)
            return
        self._shards[shard_id] = shard
        self._in_state[shard.state][shard_id] = None

    def _admit(self, entries: Iterable[ShardProgress]) -> None:
        admitted = {entry.shard_id: entry for entry in entries}
        known = {**self._shards, **{each: Shard(e, State.READY) for each, e in admitted.items()}}
        for entry in admitted.values():
            if isinstance(entry.position, End):
                self._put(Shard(entry, State.DRAINED))
            elif self._waits(entry, known):
                self._put(Shard(entry, State.BLOCKED))
            else:
                self._put(Shard(entry, State.READY))
        self._finish_parents()

    def _finish_parents(self) -> None:
        for shard_id in list(self._in_state[State.DRAINED]):
            if self._children.get(shard_id):
                self._put(step(self._shards[shard_id], ChildListed(shard_id), self._horizon))

    def _is_news(self, shard: ListedShard, listing: ShardListing, ids: set[str]) -> bool:
        if shard.shard_id in self._shards:
            return False
        unknown = [each for each in _parents(shard) if each not in self._shards]
        if not listing.is_complete and any(parent not in ids for parent in unknown):
            return False  # the answer left a parent out; the next complete one tells
        # A listing may bring back a shard whose records are all trimmed, or were all written before
        # the bootstrap. Its child began when it closed, so a known child that is beyond the horizon
        # or older than the bootstrap means that nothing is left to be read in it.
        known = [each for each in self._children.get(shard.shard_id, ()) if each in self._shards]
        return not any(self._is_old(shard_started_at(child), listing.listed_at) for child in known)

    def _is_old(self, started_at: float | None, now: float) -> bool:
        if started_at is not None and self._began_at is not None and started_at <= self._began_at:
            return True
        return self._horizon.is_past(started_at, now)

    def _waits(self, entry: ShardProgress, known: Mapping[str, Shard]) -> bool:
        """True if a parent that is known still has unread records."""
        parents = [known[parent].progress for parent in entry.parents if parent in known]
        return any(not isinstance(parent.position, End) for parent in parents)

    def _ended_at(self, parents: Iterable[str]) -> float | None:
        """No record of a child of these shards is older: it was made when the last one closed."""
        known = [self._shards[each].progress.ended_at for each in parents if each in self._shards]
        return max((at for at in known if at is not None), default=None)

    def _notice_missing(self, ids: set[str], listed_at: float) -> None:
        for shard_id in [shard_id for shard_id in self._shards if shard_id not in ids]:
            shard = self._shards[shard_id]
            has_parent = any(parent in self._shards for parent in shard.progress.parents)
            if shard.state is State.FINISHED and has_parent:
                continue  # ancestors first: a restart would take a parent without child for a leaf
            has_child = any(child in ids for child in self._children.get(shard_id, ()))
            self.handle(Unlisted(shard_id, listed_at, has_child))


def passed_over(listing: ShardListing, still: Collection[str] = ()) -> frozenset[str]:
    """Shards in which a bootstrap has nothing to read, because they closed long before it.

    `still`: a later listing of all others. What a listing leaves out by mistake must not be passed
    over in silence, so one that is not in it counts only if its children are closed and not in it
    either, and none of its parents is.
    """
    shards = sorted(listing.shards, key=lambda shard: shard.shard_id)  # parents come first
    children: dict[str, list[str]] = {}
    for shard in shards:
        for parent in _parents(shard):
            children.setdefault(parent, []).append(shard.shard_id)
    listed = {shard.shard_id for shard in shards}
    gone = {shard.shard_id for shard in shards if shard.is_closed} - set(still)
    passed = set[str]()
    for shard in shards:
        following = children.get(shard.shard_id, ())
        before = listed.intersection(_parents(shard))
        if following and gone.issuperset((shard.shard_id, *following)) and before <= passed:
            passed.add(shard.shard_id)
    return frozenset(passed)


def _parents(shard: ListedShard) -> tuple[str, ...]:
    return tuple(each for each in (shard.parent_id, shard.adjacent_id) if each is not None)


def _progress(
    shard: ListedShard,
    position: Position,
    tip_at: float | None = None,
    ended_at: float | None = None,
) -> ShardProgress:
    parent_id, adjacent_id = shard.parent_id, shard.adjacent_id
    return ShardProgress(shard.shard_id, parent_id, position, None, tip_at, ended_at, adjacent_id)
