"""The decision for those who do not resume the stream: an edge, and who names what it wants. Pure.

A snapshot's age does not count for them, and they never bootstrap.
"""

from __future__ import annotations

from dataclasses import replace

from restorer.case import Case
from restorer.facts import Candidate
from restorer.verdict import Decision


def as_edge(case: Case) -> Decision:
    """To the pointer's current snapshot, or to an older one that is not behind what is served."""
    local, candidates = case.local, case.usable()
    if not candidates and local.may_be_served:
        return case.keep("no snapshot can be used; an edge serves what it has")
    if not candidates:
        exit_code, message = case.worst()
        return case.wait(exit_code, f"{message}; an edge never bootstraps")
    newest, goes_back = candidates[0], case.published.distrusts(local)
    if local.is_at(newest):
        return case.keep("the local file is at the newest usable snapshot")
    if local.is_ahead_of(newest) and not (goes_back or _is_rolled_back_to(case, newest)):
        return case.keep("the local file is ahead of the newest usable snapshot")
    onward = candidates[1:]
    if not goes_back:
        onward = [c for c in onward if not local.is_ahead_of(c) and not local.is_at(c)]
    why = "an edge does not resume the stream: the newest snapshot is taken at any age"
    return case.restore([newest, *onward], why)


def _is_rolled_back_to(case: Case, candidate: Candidate) -> bool:
    """True if the centre went back to this snapshot: then so do its followers."""
    newest = case.published.candidates[0].snapshot_id
    return newest != candidate.snapshot_id == case.published.current


def as_asked(case: Case) -> Decision:
    """For an operator, and for whoever names a snapshot, a time or a version."""
    candidates, policy, local = case.usable(), case.policy, case.local
    what = str(case.selection) or "the newest snapshot"
    if policy.role == "central" and candidates:
        candidates = case.usable(*case.resumable_ages)
        if not candidates and not case.facts.rejected:
            return case.refuse(6, f"{what} is too old to resume the stream from it")
    if not candidates:
        return _nothing_asked_for(case, what)
    newest, published = candidates[0], case.published
    is_past = policy.role != "operator" and newest.snapshot_id != published.current
    if published.hold is not None and is_past:
        return case.refuse(14, f"followers are held at {published.current}: {published.hold}")
    if local.is_at(newest):
        return case.keep("the target is at this snapshot already")
    if local.is_ahead_of(newest) and not policy.replace:
        ours, theirs = local.version, newest.version
        return case.refuse(3, f"the target is at version {ours}, the snapshot at {theirs}")
    return case.restore(candidates, f"{what} was asked for")


def _nothing_asked_for(case: Case, what: str) -> Decision:
    matches = [each for each in case.judged if case.selection.includes(each.candidate)]
    if case.judged and not matches:
        return case.refuse(4, f"no snapshot matches {what}")
    named = matches[0].candidate if case.selection.snapshot_id is not None else None
    if named is not None and named.quarantined is not None:
        refused = case.refuse(4, f"{named.snapshot_id} is quarantined: {named.quarantined}")
        lift = f"`snowmelt snapshots quarantine {named.snapshot_id} --lift`"
        return replace(refused, hint=f"take another one, or, if that was a mistake, {lift}")
    return case.refuse(*case.worst())
