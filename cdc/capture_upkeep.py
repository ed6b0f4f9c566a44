"""Upkeep of the file beside capture: a step goes on while the next batch is fetched and decoded.

A step folds, sorts or moves the engine's log, which takes as long as committing did, and the engine
does it without the interpreter's lock. One thread writes at a time all the same: whoever writes, or
asks the file what only its writer may ask, waits with `settle` for the step that is under way. Idle
steps run in the caller's thread, and so does one that may change columns, because a batch is
decoded for the columns that the file has.
"""

from __future__ import annotations

from concurrent.futures import Future, wait
from functools import partial

from cdc.accelerator import Accelerator, Maintenance
from cdc.polling import Workers


class UpkeepBeside:
    """Runs `Accelerator.maintain`; used by the thread of capture's loop."""

    def __init__(self, accelerator: Accelerator, workers: Workers) -> None:
        self._accelerator = accelerator
        self._workers = workers
        self._step: Future[Maintenance] | None = None
        self._last = Maintenance()
        self._is_due = False

    def note_commit(self) -> None:
        """Something was committed, so the next `run` begins a step."""
        self._is_due = True

    def settle(self) -> None:
        """Wait until nothing writes beside the caller. What a step raised, `run` raises."""
        if self._step is not None:
            wait([self._step])

    def run(self, *, idle: bool) -> Maintenance:
        """Begin a step if one is due; what the last one did, pending while one is under way."""
        if self._step is not None:
            if not (idle or self._is_due or self._step.done()):
                return Maintenance(is_pending=True)
            ended, self._step = self._step, None
            self._last = ended.result()
        if not (idle or self._is_due or self._last.is_pending):
            return self._last
        self._is_due = False
        if idle or self._last.is_widening:
            self._last = self._accelerator.maintain(idle=idle)
            return self._last
        self._step = self._workers.beside(partial(self._accelerator.maintain, idle=False))
        return Maintenance(is_pending=True)
