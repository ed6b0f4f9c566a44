"""A dataset that follows snapshots: its life from start to shutdown, and what it says of itself.

    alone with the path -> open what is there, and answer from it -> look, fetch, open the newer
    file, hand over, close the older one -> rest, look again

What is there is served before anybody is asked, so a restart needs nothing upstream. The table is
never asked: there is no client for it. The life runs in one thread; trouble in it is told, and what
is served stays.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from cdc.errors import CdcError, FileUnusable
from restorer.facts import LocalFile
from snapshotter.errors import NothingToSnapshot
from snowmelt import restored
from snowmelt.clockwork import Clockwork
from snowmelt.coldstart import Stopped, describe_decision, describe_report
from snowmelt.condition import Condition
from snowmelt.edge_file import EdgeFile, alone, open_newest
from snowmelt.errors import Explained, UsageError
from snowmelt.follow_rule import Look
from snowmelt.following import Following
from snowmelt.handover import Handover
from snowmelt.logs import logger
from snowmelt.report import at_rest, dataset_status
from snowmelt.staleness import Standing, judge_followed
from snowmelt.status import DatasetStatus
from snowmelt.wiring import DatasetPlan

# Longer than any query may take, so that none is ended by a switch.
_LAST_QUERY_SECONDS = 60.0
_CLOSING_SECONDS = 0.5


class EdgeRuntime:
    """Start it once; `status`, `accelerator` and `explain` may be used from any thread."""

    def __init__(self, plan: DatasetPlan, clockwork: Clockwork | None = None) -> None:
        if plan.store is None:
            raise UsageError(f"{plan.name}: there is nothing to follow without snapshots.location")
        self.plan = plan
        self._clockwork = clockwork or Clockwork()
        self._log = logger(dataset=plan.name)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"dataset-{plan.name}")
        self._condition = Condition(plan.name, self._clockwork)
        self._store = plan.store
        self._following = Following(plan, plan.store)
        self._handover = Handover()
        self._file: EdgeFile | None = None
        self._local = LocalFile()
        self._opened = 0
        self._restored: dict[str, Any] | None = None

    # ------------------------------------------------------------ from outside

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def accelerator(self) -> Handover | None:
        """What answers queries now."""
        return self._handover if self._handover.is_open else None

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_seconds: float) -> bool:
        """End what is under way and close; True if that was done in time."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def create_snapshot(self, force: str | None = None) -> Mapping[str, Any]:  # noqa: ARG002
        """Raises NothingToSnapshot: who follows snapshots makes none."""
        hint = "ask the node that publishes"
        raise NothingToSnapshot(f"{self.name}: this node follows snapshots", hint=hint)

    def status(self) -> DatasetStatus:
        """The dataset now."""
        file, now = self._file, self._store.now()
        checkpoint = None if file is None else file.checkpoint
        status = dataset_status(
            self.plan,
            state=self._condition.state,
            standing=self._standing(now),
            problem=self._condition.problem,
            capture=at_rest(checkpoint, now),
            checkpoint=checkpoint,
            rows=self._rows(),
            snapshot=None,
            restore=self._restored,
        )
        return replace(status, follow=self._following.described(self._facts()))

    def explain(self) -> Mapping[str, Any]:
        """What a look at the pointer would do now. Raises SnapshotError."""
        return describe_decision(self.name, *self._following.explained(self._facts()))

    def _facts(self) -> LocalFile:
        file = self._file
        return self._local if file is None else file.facts

    def _standing(self, now: float) -> Standing:
        data_at = self._facts().data_at
        return judge_followed(
            file_is_complete=self._handover.is_open,
            age_seconds=None if data_at is None else now - data_at,
            max_age_seconds=self.plan.section.acceleration.stale_seconds,
        )

    def _rows(self) -> int | None:
        try:
            return self._handover.row_count()
        except CdcError:
            return None  # not open yet, or closed meanwhile

    # ------------------------------------------------------------ life

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._live()
            except Stopped:
                self._log.info("restore_stopped")
            except Explained as error:
                self._condition.fail(error)
            except Exception as error:  # noqa: BLE001 - a bug in one dataset must not end the others
                self._condition.fail(error)
                self._log.exception("dataset_bug")
            if not self._stop.is_set():
                self._clockwork.wait(self._stop, self._condition.rest_seconds)
        self._condition.state = "stopping"

    def _live(self) -> None:
        self._condition.enter("restoring")
        with alone(self.plan), self._closing():
            self._open()
            while not self._stop.is_set():
                self._clockwork.wait(self._stop, self._step())

    @contextmanager
    def _closing(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._handover.let_go(_CLOSING_SECONDS)
            file, self._file = self._file, None
            if file is not None:
                file.close()

    def _step(self) -> float:
        """One look, and what it asks for; returns how long to rest before the next.

        Trouble is told, and what is served stays.
        """
        try:
            look = self._following.look(self._facts())
            switched = look is not None and look.is_wanted and self._fetch()
        except Explained as error:
            self._following.failed()
            pause = self._pause_seconds()
            self._condition.tell(error, pause)
            if self._file is None:
                self._condition.state = "error"
            return pause
        self._following.succeeded(switched=switched)
        self._settle(look)
        return self._pause_seconds()

    def _pause_seconds(self) -> float:
        return self._following.pause_seconds(serves=self._file is not None)

    def _settle(self, look: Look | None) -> None:
        if self._file is not None:
            self._condition.works()
            self._condition.state = "ready"
            return
        why = "there is no snapshot yet" if look is None else look.decision.message
        self._condition.wait_for(why or "; ".join(look.decision.reasons if look else ()))

    def _fetch(self) -> bool:
        """Bring the newer file and answer from it; False if there was none after all."""
        if self._file is None:
            self._condition.enter("restoring")
        report = self._following.fetch(self._facts(), self._on_progress)
        self._restored = describe_report(report)
        if report.snapshot_id is None:
            return False
        restored.remember(self.plan.path, self._restored)
        self._log.info("snapshot_followed", **self._restored)
        if not self._open():
            raise FileUnusable(f"{self.plan.path}: {self._local.problem or 'it does not open'}")
        return True

    def _on_progress(self, done: int, total: int) -> None:
        if self._file is None:
            self._restored = {"bytes_fetched": done, "bytes_to_fetch": total}
        if self._stop.is_set():
            raise Stopped

    def _open(self) -> bool:
        """Open what is at the path and answer from it, if that can be; then close the one before.

        Only one that was replaced is closed: an error leaves it as it is.
        """
        self._opened += 1
        opened = open_newest(self.plan, self._opened)
        if isinstance(opened, LocalFile):
            self._local = opened
            return False
        older, self._file = self._file, opened
        if self._restored is None:
            self._restored = restored.last_restore(self.plan.path)  # by an init container
        self._handover.take(opened.accelerator, _LAST_QUERY_SECONDS)
        self._condition.enter("ready")
        if older is not None:
            older.close()
        return True
