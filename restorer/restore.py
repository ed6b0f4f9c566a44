"""Cold start: from a bucket to a live, verified file, or to the decision why not.

    lock · recover a begun switch · pointer · local file · decide          (a dry run ends here)
    -> header · lineage · space · fetch · prove · switch                   (last: now it is live)

A snapshot found damaged on the way is rejected by name and the decision is made again without it,
so that fallback, bootstrap and refusal follow one set of rules. The target is the old file or none
until the switch. Bootstrapping is the caller's: it gets the decision back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from cdc.checkpoint import Lineage
from cdc.engines import sidecars
from restorer.decision import decide
from restorer.errors import ForeignLineage, RestoreError, refusal
from restorer.facts import Facts, LocalFile, Published, Rejection, Trouble
from restorer.fetch import Progress
from restorer.foreseen import Foreseen, foresee
from restorer.local import free_bytes, inspect_local, restore_lock
from restorer.readable import readable_versions
from restorer.request import RestoreReport, RestoreRequest
from restorer.staging import Aim, Staged, clean_staging, stage
from restorer.switch import Origin, Step, recover, switch, work_directory
from restorer.verdict import Action, Decision
from snapshotter.errors import (
    Corrupt,
    FormatTooNew,
    ObjectMissing,
    SnapshotError,
    StoreAccessDenied,
    StoreUnreachable,
)
from snapshotter.format import CatalogEntry
from snapshotter.reader import read_catalog, read_header, read_pointer
from snapshotter.store import ObjectStore

__all__ = ["RestoreReport", "RestoreRequest", "restore"]


def restore(
    store: ObjectStore,
    dataset: str,
    target: Path,
    request: RestoreRequest,
    *,
    progress: Progress | None = None,
    step: Step | None = None,
) -> RestoreReport:
    """Decide, and restore the dataset to `target` if that is the decision.

    Returns for every decision but a refusal. Raises the error of the refusal (`restorer.errors`, or
    the store's own), FileBusy if the target or another restore to it is in use, ForeignLineage,
    NoSpace and FileUnusable.
    """
    flow = _Flow(store, dataset, target.absolute(), request, progress, step)
    if request.dry_run:
        return flow.look()
    with restore_lock(flow.target):
        recover(flow.target, step=step)
        return flow.run()


class _Flow:
    """One restore, with what it learned so far."""

    def __init__(
        self,
        store: ObjectStore,
        dataset: str,
        target: Path,
        request: RestoreRequest,
        progress: Progress | None,
        step: Step | None,
    ) -> None:
        self.target = target
        self._store = store
        self._dataset = dataset
        self._request = request
        self._progress = progress
        self._step = step
        self._seconds: dict[str, float] = {}
        self._rejected: list[Rejection] = list(request.rejected)
        self._published = Published()
        self._entries: dict[str, CatalogEntry] = {}
        self._store_error: SnapshotError | None = None

    def look(self) -> RestoreReport:
        """The decision, with nothing written; a switch that was begun is finished first."""
        if (work_directory(self.target) / "lock").exists():
            with restore_lock(self.target):
                recover(self.target)
        decision = self._decide(self._look_around())
        return RestoreReport(decision, seconds=self._seconds, foreseen=self._foreseen(decision))

    def _foreseen(self, decision: Decision) -> Foreseen | None:
        if decision.chosen is None or not self._request.foresees:
            return None
        entry = self._entries[decision.chosen.snapshot_id]
        return foresee(self._store, entry, self.target, self._request.seeds)

    def run(self) -> RestoreReport:
        """Decide and restore until something is restored or nothing is left to restore."""
        local = self._look_around()
        while True:
            decision = self._decide(local)
            if decision.chosen is None:
                return self._concluded(decision)
            report = self._attempt(decision, self._entries[decision.chosen.snapshot_id], local)
            if report is not None:
                return report

    # ------------------------------------------------------------ deciding

    def _read_pointer(self) -> None:
        with self._phase("pointer"):
            try:
                pointer = read_pointer(self._store, self._dataset)
                catalog = pointer.catalog
                if self._request.selection.is_explicit:
                    catalog = tuple(read_catalog(self._store, pointer))
            except ObjectMissing:
                self._published = Published()
            except (Corrupt, FormatTooNew, StoreUnreachable, StoreAccessDenied) as error:
                self._note_trouble(error)
            else:
                self._entries = {entry.snapshot_id: entry for entry in catalog}
                self._published = Published.of(pointer, catalog)

    def _note_trouble(self, error: SnapshotError) -> None:
        self._store_error = error
        trouble = Trouble(error.exit_code, str(error))
        self._published = replace(self._published, candidates=(), trouble=trouble)

    def _look_around(self) -> LocalFile:
        self._read_pointer()
        given = self._request.local
        local = inspect_local(self.target, self._dataset) if given is None else given
        published, lineage = self._published, local.lineage
        is_other = lineage is not None and published.lineage_id not in (None, lineage.id)
        if is_other or (self._request.dry_run and self._request.source is not None):
            offered = self._published_lineage()
            self._published = replace(published, lineage=offered)
        return local

    def _published_lineage(self) -> Lineage | None:
        entry = self._entries.get(self._published.current or "")
        if entry is not None:
            # The decision goes on without; whoever restores this snapshot learns what is wrong.
            with suppress(SnapshotError):
                return read_header(self._store, entry).checkpoint.lineage
        return None

    def _decide(self, local: LocalFile) -> Decision:
        request = self._request
        policy = request.policy
        if policy.storage_versions is None:
            policy = replace(policy, storage_versions=readable_versions(self._published))
        facts = Facts(
            now=(request.clock or self._store.now)(),
            free_bytes=free_bytes(self.target),
            throughput_bytes_per_second=request.throughput,
            bootstrap_read_units=request.bootstrap_read_units,
            source=request.source,
            rejected=tuple(self._rejected),
        )
        return decide(self._published, local, policy, facts, request.selection)

    def _concluded(self, decision: Decision) -> RestoreReport:
        failure = self._failure(decision)
        if failure is None and decision.action is Action.BOOTSTRAP:
            self._check_same_table()
        goes_on = self._store_error is not None or decision.action is Action.WAIT
        if decision.action is Action.BOOTSTRAP or not goes_on:
            clean_staging(self.target)
        if failure is not None and decision.action is Action.REFUSE:
            raise failure from self._store_error
        return RestoreReport(
            decision,
            seconds=self._seconds,
            rejected=tuple(self._rejected),
            failure=failure,
            store_error=self._store_error,
        )

    def _check_same_table(self) -> None:
        """Raise ForeignLineage if a bootstrap would publish another table where this one's lie."""
        source = self._request.source
        published = None if source is None else self._published_lineage()
        if source is not None and published is not None and published.table_id != source[0]:
            message = f"the snapshots are of another table {published.table_name} than today's"
            raise ForeignLineage(f"{self._dataset} in {self._store.url}: {message}")

    def _failure(self, decision: Decision) -> RestoreError | SnapshotError | None:
        code, error = decision.exit_code, self._store_error
        if code is None:
            return None
        if error is not None and error.exit_code == code:
            return error
        where = self.target if code in (3, 12) else f"{self._dataset} in {self._store.url}"
        return refusal(code, f"{where}: {decision.message}", decision.hint)

    # ------------------------------------------------------------ restoring

    def _attempt(
        self, decision: Decision, entry: CatalogEntry, local: LocalFile
    ) -> RestoreReport | None:
        """Restore one snapshot; None if it was rejected and the decision has to be made again."""
        request = self._request
        aim = Aim(
            self.target,
            local=None if request.policy.replace else local.lineage,
            source=request.source,
            seeds=request.seeds,
            threads=request.threads,
            bandwidth=request.bandwidth,
            follows=request.policy.role == "edge",
        )
        try:
            staged = stage(self._store, entry, aim, progress=self._progress, phase=self._phase)
        except (StoreUnreachable, StoreAccessDenied) as error:
            self._note_trouble(error)
            return None
        except (Corrupt, FormatTooNew, ObjectMissing) as error:
            self._rejected.append(Rejection(entry.snapshot_id, error.exit_code, str(error)))
            if isinstance(error, ObjectMissing):
                # It may have been deleted since the pointer was read.
                self._read_pointer()
            return None
        return self._make_live(decision, staged)

    def _make_live(self, decision: Decision, staged: Staged) -> RestoreReport:
        header = staged.header
        if self._request.before_switch is not None:
            self._request.before_switch()
        origin = Origin(header.snapshot_id, self._store.url, header.checkpoint.lineage)
        with self._phase("switch"):
            logs = sidecars(staged.engine, self.target)
            switch(self.target, staged.main, logs, origin, step=self._step)
        return RestoreReport(
            decision=decision,
            snapshot_id=header.snapshot_id,
            generation=header.checkpoint.generation,
            version=header.checkpoint.version,
            row_count=header.row_count,
            bytes_fetched=staged.fetched.bytes_fetched,
            bytes_written=staged.fetched.bytes_written,
            bytes_kept=staged.fetched.bytes_kept,
            bytes_seeded=staged.fetched.bytes_seeded,
            seconds=self._seconds,
            rejected=tuple(self._rejected),
        )

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - started
            self._seconds[name] = self._seconds.get(name, 0.0) + spent
