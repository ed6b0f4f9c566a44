"""When each shard is polled next, and when the stream is listed: the call rates of capture.

Polls of a shard: at once after a full page, within the service's five calls a second; after
`poll_seconds` if there may be more soon; an idle shard, proven at its tip, doubles its pause up to
a second, or more if so many shards are idle that together they would exceed 200 calls a second.
After a failure it backs off alone. So a write to an idle table is seen within about a second.

Listings: the full one each minute, because children can be missed; the children of a drained shard
at once, then after 0.1 s doubling up to 1 s, ten times, and after that by the full listing. With
many drained shards one full listing costs less. All of them share one budget of five calls a second
(the service refuses more than ten, and other processes read the same stream). Pure: times are those
of one monotonic clock, seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cdc.backoff import delay_seconds

FULL_LISTING_SECONDS = 60.0
LISTING_PAUSE_SECONDS = 0.2
CHILD_SEARCHES = 10
MANY_DRAINED = 10
OVERDUE_SECONDS = 300.0
IDLE_SECONDS = 1.0
IDLE_CALLS_PER_SECOND = 200.0


@dataclass(slots=True)
class ShardPace:
    """When one shard is polled next; `next_at` is None while a call is under way."""

    next_at: float | None = 0.0
    requested_at: float = 0.0
    idle_seconds: float = 0.0
    failures: int = 0

    def begin(self, now: float) -> None:
        """A call was started."""
        self.next_at = None
        self.requested_at = now

    def full_page(self, now: float, least_seconds: float) -> None:
        """There is more: at once, but never faster than one call in `least_seconds`."""
        self.failures, self.idle_seconds = 0, 0.0
        self.next_at = max(now, self.requested_at + least_seconds)

    def part_page(self, now: float, poll_seconds: float) -> None:
        """Read up to now, or walking an empty stretch."""
        self.failures, self.idle_seconds = 0, 0.0
        self.next_at = max(now, self.requested_at + poll_seconds)

    def idle_page(self, now: float, poll_seconds: float, shards: int) -> None:
        """Proven at the tip, and nothing new."""
        most = max(IDLE_SECONDS, shards / IDLE_CALLS_PER_SECOND, poll_seconds)
        self.failures = 0
        self.idle_seconds = min(max(poll_seconds, 2 * self.idle_seconds), most)
        self.next_at = max(now, self.requested_at + self.idle_seconds)

    def failed(self, now: float, jitter: float) -> None:
        """Refused or unreachable."""
        self.failures += 1
        self.next_at = now + delay_seconds(self.failures, jitter)


@dataclass(slots=True)
class _Search:
    since: float
    next_at: float
    tries: int = 0


@dataclass(slots=True)
class Discovery:
    """Decides which listing is due. One listing is under way at a time."""

    full_at: float = 0.0
    allowed_at: float = 0.0
    began_at: float = 0.0
    failures: int = 0
    _searches: dict[str, _Search] = field(default_factory=dict)

    def due(self, now: float, drained: tuple[str, ...]) -> str | None:
        """A shard whose children are to be listed, "" for a full listing, None for nothing yet."""
        self._follow(now, drained)
        if now < self.allowed_at:
            return None
        if now >= self.full_at:
            return ""
        wanted = [entry for entry in self._searches.items() if self._is_due(entry[1], now)]
        if len(wanted) > MANY_DRAINED:
            return ""
        return min(wanted, key=lambda entry: entry[1].next_at)[0] if wanted else None

    def next_at(self, drained: tuple[str, ...]) -> float:
        """The earliest time at which `due` can give something."""
        known = [self._searches[shard] for shard in drained if shard in self._searches]
        times = [search.next_at for search in known if search.tries < CHILD_SEARCHES]
        is_news = len(known) < len(drained)
        return max(self.allowed_at, 0.0 if is_news else min([self.full_at, *times]))

    def begin(self, parent_id: str, now: float) -> None:
        """A listing was started; `parent_id` as `due` gave it."""
        self.began_at = now
        self.allowed_at = now + LISTING_PAUSE_SECONDS
        for shard_id in [parent_id] if parent_id else list(self._searches):
            search = self._searches.get(shard_id)
            if search is not None:
                search.tries += 1
                search.next_at = now + delay_seconds(search.tries, 0.0, most_seconds=1.0)

    def succeeded(self, parent_id: str, now: float) -> None:
        """The listing answered."""
        self.failures = 0
        if not parent_id:  # thousands of shards take many calls: a tenth of the time at most
            self.full_at = now + max(FULL_LISTING_SECONDS, 10 * (now - self.began_at))

    def failed(self, now: float, jitter: float) -> None:
        """The listing was refused."""
        self.failures += 1
        self.allowed_at = now + delay_seconds(self.failures, jitter)

    def overdue(self, now: float) -> int:
        """Shards whose children have been looked for in vain for five minutes: an alarm."""
        return sum(now - search.since >= OVERDUE_SECONDS for search in self._searches.values())

    def _follow(self, now: float, drained: tuple[str, ...]) -> None:
        for shard_id in self._searches.keys() - set(drained):
            del self._searches[shard_id]
        for shard_id in drained:
            self._searches.setdefault(shard_id, _Search(now, now))

    def _is_due(self, search: _Search, now: float) -> bool:
        return search.tries < CHILD_SEARCHES and search.next_at <= now
