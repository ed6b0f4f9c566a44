"""A table whose changes DynamoDB writes into a Kinesis stream, behind the contract of `cdc.source`.

The stream is found by the table's streaming destination, or named. It has changes twice and out of
order (`cdc.ordering` repairs that), may be shared by several tables, and keeps them for as long as
it is told to, at least a day. Calls name it by its name: destinations are of the same account and
region, and emulators know no ARN.

A bootstrap reads it from shortly before the scan on (AT_TIMESTAMP), because what is older may be a
year of changes; for the same reason it asks which shards closed before (FROM_TIMESTAMP). No
position is ever refused for its age, see `cdc.lineage`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from cdc.aws import AwsParams, ServiceClock
from cdc.errors import DestinationDisabled, Permanent, StreamEnabling
from cdc.kinesis_records import parse_changes
from cdc.listing import read_listing
from cdc.position import After, At, End, FromStart, Position
from cdc.source import RawPage, ShardListing, SourceDescription
from cdc.table_calls import TableCalls, key_schema, required, table_id
from cdc.table_indexes import table_indexes

VIEW_TYPE = "NEW_AND_OLD_IMAGES"
# 5 calls a second of so many documents of 300 bytes and more are all that a shard may give; a
# larger page would only be kept longer.
_PAGE_RECORDS = 2_000
# A change and its arrival are dated by two services.
_CLOCKS_APART_SECONDS = 60.0
_READABLE = ("ACTIVE", "UPDATING")


class KinesisSource(TableCalls):
    """A table with its Kinesis stream. `stream_arn`: where the table need not be asked for it."""

    def __init__(
        self,
        table: str,
        params: AwsParams,
        clock: ServiceClock | None = None,
        *,
        stream_arn: str | None = None,
    ) -> None:
        super().__init__(table, params, clock)
        self._given_arn = stream_arn
        self._stream_arn = ""

    def describe(self) -> SourceDescription:
        """Ask for the table and its stream. Later listings and iterators are of that stream."""
        table = self._describe_table()
        arn = self._given_arn or self._destination()
        self._stream_arn = arn
        summary = self._call(
            "kinesis", "DescribeStreamSummary", self._stream, StreamName=_name_of(arn)
        )
        stream = required(summary, "StreamDescriptionSummary", self._stream)
        return SourceDescription(
            table_name=str(table["TableName"]),
            table_id=table_id(table),
            stream_arn=arn,
            view_type=VIEW_TYPE,
            keys=key_schema(table),
            item_count=int(table.get("ItemCount") or 0),
            size_bytes=int(table.get("TableSizeBytes") or 0),
            retention_seconds=float(required(stream, "RetentionPeriodHours", self._stream)) * 3600,
            indexes=table_indexes(table),
            is_ordered=False,
            tells_trimmed=False,
        )

    def _destination(self) -> str:
        """The ARN of the stream that the table's changes go to."""
        action = "DescribeKinesisStreamingDestination"
        try:
            answer = self._call("dynamodb", action, self._table_name, TableName=self._table)
        except Permanent as error:
            if type(error) is Permanent:  # an endpoint that does not know the call
                error.hint = f"set kinesis_stream_arn where the endpoint does not know {action}"
            raise
        found = answer.get("KinesisDataStreamDestinations") or ()
        states = {str(each.get("DestinationStatus")): each for each in found}
        for state in _READABLE:
            if state in states:
                return str(states[state]["StreamArn"])
        if "ENABLING" in states:
            raise StreamEnabling(f"the Kinesis destination of {self._table_name} is being enabled")
        if not states:
            raise DestinationDisabled(f"{self._table_name} has no Kinesis destination")
        state, last = next(iter(states.items()))
        why = last.get("DestinationStatusDescription")
        told = f"{state}: {why}" if why else state
        raise DestinationDisabled(f"the Kinesis destination of {self._table_name} is {told}")

    def list_shards(self, begun: ShardListing | None = None) -> ShardListing:
        return self._list(is_complete=True, begun=begun)

    def list_newer(self, shard_id: str) -> ShardListing:
        return self._list(is_complete=False, behind=shard_id)

    def list_children(self, parent_id: str) -> ShardListing:
        # Numbers of shards grow, so children are behind their parents.
        listing = self._list(is_complete=False, behind=parent_id)
        children = tuple(
            shard for shard in listing.shards if parent_id in (shard.parent_id, shard.adjacent_id)
        )
        return ShardListing(children, False, listing.stream_is_enabled, listing.listed_at)

    def list_since(self, at: float) -> frozenset[str]:
        ids = set[str]()
        asked: dict[str, Any] = {
            "StreamName": self._name(),
            "ShardFilter": {"Type": "FROM_TIMESTAMP", "Timestamp": at - _CLOCKS_APART_SECONDS},
        }
        while True:
            answer = self._call("kinesis", "ListShards", self._stream, **asked)
            ids |= {str(shard["ShardId"]) for shard in answer.get("Shards") or ()}
            if not answer.get("NextToken"):
                return frozenset(ids)
            asked = {"NextToken": answer["NextToken"]}  # it knows stream and filter

    def open_iterator(self, shard_id: str, position: Position) -> str:
        asked = {"StreamName": self._name(), "ShardId": shard_id, **_iterator_type(position)}
        return self._iterator("kinesis", shard_id, asked)

    def get_records(self, iterator: str) -> RawPage:
        requested_at = self._clock.now()
        asked = {"ShardIterator": iterator, "Limit": _PAGE_RECORDS}
        body = self._raw("kinesis", "GetRecords", self._stream, asked)
        return RawPage(body, requested_at, partial(parse_changes, self._table))

    @property
    def _stream(self) -> str:
        return f"Kinesis stream of {self._table_name}"

    def _name(self) -> str:
        return _name_of(self._stream_arn or self.describe().stream_arn)

    def _list(
        self, *, is_complete: bool, begun: ShardListing | None = None, behind: str | None = None
    ) -> ShardListing:
        return read_listing(
            self._page, self._clock.now(), is_complete=is_complete, begun=begun, behind=behind
        )

    def _page(self, start: Mapping[str, str]) -> dict[str, Any]:
        """A page of the listing in the words of DescribeStream, which is not to be called often."""
        answer = self._call("kinesis", "ListShards", self._stream, StreamName=self._name(), **start)
        shards = answer.get("Shards") or []
        last = shards[-1]["ShardId"] if shards and answer.get("NextToken") else None
        return {"Shards": shards, "LastEvaluatedShardId": last, "StreamStatus": "ENABLED"}


def _name_of(arn: str) -> str:
    return arn.rpartition("/")[2]


def _iterator_type(position: Position) -> dict[str, Any]:
    match position:
        case FromStart(skip_before) if skip_before is not None:
            begin = skip_before - _CLOCKS_APART_SECONDS
            return {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": begin}
        case FromStart():
            return {"ShardIteratorType": "TRIM_HORIZON"}
        case At(sequence):
            kind = "AT_SEQUENCE_NUMBER"
            return {"ShardIteratorType": kind, "StartingSequenceNumber": sequence}
        case After(sequence):
            kind = "AFTER_SEQUENCE_NUMBER"
            return {"ShardIteratorType": kind, "StartingSequenceNumber": sequence}
        case End():
            raise ValueError("a shard that was read to its end has no iterator")
