"""Reading a stream: submits what is due, and takes results into the graph and the pending batch.

The graph decides from where, the schedule decides when, the source answers on threads; this module
only moves values between them. One call per shard is under way at a time, the next begins after its
page was taken. Pages that may come and pages that wait for their commit are bounded together, by
bytes, so memory is bounded whatever the number of shards, and a slow commit slows reading. A page
enters the pending batch and the graph in the same breath: the positions of the graph are what the
next commit covers. Used by the loop's thread only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from cdc.backoff import Reaction, reaction
from cdc.capture_status import CaptureSettings
from cdc.checkpoint import unread_since
from cdc.decode import ShardRecords
from cdc.errors import CdcError, PositionLost, ShardNotFound, StreamDisabled, Trimmed
from cdc.graph import ShardGraph
from cdc.lineage import State
from cdc.lineage_events import (
    EndReached,
    IteratorLost,
    IteratorOpened,
    PageRead,
    PositionRefused,
    ShardRefused,
    TimePassed,
)
from cdc.pace import Ask, Discovery
from cdc.polling import PageFetched, ShardsFetched, Workers, list_shards, poll
from cdc.position import FromStart, sequence_order
from cdc.records import RecordPage, StreamRecord
from cdc.schedule import Schedule
from cdc.source import ShardListing, Source
from cdc.troubles import Troubles

FULL_PAGE_RECORDS = 1_000
FULL_PAGE_BYTES = 900_000  # a page ends before the record that would exceed 1 MB
_PAGE_BYTES = 1024 * 1024
_MOST_LISTING_SECONDS = 300.0  # a listing that was begun earlier is begun anew


class StreamReader:
    """The shards of one stream, being read."""

    def __init__(
        self,
        source: Source,
        graph: ShardGraph,
        workers: Workers,
        troubles: Troubles,
        settings: CaptureSettings,
        jitter: Callable[[], float],
    ) -> None:
        self.graph = graph
        self.discovery = Discovery()
        self.empty_polls = 0
        self.iterator_refreshes = 0
        self._source = source
        self._workers = workers
        self._troubles = troubles
        self._settings = settings
        self._jitter = jitter
        self._iterators: dict[str, str] = {}
        self._schedule = Schedule(
            poll_seconds=settings.poll_interval_seconds,
            shard_calls_per_second=settings.shard_calls_per_second,
            most_calls_per_second=settings.max_calls_per_second,
        )
        self._pending: list[ShardRecords] = []
        self.pending_bytes = 0
        self._in_flight = 0
        self._largest_page = _PAGE_BYTES
        self._is_listing = False
        self._begun: ShardListing | None = None

    # ------------------------------------------------------------ what to do next

    def submit_due(self, now: float) -> None:
        """Start every call that is due and fits into the byte budget."""
        if not self._is_listing:
            self._submit_listing(now)
        self._begin_new_shards(now)
        while self._has_room():
            shard_id = self._schedule.take_due(now)
            if shard_id is None:
                return
            self._submit(shard_id)

    def next_at(self) -> float:
        """The earliest time at which a call is due."""
        first = self._schedule.next_at() if self._has_room() else float("inf")
        if self._is_listing:
            return first
        return min(first, self.discovery.next_at(self.graph.drained()))

    def take_pending(self) -> list[ShardRecords]:
        """The pages handed over since the last commit, in the order of reading."""
        pending, self._pending = self._pending, []
        self.pending_bytes = 0
        return pending

    # ------------------------------------------------------------ results

    def take_listing(self, fetched: ShardsFetched, now: float) -> None:
        """Take in a listing, or back off. Raises what cannot be waited out."""
        self._is_listing = False
        if fetched.error is not None:
            self._troubles.failed("listing", fetched.error, self._source.now())
            # A disabled stream is forgotten a day later: what was read to its end stays good.
            is_over = isinstance(fetched.error, StreamDisabled) and self.graph.is_over()
            if not is_over and reaction(fetched.error) not in (Reaction.RETRY, Reaction.PERSIST):
                raise fetched.error
            self.discovery.failed(now, self._jitter())
            return
        self._troubles.succeeded("listing")
        if fetched.listing is not None:
            self._take_shards(fetched.ask, fetched.listing, now)
        self.check_losses()

    def take_page(self, fetched: PageFetched, now: float) -> None:
        """Hand a page over to the pending batch, or react to its error."""
        self._in_flight -= 1
        shard_id = fetched.shard_id
        if fetched.iterator is not None and self.graph[shard_id].state is State.READY:
            self.graph.handle(IteratorOpened(shard_id))
            self._iterators[shard_id] = fetched.iterator
        if fetched.error is not None or fetched.page is None:
            if fetched.error is not None:
                self._take_error(shard_id, fetched.error, fetched.began_at, now)
            return
        self._troubles.succeeded(f"shard:{shard_id}")
        page, requested_at = fetched.page, fetched.requested_at
        self._largest_page = max(self._largest_page, fetched.size_bytes)
        self._hand_over(shard_id, page, fetched.size_bytes, requested_at)
        if page.next_iterator is None:
            self.graph.handle(EndReached(shard_id, requested_at))
            del self._iterators[shard_id]
            self._schedule.drop(shard_id)
            return
        self._iterators[shard_id] = page.next_iterator
        self._schedule_next(fetched, page, now)

    def advance(self, service_now: float) -> None:
        """Move service time on. Raises Trimmed if a shard became unreadable."""
        self.graph.advance(service_now)
        self.check_losses()

    def check_losses(self) -> None:
        """Raise Trimmed if a shard's position was lost."""
        losses = self.graph.losses()
        if losses:
            first = losses[0]
            more = f" (and {len(losses) - 1} more shards)" if len(losses) > 1 else ""
            position = first.progress.position
            raise Trimmed(f"shard {first.progress.shard_id} at {position}: {first.reason}{more}")

    # ------------------------------------------------------------ inside

    def _has_room(self) -> bool:
        """True if one page more fits, were each call under way to bring the largest one seen."""
        if not self._in_flight and not self._pending:
            return True
        expected = (self._in_flight + 1) * self._largest_page
        return expected + self.pending_bytes <= self._settings.in_flight_bytes

    def _submit_listing(self, now: float) -> None:
        ask = self.discovery.due(now, self.graph.drained())
        if ask is None:
            return
        if ask.kind == "newer":
            newer_than = self.graph.older_than_children()
            ask = Ask("newer", newer_than) if newer_than else Ask("full")
        self._is_listing = True
        self.discovery.begin(ask, now)
        begun = self._begun if ask.kind == "full" else None
        self._workers.submit("stream", partial(list_shards, self._source, ask, begun))

    def _take_shards(self, ask: Ask, listing: ShardListing, now: float) -> None:
        self.graph.listed(listing)
        if ask.kind == "full":
            is_cut = listing.last_id is not None
            is_old = self._source.now() - listing.listed_at > _MOST_LISTING_SECONDS
            self._begun = listing if is_cut and not is_old else None
            if is_cut:
                self.discovery.cut_short(now)
                return
        self.discovery.succeeded(ask, now)
        is_mute = ask.kind == "newer" and not listing.shards
        if is_mute or (ask.kind != "full" and not listing.stream_is_enabled):
            self.discovery.full_at = now  # only a full listing ends a disabled stream

    def _begin_new_shards(self, now: float) -> None:
        for shard_id, _ in self.graph.openings():
            if shard_id not in self._schedule:
                self._schedule.add(shard_id, now, self._since(shard_id))

    def _submit(self, shard_id: str) -> None:
        iterator = self._iterators.get(shard_id)
        position = self.graph[shard_id].opening_position
        self._in_flight += 1
        clock = self._workers.monotonic
        self._workers.submit(
            "stream", partial(poll, self._source, shard_id, iterator, position, clock)
        )

    def _since(self, shard_id: str) -> float | None:
        return unread_since(self.graph[shard_id].progress)

    def _schedule_next(self, fetched: PageFetched, page: RecordPage, now: float) -> None:
        shard_id, records = fetched.shard_id, len(page.records)
        is_full = records >= FULL_PAGE_RECORDS or fetched.size_bytes >= FULL_PAGE_BYTES
        if is_full if page.has_more is None else page.has_more:
            plan = self._schedule.full_page
        elif records or page.last or self.graph[shard_id].tip.tip_at is None:
            plan = self._schedule.part_page
        else:
            plan = self._schedule.idle_page
        rest = page.rest_seconds - 1 / self._settings.shard_calls_per_second
        plan(shard_id, now, fetched.began_at + max(0.0, rest), self._since(shard_id))

    def _hand_over(
        self, shard_id: str, page: RecordPage, size_bytes: int, requested_at: float
    ) -> None:
        read = page.records
        wanted = self._wanted(shard_id, read)
        newest = (wanted[-1].sequence, wanted[-1].created) if wanted else None
        if page.last is not None:  # what is not for us is read, too
            is_behind = sequence_order(page.last[0]) >= self.graph.first_wanted(shard_id)
            newest = page.last if is_behind else None
        is_empty = not read and page.last is None
        self.empty_polls += is_empty
        self.graph.handle(
            PageRead(
                shard_id,
                requested_at,
                is_empty=is_empty and not page.has_more,
                last_sequence=newest[0] if newest else None,
                newest_created=newest[1] if newest else None,
            )
        )
        if wanted:
            self._pending.append(ShardRecords(shard_id, wanted))
            self.pending_bytes += size_bytes

    def _wanted(self, shard_id: str, read: list[StreamRecord]) -> list[StreamRecord]:
        """Records that are not known already and that the scan is not sure to see."""
        if not read:
            return read
        position = self.graph[shard_id].progress.position
        if isinstance(position, FromStart):
            skip_before = position.skip_before
            if skip_before is None or read[0].created >= skip_before:
                return read
            return [record for record in read if record.created >= skip_before]
        first = self.graph.first_wanted(shard_id)
        if sequence_order(read[0].sequence) >= first:
            return read
        return [record for record in read if sequence_order(record.sequence) >= first]

    def _take_error(self, shard_id: str, error: CdcError, began_at: float, now: float) -> None:
        service_now = self._source.now()
        self._troubles.failed(f"shard:{shard_id}", error, service_now)
        match reaction(error):
            case Reaction.STOP:
                raise error
            case Reaction.REOPEN:
                self.iterator_refreshes += 1
                self._forget_iterator(shard_id)
                self.graph.handle(IteratorLost(shard_id))
                # After a standstill: START would answer, and not say what was trimmed meanwhile.
                self.graph.handle(TimePassed(shard_id, service_now))
                self.check_losses()
            case Reaction.LOSE:
                self._forget_iterator(shard_id)
                self._refuse(shard_id, error, service_now)
            case _:
                pass  # the iterator, if there is one, is good for the next try
        self._schedule.failed(shard_id, now, began_at, self._since(shard_id), self._jitter())

    def _refuse(self, shard_id: str, error: CdcError, service_now: float) -> None:
        if isinstance(error, ShardNotFound):
            self.graph.handle(ShardRefused(shard_id))
        else:
            self.graph.handle(PositionRefused(shard_id, service_now))
        if self.graph[shard_id].state is State.LOST and isinstance(error, PositionLost):
            position = self.graph[shard_id].progress.position
            reason = self.graph[shard_id].reason
            raise type(error)(f"shard {shard_id} at {position}: {reason}: {error}")

    def _forget_iterator(self, shard_id: str) -> None:
        self._iterators.pop(shard_id, None)
