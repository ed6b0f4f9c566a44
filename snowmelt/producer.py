"""The publishing side of a dataset: takes over, watches the trigger, freezes and publishes.

It runs in a thread of its own beside capture; a freeze holds nobody but the engine's own
checkpoints. Trouble with the store never stops capture: it is shown, counted and tried again. Once
another generation owns the dataset, this node follows on and publishes no more. A file that is only
behind the published state is held until it has caught up, and any file while a person holds the
dataset; a rollback is no other producer, so that after the release this one goes on.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from cdc.accelerator import Accelerator, FreezeBroken
from cdc.capture_status import CaptureStatus
from cdc.errors import CdcError
from snapshotter import gate
from snapshotter.errors import Fenced, GateRefused, Held, NothingToSnapshot, SnapshotError
from snapshotter.gatekeeper import Circumstances
from snapshotter.publish import Publisher
from snapshotter.publish_report import PublishReport
from snapshotter.reader import read_pointer
from snapshotter.trigger import due
from snowmelt import __version__
from snowmelt.clockwork import Clockwork
from snowmelt.logs import logger
from snowmelt.newest import Newest, facts_since
from snowmelt.report import Snapshotable, problem_of
from snowmelt.status import SnapshotStatus
from snowmelt.wiring import DatasetPlan

# A node that waits gives a heartbeat a minute; a node that lost a race for the bootstrap scans in
# vain until its next one.
_HEARTBEAT_SECONDS = 5.0
_RETRY_SECONDS = 15.0
_FINISHING_SECONDS = 0.2
_FREEZE_TRIES = 3
_STOPPING = "the next start publishes; what was written already is never used"


class Producer:
    """Publishes one dataset.

    `look`: what could be published now, None while there is nothing. `capture`: where capture
    stands, None while there is none. `on_fenced` is called when another producer turns out to have
    taken over.
    """

    def __init__(
        self,
        plan: DatasetPlan,
        look: Callable[[], Snapshotable | None],
        capture: Callable[[], CaptureStatus | None],
        on_fenced: Callable[[], None],
        clockwork: Clockwork | None = None,
    ) -> None:
        if plan.store is None:
            raise ValueError(f"{plan.name} has no store")
        self._store = plan.store
        self._on_fenced = on_fenced
        self._clockwork = clockwork or Clockwork()
        self._plan = plan
        self._look = look
        self._capture = capture
        self._log = logger(dataset=plan.name)
        self._publisher = Publisher(
            plan.store, plan.name, holder=plan.holder, producer=f"snowmelt {__version__}"
        )
        self._settings = plan.trigger_settings
        self._lock = threading.RLock()
        self._is_stopping = threading.Event()
        self._status = SnapshotStatus(enabled=True)
        self._newest: Newest | None = None
        self._is_publishing = False
        self._not_before = 0.0
        self._heartbeat_at = 0.0

    # ------------------------------------------------------------ from outside

    @contextlib.contextmanager
    def running(self, given_up: threading.Event | None = None) -> Iterator[None]:
        """Publish what a new capture commits; a publish under way at the end is given up.

        `given_up`: it is brought to its end, unless that is set.
        """
        self._is_stopping.clear()
        if self._newest is not None:
            self._newest = self._newest.of_an_earlier_capture()
        ticker = self._clockwork.ticker(self._tick, self._on_error)
        ticker.start()
        try:
            yield
            while given_up is not None and self._is_publishing and not given_up.is_set():
                self._clockwork.wait(given_up, _FINISHING_SECONDS)
        finally:
            self._is_stopping.set()
            ticker.stop()

    def announce_bootstrap(self) -> bool:
        """Take over before a scan and say so, because others then wait for its snapshot.

        False if another node took over in that moment. A store that is away does not keep a table
        from being loaded: it is tried again by the tick.
        """
        if self._status.fenced:
            return True
        try:
            with self._lock:
                self._take_over()
                self._publisher.announce_progress(0.0)
        except SnapshotError as error:
            self._failed(error)
        return not self._status.fenced

    def generation_for(self, accelerator: Accelerator) -> Callable[[], int]:
        """The generation of the next commit: the taken one, or what the file had before."""
        stored = accelerator.checkpoint()
        before = stored.generation if stored else 0
        return lambda: max(before, self._publisher.generation or 0)

    def status(self) -> SnapshotStatus:
        """Where publishing stands."""
        return replace(self._status, generation=self._publisher.generation)

    def publish(self, reason: str) -> Mapping[str, Any]:
        """Publish now and return the report. Raises SnapshotError and the accelerator's errors."""
        with self._lock:
            found = self._look()
            if found is None:
                raise NothingToSnapshot(f"{self._plan.name}: the file is not open yet")
            try:
                self._take_over()
                self._is_publishing = True
                report, newest = self._publish(found, reason)
            except NothingToSnapshot:
                raise  # no trouble: the bootstrap goes on, or the node is stopping
            except (SnapshotError, CdcError) as error:
                self._failed(error)
                raise
            finally:
                self._is_publishing = False
            self._newest = newest
            self._succeeded(report)
            return asdict(report)

    # ------------------------------------------------------------ the tick

    def _on_error(self, error: Exception) -> None:
        # Those of the store and the file were shown where they were raised.
        if not isinstance(error, SnapshotError | CdcError):
            self._failed(error)
            self._log.error("snapshot_bug", exc_info=error)

    def _tick(self) -> None:
        capture, now = self._capture(), self._clockwork.monotonic()
        if self._status.fenced or now < self._not_before:
            return
        if capture is None or capture.checkpoint is None:
            return
        try:
            with self._lock:
                self._take_over()
                self._heartbeat(capture)
        except SnapshotError as error:
            self._failed(error)
            return
        found = self._look()
        if found is None:
            return
        reason = due(now, facts_since(self._newest, capture, capture.checkpoint), self._settings)
        if reason is not None:
            self.publish(reason)

    def _take_over(self) -> None:
        """Once per process: raise the generation, and count from the snapshot that is there."""
        if self._publisher.generation is not None:
            return
        generation = self._publisher.take_over()
        self._status = replace(self._status, problem=None)
        pointer = read_pointer(self._store, self._plan.name)
        entry = pointer.entry(pointer.current) if pointer.current else None
        if entry is not None:
            waited = max(0.0, self._store.now() - entry.created_at)
            at = self._clockwork.monotonic() - waited
            self._newest = Newest.found(entry, at, self._capture())
        self._log.info("producer_took_over", generation=generation, current=pointer.current)

    def _heartbeat(self, capture: CaptureStatus) -> None:
        """Until a scan's snapshot is published, say how far it is: others wait for it."""
        is_over = capture.scan.ended_at is not None
        if is_over and (self._is_published(capture) or self._status.held_because):
            return
        now = self._clockwork.monotonic()
        if now - self._heartbeat_at < _HEARTBEAT_SECONDS:
            return
        self._heartbeat_at = now
        scan = capture.scan
        self._publisher.announce_progress(scan.segments_done / max(1, scan.segments))

    def _is_published(self, capture: CaptureStatus) -> bool:
        checkpoint, newest = capture.checkpoint, self._newest
        return newest is not None and (checkpoint is None or newest.stands_for(checkpoint))

    def _publish(self, found: Snapshotable, reason: str) -> tuple[PublishReport, Newest]:
        for attempt in range(_FREEZE_TRIES):
            # Counted before the freeze: a batch between the two is counted twice, none is lost.
            batches = found.capture.batches_total
            with found.accelerator.freeze() as image:
                try:
                    report = self._publisher.publish(
                        image,
                        reason=reason,
                        progress=lambda _done, _total: self._go_on(found.capture),
                        given=Circumstances(allow_empty=self._plan.section.params.allow_empty),
                    )
                except FreezeBroken:
                    if attempt + 1 == _FREEZE_TRIES:
                        raise
                    continue
            at = self._clockwork.monotonic()
            return report, Newest.frozen(image.checkpoint, at, batches)
        raise AssertionError("the last try returns or raises")

    def _go_on(self, capture: CaptureStatus) -> None:
        """Called often while a snapshot is written: a large one takes minutes."""
        if self._is_stopping.is_set():
            raise NothingToSnapshot(f"{self._plan.name}: the node is stopping", hint=_STOPPING)
        self._heartbeat(capture)

    # ------------------------------------------------------------ outcomes

    def _succeeded(self, report: PublishReport) -> None:
        self._status = replace(
            self._status,
            last_id=report.snapshot_id,
            last_success_at=self._clockwork.time(),
            last_new_bytes=report.new_bytes,
            last_stored_bytes=report.stored_bytes,
            last_duration_seconds=report.duration_seconds,
            published_total=self._status.published_total + 1,
            held_because=(),
            problem=None,
        )
        self._log.info("snapshot_published", **asdict(report))

    def _failed(self, error: Exception) -> None:
        self._not_before = self._clockwork.monotonic() + _RETRY_SECONDS
        is_fenced = isinstance(error, Fenced) and self._is_taken_over()
        if not is_fenced and isinstance(error, Fenced | GateRefused | Held):
            self._held(error)
            return
        problem = problem_of(error, self._clockwork.time())
        self._status = replace(
            self._status,
            failed_total=self._status.failed_total + 1,
            fenced=is_fenced,
            problem=problem,
        )
        self._log.error("snapshot_failed", message=problem.message, hint=problem.hint)
        if is_fenced:
            self._on_fenced()

    def _held(self, error: Fenced | GateRefused | Held) -> None:
        is_news = self._status.held_because != (str(error),)
        self._status = replace(
            self._status,
            skipped_total=self._status.skipped_total + 1,
            held_because=(str(error),),
        )
        if is_news:
            self._log.warning("snapshot_held", message=str(error), hint=error.hint)

    def _is_taken_over(self) -> bool:
        try:
            pointer = read_pointer(self._store, self._plan.name)
            gate.check_owner(pointer, self._publisher.generation or 0)
        except Fenced:
            return True
        except SnapshotError:
            return False  # unknown: the next try tells
        return False
