"""What to do about an error of the source, and how long to wait before the next try. Pure.

Delays double from a tenth of a second to a minute, and a random part of up to half is taken off, so
that many nodes that were refused together do not come back together.
"""

from __future__ import annotations

from enum import Enum

from cdc.errors import CdcError, Degraded, IteratorExpired, PositionLost, Retryable

FIRST_SECONDS = 0.1
MOST_SECONDS = 60.0
_MOST_DOUBLINGS = 20  # beyond it the cap holds anyway, and 2.0 ** attempt would overflow one day


class Reaction(Enum):
    """What the loop does about an error."""

    RETRY = "retry"  # after a back-off, this shard alone
    REOPEN = "reopen"  # with a new iterator from the position
    PERSIST = "persist"  # for ever after a back-off, and loudly; the first start fails instead
    LOSE = "lose"  # the position is in doubt: the lineage decides whether it is a gap
    STOP = "stop"  # a person has to change something


def reaction(error: CdcError) -> Reaction:
    """The reaction to an error that a source raised."""
    match error:
        case IteratorExpired():
            return Reaction.REOPEN
        case Retryable():
            return Reaction.RETRY
        case Degraded():
            return Reaction.PERSIST
        case PositionLost():
            return Reaction.LOSE
        case _:
            return Reaction.STOP


def delay_seconds(failures: int, jitter: float, *, most_seconds: float = MOST_SECONDS) -> float:
    """The pause after this many failures in a row (from 1). `jitter`: random, from 0 to below 1."""
    doublings = min(max(failures - 1, 0), _MOST_DOUBLINGS)
    full = min(FIRST_SECONDS * 2.0**doublings, most_seconds)
    return full * (1 - jitter / 2)
