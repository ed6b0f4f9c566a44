"""The publishing side of a dataset: takes over, watches the trigger, freezes and publishes.

It runs in a thread of its own beside capture; a freeze holds nobody but the engine's own
checkpoints. Trouble with the store never stops capture: it is shown, counted and tried again. A
node without the lease follows and publishes nothing. A file that is only behind the published state
is held until it has caught up, and any file while a person holds the dataset; a rollback is no
other producer, so that after the release this one goes on.
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
from snapshotter.lease_keeper import LeaseLost
from snapshotter.publish_report import PublishReport
from snapshotter.reader import read_pointer
from snapshotter.trigger import due
from snowmelt.clockwork import Clockwork
from snowmelt.fullness import Fullness, publisher_of
from snowmelt.guard import Guard
from snowmelt.janitor import Janitor
from snowmelt.leasing import Leasing
from snowmelt.newest import Newest, facts_since
from snowmelt.outcomes import Outcomes
from snowmelt.report import Snapshotable
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
    stands, None while there is none. `on_fenced` is called, by any thread, when another producer
    turns out to have taken over.
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
        self._clockwork = clockwork or Clockwork()
        self._plan = plan
        self._look = look
        self._capture = capture
        self._outcomes = Outcomes(plan.name, self._clockwork)
        self._guard = Guard(plan, self._outcomes, self._clockwork)
        self._leasing = Leasing(plan, self._clockwork, on_fenced)
        self._term: str | None = None
        self._owed_from: int | None = None
        self._publisher = publisher_of(plan)
        self._fullness = Fullness(self._publisher, plan.full_every, self._clockwork)
        self._janitor = Janitor(plan, self._clockwork, self._may_prune)
        self._settings = plan.trigger_settings
        self._lock = threading.RLock()
        self._is_stopping = threading.Event()
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
        jobs = (self._tick, self._leasing.renew, self._janitor.tick)
        with self._clockwork.ticking(jobs, self._on_error):
            try:
                yield
                while given_up is not None and self._is_publishing and not given_up.is_set():
                    self._clockwork.wait(given_up, _FINISHING_SECONDS)
            finally:
                self._is_stopping.set()

    def release(self) -> None:
        """Let another node publish at once: this one ends in order."""
        with self._lock:
            self._leasing.release()

    def announce_bootstrap(self) -> bool:
        """Take over before a scan and say so, because others then wait for its snapshot.

        False if another node holds the lease and loads the table, or may be about to. A store that
        is away does not keep a table from being loaded: it is tried again by the tick.
        """
        try:
            with self._lock:
                if not self._leasing.look_now():
                    return not self._is_for_another()
                self._take_over(0.0)
                self._publisher.announce_progress(0.0)
        except SnapshotError as error:
            self._failed(error)
        return not self._leasing.is_lost

    def generation_for(self, accelerator: Accelerator) -> Callable[[], int]:
        """The generation of the next commit: the taken one, or what the file had before."""
        stored = accelerator.checkpoint()
        before = stored.generation if stored else 0
        return lambda: max(before, self._publisher.generation or 0)

    def status(self) -> SnapshotStatus:
        """Where publishing stands."""
        status = replace(self._outcomes.status, generation=self._publisher.generation)
        return self._leasing.shown_in(replace(status, prune=self._janitor.status()))

    def _may_prune(self) -> bool:
        return self._leasing.is_ours and self._term is not None and not self._outcomes.is_held

    def publish(self, reason: str, force: str | None = None) -> Mapping[str, Any]:
        """Publish now and return the report. Raises SnapshotError and the accelerator's errors."""
        with self._lock:
            found = self._look()
            if found is None:
                raise NothingToSnapshot(f"{self._plan.name}: the file is not open yet")
            self._leasing.check_ours()
            try:
                self._take_over()
                self._check_own(found.capture)
                self._is_publishing = True
                report, newest = self._publish(found, reason, force)
            except NothingToSnapshot:
                raise  # no trouble: the bootstrap goes on, or the node is stopping
            except (SnapshotError, CdcError) as error:
                self._failed(error)
                raise
            finally:
                self._is_publishing = False
            self._newest, self._owed_from = newest, None
            self._outcomes.succeeded(report)
            return asdict(report)

    # ------------------------------------------------------------ the tick

    def _on_error(self, error: Exception) -> None:
        # Those of the store and the file were shown where they were raised.
        if not isinstance(error, SnapshotError | CdcError):
            self._not_before = self._clockwork.monotonic() + _RETRY_SECONDS
            self._outcomes.bug(error)

    def _tick(self) -> None:
        capture, now = self._capture(), self._clockwork.monotonic()
        if now < self._not_before or capture is None or capture.checkpoint is None:
            return
        try:
            with self._lock:
                if not self._leasing.look():
                    return
                self._take_over()
                self._heartbeat(capture)
        except SnapshotError as error:
            self._failed(error)
            return
        found = self._look()
        if found is None:
            return
        facts = facts_since(self._newest, capture, capture.checkpoint)
        # Who succeeds another one publishes at once: its file shares few blocks with what is there.
        is_owed = self._owed_from is not None and capture.ready
        reason = self._guard.look(found, self._publisher.generation or 0)
        reason = reason or ("take-over" if is_owed else due(now, facts, self._settings))
        if reason is not None:
            self.publish(reason)

    def _take_over(self, progress: float | None = None) -> None:
        """Once for each lease: raise the generation, and count from the snapshot that is there."""
        term = self._leasing.term
        if self._term == term:
            return
        generation = self._publisher.take_over(self._leasing.terms(progress))
        self._leasing.raised(generation)
        self._term = term
        self._owed_from = generation if self._leasing.succeeds else None
        pointer = read_pointer(self._store, self._plan.name)
        entry = pointer.entry(pointer.current) if pointer.current else None
        if entry is not None:
            waited = max(0.0, self._store.now() - entry.created_at)
            at = self._clockwork.monotonic() - waited
            self._newest = Newest.found(entry, at, self._capture())
        self._outcomes.took_over(generation, pointer.current)

    def _is_for_another(self) -> bool:
        lease = self._leasing.seen
        if lease is None or lease.generation == 0:
            return True  # the other one has not said yet what it does
        return read_pointer(self._store, self._plan.name).bootstrap_progress is not None

    def _check_own(self, capture: CaptureStatus) -> None:
        """Until a commit of its own generation, a file's version names a state of the one before.

        Two files that followed the same stream have states of their own under one number.
        """
        at = capture.checkpoint
        if at is None or self._owed_from is None or not at.lineage.has_stream:
            return
        if at.generation < self._owed_from:
            raise NothingToSnapshot(
                f"{self._plan.name}: no commit since the take-over yet", hint="it comes by itself"
            )

    def _heartbeat(self, capture: CaptureStatus) -> None:
        """Until a scan's snapshot is published, say how far it is: others wait for it."""
        scan = capture.scan
        if scan.ended_at is not None and (self._is_published(capture) or self._outcomes.is_held):
            return
        now = self._clockwork.monotonic()
        if now - self._heartbeat_at < _HEARTBEAT_SECONDS:
            return
        self._heartbeat_at = now
        self._publisher.announce_progress(scan.segments_done / max(1, scan.segments))

    def _is_published(self, capture: CaptureStatus) -> bool:
        checkpoint, newest = capture.checkpoint, self._newest
        return newest is not None and (checkpoint is None or newest.stands_for(checkpoint))

    def _publish(
        self, found: Snapshotable, reason: str, force: str | None
    ) -> tuple[PublishReport, Newest]:
        for attempt in range(_FREEZE_TRIES):
            # Counted before the freeze: a batch between the two is counted twice, none is lost.
            batches = found.capture.batches_total
            with found.accelerator.freeze() as image:
                try:
                    report = self._publisher.publish(
                        image,
                        reason=reason,
                        full=self._fullness.wanted(found.accelerator),
                        progress=lambda _done, _total: self._go_on(found.capture),
                        given=self._guard.given(found.capture, force),
                    )
                except FreezeBroken:
                    if attempt + 1 == _FREEZE_TRIES:
                        raise
                    continue
            return report, Newest.frozen(image.checkpoint, self._clockwork.monotonic(), batches)
        raise AssertionError("the last try returns or raises")

    def _go_on(self, capture: CaptureStatus) -> None:
        """Called often while a snapshot is written: a large one takes minutes."""
        if self._is_stopping.is_set():
            raise NothingToSnapshot(f"{self._plan.name}: the node is stopping", hint=_STOPPING)
        if not self._leasing.is_ours:
            raise LeaseLost(f"{self._plan.name}: the lease was lost during the publish")
        self._heartbeat(capture)

    # ------------------------------------------------------------ outcomes

    def _failed(self, error: SnapshotError | CdcError) -> None:
        pause = _RETRY_SECONDS * (4 if isinstance(error, GateRefused) else 1)
        self._not_before = self._clockwork.monotonic() + pause
        if isinstance(error, Fenced) and not self._leasing.is_ours:
            return  # told by the lease
        if isinstance(error, Fenced) and self._is_taken_over():
            if self._leasing.fenced(error):
                self._outcomes.failed(error)
        elif isinstance(error, Fenced | GateRefused | Held):
            self._outcomes.held(error)
        else:
            self._outcomes.failed(error)

    def _is_taken_over(self) -> bool:
        try:
            pointer = read_pointer(self._store, self._plan.name)
            gate.check_owner(pointer, self._publisher.generation or 0)
        except SnapshotError as error:
            return isinstance(error, Fenced)  # else it is unknown: the next try tells
        return False
