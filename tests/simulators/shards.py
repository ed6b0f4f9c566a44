"""The streams that a table has had, as forests of shards that live and die as in the service.

A shard closes by rollover, split or the end of the stream, its records are trimmed after 24 hours,
and a closed shard without records is listed no more. Everything takes the one lock of the table.
"""

import base64
import json
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import md5
from itertools import count, takewhile
from typing import Any

from cdc.errors import IteratorExpired, ShardNotFound, Trimmed
from cdc.position import After, At, FromStart, Position, sequence_order
from cdc.source import ListedShard
from tests.simulators.faults import Clock

RETENTION_SECONDS = 24 * 3600.0
ITERATOR_SECONDS = 15 * 60.0
SPACE = 1 << 16
REGION = "eu-west-1"
PAGE_BYTES = 1024 * 1024


@dataclass
class Record:
    """One change; `text` is its wire JSON."""

    sequence: str
    created: float
    visible_at: float
    text: str


@dataclass
class SimulatedShard:
    """`starting` and `ending` are sequence numbers, but of no record."""

    shard_id: str
    parent_id: str | None
    low: int
    high: int
    listed_from: float
    starting: str
    records: list[Record] = field(default_factory=list)
    closed_at: float | None = None
    ending: str | None = None
    adjacent_id: str | None = None


class MalformedIterator(Exception):
    """Not one that was given out."""


