"""The cold start of a dataset: what the restorer decides and does, in the terms of a node.

A node without snapshots decides the same way with an empty catalog. A bootstrap is single-flight
per dataset: while another node announces its progress in the pointer, this one waits for the
snapshot that will come of it; a heartbeat that stopped frees the others after a minute, and a node
that was killed itself sooner.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from cdc.checkpoint import RETENTION_SECONDS, Checkpoint
from cdc.errors import Degraded, Permanent, Retryable
from cdc.source import SourceDescription
from restorer.decision import decide
from restorer.errors import refusal
from restorer.facts import Facts, LocalFile, Policy, Published, Selection
from restorer.foreseen import Foreseen
from restorer.local import free_bytes, inspect_local, local_file
from restorer.restore import RestoreReport, RestoreRequest, restore
from restorer.switch import read_origin, recover
from restorer.verdict import Action, Decision
from snapshotter.errors import SnapshotError
from snapshotter.reader import read_pointer
from snowmelt import files, restored
from snowmelt.cost import READ_UNIT_BYTES
from snowmelt.wiring import DatasetPlan

HEARTBEAT_LIMIT_SECONDS = 60.0
ORPHANED_SECONDS = 15.0  # three heartbeats, for a writer whose process is gone besides

Progress = Callable[[int, int], None]


class Stopped(Exception):
    """Raised by a `progress` callback to end a download; the target stays as it was."""


@dataclass(frozen=True, slots=True)
class ColdStart:
    """What to do now. `rebuilds`: bootstrap into a second file, because the live one is too old."""

    action: Action
    rebuilds: bool
    message: str
    report: dict[str, Any]

    def summary(self) -> dict[str, Any]:
        """The fields of a log line."""
        return {"action": self.action.value, "rebuilds": self.rebuilds, **self.report}


def cold_start(plan: DatasetPlan, progress: Progress | None = None) -> ColdStart:
    """Restore what the decision says; the caller bootstraps, waits or opens the file.

    Raises the error of a refusal, and those of the store and the file.
    """
    recover(plan.path)
    source = describe_source(plan)
    if plan.restores and plan.store is not None:
        request = RestoreRequest(
            plan.policy(retention_seconds=source.retention_seconds),
            source=source.identity,
            bootstrap_read_units=source.read_units,
            clock=source.clock,
            throughput=restored.throughput(plan.path),
            bandwidth=plan.bandwidth,
        )
        report = restore(plan.store, plan.name, plan.path, request, progress=progress)
        restored.remember(plan.path, describe_report(report))
    else:
        report = RestoreReport(_without_snapshots(plan, source))
        if report.decision.action is Action.REFUSE:
            code = report.decision.exit_code or 6
            raise refusal(code, f"{plan.path}: {report.decision.message}")
    return _conclude(plan, report, source)


def _conclude(plan: DatasetPlan, report: RestoreReport, source: SourceFacts) -> ColdStart:
    action, message = report.decision.action, report.decision.message
    rebuilds = action is Action.SERVE_STALE_AND_BOOTSTRAP
    if rebuilds or action is Action.BOOTSTRAP:
        local = inspect_local(plan.path, plan.name)
        rebuilds = rebuilds or plan.refresh_seconds is not None or not _goes_on(plan, local)
        if rebuilds and source.identity is not None:
            files.refuse_another_table(local.lineage, source.identity[0])
        if plan.refresh_seconds is not None:
            local = inspect_local(files.side_path(plan), plan.name)
        waiting = bootstrapping_elsewhere(plan, local)
        if waiting is not None:
            action, message = Action.WAIT, waiting
    described = describe_report(report)
    if report.snapshot_id is None and not rebuilds:
        # An init container restored it: this process tells of that.
        described = described | (restored.last_restore(plan.path) or {})
        described["rejected"] = [asdict(rejection) for rejection in report.rejected]
    if (rebuilds or action is Action.BOOTSTRAP) and source.description is not None:
        target = files.side_path(plan) if rebuilds else plan.path
        cost = files.cost_of_filling(plan, target, source.description)
        described["bootstrap"] = cost.to_json()
    return ColdStart(action, rebuilds, message, described)


def _goes_on(plan: DatasetPlan, local: LocalFile) -> bool:
    """True if a bootstrap can use the live path: no file there, or its own unfinished one."""
    if not local.exists:
        return True
    until = local.resumable_until
    return not local.is_complete and until is not None and until > plan.source.now()


def bootstrapping_elsewhere(plan: DatasetPlan, local: LocalFile) -> str | None:
    """`waiting: writer bootstrapping 43 %` if another node is loading this table, else None."""
    if plan.store is None or not plan.restores:
        return None
    try:
        pointer = read_pointer(plan.store, plan.name)
    except SnapshotError:
        return None  # no pointer, or no store: nobody can be waited for
    share = pointer.bootstrap_progress
    # The generation of an unfinished bootstrap is its own: it was this node, before a restart.
    is_ours = local.exists and not local.is_complete and local.generation == pointer.generation
    if share is None or is_ours or pointer.holder == plan.holder:
        return None
    limit = ORPHANED_SECONDS if _is_gone(pointer.holder, plan.holder) else HEARTBEAT_LIMIT_SECONDS
    if plan.store.now() - pointer.heartbeat_at > limit:
        return None
    return f"waiting: writer bootstrapping {share * 100:.0f} %"


def _is_gone(holder: str, ours: str) -> bool:
    """True if the holder was a process of this machine and is not to be found any more.

    Containers that share a host name do not see each other's processes, so this alone frees nobody.
    """
    host, _, process = holder.rpartition("/")
    if host != ours.rpartition("/")[0] or not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # it is somebody else's
    return False


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What the service says of the table; None where it did not answer."""

    identity: tuple[str, str] | None = None
    read_units: float | None = None
    clock: Callable[[], float] | None = None
    description: SourceDescription | None = None

    @property
    def retention_seconds(self) -> float:
        """Of the stream; a day where that is not known, so that ages err towards the horizon."""
        return self.description.retention_seconds if self.description else RETENTION_SECONDS


