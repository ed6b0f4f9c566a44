"""When the stream is listed, and which part of it.

A shard that was read to its end wants its children: at once, then after 0.1 s doubling up to 1 s,
ten times, and each minute after that. One or two such shards are asked for one by one, by the
service's filter; for more, one listing of what is newer costs less. The full listing finds what
both missed and what is gone: each minute, and where it takes many calls, a fiftieth of the time.

The calls themselves keep to a budget where they are made (`cdc.listing`). Pure: times are those of
one monotonic clock, seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from cdc.backoff import delay_seconds

FULL_LISTING_SECONDS = 60.0
LISTING_PAUSE_SECONDS = 0.2
CHILD_SEARCHES = 10
FEW_DRAINED = 2
OVERDUE_SECONDS = 300.0
_FULL_LISTING_SHARE = 50


class Ask(NamedTuple):
    """A listing to make. `shard_id`: whose children, or behind which shard."""

    kind: Literal["full", "newer", "children"]
    shard_id: str = ""


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
    failures: int = 0
    _began_at: float = 0.0
    _full_seconds: float = 0.0
    _searches: dict[str, _Search] = field(default_factory=dict)

    def due(self, now: float, drained: tuple[str, ...]) -> Ask | None:
        """The listing that is to be made now; the shard of "newer" is for others to choose."""
        self._follow(now, drained)
        if now < self.allowed_at:
            return None
        if now >= self.full_at:
            return Ask("full")
        wanted = [entry for entry in self._searches.items() if entry[1].next_at <= now]
        if len(wanted) > FEW_DRAINED:
            return Ask("newer")
        if not wanted:
            return None
        shard_id, search = min(wanted, key=lambda entry: entry[1].next_at)
        # The filter has said nothing ten times: a listing may know more.
        return Ask("newer") if search.tries >= CHILD_SEARCHES else Ask("children", shard_id)

    def next_at(self, drained: tuple[str, ...]) -> float:
        """The earliest time at which `due` can give something."""
        known = [self._searches[shard].next_at for shard in drained if shard in self._searches]
        is_news = len(known) < len(drained)
        return max(self.allowed_at, 0.0 if is_news else min([self.full_at, *known]))

    def begin(self, ask: Ask, now: float) -> None:
        """A listing was started."""
        self._began_at = now
        self.allowed_at = now + LISTING_PAUSE_SECONDS
        for shard_id in [ask.shard_id] if ask.kind == "children" else list(self._searches):
            search = self._searches.get(shard_id)
            if search is not None:
                search.tries += 1
                search.next_at = now + _pause_seconds(search.tries)

    def succeeded(self, ask: Ask, now: float) -> None:
        """The listing answered, whole."""
        self.failures = 0
        if ask.kind == "full":
            seconds = self._full_seconds + now - self._began_at
            self._full_seconds = 0.0
            self.full_at = now + max(FULL_LISTING_SECONDS, _FULL_LISTING_SHARE * seconds)

    def cut_short(self, now: float) -> None:
        """The full listing answered in part: the rest is due next."""
        self.failures = 0
        self._full_seconds += now - self._began_at
        self.full_at = now

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


def _pause_seconds(tries: int) -> float:
    if tries >= CHILD_SEARCHES:
        return FULL_LISTING_SECONDS
    return delay_seconds(tries, 0.0, most_seconds=1.0)
