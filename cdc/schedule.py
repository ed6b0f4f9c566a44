"""Which shard is polled next, and when: the call rates of reading. Pure.

A shard is asked again at once after a full page, within the service's five calls a second; after
`poll_seconds` if there may be more soon; one that is proven at its tip doubles its pause up to
three quarters of a second. So a write to an idle table is seen within a second.

All but full pages share `most_calls_per_second`: where there are too many shards for it, the pauses
grow, those of idle shards first. Idle shards keep a fifth of it, however many others there are.

Of the shards that are due, the one is next whose unread records may be the oldest: it makes the lag
of the whole and is nearest to the horizon. Each fourth turn goes to the one that waits longest, so
that a backlog of hours stops nobody. One call for each shard is under way at a time.

Times are those of one monotonic clock, seconds; ages are service time.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from cdc.backoff import delay_seconds

IDLE_SECONDS = 0.75
_IDLE_SHARE = 0.2
_TURNS = 4


@dataclass(slots=True)
class _Pace:
    """`next_at` is None while a call is under way. `since`: age of what is unread."""

    next_at: float | None
    since: float
    idle_seconds: float = 0.0
    failures: int = 0


class Schedule:
    """The shards that are read, and the turns of each."""

    def __init__(
        self, *, poll_seconds: float, shard_calls_per_second: float, most_calls_per_second: float
    ) -> None:
        self._poll_seconds = poll_seconds
        self._least_seconds = 1 / shard_calls_per_second
        self._most_calls = most_calls_per_second
        self._paces: dict[str, _Pace] = {}
        self._idle = 0
        self._timers: list[tuple[float, str]] = []
        self._by_age: list[tuple[float, float, str]] = []
        self._by_wait: list[tuple[float, str]] = []
        self._turn = 0

    def __contains__(self, shard_id: str) -> bool:
        return shard_id in self._paces

    def add(self, shard_id: str, now: float, since: float | None) -> None:
        """A shard to be read, from now on."""
        self._paces[shard_id] = _Pace(None, 0.0)
        self._set(shard_id, now, since)

    def drop(self, shard_id: str) -> None:
        """A shard that was read to its end."""
        self._count(self._paces.pop(shard_id), 0.0)

    def take_due(self, now: float) -> str | None:
        """The shard whose turn it is, None if none is due; its call counts as begun."""
        while self._timers and self._timers[0][0] <= now:
            at, shard_id = heapq.heappop(self._timers)
            pace = self._paces.get(shard_id)
            if pace is not None and pace.next_at == at:
                heapq.heappush(self._by_age, (pace.since, at, shard_id))
                heapq.heappush(self._by_wait, (at, shard_id))
        is_long_waiting = self._turn % _TURNS == _TURNS - 1
        while self._by_age if not is_long_waiting else self._by_wait:
            if is_long_waiting:
                at, shard_id = heapq.heappop(self._by_wait)
            else:
                _, at, shard_id = heapq.heappop(self._by_age)
            pace = self._paces.get(shard_id)
            if pace is not None and pace.next_at == at:
                pace.next_at = None
                self._turn += 1
                return shard_id
        return None

    def next_at(self) -> float:
        """The earliest time at which a shard is due; 0 if one waits."""
        while self._by_wait and not self._is_waiting(*self._by_wait[0]):
            heapq.heappop(self._by_wait)
        if self._by_wait:
            return 0.0
        return self._timers[0][0] if self._timers else float("inf")

    # ------------------------------------------------------------ results

    def full_page(self, shard_id: str, now: float, began_at: float, since: float | None) -> None:
        """There is more: at once. `began_at`: when the call was made."""
        self._quick(shard_id)
        self._set(shard_id, max(now, began_at + self._least_seconds), since)

    def part_page(self, shard_id: str, now: float, began_at: float, since: float | None) -> None:
        """Read up to now, or walking an empty stretch."""
        self._quick(shard_id)
        self._set(shard_id, max(now, began_at + self._part_seconds()), since)

    def idle_page(self, shard_id: str, now: float, began_at: float, since: float | None) -> None:
        """Proven at the tip, and nothing new."""
        pace = self._paces[shard_id]
        most = self._most_idle_seconds(1 if pace.idle_seconds == 0 else 0)
        least = self._part_seconds()
        self._count(pace, min(max(least, 2 * pace.idle_seconds), max(most, least)))
        pace.failures = 0
        self._set(shard_id, max(now, began_at + pace.idle_seconds), since)

    def failed(
        self, shard_id: str, now: float, began_at: float, since: float | None, jitter: float
    ) -> None:
        """Refused or unreachable: this shard alone backs off."""
        pace = self._paces[shard_id]
        pace.failures += 1
        at = now + delay_seconds(pace.failures, jitter)
        self._set(shard_id, max(at, began_at + self._least_seconds), since)

    # ------------------------------------------------------------ inside

    def _part_seconds(self) -> float:
        busy = len(self._paces) - self._idle
        share = self._most_calls * (1 - _IDLE_SHARE)
        return max(self._poll_seconds, self._least_seconds, busy / share)

    def _most_idle_seconds(self, joining: int) -> float:
        idle = self._idle + joining
        busy_calls = (len(self._paces) - idle) / self._part_seconds()
        rest = max(self._most_calls * _IDLE_SHARE, self._most_calls - busy_calls)
        return max(IDLE_SECONDS, self._poll_seconds, idle / rest)

    def _quick(self, shard_id: str) -> None:
        pace = self._paces[shard_id]
        self._count(pace, 0.0)
        pace.failures = 0

    def _count(self, pace: _Pace, idle_seconds: float) -> None:
        self._idle += (idle_seconds > 0) - (pace.idle_seconds > 0)
        pace.idle_seconds = idle_seconds

    def _set(self, shard_id: str, at: float, since: float | None) -> None:
        pace = self._paces[shard_id]
        pace.next_at, pace.since = at, 0.0 if since is None else since
        heapq.heappush(self._timers, (at, shard_id))

    def _is_waiting(self, at: float, shard_id: str) -> bool:
        pace = self._paces.get(shard_id)
        return pace is not None and pace.next_at == at