class SimulatedStreams:
    """Current and former streams of one table; the attributes below are what it can be told.

    `page_records`, `page_bytes`: most of one page. `empty_pages`: how many a new iterator walks
    before data. `child_listed_after`, `propagation_seconds`: until a new shard, a new record shows.
    `distort`: makes any listing wrong.
    """

    def __init__(self, clock: Clock, name: str) -> None:
        self.clock = clock
        self.name = name
        self.lock = threading.RLock()
        self.page_records = 1_000
        self.page_bytes = PAGE_BYTES
        self.empty_pages = 0
        self.child_listed_after = 0.0
        self.propagation_seconds = 0.0
        self.distort: Callable[[list[ListedShard]], list[ListedShard]] = lambda shards: shards
        self.stream_arn = ""
        self.is_enabled = True
        self.streams: dict[str, dict[str, SimulatedShard]] = {}
        self._sequences = count(999_999_999_999_999_999_950)  # grows from 21 digits to 22
        self._numbers = count(1)

    @property
    def shards(self) -> dict[str, SimulatedShard]:
        """Those of the current stream, gone ones included."""
        return self.streams[self.stream_arn]

    # ------------------------------------------------------------ life of shards

    def open_shards(self) -> list[SimulatedShard]:
        with self.lock:
            return [shard for shard in self.shards.values() if shard.closed_at is None]

    def rollover(self) -> None:
        """Close every open shard; one child each goes on."""
        with self.lock:
            for shard in self.open_shards():
                self._close(shard, ((shard.low, shard.high),))

    def split(self, shard_id: str) -> None:
        """Close one shard; two children share its keys."""
        with self.lock:
            shard = self.shards[shard_id]
            middle = (shard.low + shard.high) // 2
            self._close(shard, ((shard.low, middle), (middle, shard.high)))

    def merge(self, shard_id: str) -> None:
        """Close a shard and its neighbour above, if it has one: one child of both goes on.

        Streams of DynamoDB never do, those of Kinesis do.
        """
        with self.lock:
            lower = self.shards[shard_id]
            uppers = [shard for shard in self.open_shards() if shard.low == lower.high]
            if uppers:
                self._close(uppers[0], ())
                self._close(lower, ((lower.low, uppers[0].high),), uppers[0].shard_id)

    def disable(self) -> None:
        """Close the stream; what it holds stays readable."""
        with self.lock:
            self.is_enabled = False
            for shard in self.open_shards():
                self._close(shard, ())

    def begin_stream(self, shards: int = 1) -> None:
        """A new stream, with a new ARN; the one before is closed."""
        with self.lock:
            if self.stream_arn:
                self.disable()
            number = next(self._numbers)
            moment = datetime.fromtimestamp(int(self.clock.now), UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self.stream_arn = (
                f"arn:aws:dynamodb:{REGION}:123456789012:table/{self.name}"
                f"/stream/{moment}.{number:03d}"
            )
            self.streams[self.stream_arn] = {}
            self.is_enabled = True
            for index in range(shards):
                low, high = index * SPACE // shards, (index + 1) * SPACE // shards
                self._add(None, low, high, self.clock.now)

    def append(self, place: int, wire: dict[str, Any]) -> None:
        """A change of the key at a place, into the shard that is open for it."""
        now, sequence = self.clock.now, str(next(self._sequences))
        created = float(int(now))
        wire["dynamodb"] |= {"ApproximateCreationDateTime": created, "SequenceNumber": sequence}
        wire["eventID"] = md5(sequence.encode(), usedforsecurity=False).hexdigest()
        shard = next(s for s in self.open_shards() if s.low <= place < s.high)
        visible_at = now + self.propagation_seconds
        shard.records.append(Record(sequence, created, visible_at, json.dumps(wire)))

    def count_from(self, first_sequence: int) -> None:
        """Sequence numbers go on from here."""
        self._sequences = count(first_sequence)

    # ------------------------------------------------------------ reading

    def listed(self, stream_arn: str | None = None) -> list[ListedShard]:
        """What a listing of this moment says, in the order of ids, distorted."""
        shards = self.streams[stream_arn or self.stream_arn]
        return self.distort(
            [
                ListedShard(
                    shard.shard_id, shard.parent_id, shard.closed_at is not None, shard.adjacent_id
                )
                for _, shard in sorted(shards.items())
                if shard.listed_from <= self.clock.now and not self._is_gone(shard)
            ]
        )

    def iterator_at(self, stream_arn: str, shard_id: str, position: Position | None) -> str:
        """An iterator; None is for LATEST."""
        shard = self.streams.get(stream_arn, {}).get(shard_id)
        if shard is None or self._is_gone(shard):
            raise ShardNotFound(
                f"Requested resource not found: Shard does not exist in stream: {shard_id}"
            )
        return self._iterator(stream_arn, shard_id, self._index_of(shard, position), None)

    def read(self, iterator: str, limit: int = 1_000) -> tuple[list[Record], str | None]:
        """A page and the iterator of the next; None: the shard has ended."""
        stream_arn, shard_id, start, issued, walk = parse_iterator(iterator)
        now = self.clock.now
        if now - issued > ITERATOR_SECONDS:
            raise IteratorExpired("Iterator expired")
        shard = self.streams[stream_arn][shard_id]
        if self._is_gone(shard):
            raise ShardNotFound("Requested resource not found: Shard does not exist")
        if walk:
            return [], self._iterator(stream_arn, shard_id, start, walk - 1)
        most = min(limit, self.page_records)
        candidates = shard.records[start : start + most]
        page = list(takewhile(lambda record: record.visible_at <= now, candidates))
        if page and page[0].created < self._horizon():
            raise Trimmed("The operation tried to read past the oldest stream record in a shard")
        page = self._fitting(page)
        index = start + len(page)
        if shard.closed_at is not None and index == len(shard.records):
            return page, None
        return page, self._iterator(stream_arn, shard_id, index, 0)

    # ------------------------------------------------------------ inside

    def _fitting(self, page: list[Record]) -> list[Record]:
        size = 0
        for number, record in enumerate(page):
            size += len(record.text)
            if size > self.page_bytes and number:
                return page[:number]
        return page

    def _add(
        self,
        parent_id: str | None,
        low: int,
        high: int,
        listed_from: float,
        adjacent_id: str | None = None,
    ) -> None:
        number, starting = next(self._numbers), str(next(self._sequences))
        shard_id = f"shardId-{int(self.clock.now * 1000):020d}-{number:08x}"
        shard = SimulatedShard(shard_id, parent_id, low, high, listed_from, starting)
        shard.adjacent_id = adjacent_id
        self.shards[shard_id] = shard

    def _close(
        self,
        shard: SimulatedShard,
        ranges: tuple[tuple[int, int], ...],
        adjacent_id: str | None = None,
    ) -> None:
        shard.closed_at = self.clock.now
        shard.ending = str(next(self._sequences))
        for low, high in ranges:
            listed_from = self.clock.now + self.child_listed_after
            self._add(shard.shard_id, low, high, listed_from, adjacent_id)

    def _horizon(self) -> float:
        return self.clock.now - RETENTION_SECONDS

    def _is_gone(self, shard: SimulatedShard) -> bool:
        return shard.closed_at is not None and shard.closed_at < self._horizon()

    def _iterator(self, stream_arn: str, shard_id: str, index: int, walk: int | None) -> str:
        walk = self.empty_pages if walk is None else walk
        text = f"{stream_arn}|{shard_id}|{index}|{self.clock.now!r}|{walk}"
        return base64.b64encode(text.encode()).decode()

    def _index_of(self, shard: SimulatedShard, position: Position | None) -> int:
        records = shard.records
        oldest = bisect_left(records, self._horizon(), key=lambda record: record.created)
        match position:
            case None:
                now = self.clock.now
                return sum(1 for _ in takewhile(lambda r: r.visible_at <= now, records))
            case FromStart():
                return oldest
            case At(sequence) | After(sequence):
                wanted = sequence_order(sequence)
                order = [sequence_order(record.sequence) for record in records]
                behind = bisect_right(order, wanted)
                if oldest and behind <= oldest:
                    raise Trimmed(
                        "The operation tried to read past the oldest stream record in a shard"
                    )
                return behind if isinstance(position, After) else bisect_left(order, wanted)
            case _:
                raise AssertionError("a finished shard is not opened")


def parse_iterator(iterator: str) -> tuple[str, str, int, float, int]:
    """Stream, shard, index, time of issue, empty pages still to walk."""
    try:
        text = base64.b64decode(iterator, validate=True).decode()
        stream_arn, shard_id, index, issued, walk = text.split("|")
        return stream_arn, shard_id, int(index), float(issued), int(walk)
    except ValueError as error:
        raise MalformedIterator(iterator) from error
