"""The decision before any byte is downloaded: a pure function from facts to one action.

Age is `cdc.checkpoint.age_seconds`, for a snapshot on *arrival*: now plus the predicted time of its
restore. fresh: age < 18 h. near-expired: 18 h ≤ age < 24 h. expired: age ≥ 24 h, or it has no
horizon (`resumable_until`, five minutes before the stream trims), or that has passed; for a
snapshot also if it will have before the changes since are read. A stream of Kinesis may keep
records for longer; both thresholds then are as much later.

The best state there is decides. For role central, the first row that applies:

| best state                              | error      | ready_before_load     | ready_after_load |
|-----------------------------------------|------------|-----------------------|------------------|
| local file, fresh                       | KEEP_LOCAL | KEEP_LOCAL            | KEEP_LOCAL       |
| snapshot, fresh                         | RESTORE    | RESTORE               | RESTORE          |
| local, near-expired and `try_resume`    | KEEP_LOCAL | KEEP_LOCAL            | KEEP_LOCAL       |
| snapshot, near-expired and `try_resume` | RESTORE    | RESTORE               | RESTORE          |
| local bootstrap unfinished, fresh       | BOOTSTRAP  | BOOTSTRAP             | BOOTSTRAP        |
| near-expired and `recover`, or expired  | REFUSE (6) | SERVE_STALE_AND_BOOT… | BOOTSTRAP        |
| nothing at all                          | BOOTSTRAP  | BOOTSTRAP             | BOOTSTRAP        |

If snapshots exist and none can be used, or the bucket cannot be read, `bootstrap_on_failure`
decides: `warn` and `fallback` BOOTSTRAP, `retry` WAITs. After a damaged one only `fallback` goes on
to older ones. Without permission to bootstrap, each BOOTSTRAP is a REFUSE: 6 expired, 5 damaged,
11 unreadable, 4 nothing, or the code of the store's trouble.

A local file of an earlier bootstrap than the published one gives way to a snapshot of its age,
because nothing that follows from it could be published. So does one that a person took back: a
quarantined state, or what goes on from one that lies behind a rollback.

A table that is read anew, without its stream (`refresh_seconds`), has no age at which it could not
be served: the newest of local file and snapshot is taken, and BOOTSTRAP is for nothing at all.

Role edge does not resume the stream, so age does not count, and it never bootstraps: it goes to the
pointer's current snapshot or, where that cannot be used, to an older one that is not behind what it
serves, unless that was taken back; with nothing it WAITs. Role operator takes what was asked for at
any age. A snapshot of another engine or an unreadable storage version, quarantined or found damaged
is never chosen.

Nothing of another table is restored, resumed, or bootstrapped over: REFUSE (3). `docs/decisions.md`
has every case; it is made from this function.
"""

from __future__ import annotations

from restorer.case import Case, lineage_conflict
from restorer.facts import Facts, LocalFile, Policy, Published, Selection
from restorer.judging import age_of, judge
from restorer.takers import as_asked, as_edge
from restorer.verdict import Decision

__all__ = ["decide", "lineage_conflict"]


def decide(
    published: Published,
    local: LocalFile,
    policy: Policy,
    facts: Facts,
    selection: Selection | None = None,
) -> Decision:
    """The action for this node now. Deterministic; never raises."""
    selection = selection or Selection()
    judged = judge(published, policy, facts, selection)
    case = Case(published, local, policy, facts, selection, judged)
    if local.exists and local.lineage is None and not policy.replace:
        return case.refuse(3, f"the target is no file of ours: {local.problem or 'no checkpoint'}")
    if selection.is_explicit or policy.role == "operator":
        return as_asked(case)
    if policy.role == "edge":
        return as_edge(case)
    return _as_central(case) if policy.refresh_seconds is None else _as_refreshed(case)


def _as_central(case: Case) -> Decision:
    local, facts = case.local, case.facts
    takes_older = case.policy.bootstrap_on_failure == "fallback" or not facts.rejected
    local_age, _ = age_of(local, facts.now, case.policy)
    for age in case.resumable_ages:
        can_restore = takes_older and bool(case.usable(age))
        if local.may_be_served and local_age == age and not (case.gives_way and can_restore):
            return case.resume("the stream can be resumed from the local file")
        if can_restore:
            others = case.usable(*case.resumable_ages)
            candidates = list(dict.fromkeys([*case.usable(age), *others]))
            return case.restore(candidates, "the stream can be resumed from this snapshot")
    if local.exists and not local.may_be_served and local_age == "fresh":
        return case.bootstrap("the local file's bootstrap goes on where it stopped")
    has_failed = bool(facts.rejected) or case.published.trouble is not None
    if has_failed and case.policy.bootstrap_on_failure == "retry":
        return _nothing_usable(case)
    if local.may_be_served or (takes_older and case.usable()):
        return _too_old(case)
    return _nothing_usable(case)


def _too_old(case: Case) -> Decision:
    behavior = case.policy.shard_not_found_behavior
    stale = [] if case.local.may_be_served else case.usable()
    what = f"snapshot {stale[0].snapshot_id}" if stale else "the local file"
    why = f"the best state, {what}, is too old to resume the stream"
    if case.facts.rejected and behavior != "ready_before_load":
        return case.bootstrap(f"newer snapshots are damaged and {why}")
    if behavior == "error":
        return case.refuse(6, f"{why} and shard_not_found_behavior is error")
    if not case.policy.allow_bootstrap:
        return case.refuse(6, f"{why} and a bootstrap is not allowed")
    if behavior == "ready_after_load":
        return case.bootstrap(why)
    return case.serve_stale(stale, why)


def _nothing_usable(case: Case) -> Decision:
    if not case.judged and case.published.trouble is None:
        return case.bootstrap("there is no snapshot")
    exit_code, message = case.worst()
    if case.policy.bootstrap_on_failure == "retry":
        return case.wait(exit_code, message)
    return case.bootstrap(message)


def _as_refreshed(case: Case) -> Decision:
    """Central, without a stream: any age is served until the next refresh has come."""
    local, candidates = case.local, case.usable()
    if case.facts.rejected and case.policy.bootstrap_on_failure != "fallback":
        candidates = []
    if local.may_be_served and not (case.gives_way and candidates):
        return case.resume("the local file is of the newest refresh that there is")
    if candidates:
        return case.restore(candidates, "this is the newest refresh that there is")
    return _nothing_usable(case)
