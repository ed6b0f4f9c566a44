"""The reads of a fetch, handed out to threads: fresh ones, repeated ones, and second tries.

A read that takes much longer than the others is asked for once more by a thread that has nothing
else to do; whichever answer comes first counts, and nobody waits for the other: a connection that
hangs or trickles costs a second request, not the restore. A store that refuses is left alone for a
random while, by this read at first and by half of the others too. What is under way, or waits to be
written, is bounded in bytes.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from restorer.pace import Pace
from restorer.plan import RangedRead
from snapshotter.errors import StoreUnreachable

MOST_BYTES = 48 * 1024 * 1024
SPARE = 2  # threads for second tries alone
_TRIES = 3
_PAUSE_SECONDS = 0.25
_POLL_SECONDS = 0.1
_KNOWN = 3


@dataclass(frozen=True, slots=True)
class Patience:
    """When a read is late: `factor` times what reads take, never before `least_seconds`.

    `unknown_seconds`: while too few have arrived to tell.
    """

    factor: float = 4.0
    least_seconds: float = 2.0
    unknown_seconds: float = 15.0


@dataclass(slots=True, eq=False)
class Job:
    """One read until it is written. `under_way`: tries that have not ended."""

    read: RangedRead
    started: float
    under_way: int = 1
    failures: int = 0
    has_arrived: bool = False
    not_before: float = field(default=0.0)


class Line:
    """Shared by the threads of one fetch; `most`: fresh reads at once."""

    def __init__(self, reads: Iterator[RangedRead], most: int, patience: Patience) -> None:
        self._reads = reads
        self._patience = patience
        self._pace = Pace(most, time.monotonic())
        self._changed = threading.Condition()
        self._jobs: list[Job] = []
        self._again: list[Job] = []
        self._lately: deque[float] = deque(maxlen=16)
        self._writing = 0
        self._is_exhausted = self._is_stopped = self._is_settled = False
        self._error: BaseException | None = None

    def next(self) -> Job | None:
        """Something to fetch, when there is; None at the end."""
        with self._changed:
            while not self._is_stopped:
                try:
                    job = self._repeated() or self._fresh() or self._late()
                except BaseException as error:  # noqa: BLE001 - of the map; raised by `wait`
                    self._end(error)
                    return None
                if job is not None:
                    return job
                if self._is_exhausted and not self._jobs:
                    self._changed.notify_all()
                    return None
                self._changed.wait(_POLL_SECONDS)
            return None

    def pause(self, job: Job, until: float) -> None:
        """Wait with this read; it counts as begun then."""
        with self._changed:
            job.started = until
            while not self._is_stopped and (seconds := until - time.monotonic()) > 0:
                self._changed.wait(seconds)

    def arrived(self, job: Job, seconds: float) -> bool:
        """True if this answer counts: then it is to be written, and `written` called."""
        with self._changed:
            job.under_way -= 1
            if job.has_arrived or self._is_settled:
                return False
            job.has_arrived = True
            self._lately.append(seconds)
            self._pace.arrived(job.read.length, time.monotonic())
            self._writing += 1
            return True

    def written(self, job: Job) -> None:
        """The job is over, well or by an error."""
        with self._changed:
            self._writing -= 1
            self._jobs.remove(job)
            self._changed.notify_all()

    def failed(self, job: Job, error: StoreUnreachable) -> None:
        """A try ended without an answer; the job is repeated, or this is the end."""
        with self._changed:
            job.under_way -= 1
            self._changed.notify_all()
            if job.has_arrived or self._is_stopped:
                return
            now = time.monotonic()
            job.failures += 1
            self._pace.refused(now)
            if job.failures >= _TRIES:
                self._end(error)
            elif not job.under_way:
                pause = random.uniform(0, _PAUSE_SECONDS * 2**job.failures)  # noqa: S311
                job.not_before = now + pause
                self._again.append(job)

    def gave_up(self, job: Job, error: BaseException) -> None:
        """A try ended with what no repetition helps against."""
        with self._changed:
            job.under_way -= 1
            self._end(error)

    def stop(self, error: BaseException | None = None) -> None:
        """Hand out nothing more; the first error is the one that counts."""
        with self._changed:
            self._end(error)

    def wait(self) -> None:
        """Until everything is written, or what was under way at an error. Raises the error."""
        with self._changed:
            while not (self._is_stopped or (self._is_exhausted and not self._jobs)):
                self._changed.wait(_POLL_SECONDS)
            if self._error is not None:
                while self._is_worth_waiting():
                    self._changed.wait(_POLL_SECONDS)
                raise self._error

    def settle(self) -> None:
        """Stop, and wait until nobody writes any more."""
        with self._changed:
            self._end(None)
            self._is_settled = True
            while self._writing:
                self._changed.wait(_POLL_SECONDS)

    # ------------------------------------------------------------ with the lock held

    def _repeated(self) -> Job | None:
        now = time.monotonic()
        for job in self._again:
            if job.not_before <= now:
                self._again.remove(job)
                job.started, job.under_way = now, 1
                return job
        return None

    def _fresh(self) -> Job | None:
        waiting = sum(not job.has_arrived for job in self._jobs)
        held = sum(job.read.length for job in self._jobs)
        is_full = waiting >= self._pace.limit or held >= MOST_BYTES
        if self._is_exhausted or (self._jobs and is_full):
            return None
        read = next(self._reads, None)
        if read is None:
            self._is_exhausted = True
            return None
        job = Job(read, time.monotonic())
        self._jobs.append(job)
        return job

    def _late(self) -> Job | None:
        tries = sum(job.under_way > 1 for job in self._jobs)
        if tries >= SPARE or not self._jobs:
            return None
        most, now = self._late_after(), time.monotonic()
        for job in self._jobs:
            if job.under_way == 1 and not job.has_arrived and now - job.started > most:
                job.under_way = 2
                return job
        return None

    def _is_worth_waiting(self) -> bool:
        """True while something is under way that is not late: the next restore has it then."""
        now, most = time.monotonic(), self._late_after()
        return any(
            job.under_way and not job.has_arrived and 0 <= now - job.started <= most
            for job in self._jobs
        )

    def _late_after(self) -> float:
        patience = self._patience
        if len(self._lately) < _KNOWN:
            return patience.unknown_seconds
        return max(patience.least_seconds, patience.factor * median(self._lately))

    def _end(self, error: BaseException | None) -> None:
        if not self._is_stopped:
            self._error = error
        self._is_stopped = True
        self._changed.notify_all()