def describe_source(plan: DatasetPlan) -> SourceFacts:
    """Facts for the decision. A source that is away is no reason not to restore."""
    if plan.role != "central":
        return SourceFacts()
    try:
        description = plan.source.describe()
    except (Retryable, Degraded):
        return SourceFacts()
    except Permanent:
        if plan.path.exists():
            return SourceFacts()  # a file that can be served; capture says what is wrong
        raise
    return SourceFacts(
        identity=(description.table_id, description.stream_arn),
        read_units=description.size_bytes / READ_UNIT_BYTES,
        clock=plan.source.now,
        description=description,
    )


def _without_snapshots(
    plan: DatasetPlan, source: SourceFacts, local: LocalFile | None = None
) -> Decision:
    local = local or inspect_local(plan.path, plan.name)
    facts = Facts(plan.source.now(), free_bytes(plan.path), source=source.identity)
    policy: Policy = plan.policy(retention_seconds=source.retention_seconds)
    return decide(Published(), local, policy, facts, Selection())


def explain(plan: DatasetPlan, checkpoint: Checkpoint | None = None) -> dict[str, Any]:
    """The decision of a cold start now, without doing anything. Raises as `cold_start` does.

    `checkpoint`: of the node that has the file open, which nobody else can open then.
    """
    report = _looked(plan, checkpoint, foresees=True)
    return describe_decision(plan.name, report.decision, report.foreseen)


def _looked(
    plan: DatasetPlan, checkpoint: Checkpoint | None, *, foresees: bool = False
) -> RestoreReport:
    source = describe_source(plan)
    origin = read_origin(plan.path)
    local = None
    if checkpoint is not None:
        local = local_file(checkpoint, origin.snapshot_id if origin else None)
    if plan.restores and plan.store is not None:
        request = RestoreRequest(
            plan.policy(retention_seconds=source.retention_seconds),
            dry_run=True,
            foresees=foresees,
            source=source.identity,
            bootstrap_read_units=source.read_units,
            clock=source.clock,
            local=local,
            throughput=restored.throughput(plan.path),
        )
        return restore(plan.store, plan.name, plan.path, request)
    return RestoreReport(_without_snapshots(plan, source, local))


def still_rebuilds(plan: DatasetPlan, served: Checkpoint | None) -> bool:
    """True if serving this old file and building a new one is still what a cold start would do."""
    try:
        action = _looked(plan, served).decision.action
    except SnapshotError:
        return True  # undecided: go on with what was decided
    is_same = action is Action.SERVE_STALE_AND_BOOTSTRAP
    return is_same and bootstrapping_elsewhere(plan, LocalFile()) is None


def describe_decision(
    dataset: str, decision: Decision, foreseen: Foreseen | None = None
) -> dict[str, Any]:
    """The decision as a JSON-ready document. `foreseen`: what it would fetch, if it would."""
    return {
        "dataset": dataset,
        "action": decision.action.value,
        "snapshot_id": decision.chosen.snapshot_id if decision.chosen else None,
        "fallbacks": [candidate.snapshot_id for candidate in decision.fallbacks],
        "reasons": list(decision.reasons),
        "message": decision.message,
        "exit_code": decision.exit_code,
        "candidates": [
            {
                **asdict(judged.candidate),
                "age": judged.age,
                "age_seconds": judged.age_seconds,
                "download_seconds": judged.download_seconds,
                "verdict": judged.unusable or "usable",
            }
            for judged in decision.judged
        ],
        "numbers": asdict(decision.numbers),
        "foreseen": None if foreseen is None else foreseen.to_json(),
    }


def describe_report(report: RestoreReport) -> dict[str, Any]:
    """What a restore did, as a JSON-ready document."""
    return {
        "decision": report.decision.action.value,
        "reasons": list(report.decision.reasons),
        "snapshot_id": report.snapshot_id,
        "generation": report.generation,
        "version": report.version,
        "row_count": report.row_count,
        "bytes_fetched": report.bytes_fetched,
        "bytes_written": report.bytes_written,
        "bytes_kept": report.bytes_kept,
        "bytes_seeded": report.bytes_seeded,
        "phases": dict(report.seconds),
        "rejected": [asdict(rejection) for rejection in report.rejected],
    }
