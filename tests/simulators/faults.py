"""What a simulated service refuses: by script (for a time, a number of times) and by rate."""

import random
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cdc.errors import CdcError, Throttled


class Clock(Protocol):
    @property
    def now(self) -> float: ...


class ServiceRefusal(CdcError):
    """An answer given word for word by `tests.simulators.service`."""

    def __init__(self, code: str, message: str = "No.", *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


@dataclass
class Fault:
    operation: str
    error: CdcError
    until: float
    times: int
    shard_id: str | None


class Faults:
    """Asked before each call. Operations have the names of the methods of `cdc.source.Source`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._faults: list[Fault] = []
        self._limits: dict[str, float] = {}
        self._share, self._weather = 0.0, random.Random(0)
        self._errors: Sequence[CdcError] = ()
        self._taken: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)

    def fail(
        self,
        operation: str,
        error: CdcError,
        *,
        seconds: float = float("inf"),
        times: int = 1 << 30,
        shard_id: str | None = None,
    ) -> None:
        """Let calls of an operation fail for a time or a number of times."""
        until = self._clock.now + seconds
        self._faults.append(Fault(operation, error, until, times, shard_id))

    def limit(self, operation: str, calls_per_second: float) -> None:
        """Throttle what exceeds a rate; for reads of shards the rate of each shard counts."""
        self._limits[operation] = calls_per_second

    def shake(self, share: float, errors: Sequence[CdcError], seed: int = 0) -> None:
        """Let this share of all calls fail, at random."""
        self._share, self._errors, self._weather = share, errors, random.Random(seed)

    def heal(self) -> None:
        """No fault and no limit any more."""
        self._faults = []
        self._limits = {}
        self._share = 0.0

    def check(self, operation: str, shard_id: str) -> None:
        for fault in self._faults:
            fits = fault.operation == operation and fault.shard_id in (None, shard_id)
            if fits and fault.times > 0 and self._clock.now < fault.until:
                fault.times -= 1
                raise fault.error
        if self._share and self._weather.random() < self._share:
            raise self._weather.choice(self._errors)
        if operation in self._limits:
            self._count(operation, shard_id)

    def _count(self, operation: str, shard_id: str) -> None:
        taken, now = self._taken[operation, shard_id], self._clock.now
        while taken and taken[0] <= now - 1.0:
            taken.popleft()
        if len(taken) >= self._limits[operation]:
            raise Throttled("Rate exceeded")
        taken.append(now)
