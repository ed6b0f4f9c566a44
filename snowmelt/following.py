"""Looks at the pointer for a node that follows snapshots, and brings what is newer.

    pointer, if it changed -> decision, without a request -> restore: fetch what the live file
    lacks, prove, switch                                     (the caller opens it and hands over)

One thread looks and fetches, so that nothing is fetched twice at once. Whatever goes wrong, the
file at the path stays whole: the old one or the new one.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from restorer.decision import decide
from restorer.errors import refusal
from restorer.facts import Facts, LocalFile, Policy, Published, Rejection
from restorer.fetch import Progress
from restorer.foreseen import Foreseen, foresee
from restorer.local import free_bytes
from restorer.readable import readable_versions
from restorer.restore import RestoreReport, RestoreRequest, restore
from restorer.switch import work_directory
from restorer.verdict import Action, Decision
from snapshotter.errors import ObjectMissing
from snapshotter.format import Pointer
from snapshotter.reader import (
    StoredPointer,
    read_newer_pointer,
    read_pointer,
    read_stored_pointer,
)
from snapshotter.store import ObjectStore
from snowmelt.catalog_watch import facts_of
from snowmelt.follow_rule import Look, look_at, pause_seconds, versions_between
from snowmelt.rejections import Rejections
from snowmelt.wiring import DatasetPlan


@dataclass(frozen=True, slots=True)
class Tally:
    """What was done in this process. Times are epoch seconds by the store's clock.

    `failed_in_a_row`: looks and fetches that came to nothing since the last that did.
    """

    looks: int = 0
    unchanged: int = 0
    failures: int = 0
    failed_in_a_row: int = 0
    switches: int = 0
    bytes_fetched: int = 0
    bytes_spared: int = 0
    rejected: int = 0
    looked_at: float | None = None
    answered_at: float | None = None
    switched_at: float | None = None


class Following:
    """`look`, `fetch`, `succeeded` and `failed` by the dataset's thread, the rest by any."""

    def __init__(self, plan: DatasetPlan, store: ObjectStore) -> None:
        self._plan = plan
        self._store = store
        self._rejections = Rejections(work_directory(plan.path) / "rejected.json")
        self._stored: StoredPointer | None = None
        self._look: Look | None = None
        self._fetching: tuple[int, int] | None = None
        self._remembered: tuple[Rejection, ...] = ()
        self._lock = threading.Lock()
        self._tally = Tally()

    # ------------------------------------------------------------ one look, one fetch

    def look(self, local: LocalFile) -> Look | None:
        """What the pointer wants of a node that has this file; None while there is no pointer.

        Raises SnapshotError where it cannot be read, or not be believed, and RestoreError for a
        refusal.
        """
        self._count(looks=1)
        self._note(looked_at=self._store.now())
        try:
            stored = self._newer()
        except ObjectMissing:
            self._stored = self._look = None
            self._note(answered_at=self._store.now())
            return None
        if stored is None:
            self._count(unchanged=1)
        else:
            self._stored = stored
            self._plan.catalog.facts = facts_of(stored.pointer)
        self._note(answered_at=self._store.now())
        self._look = look = self._judged(local)
        if look is not None and look.decision.action is Action.REFUSE:
            decision = look.decision
            where = f"{self._plan.path}: {decision.message}"
            raise refusal(decision.exit_code or 1, where, decision.hint)
        return look

    def _newer(self) -> StoredPointer | None:
        if self._stored is None:
            return read_stored_pointer(self._store, self._plan.name)
        return read_newer_pointer(self._store, self._plan.name, self._stored.etag)

    def _judged(self, local: LocalFile) -> Look | None:
        if self._stored is None:
            return None
        pointer, now = self._stored.pointer, self._store.now()
        self._remembered = self._rejections.offered(pointer, now)
        return look_at(pointer, local, self._policy(pointer), self._facts(now))

    def fetch(self, local: LocalFile, progress: Progress) -> RestoreReport:
        """Bring what was wanted, and make it the file at the path, if it is still wanted.

        Raises what `restore` raises, and the store's error if it went away on the way.
        """

        def told(done: int, total: int) -> None:
            self._fetching = done, total
            progress(done, total)

        plan = self._plan
        request = RestoreRequest(
            plan.policy(), local=local, rejected=self._remembered, bandwidth=plan.bandwidth
        )
        try:
            report = restore(self._store, plan.name, plan.path, request, progress=told)
        finally:
            self._fetching = None
        if self._stored is not None:
            pointer, now = self._stored.pointer, self._store.now()
            self._count(rejected=self._rejections.add(pointer, report.rejected, now))
            self._remembered = self._rejections.offered(pointer, now)
        self._count(
            bytes_fetched=report.bytes_fetched,
            bytes_spared=report.bytes_kept + report.bytes_seeded,
        )
        if report.snapshot_id is None and report.store_error is not None:
            raise report.store_error
        return report

    def succeeded(self, *, switched: bool) -> None:
        """The look, and the fetch where there was one, came to their end."""
        with self._lock:
            self._tally = replace(self._tally, failed_in_a_row=0)
        if switched:
            self._count(switches=1)
            self._note(switched_at=self._store.now())

    def failed(self) -> None:
        """They did not."""
        self._count(failures=1, failed_in_a_row=1)

    def pause_seconds(self, *, serves: bool) -> float:
        """Until the next look."""
        return pause_seconds(
            self._plan.section.acceleration.look_seconds,
            self._tally.failed_in_a_row,
            serves=serves,
            chance=random.random(),  # noqa: S311 - so that nodes part, not to be secret
        )

    def explained(self, local: LocalFile) -> tuple[Decision, Foreseen | None]:
        """The decision for this file now, and what it would fetch. Raises SnapshotError."""
        try:
            pointer = read_pointer(self._store, self._plan.name)
        except ObjectMissing:
            facts = self._facts(self._store.now())
            return decide(Published(), local, self._plan.policy(), facts), None
        facts = self._facts(self._store.now())
        decision = look_at(pointer, local, self._policy(pointer), facts).decision
        entry = decision.chosen and pointer.entry(decision.chosen.snapshot_id)
        return decision, foresee(self._store, entry, self._plan.path) if entry else None

    def _policy(self, pointer: Pointer) -> Policy:
        versions = readable_versions(Published.of(pointer))
        return replace(self._plan.policy(), storage_versions=versions)

    def _facts(self, now: float) -> Facts:
        return Facts(now=now, free_bytes=free_bytes(self._plan.path), rejected=self._remembered)

    # ------------------------------------------------------------ what it says

    def described(self, local: LocalFile) -> Mapping[str, Any]:
        """The part of the status that is about following; None is unknown."""
        tally, look, now = self._tally, self._look, self._store.now()
        newest = None if look is None else look.newest
        fetching = self._fetching
        return {
            "snapshot_id": local.snapshot_id,
            "data_at": local.data_at,
            "data_age_seconds": _age(local.data_at, now),
            "newest_id": None if newest is None else newest.snapshot_id,
            "newest_created_at": None if newest is None else newest.created_at,
            "newest_data_at": None if newest is None else newest.watermark,
            "newest_age_seconds": None if newest is None else _age(newest.watermark, now),
            "versions_behind": versions_between(local, newest),
            "held_because": None if look is None else look.held_because,
            "decision": None if look is None else look.decision.action.value,
            "reasons": [] if look is None else list(look.decision.reasons),
            "interval_seconds": self._plan.section.acceleration.look_seconds,
            "max_staleness_seconds": self._plan.section.acceleration.stale_seconds,
            "looked_at": tally.looked_at,
            "answered_at": tally.answered_at,
            "switched_at": tally.switched_at,
            "looks_total": tally.looks,
            "unchanged_total": tally.unchanged,
            "failures_total": tally.failures,
            "switches_total": tally.switches,
            "rejected_total": tally.rejected,
            "rejected": [each.snapshot_id for each in self._remembered],
            "bytes_fetched_total": tally.bytes_fetched,
            "bytes_spared_total": tally.bytes_spared,
            "fetching": None
            if fetching is None
            else dict(zip(("bytes_fetched", "bytes_to_fetch"), fetching, strict=True)),
        }

    def _count(self, **more: int) -> None:
        with self._lock:
            sums = {name: getattr(self._tally, name) + value for name, value in more.items()}
            self._tally = replace(self._tally, **sums)

    def _note(self, **times: float) -> None:
        with self._lock:
            self._tally = replace(self._tally, **times)  # type: ignore[arg-type]  # of times alone


def _age(at: float | None, now: float) -> float | None:
    return None if at is None else max(0.0, now - at)
