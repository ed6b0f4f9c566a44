"""Makes a dataset's status from its parts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cdc.accelerator import Accelerator, Engine
from cdc.capture_status import CaptureStatus, StatusBoard
from cdc.checkpoint import Checkpoint
from cdc.engines import sidecars
from cdc.errors import CdcError, Permanent
from restorer.local import free_bytes
from snowmelt.staleness import Standing
from snowmelt.status import DatasetStatus, Problem, SnapshotStatus, State
from snowmelt.wiring import DatasetPlan

_COUNT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Snapshotable:
    """A file that may be published now, with where its capture stands."""

    accelerator: Accelerator
    capture: CaptureStatus


def dataset_status(  # noqa: PLR0913 - the parts of a dataset, each by name
    plan: DatasetPlan,
    *,
    state: State,
    standing: Standing,
    problem: Problem | None,
    capture: CaptureStatus | None,
    checkpoint: Checkpoint | None,
    rows: int | None,
    snapshot: SnapshotStatus | None,
    restore: Mapping[str, Any] | None,
    refresh: Mapping[str, Any] | None = None,
) -> DatasetStatus:
    """The status of one dataset."""
    now = capture or CaptureStatus()
    return DatasetStatus(
        name=plan.name,
        source=plan.section.source,
        engine=plan.section.acceleration.engine,
        path=str(plan.path),
        role=plan.role,
        state=_state(state, standing, capture),
        ready=standing.ready and state != "error",
        stale=standing.stale,
        problem=problem or _degraded(now),
        lag_ms=now.lag_ms,
        lag_uncertainty_ms=now.lag_uncertainty_ms,
        watermark=now.watermark,
        **_named(checkpoint),
        checkpoint_age_seconds=now.checkpoint_age_seconds,
        resumable_until=now.resumable_until,
        rows=rows,
        shards=dict(now.shards),
        records_total=now.records_total,
        batches_total=now.batches_total,
        ttl_deletes_total=now.ttl_deletes_total,
        errors_total=dict(now.errors),
        errors_transient_total=now.transient_errors_total,
        misfits=dict(now.misfits),
        quarantined=now.quarantined_total,
        dropped=asdict(now.dropped) if plan.section.by_kinesis else {},
        **_room(plan.path, plan.section.acceleration.engine),
        scan=asdict(now.scan) if now.scan.segments else None,
        snapshot=snapshot,
        catalog=plan.catalog.described(),
        restore=restore,
        refresh=refresh,
    )


def _named(checkpoint: Checkpoint | None) -> dict[str, Any]:
    """What names the state; nothing where there is none."""
    if checkpoint is None:
        return {}
    named = {"generation": checkpoint.generation, "version": checkpoint.version}
    return named | {"lineage_id": checkpoint.lineage.id}


def _room(path: Path, engine: Engine) -> dict[str, Any]:
    """Bytes that the file takes, and that its volume has left."""
    return {
        "file_bytes": _size(path),
        "disk_bytes": _disk(path),
        "disk_free_bytes": _free(path),
        "wal_bytes": _size(sidecars(engine, path)[0]),
    }


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:  # not made yet, or being replaced
        return None


def _disk(path: Path) -> int | None:
    try:
        return path.stat().st_blocks * 512
    except OSError:
        return None


def _free(path: Path) -> int | None:
    try:
        return free_bytes(path)
    except OSError:  # a volume that went away; whoever writes there says so
        return None


def problem_of(error: Exception, since: float) -> Problem:
    """What an error says to a person, on one line. `since`: epoch seconds."""
    return Problem(
        " ".join(str(error).split()) or type(error).__name__,
        str(getattr(error, "hint", "report this as a bug")),
        int(getattr(error, "exit_code", 1)),
        since,
    )


def _state(state: State, standing: Standing, capture: CaptureStatus | None) -> State:
    if state != "catching_up":
        return state
    if standing.ready:
        return "ready"
    return "bootstrapping" if capture and capture.phase == "bootstrapping" else "catching_up"


def _degraded(capture: CaptureStatus) -> Problem | None:
    message, since = capture.degraded, capture.degraded_since
    if message is None and capture.away_since is not None:
        message, since = capture.last_error, capture.away_since  # why a file is served as it is
    if message is None:
        return None
    code = capture.trouble_exit_code or Permanent.exit_code  # of the stream or its records
    return Problem(message, "the node goes on meanwhile", code, since)


def at_rest(checkpoint: Checkpoint | None, now: float) -> CaptureStatus | None:
    """What an opened file says while nothing is captured into it, as on an edge."""
    if checkpoint is None:
        return None
    board = StatusBoard(lambda: now)
    board.put_up(CaptureStatus(watermark=checkpoint.watermark, checkpoint=checkpoint))
    return board.status()


class RowCounter:
    """Counts a file's rows at most every few seconds: probes come often, a count is a read."""

    def __init__(self) -> None:
        self._counted: tuple[Accelerator, float, int] | None = None

    def of(self, accelerator: Accelerator | None) -> int | None:
        """Rows of the file, possibly of a moment ago; None without a file."""
        if accelerator is None:
            return None
        now = time.monotonic()
        last = self._counted
        if last is None or last[0] is not accelerator or now - last[1] > _COUNT_SECONDS:
            try:
                last = (accelerator, now, accelerator.row_count())
            except CdcError:
                return None  # closed meanwhile
            self._counted = last
        return last[2]
