"""The lease of a dataset: who may publish, and when another one may take it. Pure.

    free      there is none; a standby waits first as long as for one that is not renewed
    released  its holder gave it back
    own       it is of the file that this node starts on again
    expired   nothing of it changed for the lease's time, on the observer's own monotonic clock
    forced    a person said so

No clock is compared with another's: an observer counts from the end of the look that first showed
a renewal to the begin of the newest look that showed the same. Who could not look for a while knows
nothing of that while, and counts anew. A lease keeps two nodes from publishing in turns; that none
publishes over the other is kept by the generation in the pointer, not by time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LEASE_SECONDS = 30.0

Claim = Literal["free", "released", "own", "expired", "forced"]


@dataclass(frozen=True, slots=True)
class Lease:
    """`lease.json`. `holder` is for people, `holder_id` is kept beside the holder's file.

    `session`: random for each process; who reads its own back knows that it holds the lease.
    `generation`: what the holder raised the pointer to; 0 until it has. `renewals` only grows,
    whoever writes. `lease_seconds`: how long it has to be unchanged before another takes it.
    """

    dataset: str
    holder: str
    holder_id: str
    session: str
    generation: int
    renewals: int
    lease_seconds: float
    is_released: bool = False


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who asks. `resumes`: it is on its first look, and what is its file's is its own.

    `lease_seconds`: of the lease that it would write.
    """

    holder_id: str
    lease_seconds: float
    resumes: bool = True
    is_standby: bool = False
    forces: bool = False


@dataclass(frozen=True, slots=True)
class Watch:
    """What an observer knows: this lease, or none, from `since` to `until` on its own clock."""

    lease: Lease | None
    since: float
    until: float

    @property
    def seconds(self) -> float:
        """For how long it is known to be unchanged."""
        return max(0.0, self.until - self.since)


def watched(
    before: Watch | None,
    lease: Lease | None,
    *,
    asked_at: float,
    answered_at: float,
    lease_seconds: float,
) -> Watch:
    """The watch after a look. `lease_seconds`: the observer's own, for where there is no lease."""
    limit = most_unseen_seconds(lease_seconds if lease is None else lease.lease_seconds)
    if before is None or before.lease != lease or answered_at - before.until > limit:
        return Watch(lease, answered_at, answered_at)
    return Watch(lease, before.since, max(before.until, asked_at))


def most_unseen_seconds(lease_seconds: float) -> float:
    """Looks that are farther apart do not count together."""
    return lease_seconds * 2 / 3


def claim(watch: Watch, who: Claimant) -> Claim | None:
    """By which right `who` may take the lease now, or None."""
    lease = watch.lease
    if lease is None:
        waits = who.is_standby and not who.forces
        return None if waits and watch.seconds < who.lease_seconds else "free"
    if lease.is_released:
        return "released"
    if who.resumes and lease.holder_id == who.holder_id:
        return "own"
    if watch.seconds >= lease.lease_seconds:
        return "expired"
    return "forced" if who.forces else None


def taken(watch: Watch, who: Claimant, *, dataset: str, holder: str, session: str) -> Lease:
    """The lease as `who` writes it in the place of what was watched."""
    before = 0 if watch.lease is None else watch.lease.renewals
    return Lease(dataset, holder, who.holder_id, session, 0, before + 1, who.lease_seconds)


def next_look_seconds(watch: Watch, who: Claimant) -> float:
    """How long who waits may rest: a sixth of the lease, or until it expires."""
    limit = who.lease_seconds if watch.lease is None else watch.lease.lease_seconds
    return max(0.0, min(limit / 6, limit - watch.seconds))


def renewal_seconds(lease_seconds: float) -> float:
    """How often the holder writes: two writes may fail, and the third is still in time."""
    return lease_seconds / 3
