"""Upkeep of the file beside capture: steps go on while the next batch is fetched and decoded.

A step folds, sorts or moves the engine's log. Together they take as long as committing does, and
the engine does it without the interpreter's lock. Where commits cannot go on beside it, whoever
writes, or asks the file what only its writer may ask, lets the step that is under way come to its
end with `make_way`, and none follows it. Idle steps run in the caller's thread, and so does one
that may change columns, because a batch is decoded for the columns that the file has.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait

from cdc.accelerator import Accelerator, Maintenance
from cdc.polling import Workers


class UpkeepBeside:
    """Runs `Accelerator.maintain`; used by the thread of capture's loop."""

    def __init__(self, accelerator: Accelerator, workers: Workers) -> None:
        self._accelerator = accelerator
        self._workers = workers
        self._steps: Future[Maintenance] | None = None
        self._is_awaited = threading.Event()
        self._last = Maintenance()
        self._is_due = False

    def note_commit(self) -> None:
        """Something was committed, so the next `run` begins steps."""
        self._is_due = True

    def make_way(self) -> None:
        """Wait until the caller may write. What a step raised, `run` raises."""
        if not self._accelerator.commits_beside_upkeep:
            self.settle()

    def settle(self) -> None:
        """Wait until nothing changes the file beside the caller."""
        if self._steps is not None:
            self._is_awaited.set()
            wait([self._steps])

    def run(self, *, idle: bool) -> Maintenance:
        """Begin steps if any is due; what the last one did, pending while they are under way."""
        if self._steps is not None:
            if not (idle or self._steps.done()):
                return Maintenance(is_pending=True)  # and due again, if something was committed
            self.settle()
            ended, self._steps = self._steps, None
            self._last = ended.result()
        if not (idle or self._is_due or self._last.is_pending):
            return self._last
        self._is_due = False
        if idle or self._last.is_widening:
            self._last = self._accelerator.maintain(idle=idle)
            return self._last
        self._is_awaited.clear()
        self._steps = self._workers.beside(self._until_awaited)
        return Maintenance(is_pending=True)

    def _until_awaited(self) -> Maintenance:
        while True:
            told = self._accelerator.maintain(idle=False)
            if self._is_awaited.is_set() or not told.is_pending or told.is_widening:
                return told
