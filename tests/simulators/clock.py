"""A virtual clock, and workers that run jobs on the spot: time passes where nobody works."""

import heapq
import random
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from typing import TypeVar

from cdc.polling import Fetched, Job, Lane

START = 1_700_000_000.0
CALL_SECONDS = 0.002
T = TypeVar("T")


class VirtualClock:
    """Epoch seconds that only `advance` moves; what was planned happens on the way."""

    def __init__(self, now: float = START) -> None:
        self.now = now
        self._plans: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = count()

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while self._plans and self._plans[0][0] <= until:
            at, _, action = heapq.heappop(self._plans)
            self.now = max(self.now, at)
            action()
        self.now = max(self.now, until)

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        heapq.heappush(self._plans, (self.now + seconds, next(self._numbers), action))

    def every(
        self, seconds: float, action: Callable[[], object], *, until: float = float("inf")
    ) -> None:
        """Again and again, for `until` seconds from now or until the action gives False."""
        end = self.now + until

        def again() -> None:
            if self.now <= end and action() is not False:
                self.after(seconds, again)

        self.after(seconds, again)

    def jump(self, seconds: float) -> None:
        """Stand still for so long: what was planned meanwhile happens late, after it."""
        self.now += seconds

    def pass_time(self, most_seconds: float) -> None:
        """Advance to what is planned next, at most so far."""
        planned = self._plans[0][0] - self.now if self._plans else most_seconds
        self.advance(max(0.0, min(most_seconds, planned)))


class InlineWorkers:
    """Jobs run when results are asked for; with a `seed` they end in any order."""

    def __init__(
        self, clock: VirtualClock, seed: int | None = None, call_seconds: float = CALL_SECONDS
    ) -> None:
        self._clock = clock
        self._call_seconds = call_seconds
        self._jobs: deque[Job] = deque()
        self._random = None if seed is None else random.Random(seed)
        self.most_waiting = 0

    def monotonic(self) -> float:
        return self._clock.now

    def submit(self, lane: Lane, job: Job) -> None:
        self._jobs.append(job)
        self.most_waiting = max(self.most_waiting, len(self._jobs))

    def results(self, timeout_seconds: float, most: int) -> list[Fetched]:
        if not self._jobs:
            self._clock.pass_time(timeout_seconds)
            return []
        if self._random is not None:
            self._random.shuffle(self._jobs)
            most = self._random.randint(1, most)
        taken: list[Fetched] = []
        while self._jobs and len(taken) < most:
            self._clock.advance(self._call_seconds)
            taken.append(self._jobs.popleft()())
        return taken

    def beside(self, work: Callable[[], T]) -> Future[T]:
        done: Future[T] = Future()
        try:
            done.set_result(work())
        except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
            done.set_exception(error)
        return done

    def pause(self, seconds: float, stop: threading.Event) -> None:
        self._clock.advance(seconds)

    def close(self) -> None:
        self._jobs.clear()
