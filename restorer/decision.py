"""The decision before any byte is downloaded: a pure function from facts to one action.

Age is `cdc.checkpoint.age_seconds`, for a snapshot on *arrival*: now plus the predicted time of its
download. fresh: age < 18 h. near-expired: 18 h ≤ age < 24 h. expired: age ≥ 24 h, or its horizon
(`resumable_until`, five minutes before the stream trims) has passed, or it has none. A stream of
Kinesis may keep records for longer; both thresholds then are as much later.

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
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cdc.checkpoint import Lineage
from restorer.facts import Candidate, Facts, LocalFile, Policy, Published, Selection
from restorer.judging import Age, Judged, age_of, judge, worst
from restorer.verdict import Action, Decision, numbers_of, size_text


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
    case = _Case(published, local, policy, facts, selection, judged)
    if local.exists and local.lineage is None and not policy.replace:
        return case.refuse(3, f"the target is no file of ours: {local.problem or 'no checkpoint'}")
    if selection.is_explicit or policy.role == "operator":
        return case.as_asked()
    if policy.role == "edge":
        return case.as_edge()
    return case.as_central() if policy.refresh_seconds is None else case.as_refreshed()


def lineage_conflict(
    offered: Lineage, local: Lineage | None, source: tuple[str, str] | None
) -> str | None:
    """Why snapshots of this lineage may not feed this node or replace its file, or None.

    A newer bootstrap of the same table is no conflict: who follows has to reseed. `source`: table
    id and stream ARN of the configured table, where they are known; "" for no stream.
    """
    if source is not None and not offered.same_table(*source):
        return f"the snapshots are not of the table {offered.table_name} and stream of today"
    if local is not None and not local.same_table(offered.table_id, offered.stream_arn):
        return f"the target is of lineage {local.id} ({local.table_name}), the snapshot of another"
    return None


@dataclass(frozen=True, slots=True)
class _Case:
    published: Published
    local: LocalFile
    policy: Policy
    facts: Facts
    selection: Selection
    judged: tuple[Judged, ...]

    def usable(self, *ages: Age) -> list[Candidate]:
        """Candidates that can be taken, newest first; of these ages only, if any are given."""
        return [
            each.candidate
            for each in self.judged
            if each.unusable is None and (not ages or each.age in ages)
        ]

    @property
    def resumable_ages(self) -> tuple[Age, ...]:
        """Ages from which the stream is resumed, the better ones first."""
        if self.policy.refresh_seconds is not None:
            return ("fresh", "expired")  # nothing is resumed, so any age will do
        tries = self.policy.near_expired == "try_resume"
        return ("fresh", "near_expired") if tries else ("fresh",)

    # ------------------------------------------------------------ roles

    def as_central(self) -> Decision:
        local = self.local
        takes_older = self.policy.bootstrap_on_failure == "fallback" or not self.facts.rejected
        local_age, _ = age_of(local, self.facts.now, self.policy)
        gives_way = self._gives_way()
        for age in self.resumable_ages:
            can_restore = takes_older and bool(self.usable(age))
            if local.may_be_served and local_age == age and not (gives_way and can_restore):
                return self._keep("the stream can be resumed from the local file")
            if can_restore:
                others = self.usable(*self.resumable_ages)
                candidates = list(dict.fromkeys([*self.usable(age), *others]))
                return self._restore(candidates, "the stream can be resumed from this snapshot")
        if local.exists and not local.may_be_served and local_age == "fresh":
            return self._bootstrap("the local file's bootstrap goes on where it stopped")
        has_failed = bool(self.facts.rejected) or self.published.trouble is not None
        if has_failed and self.policy.bootstrap_on_failure == "retry":
            return self._nothing_usable()
        if local.may_be_served or (takes_older and self.usable()):
            return self._too_old()
        return self._nothing_usable()

    def _too_old(self) -> Decision:
        behavior = self.policy.shard_not_found_behavior
        stale = [] if self.local.may_be_served else self.usable()
        what = f"snapshot {stale[0].snapshot_id}" if stale else "the local file"
        why = f"the best state, {what}, is too old to resume the stream"
        if self.facts.rejected and behavior != "ready_before_load":
            return self._bootstrap(f"newer snapshots are damaged and {why}")
        if behavior == "error":
            return self.refuse(6, f"{why} and shard_not_found_behavior is error")
        if not self.policy.allow_bootstrap:
            return self.refuse(6, f"{why} and a bootstrap is not allowed")
        if behavior == "ready_after_load":
            return self._bootstrap(why)
        return self._made(Action.SERVE_STALE_AND_BOOTSTRAP, why, stale)

    def _nothing_usable(self) -> Decision:
        if not self.judged and self.published.trouble is None:
            return self._bootstrap("there is no snapshot")
        exit_code, message = self._worst()
        if self.policy.bootstrap_on_failure == "retry":
            return self._made(Action.WAIT, message, exit_code=exit_code)
        return self._bootstrap(message)

    def as_refreshed(self) -> Decision:
        """Central, without a stream: any age is served until the next refresh has come."""
        local, candidates = self.local, self.usable()
        if self.facts.rejected and self.policy.bootstrap_on_failure != "fallback":
            candidates = []
        if local.may_be_served and not (self._gives_way() and candidates):
            return self._keep("the local file is of the newest refresh that there is")
        if candidates:
            return self._restore(candidates, "this is the newest refresh that there is")
        return self._nothing_usable()

    def as_edge(self) -> Decision:
        local, candidates = self.local, self.usable()
        if not candidates and local.may_be_served:
            return self._keep("no snapshot can be used; an edge serves what it has")
        if not candidates:
            exit_code, message = self._worst()
            return self._made(
                Action.WAIT, f"{message}; an edge never bootstraps", exit_code=exit_code
            )
        newest, goes_back = candidates[0], self.published.distrusts(local)
        if local.is_at(newest):
            return self._keep("the local file is at the newest usable snapshot")
        if local.is_ahead_of(newest) and not (goes_back or self._is_rolled_back_to(newest)):
            return self._keep("the local file is ahead of the newest usable snapshot")
        onward = candidates[1:]
        if not goes_back:
            onward = [c for c in onward if not local.is_ahead_of(c) and not local.is_at(c)]
        why = "an edge does not resume the stream: the newest snapshot is taken at any age"
        return self._restore([newest, *onward], why)

    def _gives_way(self) -> bool:
        """True if a snapshot is taken rather than the local file, whose age would do."""
        local, published = self.local, self.published
        return local.is_superseded_by(published.epoch) or published.distrusts(local)

    def _is_rolled_back_to(self, candidate: Candidate) -> bool:
        """True if the centre went back to this snapshot: then so do its followers."""
        newest = self.published.candidates[0].snapshot_id
        return newest != candidate.snapshot_id == self.published.current

    def as_asked(self) -> Decision:
        """For an operator, and for whoever names a snapshot, a time or a version."""
        candidates, policy = self.usable(), self.policy
        what = str(self.selection) or "the newest snapshot"
        if policy.role == "central" and candidates:
            candidates = self.usable(*self.resumable_ages)
            if not candidates and not self.facts.rejected:
                return self.refuse(6, f"{what} is too old to resume the stream from it")
        if not candidates:
            return self._nothing_asked_for(what)
        newest, published = candidates[0], self.published
        is_past = policy.role != "operator" and newest.snapshot_id != published.current
        if published.hold is not None and is_past:
            return self.refuse(14, f"followers are held at {published.current}: {published.hold}")
        if self.local.is_at(newest):
            return self._keep("the target is at this snapshot already")
        if self.local.is_ahead_of(newest) and not policy.replace:
            ours, theirs = self.local.version, newest.version
            return self.refuse(3, f"the target is at version {ours}, the snapshot at {theirs}")
        return self._restore(candidates, f"{what} was asked for")

    def _nothing_asked_for(self, what: str) -> Decision:
        matches = [each for each in self.judged if self.selection.includes(each.candidate)]
        if self.judged and not matches:
            return self.refuse(4, f"no snapshot matches {what}")
        named = matches[0].candidate if self.selection.snapshot_id is not None else None
        if named is not None and named.quarantined is not None:
            refused = self.refuse(4, f"{named.snapshot_id} is quarantined: {named.quarantined}")
            lift = f"`snowmelt snapshots quarantine {named.snapshot_id} --lift`"
            return replace(refused, hint=f"take another one, or, if that was a mistake, {lift}")
        return self.refuse(*self._worst())

    def _worst(self) -> tuple[int, str]:
        return worst(self.judged, self.published.trouble)

    # ------------------------------------------------------------ outcomes

    def refuse(self, exit_code: int, message: str) -> Decision:
        return self._made(Action.REFUSE, message, exit_code=exit_code)

    def _keep(self, why: str) -> Decision:
        return self._made(Action.KEEP_LOCAL, why)

    def _restore(self, candidates: list[Candidate], why: str) -> Decision:
        # Compressed bytes do not outgrow what they hold: less space than that is surely too little.
        needed, free = candidates[0].stored_bytes, self.facts.free_bytes
        if free < needed and self.policy.role == "edge" and self.local.may_be_served:
            return self._keep(f"no space for a newer snapshot: it needs {size_text(needed)}")
        if free < needed:
            return self.refuse(12, f"needs more than {size_text(needed)}, has {size_text(free)}")
        return self._made(Action.RESTORE, why, candidates)

    def _bootstrap(self, why: str) -> Decision:
        if self.policy.allow_bootstrap:
            return self._made(Action.BOOTSTRAP, why)
        exit_code, message = self._worst()
        return self.refuse(exit_code, f"{message}, and a bootstrap is not allowed")

    def _made(
        self,
        action: Action,
        why: str,
        candidates: list[Candidate] | None = None,
        exit_code: int | None = None,
    ) -> Decision:
        chosen = candidates[0] if candidates else None
        judged = next((each for each in self.judged if each.candidate == chosen), None)
        return Decision(
            action=action,
            reasons=(why, *self._remarks(chosen)),
            numbers=numbers_of(action, judged, self.local, self.policy, self.facts),
            judged=self.judged,
            chosen=chosen,
            fallbacks=self._fallbacks(candidates or []),
            exit_code=exit_code,
            message=why if exit_code is not None else "",
        )

    def _fallbacks(self, candidates: list[Candidate]) -> tuple[Candidate, ...]:
        central = self.policy.role == "central"
        if central and self.policy.bootstrap_on_failure != "fallback":
            return ()
        return tuple(candidates[1:])

    def _remarks(self, chosen: Candidate | None) -> tuple[str, ...]:
        remarks = []
        if chosen is not None:
            passed = [
                f"not {each.candidate.snapshot_id}: {each.unusable or each.age.replace('_', '-')}"
                for each in self.judged
                if each.candidate.created_at > chosen.created_at
            ]
            remarks += passed[:5]
        if self.published.trouble is not None:
            remarks.append(self.published.trouble.reason)
        if self.published.hold is not None:
            remarks.append(f"followers are held: {self.published.hold}")
        return tuple(remarks)
