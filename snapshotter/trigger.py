"""When a snapshot is due: time, committed batches or finished refreshes since the last one. Pure.

    not ready                             never: the file is incomplete or behind
    no snapshot of this lineage yet       at once: until then a new node has to bootstrap
    time_interval  threshold seconds      and something changed, or by the policy `always` if the
                                          checkpoint advanced
    stream_batches threshold batches      batches that held changes
    refresh_complete                      a full refresh ended
    any                                   hourly, if the checkpoint advanced (a renewal)

The renewal is for idle tables: their data stays, but a snapshot whose checkpoint is a day old
cannot be resumed from. Without an advance there is nothing to publish by any policy: a stream that
gives no answer would fill the catalog with copies of one state, each of them looking new. Times are
seconds of one clock, whichever the caller uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TriggerKind = Literal["time_interval", "stream_batches", "refresh_complete"]
CreationPolicy = Literal["on_change", "always"]
Reason = Literal["first", "time_interval", "stream_batches", "refresh_complete", "renewal"]

RENEWAL_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class TriggerSettings:
    """`threshold`: seconds of a time interval, or a number of batches; unused for refreshes."""

    kind: TriggerKind = "time_interval"
    threshold: float = 120.0
    creation: CreationPolicy = "on_change"
    renewal_seconds: float = RENEWAL_SECONDS

    def __post_init__(self) -> None:
        if self.kind != "refresh_complete" and self.threshold <= 0:
            raise ValueError(f"the threshold of {self.kind} must be above 0, not {self.threshold}")


@dataclass(frozen=True, slots=True)
class TriggerFacts:
    """What happened since the last snapshot of this lineage, by this node or, at its start, any.

    `batches` counts committed batches that held changes. `advanced`: the checkpoint's version is
    newer. `not_before` delays the next attempt after a failed one.
    """

    ready: bool
    last_at: float | None
    batches: int = 0
    refreshes: int = 0
    advanced: bool = False
    not_before: float | None = None


def due(now: float, facts: TriggerFacts, settings: TriggerSettings) -> Reason | None:
    """Why a snapshot is due at `now`, or None."""
    if not facts.ready or (facts.not_before is not None and now < facts.not_before):
        return None
    if facts.last_at is None:
        return "first"
    waited = now - facts.last_at
    if _is_met(waited, facts, settings):
        return settings.kind
    return "renewal" if facts.advanced and waited >= settings.renewal_seconds else None


def _is_met(waited: float, facts: TriggerFacts, settings: TriggerSettings) -> bool:
    match settings.kind:
        case "time_interval":
            return _is_wanted(facts, settings) and waited >= settings.threshold
        case "stream_batches":
            return facts.batches >= settings.threshold
        case "refresh_complete":
            return facts.refreshes > 0


def _is_wanted(facts: TriggerFacts, settings: TriggerSettings) -> bool:
    return facts.batches > 0 or (settings.creation == "always" and facts.advanced)


def next_look(now: float, facts: TriggerFacts, settings: TriggerSettings) -> float | None:
    """The earliest time at which waiting alone makes a snapshot due, or None if it never does."""
    if not facts.ready:
        return None
    if facts.last_at is None:
        return max(now, facts.not_before or now)
    waits = [settings.renewal_seconds] if facts.advanced else []
    if settings.kind == "time_interval" and _is_wanted(facts, settings):
        waits.append(settings.threshold)
    if not waits:
        return None
    return max(now, facts.last_at + min(waits), facts.not_before or now)
