"""One dataset of a running node: its life from cold start to shutdown, and what it says of itself.

    cold start (decision, restore) -> rebuild beside the old file, where that was decided -> follow
                                   -> or, without a stream: serve, refresh beside it, switch, again

The life runs in one thread. Trouble of one dataset never reaches another: an error of ours becomes
the state *error* with its message, and after a pause the life begins anew with a fresh decision.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from cdc.accelerator import Accelerator
from cdc.capture_status import CaptureStatus
from cdc.checkpoint import Checkpoint, Lineage
from cdc.errors import LineageChanged, PositionLost
from restorer.facts import LocalFile
from restorer.verdict import Action
from snapshotter.errors import NothingToSnapshot
from snowmelt import catching_up, coldstart, files
from snowmelt.capturing import Capturing
from snowmelt.clockwork import Clockwork
from snowmelt.coldstart import ColdStart, Stopped, bootstrapping_elsewhere
from snowmelt.condition import Condition
from snowmelt.errors import Explained
from snowmelt.logs import logger
from snowmelt.producer import Producer
from snowmelt.refreshing import Refreshing
from snowmelt.report import Snapshotable, at_rest, dataset_status
from snowmelt.serving import Serving
from snowmelt.staleness import Standing
from snowmelt.status import DatasetStatus
from snowmelt.wiring import DatasetPlan

_WAIT_SECONDS = 2.0


class DatasetRuntime:
    """Start it once; `status`, `accelerator` and `create_snapshot` may be used from any thread."""

    def __init__(self, plan: DatasetPlan, clockwork: Clockwork | None = None) -> None:
        self.plan = plan
        self._clockwork = clockwork or Clockwork()
        self._log = logger(dataset=plan.name)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"dataset-{plan.name}")
        self._condition = Condition(plan.name, self._clockwork)
        self._serving = Serving()
        self._capturing = Capturing(plan, self._clockwork, self._stop, self._condition.works)
        self._restored: Mapping[str, Any] | None = None
        self._rebuild_wanted = self._rebuilding = False
        parts = (self._serving, self._capturing, self._condition, self._clockwork)
        self._refreshing = None if plan.refresh_seconds is None else Refreshing(plan, *parts)
        self._look = self._refreshing.published if self._refreshing else self._capturing.status
        asks = (self._snapshotable, self._look, self._yield_bootstrap)
        self._producer = Producer(plan, *asks, self._clockwork) if plan.publishes else None

    # ------------------------------------------------------------ from outside

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def accelerator(self) -> Accelerator | None:
        """The file that answers queries now."""
        return self._serving.accelerator

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_seconds: float) -> bool:
        """Commit what is pending and close; True if that was done in time."""
        self._stop.set()
        self._capturing.ending.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def create_snapshot(self, force: str | None = None) -> Mapping[str, Any]:
        """Publish now. Raises SnapshotError."""
        if self._producer is None:
            hint = "set acceleration.snapshots to enabled or create_only"
            raise NothingToSnapshot(f"{self.name}: this node does not publish snapshots", hint=hint)
        return self._producer.publish("asked for", force)

    def status(self) -> DatasetStatus:
        """The dataset now."""
        return dataset_status(
            self.plan,
            state=self._condition.state,
            standing=self._standing(),
            problem=self._condition.problem,
            capture=self._now(),
            checkpoint=self._checkpoint(),
            rows=self._serving.rows(),
            snapshot=self._producer.status() if self._producer else None,
            restore=self._restored,
            refresh=self._refreshing.described() if self._refreshing else None,
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
                self._condition.fail(error)
            except Explained as error:
                self._condition.fail(error)
            except Exception as error:  # noqa: BLE001 - a bug in one dataset must not end the others
                self._condition.fail(error)
                self._log.exception("dataset_bug")
            finally:
                self._close()
            if not self._stop.is_set():
                self._clockwork.wait(self._stop, self._condition.rest_seconds)
        if self._producer is not None:
            self._producer.release()
        self._condition.state = "stopping"

    def _live(self) -> None:
        self._condition.enter("restoring")
        if self._rebuild_wanted and not self._rebuild():
            return
        start = coldstart.cold_start(self.plan, self._on_progress)
        self._restored = start.report
        self._log.info("cold_start", **start.summary())
        if start.action is Action.WAIT:
            self._wait(start)
            return
        if self._refreshing is not None:
            self._refresh(self._refreshing, serves=start.action is not Action.BOOTSTRAP)
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
        self._condition.wait_for(start.message)
        with contextlib.ExitStack() as stack:
            self._rebuilding = start.rebuilds
            self._serve_stale(stack)
            while not self._clockwork.wait(self._stop, _WAIT_SECONDS):
                waiting = bootstrapping_elsewhere(self.plan, LocalFile())
                if waiting is None:
                    return
                self._condition.wait_for(waiting)

    def _serve_stale(self, stack: contextlib.ExitStack) -> None:
        if self._rebuilding and self.plan.serves_stale and self.plan.path.exists():
            self._serve(stack)

    def _serve(self, stack: contextlib.ExitStack) -> None:
        file = stack.enter_context(files.opened(self.plan, self.plan.path))
        stack.enter_context(self._serving.of(file))

    def _follow(self, *, is_bootstrap: bool) -> None:
        if is_bootstrap and not self._announced():
            return
        with files.opened(self.plan, self.plan.path) as accelerator, self._serving.of(accelerator):
            self._capture_and_publish(accelerator)

    def _refresh(self, refreshing: Refreshing, *, serves: bool) -> None:
        """Serve, and switch to a newer file each time that one is due, until the end."""
        while True:
            with contextlib.ExitStack() as stack:
                if serves:
                    self._serve(stack)
                elif not self._announced():
                    return
                stack.enter_context(self._publishing(self._stop))
                self._condition.enter("catching_up")
                lineage = refreshing.next_file(self._capture, self._stop)
                self._serving.is_switching = serves
            if lineage is None or self._stop.is_set():
                return
            files.make_live(self.plan, lineage, same_table=not serves)
            refreshing.switched()
            serves = True

    def _rebuild(self) -> bool:
        """Bootstrap into a second file; False if the switch did not come to pass."""
        self._rebuilding = True
        self._condition.enter("catching_up")
        if not self._announced():
            return False
        with contextlib.ExitStack() as stack:
            self._serve_stale(stack)
            lineage = self._built()
        if lineage is None:
            return False
        files.make_live(self.plan, lineage, same_table=True)
        self._rebuild_wanted = self._rebuilding = False
        self._serving.was_caught_up = True
        self._log.info("rebuilt", path=str(self.plan.path))
        return True

    def _built(self) -> Lineage | None:
        """As `catching_up.built`; while an old file is served, trouble is waited out beside it."""
        while True:
            try:
                return catching_up.built(self.plan, self._capture_and_publish, self._capturing)
            except Explained as error:
                if self.accelerator is None or isinstance(error, LineageChanged):
                    raise  # whether another table is meant is for a person to decide
                self._condition.tell(error)
            if self._clockwork.wait(self._stop, self._condition.rest_seconds):
                return None
            wanted = self._rebuild_wanted or coldstart.still_rebuilds(self.plan, self._checkpoint())
            if not wanted:
                self._condition.works()
                return None

    def _capture_and_publish(self, accelerator: Accelerator) -> None:
        with self._publishing(None):
            self._capture(accelerator)

    def _capture(self, accelerator: Accelerator) -> None:
        self._condition.enter("catching_up")
        generation = self._producer.generation_for(accelerator) if self._producer else 0
        self._capturing.run(accelerator, generation)

    # ------------------------------------------------------------ helpers

    def _publishing(self, given_up: threading.Event | None) -> AbstractContextManager[None]:
        return self._producer.running(given_up) if self._producer else contextlib.nullcontext()

    def _now(self) -> CaptureStatus | None:
        """Where capture stands, or the served file where nothing is captured."""
        if self._refreshing is not None:
            return self._refreshing.shown()
        return self._capturing.status() or at_rest(self._serving.opened_at, self.plan.source.now())

    def _announced(self) -> bool:
        """Say that a scan begins; False if another node is ahead of it: then decide anew."""
        if self._producer is None or self._producer.announce_bootstrap():
            return True
        self._condition.wait_for("waiting: another node holds the lease, and loads the table")
        return False

    def _yield_bootstrap(self) -> None:
        """Another node took over during this one's scan: leave the load to it, decide anew."""
        capture = self._capturing.status()
        is_refresh = self._refreshing is not None and self.accelerator is not None
        if capture is not None and capture.phase == "bootstrapping" and not is_refresh:
            self._capturing.ending.set()

    def _snapshotable(self) -> Snapshotable | None:
        accelerator, capture = self.accelerator, self._look()
        if accelerator is None or capture is None or self._rebuilding:
            return None
        return Snapshotable(accelerator, capture)

    def _checkpoint(self) -> Checkpoint | None:
        """What the serving file holds, as of its last commit."""
        capture = self._capturing.status()
        if capture is None or self._rebuilding or self._refreshing is not None:
            return self._serving.opened_at
        return capture.checkpoint or self._serving.opened_at

    def _standing(self) -> Standing:
        if self.plan.refresh_seconds is not None:
            return self._serving.judge_refreshed(self.plan.refresh_seconds, self.plan.source.now())
        return self._serving.judge(
            self._now(),
            self._checkpoint(),
            is_old_by_policy=self._rebuilding,
            now=self.plan.source.now(),
        )

    def _close(self) -> None:
        self._capturing.forget()
        self._serving.stop()
        self._rebuilding = False
