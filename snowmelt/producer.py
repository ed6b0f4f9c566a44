"""The publishing side of a dataset: takes over, watches the trigger, freezes and publishes.

It runs in a thread of its own beside capture; a freeze holds nobody but the engine's own
checkpoints. Trouble with the store never stops capture: it is shown, counted and tried again. Once
fenced, this node follows on and publishes no more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from cdc.accelerator import Accelerator, FreezeBroken
from cdc.errors import CdcError
from snapshotter.errors import Fenced, GateRefused, NothingToSnapshot, SnapshotError
from snapshotter.publish import Publisher, PublishReport
from snapshotter.scheduler import Ticker
from snapshotter.trigger import TriggerFacts, due
from snowmelt import __version__
from snowmelt.logs import logger
from snowmelt.report import Snapshotable
from snowmelt.status import Problem, SnapshotStatus
from snowmelt.wiring import DatasetPlan

_HEARTBEAT_SECONDS = 10.0
_RETRY_SECONDS = 15.0
_FREEZE_TRIES = 3


class Producer:
    """Publishes one dataset.

    `look`: what could be published now, None while there is nothing. `on_fenced` is called when
    another producer turns out to have taken over.
    """

    def __init__(
        self,
        plan: DatasetPlan,
        look: Callable[[], Snapshotable | None],
        on_fenced: Callable[[], None],
    ) -> None:
        if plan.store is None:
            raise ValueError(f"{plan.name} has no store")
        self._on_fenced = on_fenced
        self._plan = plan
        self._look = look
        self._log = logger(dataset=plan.name)
        self._publisher = Publisher(
            plan.store, plan.name, holder=plan.holder, producer=f"snowmelt {__version__}"
        )
        self._settings = plan.trigger_settings
        self._lock = threading.Lock()
        self._status = SnapshotStatus(enabled=True)
        self._facts = TriggerFacts(ready=False, last_at=None)
        self._published_version: int | None = None
        self._heartbeat_at = 0.0
        self._ticker: Ticker | None = None

    # ------------------------------------------------------------ from outside

    def start(self) -> None:
        """Begin to publish."""
        self._ticker = Ticker(self._tick, on_error=self._on_error)
        self._ticker.start()

    def stop(self) -> None:
        """End; a publish under way is finished first, because a freeze must end before the file."""
        if self._ticker is not None:
            self._ticker.stop()

    def count_batch(self) -> None:
        """A batch was committed; called by capture."""
        self._facts = replace(self._facts, batches=self._facts.batches + 1)

    def generation_for(self, accelerator: Accelerator) -> Callable[[], int]:
        """The generation of the next commit: the taken one, or what the file had before."""
        stored = accelerator.checkpoint()
        before = stored.generation if stored else 0
        return lambda: max(before, self._publisher.generation or 0)

    def status(self) -> SnapshotStatus:
        """Where publishing stands."""
        return replace(self._status, generation=self._publisher.generation)

    def publish(self, reason: str) -> Mapping[str, Any]:
        """Publish now and return the report. Raises SnapshotError."""
        with self._lock:
            found = self._look()
            if found is None:
                raise NothingToSnapshot(f"{self._plan.name}: the file is not open yet")
            try:
                report = self._publish(found.accelerator, reason)
            except GateRefused as error:
                self._held(error)
                raise
            except (SnapshotError, CdcError) as error:
                self._failed(error)
                raise
            self._succeeded(report)
            return asdict(report)

    # ------------------------------------------------------------ the tick

    def _on_error(self, error: Exception) -> None:
        if not isinstance(
            error, SnapshotError | CdcError
        ):  # those were shown where they were raised
            self._failed(error)
            self._log.error("snapshot_bug", exc_info=error)

    def _tick(self) -> None:
        if self._status.fenced:
            return
        found = self._look()
        if found is None or found.capture.checkpoint is None:
            return
        self._heartbeat(found)
        version = found.capture.checkpoint.version
        self._facts = replace(
            self._facts,
            ready=found.capture.ready,
            advanced=version != self._published_version,
        )
        reason = due(time.monotonic(), self._facts, self._settings)
        if reason is not None:
            self.publish(reason)

    def _heartbeat(self, found: Snapshotable) -> None:
        """While the table is being scanned, say so in the pointer: others wait for the snapshot."""
        if found.capture.phase != "bootstrapping":
            return
        now = time.monotonic()
        if now - self._heartbeat_at < _HEARTBEAT_SECONDS:
            return
        self._heartbeat_at = now
        scan = found.capture.scan
        try:
            self._publisher.announce_progress(scan.segments_done / max(1, scan.segments))
        except SnapshotError as error:
            self._failed(error)
            raise

    def _publish(self, accelerator: Accelerator, reason: str) -> PublishReport:
        for attempt in range(_FREEZE_TRIES):
            with accelerator.freeze() as image:
                try:
                    report = self._publisher.publish(
                        image, reason=reason, allow_empty=self._plan.section.params.allow_empty
                    )
                except FreezeBroken:
                    if attempt + 1 == _FREEZE_TRIES:
                        raise
                    continue
            self._published_version = image.checkpoint.version
            return report
        raise AssertionError("the last try returns or raises")

    # ------------------------------------------------------------ outcomes

    def _succeeded(self, report: PublishReport) -> None:
        self._facts = TriggerFacts(ready=True, last_at=time.monotonic())
        self._status = replace(
            self._status,
            last_id=report.snapshot_id,
            last_success_at=time.time(),
            last_new_bytes=report.new_bytes,
            last_stored_bytes=report.stored_bytes,
            last_duration_seconds=report.duration_seconds,
            published_total=self._status.published_total + 1,
            held_because=(),
            problem=None,
        )
        self._log.info("snapshot_published", **asdict(report))

    def _held(self, error: GateRefused) -> None:
        self._pause()
        self._status = replace(
            self._status,
            skipped_total=self._status.skipped_total + 1,
            held_because=(str(error),),
        )
        self._log.warning("snapshot_held", message=str(error), hint=error.hint)

    def _failed(self, error: Exception) -> None:
        self._pause()
        hint = str(getattr(error, "hint", "report this as a bug"))
        code = int(getattr(error, "exit_code", 1))
        self._status = replace(
            self._status,
            failed_total=self._status.failed_total + 1,
            fenced=isinstance(error, Fenced),
            problem=Problem(str(error), hint, code, time.time()),
        )
        self._log.error("snapshot_failed", message=str(error), hint=hint)
        if self._status.fenced:
            self._on_fenced()

    def _pause(self) -> None:
        self._facts = replace(self._facts, not_before=time.monotonic() + _RETRY_SECONDS)
