"""What a rule of the decision works with: one node's case, and the outcomes it may come to. Pure.

A rule says which outcome; what holds for every rule is kept here: nothing of another table is
restored or bootstrapped over, what does not fit is not begun, and a bootstrap needs permission.
"""

from __future__ import annotations

from dataclasses import dataclass

from cdc.checkpoint import Lineage
from restorer.facts import Candidate, Facts, LocalFile, Policy, Published, Selection
from restorer.judging import FOREIGN, Age, Judged, worst
from restorer.verdict import Action, Decision, numbers_of, size_text

_INTENDED = "if the change was intended, run `snowmelt bootstrap --replace`"


def lineage_conflict(
    offered: Lineage,
    local: Lineage | None,
    source: tuple[str, str] | None,
    *,
    any_stream: bool = False,
) -> str | None:
    """Why snapshots of this lineage may not feed this node or replace its file, or None.

    A newer bootstrap of the same table is no conflict: who follows has to reseed. `source`: table
    id and stream ARN of the configured table, where they are known; "" for no stream. `any_stream`:
    of an edge, which reads none; that it is another one was decided where it is published.
    """
    if source is not None and not offered.same_table(*source):
        return f"the snapshots are not of the table {offered.table_name} and stream of today"
    stream_arn = "" if any_stream else offered.stream_arn
    if local is not None and not local.same_table(offered.table_id, stream_arn):
        return f"the target is of lineage {local.id} ({local.table_name}), the snapshot of another"
    return None


def _changed(what: str, was: Lineage, now: str) -> str:
    before = was.table_id if what == "table" else was.stream_arn
    built = f"the {what} of {was.table_name} is not the one that the file was built from"
    return f"{built}: {before} then, {now} now"


@dataclass(frozen=True, slots=True)
class Case:
    """One node's case. `judged`: every candidate, newest first."""

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

    @property
    def gives_way(self) -> bool:
        """True if a snapshot is taken rather than the local file, whose age would do."""
        local, published = self.local, self.published
        return local.is_superseded_by(published.lineage) or published.distrusts(local)

    def worst(self) -> tuple[int, str]:
        """Exit code and one line for having nothing."""
        return worst(self.judged, self.published.trouble)

    # ------------------------------------------------------------ outcomes

    def refuse(self, exit_code: int, message: str, hint: str | None = None) -> Decision:
        return self._made(Action.REFUSE, message, exit_code=exit_code, hint=hint)

    def resume(self, why: str) -> Decision:
        """Keep the local file and read on in its stream, if that is the one of today."""
        if changed := self._another_source():
            return self.refuse(FOREIGN, changed, _INTENDED)
        return self.keep(why)

    def wait(self, exit_code: int, message: str) -> Decision:
        return self._made(Action.WAIT, message, exit_code=exit_code)

    def keep(self, why: str) -> Decision:
        return self._made(Action.KEEP_LOCAL, why)

    def restore(self, candidates: list[Candidate], why: str) -> Decision:
        if conflict := self._conflict(candidates[0]):
            return self.refuse(FOREIGN, *conflict)
        # Compressed bytes do not outgrow what they hold: less space than that is surely too little.
        needed, free = candidates[0].stored_bytes, self.facts.free_bytes
        if free < needed and self.policy.role == "edge" and self.local.may_be_served:
            return self.keep(f"no space for a newer snapshot: it needs {size_text(needed)}")
        if free < needed:
            return self.refuse(12, f"needs more than {size_text(needed)}, has {size_text(free)}")
        return self._made(Action.RESTORE, why, candidates)

    def serve_stale(self, candidates: list[Candidate], why: str) -> Decision:
        """Serve the newest of these, or the local file, while a new one is bootstrapped."""
        if candidates and (conflict := self._conflict(candidates[0])):
            return self.refuse(FOREIGN, *conflict)
        if another := self._another_table():
            return self.refuse(FOREIGN, another, _INTENDED)
        return self._made(Action.SERVE_STALE_AND_BOOTSTRAP, why, candidates)

    def bootstrap(self, why: str) -> Decision:
        if another := self._another_table():
            return self.refuse(FOREIGN, another, _INTENDED)
        if self.policy.allow_bootstrap:
            return self._made(Action.BOOTSTRAP, why)
        exit_code, message = self.worst()
        return self.refuse(exit_code, f"{message}, and a bootstrap is not allowed")

    # ------------------------------------------------------------ another table

    def _conflict(self, candidate: Candidate) -> tuple[str, str | None] | None:
        """What speaks against the snapshot's lineage, and what to do about it."""
        offered = self.published.lineage
        if offered is None or candidate.lineage_id != offered.id:
            return None  # not asked yet: the header says it, before any data is fetched
        if conflict := lineage_conflict(offered, None, self.facts.source):
            return conflict, _INTENDED
        local = None if self.policy.replace else self.local.lineage
        is_edge = self.policy.role == "edge"
        conflict = lineage_conflict(offered, local, None, any_stream=is_edge)
        return None if conflict is None else (conflict, None)

    def _another_table(self) -> str | None:
        """Why a bootstrap would put another table where one lies, here or in the bucket."""
        if self.facts.source is None:
            return None
        table_id = self.facts.source[0]
        offered, local = self.published.lineage, self.local.lineage
        if offered is not None and offered.table_id != table_id:
            return f"the snapshots are of another table {offered.table_name} than today's"
        if local is not None and local.table_id != table_id and not self.policy.replace:
            return _changed("table", local, table_id)
        return None

    def _another_source(self) -> str | None:
        lineage, source = self.local.lineage, self.facts.source
        if lineage is None or source is None or lineage.same_table(*source):
            return None
        if lineage.table_id != source[0]:
            return _changed("table", lineage, source[0])
        return _changed("stream", lineage, source[1])

    # ------------------------------------------------------------ the value

    def _made(
        self,
        action: Action,
        why: str,
        candidates: list[Candidate] | None = None,
        exit_code: int | None = None,
        hint: str | None = None,
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
            hint=hint,
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
        offered = self.published.lineage
        if offered and (conflict := lineage_conflict(offered, None, self.facts.source)):
            remarks.append(conflict)
        if self.published.hold is not None:
            remarks.append(f"followers are held: {self.published.hold}")
        return tuple(remarks)
