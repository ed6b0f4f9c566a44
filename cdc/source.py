"""The contract of a change source, in plain values and bytes, so that other processes fit in.

Ordering: records of one shard come in sequence order; nothing is ordered across shards. Where the
description says `is_ordered`, changes of one item follow each other along the shards' lineage.
Idempotence: every call may be repeated; reading a position twice gives the same records.
Errors: those of `cdc.errors`, and no others: Retryable, Degraded, PositionLost, Permanent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from cdc.keys import KeySchema
from cdc.position import Position
from cdc.records import RecordPage, parse_records


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """What the service says of the table and its stream.

    `indexes`: attribute names of its secondary indexes. `is_ordered`: the stream has each change
    once, and those of one item in order. `tells_trimmed`: a position is refused whose records it
    keeps no more.
    """

    table_name: str
    table_id: str
    stream_arn: str
    view_type: str
    keys: KeySchema
    item_count: int
    size_bytes: int
    retention_seconds: float
    indexes: tuple[tuple[str, ...], ...] = ()
    is_ordered: bool = True
    tells_trimmed: bool = True


@dataclass(frozen=True, slots=True)
class ListedShard:
    """One shard as listed. `is_closed`: it has an ending sequence number.

    `adjacent_id`: the other parent of a shard that two were merged into.
    """

    shard_id: str
    parent_id: str | None
    is_closed: bool
    adjacent_id: str | None = None


@dataclass(frozen=True, slots=True)
class ShardListing:
    """A listing; not a consistent snapshot. `is_complete`: nothing was left out on purpose.

    `last_id`: a page behind this shard was refused; `list_shards` can go on there.
    """

    shards: tuple[ListedShard, ...]
    is_complete: bool
    stream_is_enabled: bool
    listed_at: float
    last_id: str | None = None


@dataclass(frozen=True, slots=True)
class RawPage:
    """An undecoded answer. `requested_at`: service time at which the request began.

    `parse` makes a page of GetRecords of the body.
    """

    body: bytes
    requested_at: float
    parse: Callable[[bytes], RecordPage] = parse_records


class Source(Protocol):
    """A table with a stream."""

    def describe(self) -> SourceDescription:
        """Identity, keys and size. Raises TableNotFound, StreamDisabled, ViewTypeUnsupported."""

    def list_shards(self, begun: ShardListing | None = None) -> ShardListing:
        """All shards, every page of the listing; or the rest of one that was cut short, with it.

        Cut short again, if a page is refused behind others; refused at the first, it raises.
        """

    def list_newer(self, shard_id: str) -> ShardListing:
        """The shards whose ids lie behind this one's, created later; never complete.

        Nothing at all if the service lists the shard no more: then it says nothing.
        """

    def list_children(self, parent_id: str) -> ShardListing:
        """The children of one shard, possibly with other shards; never complete."""

    def open_iterator(self, shard_id: str, position: Position) -> str:
        """An iterator at the position. Raises Trimmed or ShardNotFound.

        From the start, it may leave out records that are older than the position's `skip_before`.
        """

    def get_records(self, iterator: str) -> RawPage:
        """One page. Raises IteratorExpired."""

    def scan(
        self, segment: int, total_segments: int, start_key: str | None, limit: int | None = None
    ) -> RawPage:
        """One page of a strongly consistent parallel scan, of at most 1 MB and `limit` items.

        `start_key`: DynamoDB JSON text.
        """

    def now(self) -> float:
        """The service's time, epoch seconds: the local clock corrected by its Date headers."""


@runtime_checkable
class ItemReader(Protocol):
    """What a source whose stream has no order offers besides."""

    def get_item(self, key: str) -> RawPage:
        """The item with this key (typed JSON), as of a moment not before the request."""


@runtime_checkable
class ShardHistory(Protocol):
    """What a source offers besides whose closed shards stay listed for long."""

    def list_since(self, at: float) -> frozenset[str]:
        """Ids of all shards but those that closed before `at`, service time; maybe of these, too.

        What it leaves out has no record that arrived later.
        """
