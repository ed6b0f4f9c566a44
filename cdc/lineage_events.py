"""What can happen to a shard, as values; `cdc.lineage` says what follows from it. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ShardEvent:
    """Something that happened to one shard."""

    shard_id: str


@dataclass(frozen=True, slots=True)
class ParentFinished(ShardEvent):
    """Every parent was read to its end. `ended_at`: no record of the child is older."""

    ended_at: float | None


@dataclass(frozen=True, slots=True)
class ParentListed(ShardEvent):
    """An unread parent turned up that no earlier listing had."""


@dataclass(frozen=True, slots=True)
class IteratorOpened(ShardEvent):
    """The service gave an iterator."""


@dataclass(frozen=True, slots=True)
class IteratorLost(ShardEvent):
    """The iterator is older than the service allows; the position stays."""


@dataclass(frozen=True, slots=True)
class PageRead(ShardEvent):
    """A page was handed to the pending batch.

    `last_sequence`: the newest record, None if there was none behind the position or if all were
    older than `skip_before`. `newest_created`: its creation, epoch seconds.
    """

    requested_at: float
    is_empty: bool
    last_sequence: str | None = None
    newest_created: float | None = None


@dataclass(frozen=True, slots=True)
class EndReached(ShardEvent):
    """The last page had no next iterator; its records were handed over before."""

    requested_at: float


@dataclass(frozen=True, slots=True)
class PositionRefused(ShardEvent):
    """The service calls the position trimmed. `now`: service time."""

    now: float


@dataclass(frozen=True, slots=True)
class ShardRefused(ShardEvent):
    """The service does not know the shard."""


@dataclass(frozen=True, slots=True)
class TimePassed(ShardEvent):
    """Service time moved on."""

    now: float


@dataclass(frozen=True, slots=True)
class ChildListed(ShardEvent):
    """A child of the shard is in the graph."""


@dataclass(frozen=True, slots=True)
class StreamEnded(ShardEvent):
    """The stream is disabled, so the shard will get no child."""


@dataclass(frozen=True, slots=True)
class Unlisted(ShardEvent):
    """A complete listing left the shard out. `has_listed_child`: but it holds a child of it."""

    now: float
    has_listed_child: bool
