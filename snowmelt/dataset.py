"""One dataset of a running node: its life from cold start to shutdown, and what it says of itself.

    cold start (decision, restore) -> rebuild beside the old file, where that was decided -> follow

The life runs in one thread. Trouble of one dataset never reaches another: an error of ours becomes
the state *error* with its message, and after a pause the life begins anew with a fresh decision.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cdc.accelerator import Accelerator
from cdc.capture import Capture
from cdc.capture_status import CaptureStatus
from cdc.checkpoint import Checkpoint, Lineage
from cdc.errors import LineageChanged, Permanent, PositionLost
from restorer.facts import LocalFile
from restorer.verdict import Action
from snapshotter.errors import NothingToSnapshot
from snowmelt import catching_up, coldstart, files
from snowmelt.clockwork import Clockwork
from snowmelt.coldstart import ColdStart, Stopped, bootstrapping_elsewhere
from snowmelt.errors import Explained
from snowmelt.logs import logger
from snowmelt.pauses import Pauses
from snowmelt.producer import Producer
from snowmelt.report import Snapshotable, at_rest, dataset_status, problem_of
from snowmelt.serving import Serving
from snowmelt.staleness import Standing
from snowmelt.status import DatasetStatus, Problem, State
from snowmelt.wiring import DatasetPlan

_WAIT_SECONDS = 2.0


class DatasetRuntime:
    """Start it once; `status`, `accelerator` and `create_snapshot` may be used from any thread."""

    def __init__(self, plan: DatasetPlan, clockwork: Clockwork | None = None) -> None:
        self.plan = plan
        self._clockwork = clockwork or Clockwork()
        self._log = logger(dataset=plan.name)
        self._stop = threading.Event()
        self._capture_stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"dataset-{plan.name}")
        self._state: State = "initializing"
        self._problem: Problem | None = None
        self._serving = Serving()
        self._capture: Capture | None = None
        self._restored: Mapping[str, Any] | None = None
        self._rebuild_wanted = False
        self._rebuilding = False
        self._pauses = Pauses()
        self._producer: Producer | None = None
        if plan.publishes:
            self._producer = Producer(
                plan,
                self._snapshotable,
                self._capture_status,
                self._yield_bootstrap,
                self._clockwork,
            )

    # ------------------------------------------------------------ from outside

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.plan.name

    @property
    def accelerator(self) -> Accelerator | None:
        """The file that answers queries now."""
        return self._serving.accelerator

    def start(self) -> None:
        """Begin the life of this dataset."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> bool:
        """Commit what is pending and close; True if that was done in time."""
        self._stop.set()
        self._capture_stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def create_snapshot(self) -> Mapping[str, Any]:
        """Publish now. Raises SnapshotError."""
        if self._producer is None:
            hint = "set acceleration.snapshots to enabled or create_only"
            raise NothingToSnapshot(f"{self.name}: this node does not publish snapshots", hint=hint)
        return self._producer.publish("asked for")

    def status(self) -> DatasetStatus:
        """The dataset now."""
        return dataset_status(
            self.plan,
            state=self._state,
            standing=self._standing(),
            problem=self._problem,
            capture=self._now(),
            checkpoint=self._checkpoint(),
            rows=self._serving.rows(),
            snapshot=self._producer.status() if self._producer else None,
            restore=self._restored,
        )

    def explain(self) -> Mapping[str, Any]:
        """What a cold start would do with this file now. Raises SnapshotError."""
        return coldstart.explain(self.plan, self._checkpoint())

    # ------------------------------------------------------------ life

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._live()
            except Stopped:
                self._log.info("restore_stopped")
            except PositionLost as error:
                self._rebuild_wanted = self.plan.policy().shard_not_found_behavior != "error"
                self._fail(error)
            except Explained as error:
                self._fail(error)
            except Exception as error:  # noqa: BLE001 - a bug in one dataset must not end the others
                self._fail(error)
                self._log.exception("dataset_bug")
            finally:
                self._close()
            if not self._stop.is_set():
                self._clockwork.wait(self._stop, self._pauses.seconds)
        self._state = "stopping"

    def _live(self) -> None:
        self._enter("restoring")
        if self._rebuild_wanted and not self._rebuild():
            return
        start = coldstart.cold_start(self.plan, self._on_progress)
        self._restored = start.report
        self._log.info("cold_start", **start.summary())
        if start.action is Action.WAIT:
            self._wait(start)
            return
        if start.rebuilds and not self._rebuild():
            return
        self._follow(is_bootstrap=start.action is Action.BOOTSTRAP and not start.rebuilds)

    def _on_progress(self, done: int, total: int) -> None:
        self._restored = {"bytes_fetched": done, "bytes_to_fetch": total}
        if self._stop.is_set():
            raise Stopped

    def _wait(self, start: ColdStart) -> None:
        """Until the next decision; an old file is served meanwhile, where that was decided."""
        self._enter("waiting")
        self._problem = Problem(start.message, "it goes on by itself", 13, self._clockwork.time())
        self._pauses.succeeded()
        with contextlib.ExitStack() as stack:
            self._rebuilding = start.rebuilds
            self._serve_stale(stack)
            while not self._clockwork.wait(self._stop, _WAIT_SECONDS):
                waiting = bootstrapping_elsewhere(self.plan, LocalFile())
                if waiting is None:
                    return
                self._problem = replace(self._problem, message=waiting)

    def _serve_stale(self, stack: contextlib.ExitStack) -> None:
        plan = self.plan
        if self._rebuilding and plan.serves_stale and plan.path.exists():
            file = stack.enter_context(files.opened(plan, plan.path))
            stack.enter_context(self._serving.of(file))

    def _follow(self, *, is_bootstrap: bool) -> None:
        if is_bootstrap and self._producer is not None:
            self._producer.announce_bootstrap()
        with files.opened(self.plan, self.plan.path) as accelerator, self._serving.of(accelerator):
            if self.plan.role == "edge":
                self._enter("ready")
                self._stop.wait()
                return
            self._run_capture(accelerator)

    def _rebuild(self) -> bool:
        """Bootstrap into a second file; False if the switch did not come to pass."""
        self._rebuilding = True
        self._enter("catching_up")
        if self._producer is not None:
            self._producer.announce_bootstrap()
        with contextlib.ExitStack() as stack:
            self._serve_stale(stack)
            lineage = self._built()
        if lineage is None:
            return False
        files.make_live(self.plan, files.side_path(self.plan), lineage, same_table=True)
        self._rebuild_wanted = self._rebuilding = False
        self._serving.was_caught_up = True
        self._log.info("rebuilt", path=str(self.plan.path))
        return True

    def _built(self) -> Lineage | None:
        """As `catching_up.built`; while an old file is served, trouble is waited out beside it."""
        while True:
            try:
                return catching_up.built(
                    self.plan, self._run_capture, self._capture_status, self._capture_stop
                )
            except Explained as error:
                # Whether another table is meant is for a person to decide.
                if self.accelerator is None or isinstance(error, LineageChanged):
                    raise
                self._tell(error)
            if self._clockwork.wait(self._stop, self._pauses.seconds):
                return None
            served = self._checkpoint()
            if not self._rebuild_wanted and not coldstart.still_rebuilds(self.plan, served):
                self._pauses.succeeded()
                return None

    def _run_capture(self, accelerator: Accelerator) -> None:
        self._capture_stop.clear()
        if self._stop.is_set():
            return
        capture = Capture(
            self.plan.source,
            accelerator,
            settings=self.plan.capture_settings,
            generation=self._producer.generation_for(accelerator) if self._producer else 0,
            stop=self._capture_stop,
            on_commit=self._on_commit,
            workers=self._clockwork.workers(self.plan.capture_settings),
        )
        self._capture = capture
        self._enter("catching_up")
        with self._producer.running() if self._producer else contextlib.nullcontext():
            capture.run()

    # ------------------------------------------------------------ helpers

    def _capture_status(self) -> CaptureStatus | None:
        return self._capture.status() if self._capture else None

    def _now(self) -> CaptureStatus | None:
        """Where capture stands, or the served file where nothing is captured."""
        return self._capture_status() or at_rest(self._serving.opened_at, self.plan.source.now())

    def _on_commit(self, _checkpoint: object) -> None:
        self._pauses.succeeded()
        self._problem = None

    def _yield_bootstrap(self) -> None:
        """Another node took over during this one's scan: leave the load to it, decide anew."""
        capture = self._capture_status()
        if capture is not None and capture.phase == "bootstrapping":
            self._capture_stop.set()

    def _snapshotable(self) -> Snapshotable | None:
        if self.accelerator is None or self._capture is None or self._rebuilding:
            return None
        return Snapshotable(self.accelerator, self._capture.status())

    def _checkpoint(self) -> Checkpoint | None:
        """What the serving file holds, as of its last commit."""
        if self._capture is None or self._rebuilding:
            return self._serving.opened_at
        return self._capture.status().checkpoint or self._serving.opened_at

    def _standing(self) -> Standing:
        return self._serving.judge(
            self._now(),
            self._checkpoint(),
            is_followed=self._state != "ready",
            is_old_by_policy=self._rebuilding,
            now=self.plan.source.now(),
        )

    def _enter(self, state: State) -> None:
        self._state = state
        if state != "waiting":
            self._problem = None

    def _fail(self, error: Exception) -> None:
        self._state = "error"
        self._tell(error)

    def _tell(self, error: Exception) -> None:
        self._pauses.failed(needs_a_person=isinstance(error, Permanent))
        self._problem = problem = problem_of(error, self._clockwork.time())
        self._log.error("dataset_error", message=problem.message, hint=problem.hint)

    def _close(self) -> None:
        self._capture = None
        self._serving.stop()
        self._rebuilding = False
