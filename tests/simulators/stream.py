"""A DynamoDB table with its stream, in memory and on a virtual clock, behind `cdc.source.Source`.

It does what no emulator does: splits and rollovers on command, listings that are late or
incomplete, empty pages before data, expiry, trimming, faults of one shard. Answers are wire JSON.
`tests.simulators.service` serves the same table over HTTP to clients of the real SDK.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import md5
from typing import Any

from cdc.errors import CdcError, StreamDisabled, TableNotFound
from cdc.keys import KeyAttribute, KeySchema
from cdc.position import Position
from cdc.source import ListedShard, RawPage, ShardListing, SourceDescription
from tests.simulators.faults import Clock, Faults
from tests.simulators.shards import (
    ITERATOR_SECONDS,
    RETENTION_SECONDS,
    SPACE,
    SimulatedStreams,
    parse_iterator,
)

__all__ = ["ITERATOR_SECONDS", "KEYS", "RETENTION_SECONDS", "SPACE", "SimulatedTable", "TypedItem"]

KEYS = KeySchema(KeyAttribute("id", "S"))
SCAN_PAGE_BYTES = 1024 * 1024
TypedItem = dict[str, dict[str, Any]]
Json = dict[str, Any]


@dataclass(frozen=True)
class Served:
    """One call that was answered. `code` "": a success.

    `sequences`: of the records that went out. `keys`: of the items that went out.
    """

    at: float
    action: str
    request: Json
    code: str = ""
    shard_id: str = ""
    sequences: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


@cache
def place(key: str) -> int:
    return int.from_bytes(md5(key.encode(), usedforsecurity=False).digest()[:2], "big")


def typed(key: str, **values: object) -> TypedItem:
    """An item as the wire has it: numbers are N, all else S."""
    item: TypedItem = {"id": {"S": key}}
    return item | {
        name: {"N": str(value)} if isinstance(value, int | float) else {"S": str(value)}
        for name, value in values.items()
    }


class SimulatedTable(SimulatedStreams):
    """Write through `put` and `delete`; read through it as a `Source`. Thread-safe.

    `history` has each key's values with their times, `calls` each call with the shard, segment or
    parent that it was about; `served` has what went out over HTTP. `on_scan` is called at each page
    of a scan; with `scan_gaps` pages without an item, but with a key to go on from, come between.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        shards: int = 1,
        name: str = "routes",
        view_type: str = "NEW_IMAGE",
    ) -> None:
        super().__init__(clock, name)
        self.view_type = view_type
        self.items: dict[str, TypedItem] = {}
        self.history: dict[str, list[tuple[float, TypedItem | None]]] = {}
        self.calls: list[tuple[str, str]] = []
        self.served: list[Served] = []
        self.scan_page_items = 100
        self.scan_page_bytes = SCAN_PAGE_BYTES
        self.scan_gaps = False
        self.on_scan: Callable[[], object] = lambda: None
        self.faults = Faults(clock)
        self.limit, self.heal = self.faults.limit, self.faults.heal
        self.shake = self.faults.shake
        self.is_deleted = False
        self.table_id = ""
        self.created_at = clock.now
        self._begin(shards)

    # ------------------------------------------------------------ the table's side

    def put(self, key: str, **values: object) -> None:
        self.put_item(typed(key, **values))

    def put_item(self, item: TypedItem) -> None:
        """Store an item; one that is there already writes nothing into the stream."""
        key = item["id"]["S"]
        with self.lock:
            old = self.items.get(key)
            if old == item:
                return
            self.items[key] = item
            self._record("MODIFY" if old else "INSERT", key, item, old)

    def delete(self, key: str, *, ttl: bool = False) -> None:
        with self.lock:
            old = self.items.pop(key, None)
            if old is not None:
                self._record("REMOVE", key, None, old, ttl=ttl)

    def enable(self) -> None:
        """A new stream after `disable`; what was written between is in none."""
        self.begin_stream()

    def drop(self) -> None:
        """Delete the table; what its stream holds stays readable."""
        with self.lock:
            self.items = {}
            self.is_deleted = True
            self.disable()

    def recreate(self, *, first_sequence: int | None = None) -> None:
        """The same name, another table; its stream may count from a lower number."""
        with self.lock:
            if first_sequence is not None:
                self.count_from(first_sequence)
            self.items = {}
            self.is_deleted = False
            self._begin(1)

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
        with self.lock:
            self.faults.fail(operation, error, seconds=seconds, times=times, shard_id=shard_id)

    def called(self, operation: str, about: str = "") -> None:
        """Note a call; raises what it was told to."""
        with self.lock:
            self.calls.append((operation, about))
            self.faults.check(operation, about)

    # ------------------------------------------------------------ Source

    def now(self) -> float:
        return self.clock.now

    def describe(self) -> SourceDescription:
        self.called("describe")
        if self.is_deleted:
            raise TableNotFound(f"there is no table {self.name}")
        if not self.is_enabled:
            raise StreamDisabled(f"{self.name} has no enabled stream")
        return SourceDescription(
            self.name,
            self.table_id,
            self.stream_arn,
            self.view_type,
            KEYS,
            len(self.items),
            0,
            RETENTION_SECONDS,
        )

    def list_shards(self, begun: ShardListing | None = None) -> ShardListing:
        self.called("list_shards")
        return self._listing(self.listed(), is_complete=True)

    def list_newer(self, shard_id: str) -> ShardListing:
        self.called("list_newer", shard_id)
        listed = self.listed()
        if shard_id not in {shard.shard_id for shard in listed}:
            return self._listing([], is_complete=False)
        newer = [shard for shard in listed if shard.shard_id > shard_id]
        return self._listing(newer, is_complete=False)

    def list_children(self, parent_id: str) -> ShardListing:
        self.called("list_children", parent_id)
        children = [
            shard for shard in self.listed() if parent_id in (shard.parent_id, shard.adjacent_id)
        ]
        return self._listing(children, is_complete=False)

    def open_iterator(self, shard_id: str, position: Position) -> str:
        self.called("open_iterator", shard_id)
        return self.iterator_at(self.stream_arn, shard_id, position)

    def get_records(self, iterator: str) -> RawPage:
        self.called("get_records", parse_iterator(iterator)[1])
        records, following = self.read(iterator)
        return RawPage(records_body([record.text for record in records], following), self.clock.now)

    def scan(
        self, segment: int, total_segments: int, start_key: str | None, limit: int | None = None
    ) -> RawPage:
        self.called("scan", str(segment))
        start = None if start_key is None else json.loads(start_key)["id"]["S"]
        page, last = self.scan_page(segment, total_segments, start, limit)
        answer: dict[str, Any] = {"Items": page, "Count": len(page)}
        if last is not None:
            answer["LastEvaluatedKey"] = {"id": {"S": last}}
        return RawPage(json.dumps(answer).encode(), self.clock.now)

    def scan_page(
        self, segment: int, total_segments: int, start: str | None, limit: int | None = None
    ) -> tuple[list[TypedItem], str | None]:
        """Items of one page, and the key to go on behind."""
        self.on_scan()
        with self.lock:
            after = (-1, "") if start is None else (place(start), start)
            ranked = ((place(key), key) for key in self.items)
            mine = (each for each in ranked if each[0] % total_segments == segment and each > after)
            ranks = sorted(mine)
            rest = [self.items[key] for _, key in ranks]
        gap = self._gap(after, ranks[0], segment, total_segments) if ranks else None
        if gap is not None:
            return [], gap
        most, size = min(self.scan_page_items, limit or self.scan_page_items), 0
        for number, item in enumerate(rest, 1):
            size += len(json.dumps(item))
            if number == most or size > self.scan_page_bytes:  # even if nothing follows
                return rest[:number], item["id"]["S"]
        return rest, None

    # ------------------------------------------------------------ inside

    def _gap(
        self, after: tuple[int, str], first: tuple[int, str], segment: int, total_segments: int
    ) -> str | None:
        """A key of no item that lies before the first item of a page, once for each page."""
        if not self.scan_gaps or after[1].startswith("gap-"):
            return None
        for key in (f"gap-{number}" for number in range(500)):
            if after < (place(key), key) < first and place(key) % total_segments == segment:
                return key
        return None

    def _begin(self, shards: int) -> None:
        self.table_id = f"table-{next(self._numbers)}"
        self.created_at = self.clock.now
        self.begin_stream(shards)

    def _record(
        self,
        event: str,
        key: str,
        new: TypedItem | None,
        old: TypedItem | None,
        *,
        ttl: bool = False,
    ) -> None:
        self.history.setdefault(key, []).append((self.clock.now, new))
        if not self.is_enabled:
            return
        change: dict[str, Any] = {"Keys": {"id": {"S": key}}}
        if new is not None and self.view_type in ("NEW_IMAGE", "NEW_AND_OLD_IMAGES"):
            change["NewImage"] = new
        if old is not None and self.view_type in ("OLD_IMAGE", "NEW_AND_OLD_IMAGES"):
            change["OldImage"] = old
        change |= {"SizeBytes": len(json.dumps(change)), "StreamViewType": self.view_type}
        wire: dict[str, Any] = {
            "eventName": event,
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": self.stream_arn.split(":")[3],
            "dynamodb": change,
        }
        if ttl:
            wire["userIdentity"] = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
        self.append(place(key), wire)

    def _listing(self, shards: list[ListedShard], *, is_complete: bool) -> ShardListing:
        return ShardListing(tuple(shards), is_complete, self.is_enabled, self.clock.now)


def records_body(texts: list[str], following: str | None) -> bytes:
    """The answer of GetRecords."""
    end = "" if following is None else f',"NextShardIterator":{json.dumps(following)}'
    return f'{{"Records":[{",".join(texts)}]{end}}}'.encode()
