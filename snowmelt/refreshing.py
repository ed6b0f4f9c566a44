"""Brings a newer file of a table that is read by Scan alone, each time one is due.

The second file is built as for any rebuild (`snowmelt.catching_up`), looked at, and given to the
caller, who switches to it. Whatever goes wrong meanwhile, what is served stays and is served on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cdc.accelerator import Accelerator
from cdc.capture_status import CaptureStatus, ScanStatus
from cdc.checkpoint import Checkpoint, Lineage
from cdc.errors import FileUnusable, FormatUnknown
from snowmelt import catching_up, files, refreshes
from snowmelt.capturing import Capturing
from snowmelt.clockwork import Clockwork
from snowmelt.condition import Condition
from snowmelt.errors import Explained, RefreshRefused
from snowmelt.logs import logger
from snowmelt.report import at_rest
from snowmelt.serving import Serving
from snowmelt.wiring import DatasetPlan

_LONG_SECONDS = 3600.0


class Refreshing:
    """`next_file` by the dataset's thread, the rest by any."""

    def __init__(
        self,
        plan: DatasetPlan,
        serving: Serving,
        capturing: Capturing,
        condition: Condition,
        clockwork: Clockwork,
    ) -> None:
        self._plan = plan
        self._serving = serving
        self._capturing = capturing
        self._condition = condition
        self._clockwork = clockwork
        self._log = logger(dataset=plan.name)
        self._interval_seconds = plan.refresh_seconds or 0.0
        self._not_before = 0.0
        self._failed = 0
        self._completed = 0

    def next_file(
        self, run: Callable[[Accelerator], None], stop: threading.Event
    ) -> Lineage | None:
        """Rest until a refresh is due, and build it beside what is served; None once stopped.

        Raises what goes wrong where nothing is served.
        """
        while not self._has_rested(stop):
            try:
                return self._built(run)
            except Explained as error:
                self._failed += 1
                if self._served is None:
                    raise
                self._condition.tell(error)
                self._not_before = self._clockwork.monotonic() + self._condition.rest_seconds
        return None

    def switched(self) -> None:
        """The file that `next_file` built is live."""
        self._completed += 1
        self._log.info("refreshed", path=str(self._plan.path))

    # ------------------------------------------------------------ what it says

    def shown(self) -> CaptureStatus | None:
        """What is served, with what the load of the next file meets."""
        served, building = self.published(), self._capturing.status()
        if served is None or building is None or served is building:
            return building or served
        return replace(
            building,
            phase=served.phase,
            ready=served.ready,
            watermark=served.watermark,
            checkpoint=served.checkpoint,
            resumable_until=None,
            checkpoint_age_seconds=None,
        )

    def published(self) -> CaptureStatus | None:
        """For who publishes: what is served, and before there is anything, the load of it."""
        served = self._served
        if served is None:
            return self._capturing.status()
        resting = at_rest(served, self._plan.source.now())
        scan = ScanStatus(
            rows=served.scan.rows,
            segments_done=len(served.scan.segments),
            segments=len(served.scan.segments),
            ended_at=served.scan.ended_at,
        )
        return (
            None if resting is None else replace(resting, phase="following", ready=True, scan=scan)
        )

    def described(self) -> Mapping[str, Any]:
        """The part of the status that is about refreshes."""
        return refreshes.described(
            self._serving.opened_at,
            self._interval_seconds,
            now=self._plan.source.now(),
            completed=self._completed,
            failed=self._failed,
        )

    # ------------------------------------------------------------ inside

    @property
    def _served(self) -> Checkpoint | None:
        return self._serving.opened_at if self._serving.accelerator is not None else None

    def _has_rested(self, stop: threading.Event) -> bool:
        """Until a refresh is due; True if the node stops before."""
        ending = self._capturing.ending
        ending.clear()
        self._look()
        ticker = self._clockwork.ticker(self._look, self._on_error)
        ticker.start()
        while not (stop.is_set() or ending.is_set()):
            self._clockwork.wait(ending, _LONG_SECONDS)
        ticker.stop()
        return stop.is_set()

    def _look(self) -> None:
        served = self._served
        due_at = 0.0 if served is None else refreshes.due_at(served, self._interval_seconds)
        has_paused = self._clockwork.monotonic() >= self._not_before
        if has_paused and self._plan.source.now() >= due_at:
            self._capturing.ending.set()

    def _on_error(self, error: Exception) -> None:
        self._log.error("refresh_bug", exc_info=error)

    def _built(self, run: Callable[[Accelerator], None]) -> Lineage | None:
        prepare_side(self._plan, self._served)
        return catching_up.built(self._plan, run, self._capturing, check=self._check)

    def _check(self, built: Accelerator) -> None:
        live, now = self._served, built.checkpoint()
        if now is not None:
            # Asked again, because another one may have been made under this name meanwhile.
            table_id = self._plan.source.describe().table_id
            files.refuse_another_table(now.lineage, table_id)
            files.refuse_another_table(None if live is None else live.lineage, table_id)
        served = self._serving.accelerator
        before = 0 if served is None else served.row_count()
        if refused := why_refused(self._plan, built.row_count(), before):
            raise RefreshRefused(refused)


def prepare_side(plan: DatasetPlan, served: Checkpoint | None) -> None:
    """Remove a second file that cannot be gone on with. Raises LineageChanged for another table."""
    table_id = plan.source.describe().table_id
    files.refuse_another_table(None if served is None else served.lineage, table_id)
    side = files.side_path(plan)
    if not side.exists():
        return
    try:
        with files.opened(plan, side) as file:
            begun = file.checkpoint()
    except (FileUnusable, FormatUnknown):
        begun = None
    is_of_use = begun is not None and refreshes.goes_on(
        begun, served, now=plan.source.now(), interval_seconds=plan.refresh_seconds or 0.0
    )
    if not is_of_use:
        files.remove(plan)


def why_refused(plan: DatasetPlan, row_count: int, before: int) -> str | None:
    """Why a new file of so many rows may not replace one of `before`, or None."""
    allow_empty = plan.section.params.allow_empty
    reason = refreshes.why_refused(row_count, before, allow_empty=allow_empty)
    return reason and f"the refresh of table {plan.section.table} is refused: {reason}"
