"""A DynamoDB table with its stream, in memory and on a virtual clock, behind `cdc.source.Source`.

It does what no emulator does: splits and rollovers on command, listings that are late or
incomplete, empty pages before data, expiry, trimming, faults of one shard. Answers are wire JSON.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import md5
from itertools import count
from typing import Any

from cdc.errors import CdcError, IteratorExpired, ShardNotFound, StreamDisabled, Trimmed
from cdc.keys import KeyAttribute, KeySchema
from cdc.position import After, At, FromStart, Position, sequence_order
from cdc.source import ListedShard, RawPage, ShardListing, SourceDescription
from tests.simulators.clock import VirtualClock

RETENTION_SECONDS = 24 * 3600.0
ITERATOR_SECONDS = 15 * 60.0
SPACE = 1 << 16
KEYS = KeySchema(KeyAttribute("id", "S"))
TypedItem = dict[str, dict[str, Any]]


@dataclass
class Record:
    sequence: str
    created: float
    visible_at: float
    wire: dict[str, Any]


@dataclass
class SimulatedShard:
    shard_id: str
    parent_id: str | None
    low: int
    high: int
    listed_from: float
    records: list[Record] = field(default_factory=list)
    closed_at: float | None = None


@dataclass
class Fault:
    operation: str
    error: CdcError
    until: float
    times: int
    shard_id: str | None


def place(key: str) -> int:
    return int.from_bytes(md5(key.encode(), usedforsecurity=False).digest()[:2], "big")


class SimulatedTable:
    """Write through `put` and `delete`; read through it as a `Source`."""

    def __init__(self, clock: VirtualClock, *, shards: int = 1, name: str = "routes") -> None:
        self.clock = clock
        self.name = name
        self.items: dict[str, TypedItem] = {}
        self.history: dict[str, list[tuple[float, TypedItem | None]]] = {}
        self.calls: list[tuple[str, str]] = []
        self.page_records = 1_000
        self.scan_page_items = 100
        self.empty_pages = 0
        self.child_listed_after = 0.0
        self.propagation_seconds = 0.0
        self.distort: Callable[[list[ListedShard]], list[ListedShard]] = lambda shards: shards
        self.on_scan: Callable[[], object] = lambda: None
        self._faults: list[Fault] = []
        self._sequences = count(99_999_999_999_999_999_950)  # grows from 20 digits to 21
        self._numbers = count(1)
        self.table_id = ""
        self.stream_arn = ""
        self.is_enabled = True
        self.shards: dict[str, SimulatedShard] = {}
        self._of_all_streams: dict[str, SimulatedShard] = {}
        self._begin(shards)

    # ------------------------------------------------------------ the table's side

    def put(self, key: str, **values: object) -> None:
        item: TypedItem = {"id": {"S": key}}
        item |= {
            name: {"N": str(value)} if isinstance(value, int | float) else {"S": str(value)}
            for name, value in values.items()
        }
        old = self.items.get(key)
        if old == item:
            return
        self.items[key] = item
        self._record("MODIFY" if old else "INSERT", key, item)

    def delete(self, key: str, *, ttl: bool = False) -> None:
        if self.items.pop(key, None) is not None:
            self._record("REMOVE", key, None, ttl=ttl)

    def rollover(self) -> None:
        """Close every open shard; one child each goes on."""
        for shard in self.open_shards():
            self._close(shard, ((shard.low, shard.high),))

    def split(self, shard_id: str) -> None:
        """Close one shard; two children share its keys."""
        shard = self.shards[shard_id]
        middle = (shard.low + shard.high) // 2
        self._close(shard, ((shard.low, middle), (middle, shard.high)))

    def disable(self) -> None:
        self.is_enabled = False
        for shard in self.open_shards():
            shard.closed_at = self.clock.now

    def recreate(self) -> None:
        """The same name, another table."""
        self.items = {}
        self.is_enabled = True
        self._begin(1)

    def open_shards(self) -> list[SimulatedShard]:
        return [shard for shard in self.shards.values() if shard.closed_at is None]

    def fail(
        self,
        operation: str,
        error: CdcError,
        *,
        seconds: float = float("inf"),
        times: int = 1 << 30,
        shard_id: str | None = None,
    ) -> None:
        """Let calls of an operation (a method's name) fail for a time or a number of times."""
        until = self.clock.now + seconds
        self._faults.append(Fault(operation, error, until, times, shard_id))

    def heal(self) -> None:
        self._faults = []

    # ------------------------------------------------------------ Source

    def now(self) -> float:
        return self.clock.now

    def describe(self) -> SourceDescription:
        self._call("describe")
        if not self.is_enabled:
            raise StreamDisabled(f"{self.name} has no enabled stream")
        return SourceDescription(
            self.name,
            self.table_id,
            self.stream_arn,
            "NEW_IMAGE",
            KEYS,
            len(self.items),
            0,
            RETENTION_SECONDS,
        )

    def list_shards(self) -> ShardListing:
        self._call("list_shards")
        return self._listing(self._listed(), is_complete=True)

    def list_children(self, parent_id: str) -> ShardListing:
        self._call("list_children", parent_id)
        children = [shard for shard in self._listed() if shard.parent_id == parent_id]
        return self._listing(children, is_complete=False)

    def open_iterator(self, shard_id: str, position: Position) -> str:
        self._call("open_iterator", shard_id)
        shard = self.shards.get(shard_id)
        if shard is None or self._is_gone(shard):
            raise ShardNotFound(f"Shard {shard_id} does not exist")
        return self._iterator(shard_id, self._index_of(shard, position), self.empty_pages)

    def get_records(self, iterator: str) -> RawPage:
        shard_id, start, issued, walk = iterator.split("|")
        self._call("get_records", shard_id)
        now = self.clock.now
        if now - float(issued) > ITERATOR_SECONDS:
            raise IteratorExpired("Iterator expired")
        shard, index = self._of_all_streams[shard_id], int(start)
        if self._is_gone(shard):
            raise ShardNotFound(f"Shard {shard_id} does not exist")
        if int(walk):
            return self._page([], self._iterator(shard_id, index, int(walk) - 1))
        page = [
            record
            for record in shard.records[index : index + self.page_records]
            if record.visible_at <= now
        ]
        if page and page[0].created < self._horizon():
            raise Trimmed("The operation tried to read past the oldest stream record")
        index += len(page)
        is_over = shard.closed_at is not None and index == len(shard.records)
        return self._page(page, None if is_over else self._iterator(shard_id, index, 0))

    def scan(self, segment: int, total_segments: int, start_key: str | None) -> RawPage:
        self._call("scan", str(segment))
        self.on_scan()
        start = (-1, "")
        if start_key is not None:
            key = json.loads(start_key)["id"]["S"]
            start = (place(key), key)
        mine = sorted(
            (place(key), key) for key in self.items if place(key) % total_segments == segment
        )
        rest = [key for rank, key in mine if (rank, key) > start]
        page = rest[: self.scan_page_items]
        answer: dict[str, Any] = {"Items": [self.items[key] for key in page], "Count": len(page)}
        if len(rest) > len(page):
            answer["LastEvaluatedKey"] = {"id": {"S": page[-1]}}
        return RawPage(json.dumps(answer).encode(), self.clock.now)

    # ------------------------------------------------------------ inside

    def _begin(self, shards: int) -> None:
        number = next(self._numbers)
        self.table_id = f"table-{number}"
        self.stream_arn = f"arn:aws:dynamodb:::table/{self.name}/stream/{number}"
        self.shards = {}
        for index in range(shards):
            low, high = index * SPACE // shards, (index + 1) * SPACE // shards
            self._add(None, low, high, self.clock.now)

    def _add(self, parent_id: str | None, low: int, high: int, listed_from: float) -> None:
        number = next(self._numbers)
        shard_id = f"shardId-{int(self.clock.now * 1000):020d}-{number:06x}"
        shard = SimulatedShard(shard_id, parent_id, low, high, listed_from)
        self.shards[shard_id] = self._of_all_streams[shard_id] = shard

    def _close(self, shard: SimulatedShard, ranges: tuple[tuple[int, int], ...]) -> None:
        shard.closed_at = self.clock.now
        for low, high in ranges:
            self._add(shard.shard_id, low, high, self.clock.now + self.child_listed_after)

    def _record(self, event: str, key: str, item: TypedItem | None, *, ttl: bool = False) -> None:
        self.history.setdefault(key, []).append((self.clock.now, item))
        if not self.is_enabled:
            return
        now, sequence = self.clock.now, str(next(self._sequences))
        change = {
            "ApproximateCreationDateTime": float(int(now)),
            "Keys": {"id": {"S": key}},
            "SequenceNumber": sequence,
            "StreamViewType": "NEW_IMAGE",
        }
        if item is not None:
            change["NewImage"] = item
        wire: dict[str, Any] = {"eventName": event, "eventVersion": "1.1", "dynamodb": change}
        if ttl:
            wire["userIdentity"] = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
        shard = next(s for s in self.open_shards() if s.low <= place(key) < s.high)
        shard.records.append(
            Record(sequence, float(int(now)), now + self.propagation_seconds, wire)
        )

    def _call(self, operation: str, shard_id: str = "") -> None:
        self.calls.append((operation, shard_id))
        for fault in self._faults:
            fits = fault.operation == operation and fault.shard_id in (None, shard_id)
            if fits and fault.times > 0 and self.clock.now < fault.until:
                fault.times -= 1
                raise type(fault.error)(*fault.error.args)

    def _horizon(self) -> float:
        return self.clock.now - RETENTION_SECONDS

    def _is_gone(self, shard: SimulatedShard) -> bool:
        return shard.closed_at is not None and shard.closed_at < self._horizon()

    def _listed(self) -> list[ListedShard]:
        return self.distort(
            [
                ListedShard(shard.shard_id, shard.parent_id, shard.closed_at is not None)
                for shard in self.shards.values()
                if shard.listed_from <= self.clock.now and not self._is_gone(shard)
            ]
        )

    def _listing(self, shards: list[ListedShard], *, is_complete: bool) -> ShardListing:
        return ShardListing(tuple(shards), is_complete, self.is_enabled, self.clock.now)

    def _iterator(self, shard_id: str, index: int, walk: int) -> str:
        return f"{shard_id}|{index}|{self.clock.now}|{walk}"

    def _index_of(self, shard: SimulatedShard, position: Position) -> int:
        oldest = sum(record.created < self._horizon() for record in shard.records)
        match position:
            case FromStart():
                return oldest
            case At(sequence) | After(sequence):
                before = [
                    sequence_order(r.sequence) <= sequence_order(sequence) for r in shard.records
                ]
                index = sum(before) - isinstance(position, At)
                if sum(before) <= oldest and oldest:
                    raise Trimmed("The operation tried to read past the oldest stream record")
                return index
            case _:
                raise AssertionError("a finished shard is not opened")

    def _page(self, records: list[Record], following: str | None) -> RawPage:
        answer: dict[str, Any] = {"Records": [record.wire for record in records]}
        if following is not None:
            answer["NextShardIterator"] = following
        return RawPage(json.dumps(answer).encode(), self.clock.now)
