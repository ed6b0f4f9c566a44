"""Each candidate's age on arrival, and why it cannot be taken: first half of the decision, pure.

A snapshot's age is that at the moment at which its restore will have ended. Its horizon has to lie
behind the moment at which the stream will have been caught up with besides, because one that
expires on the way cannot be resumed from. What would be rejected after the download (another
engine, an unreadable storage version, a quarantined state, one found damaged) is rejected here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cdc.checkpoint import age_seconds
from restorer.facts import Candidate, Facts, LocalFile, Policy, Published, Selection, Trouble

Age = Literal["fresh", "near_expired", "expired"]

FOREIGN = 3
DAMAGED = 5
UNREADABLE = 11
NOTHING = 4


@dataclass(frozen=True, slots=True)
class Judged:
    """A candidate, its age on arrival and why it cannot be taken (None if it can).

    `exit_code`: what a one-shot command ends with if this was the reason for having nothing.
    `download_seconds`: of the restore; `catch_up_seconds`: of reading the changes since.
    """

    candidate: Candidate
    age: Age
    age_seconds: float | None
    download_seconds: float
    catch_up_seconds: float = 0.0
    unusable: str | None = None
    exit_code: int = NOTHING


def age_of(state: Candidate | LocalFile, at: float, policy: Policy) -> tuple[Age, float | None]:
    """The class and the seconds of a state's age at an instant. No horizon counts as expired.

    Of a table that is read anew, the age is that of the data; expired is what a refresh is due for.
    """
    until = state.resumable_until
    if policy.refresh_seconds is not None and state.data_at is not None:
        seconds = at - state.data_at
        return ("fresh" if seconds <= policy.refresh_seconds else "expired"), seconds
    if until is None:
        return "expired", None
    seconds = age_seconds(until, at, retention_seconds=policy.retention_seconds)
    if seconds >= policy.expired_seconds or at >= until:
        return "expired", seconds
    return ("near_expired" if seconds >= policy.near_expired_seconds else "fresh"), seconds


def judge(
    published: Published, policy: Policy, facts: Facts, selection: Selection
) -> tuple[Judged, ...]:
    """Every candidate, newest first."""
    is_released = published.current is None or selection.is_explicit
    judged = []
    for candidate in published.candidates:
        is_released = is_released or candidate.snapshot_id == published.current
        seconds = candidate.stored_bytes / facts.throughput_bytes_per_second
        arrival = facts.now + seconds
        age, on_arrival = age_of(candidate, arrival, policy)
        catch_up = _catch_up_seconds(on_arrival, policy, facts)
        until = candidate.resumable_until
        if catch_up and until is not None and arrival + catch_up >= until:
            age = "expired"
        reason, exit_code = _unusable(candidate, published, policy, facts, selection)
        if reason is None and not is_released:
            reason = "newer than the snapshot that followers should be at"
        judged.append(Judged(candidate, age, on_arrival, seconds, catch_up, reason, exit_code))
    return tuple(judged)


def _catch_up_seconds(age: float | None, policy: Policy, facts: Facts) -> float:
    """How long the changes since the snapshot take to read, by a node that reads them."""
    if age is None or policy.role != "central" or policy.refresh_seconds is not None:
        return 0.0
    return max(0.0, age) / facts.catch_up_rate


def _unusable(
    candidate: Candidate, published: Published, policy: Policy, facts: Facts, selection: Selection
) -> tuple[str | None, int]:
    tried = next((r for r in facts.rejected if r.snapshot_id == candidate.snapshot_id), None)
    if tried is not None:
        return tried.reason, tried.exit_code
    if not selection.includes(candidate):
        return "not what was asked for", NOTHING
    if candidate.quarantined is not None:
        return f"quarantined: {candidate.quarantined}", NOTHING
    if unreadable := _unreadable(candidate, policy):
        return unreadable, UNREADABLE
    if policy.role != "operator" and candidate.lineage_id != published.lineage_id:
        return "of an earlier bootstrap", NOTHING
    return None, NOTHING


def _unreadable(candidate: Candidate, policy: Policy) -> str | None:
    if policy.engine is not None and candidate.engine != policy.engine:
        return f"of engine {candidate.engine}, this node has {policy.engine}"
    readable = policy.storage_versions
    if readable is not None and candidate.storage_version not in readable:
        needed = f"storage version {candidate.storage_version} cannot be read here"
        if candidate.engine != "duckdb":
            return needed
        return f"{needed}: it needs DuckDB {candidate.storage_version.removeprefix('v')} or newer"
    return None


def worst(judged: tuple[Judged, ...], trouble: Trouble | None = None) -> tuple[int, str]:
    """Exit code and one line for a node that can take none of these."""
    if trouble is not None:
        return trouble.exit_code, trouble.reason
    for exit_code, verdict in ((DAMAGED, "damaged"), (UNREADABLE, "unreadable here")):
        found = [each for each in judged if each.unusable and each.exit_code == exit_code]
        if found:
            newest = found[0]
            count = f"{len(found)} of {len(judged)} snapshots {verdict} and no other can be taken"
            return exit_code, f"{count}; {newest.candidate.snapshot_id}: {newest.unusable}"
    if not judged:
        return NOTHING, "there is no snapshot"
    newest = judged[0]
    reason = newest.unusable or "too old to resume the stream"
    return NOTHING, f"no snapshot can be taken; {newest.candidate.snapshot_id}: {reason}"
