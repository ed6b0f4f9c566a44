"""`snowmelt bootstrap`: load the table into the file once, caught up with the stream, and end.

What it costs is said first, on stderr; a volume that is too small for the table ends it there.
"""

from __future__ import annotations

import threading
from dataclasses import replace as altered
from pathlib import Path

from cdc.accelerator import Accelerator
from cdc.capture import Capture
from cdc.capture_status import CaptureStatus
from cdc.errors import FormatUnknown
from restorer.errors import WouldOverwrite
from restorer.local import engine_of, inspect_local
from restorer.switch import recover
from snowmelt import files
from snowmelt.catching_up import stopped_when_ready
from snowmelt.cost import BootstrapCost
from snowmelt.errors import RefreshRefused
from snowmelt.memory import keep_large_pieces
from snowmelt.progress import Mode, Report, progress, tell
from snowmelt.refreshing import prepare_side, why_refused
from snowmelt.wiring import DatasetPlan


def load_table(
    plan: DatasetPlan, *, replace: bool, stop: threading.Event, progress_mode: Mode
) -> bool:
    """True once the file is complete and caught up, False if stopped before; it resumes then.

    Raises WouldOverwrite for a complete file without `replace`, and the errors of capture.
    """
    recover(plan.path)
    target, cost = _prepared(plan, replace=replace)
    tell(cost.lines(plan.name), {"bootstrap": plan.name, **cost.to_json()}, progress_mode)
    cost.check_fits()
    if plan.refresh_seconds is not None:
        prepare_side(plan, None)
    with (
        progress(f"bootstrapping {plan.name}", progress_mode, unit="items") as report,
        files.opened(plan, target) as accelerator,
    ):
        _run(plan, accelerator, stop, report, cost.items)
        finished = accelerator.checkpoint()
        rows = accelerator.row_count()
    if finished is None or finished.scan.ended_at is None or stop.is_set():
        return False
    if plan.refresh_seconds is not None and (refused := why_refused(plan, rows, 0)):
        files.remove(plan)
        raise RefreshRefused(refused)
    if target != plan.path:
        files.fold_log(plan)
        files.make_live(plan, finished.lineage)
    return True


def cost_of_load(plan: DatasetPlan, *, replace: bool) -> BootstrapCost:
    """What `load_table` would cost; it is refused for the same reasons. Nothing is written."""
    return _prepared(plan, replace=replace)[1]


def _prepared(plan: DatasetPlan, *, replace: bool) -> tuple[Path, BootstrapCost]:
    """Which file is to be filled, and what it costs."""
    if not replace:
        _check_is_ours(plan)
    is_second = replace or plan.refresh_seconds is not None
    target = files.side_path(plan) if is_second else plan.path
    return target, files.cost_of_filling(plan, target, plan.source.describe())


def _check_is_ours(plan: DatasetPlan) -> None:
    try:
        engine_of(plan.path)
    except FormatUnknown as error:
        raise WouldOverwrite(str(error)) from error
    local = inspect_local(plan.path, plan.name)
    if local.exists and local.lineage is None:
        raise WouldOverwrite(f"{plan.path} is no file of ours: {local.problem}")
    if local.is_complete:
        raise WouldOverwrite(f"{plan.path} is already loaded")


def _run(
    plan: DatasetPlan,
    accelerator: Accelerator,
    stop: threading.Event,
    report: Report,
    item_count: int,
) -> None:
    keep_large_pieces()
    capture_stop = threading.Event()
    capture = Capture(
        plan.source,
        accelerator,
        settings=altered(plan.capture_settings, waits_for_space=False),
        generation=0,
        stop=capture_stop,
    )

    def show(status: CaptureStatus) -> None:
        if status.scan.segments:  # else nothing is known yet, of a scan that goes on neither
            report(status.scan.rows, max(item_count, status.scan.rows))

    with stopped_when_ready(capture.status, capture_stop, node_stop=stop, watch=show):
        capture.run()
