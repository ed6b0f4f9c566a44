"""How a dataset is: its state, its trouble, and how long it rests because of that."""

from __future__ import annotations

from dataclasses import replace

from cdc.errors import Permanent
from snowmelt.clockwork import Clockwork
from snowmelt.logs import logger
from snowmelt.pauses import Pauses
from snowmelt.report import problem_of
from snowmelt.status import Problem, State


class Condition:
    """Written by the dataset's thread; `state` and `problem` are read by any."""

    def __init__(self, dataset: str, clockwork: Clockwork) -> None:
        self.state: State = "initializing"
        self.problem: Problem | None = None
        self._clockwork = clockwork
        self._pauses = Pauses()
        self._failing_since: float | None = None
        self._tries = 0
        self._log = logger(dataset=dataset)

    @property
    def rest_seconds(self) -> float:
        """How long to rest now."""
        return self._pauses.seconds

    def enter(self, state: State) -> None:
        """Another state, without trouble."""
        self.state = state
        self.problem = None

    def wait_for(self, message: str) -> None:
        """Nothing to do but to wait, which is no failure."""
        since = self._clockwork.time() if self.problem is None else self.problem.since
        self.state = "waiting"
        self.problem = Problem(message, "it goes on by itself", 13, since)
        self._succeeded()

    def works(self) -> None:
        """There is progress."""
        self._succeeded()
        self.problem = None

    def tell(self, error: Exception, rest_seconds: float | None = None) -> None:
        """Trouble beside which the dataset goes on. `rest_seconds`: until the next try."""
        self._pauses.failed(needs_a_person=isinstance(error, Permanent))
        now = self._clockwork.time()
        self._failing_since = now if self._failing_since is None else self._failing_since
        self._tries += 1
        problem = replace(
            problem_of(error, self._failing_since),
            tries=self._tries,
            next_try_at=now + (self._pauses.seconds if rest_seconds is None else rest_seconds),
        )
        self.problem = problem
        self._log.error("dataset_error", message=problem.message, hint=problem.hint)

    def fail(self, error: Exception) -> None:
        """Trouble that ends this life of the dataset."""
        self.state = "error"
        self.tell(error)

    def _succeeded(self) -> None:
        self._pauses.succeeded()
        self._failing_since, self._tries = None, 0
