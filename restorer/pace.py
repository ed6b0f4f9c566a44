"""How many reads are under way at once, told by what came of it. Pure.

More are tried as long as more arrives; what brings nothing is taken back, and tried again later,
because links change. A store that says that it is asked too much gets half.
"""

from __future__ import annotations

_FIRST = 4
_STEP = 2
_LEAST_SECONDS = 0.5
_GAIN = 1.1
# Measurements until more is tried again.
_REST = 10


class Pace:
    """`limit` is what may be under way. Times are of one monotonic clock, seconds."""

    def __init__(self, most: int, now: float) -> None:
        self.limit = min(_FIRST, most)
        self._most = most
        self._began = now
        self._bytes = self._reads = 0
        self._best = 0.0  # bytes a second
        self._best_limit = self.limit
        self._rest = 0

    def arrived(self, size: int, now: float) -> None:
        """A read is over. A measurement needs as many of them as are under way, and some time."""
        self._bytes += size
        self._reads += 1
        seconds = now - self._began
        if self._reads >= self.limit and seconds >= _LEAST_SECONDS:
            self._judge(self._bytes / seconds)
            self._restart(now)

    def refused(self, now: float) -> None:
        """The store wants less."""
        self.limit = self._best_limit = max(1, self.limit // 2)
        self._best, self._rest = 0.0, _REST
        self._restart(now)

    def _judge(self, rate: float) -> None:
        if self._rest:
            self._rest -= 1
            self._best = max(self._best, rate) if self._rest else 0.0
            return
        if rate > self._best * _GAIN:
            self._best, self._best_limit = rate, self.limit
            self.limit = min(self._most, self.limit + _STEP)
        else:
            self.limit, self._rest = self._best_limit, _REST

    def _restart(self, now: float) -> None:
        self._began, self._bytes, self._reads = now, 0, 0
