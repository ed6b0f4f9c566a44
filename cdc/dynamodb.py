"""DynamoDB Streams behind the contract of `cdc.source`; the table's part is `cdc.table_calls`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from cdc.errors import Permanent, StreamDisabled, Throttled, ViewTypeUnsupported
from cdc.guidance import change_view, enable_stream
from cdc.listing import read_listing
from cdc.position import After, At, End, FromStart, Position
from cdc.source import RawPage, ShardListing, SourceDescription
from cdc.table_calls import TableCalls, key_schema, required, table_id
from cdc.table_indexes import table_indexes

RETENTION_SECONDS = 24 * 3600.0
_VIEW_TYPES = ("NEW_IMAGE", "NEW_AND_OLD_IMAGES")
_PAGE_TRIES = 6  # a throttled page is asked again; a long listing must not start over for it


class DynamoDbSource(TableCalls):
    """A table with its stream, through AWS's API."""

    _stream_arn = ""

    def describe(self) -> SourceDescription:
        """Ask for the table. Later listings and iterators are of the stream that is named here."""
        table = self._describe_table()
        self._stream_arn, view_type = self._stream_of(table)
        return SourceDescription(
            table_name=str(table["TableName"]),
            table_id=table_id(table),
            stream_arn=self._stream_arn,
            view_type=view_type,
            keys=key_schema(table),
            item_count=int(table.get("ItemCount") or 0),
            size_bytes=int(table.get("TableSizeBytes") or 0),
            retention_seconds=RETENTION_SECONDS,
            indexes=table_indexes(table),
        )

    def _stream_of(self, table: Mapping[str, Any]) -> tuple[str, str]:
        """ARN and view type. Raises StreamDisabled, ViewTypeUnsupported."""
        stream = table.get("StreamSpecification") or {}
        arn = table.get("LatestStreamArn")
        if not stream.get("StreamEnabled") or not arn:
            raise StreamDisabled(
                f"{self._table_name} has no enabled stream", hint=enable_stream(self._table)
            )
        view_type = str(stream.get("StreamViewType"))
        if view_type not in _VIEW_TYPES:
            raise ViewTypeUnsupported(
                f"the stream of {self._table_name} has view type {view_type}, without new images",
                hint=change_view(self._table),
            )
        return str(arn), view_type

    def list_shards(self, begun: ShardListing | None = None) -> ShardListing:
        return self._list({}, is_complete=True, begun=begun)

    def list_newer(self, shard_id: str) -> ShardListing:
        return self._list({}, is_complete=False, behind=shard_id)

    def list_children(self, parent_id: str) -> ShardListing:
        try:
            listing = self._list(
                {"ShardFilter": {"Type": "CHILD_SHARDS", "ShardId": parent_id}}, is_complete=False
            )
        except Permanent:  # a service that does not know the filter
            listing = self._list({}, is_complete=False)
        # DynamoDB Local answers with all shards.
        children = tuple(shard for shard in listing.shards if shard.parent_id == parent_id)
        return ShardListing(children, False, listing.stream_is_enabled, listing.listed_at)

    def open_iterator(self, shard_id: str, position: Position) -> str:
        asked = {"StreamArn": self._arn(), "ShardId": shard_id, **_iterator_type(position)}
        return self._iterator("dynamodbstreams", shard_id, asked)

    def get_records(self, iterator: str) -> RawPage:
        requested_at = self._clock.now()
        asked = {"ShardIterator": iterator, "Limit": 1000}
        resource = f"stream of {self._table_name}"
        return RawPage(self._raw("dynamodbstreams", "GetRecords", resource, asked), requested_at)

    def _arn(self) -> str:
        return self._stream_arn or self.describe().stream_arn

    def _list(
        self,
        filters: Mapping[str, Any],
        *,
        is_complete: bool,
        begun: ShardListing | None = None,
        behind: str | None = None,
    ) -> ShardListing:
        return read_listing(
            lambda start: self._stream_page({**filters, **start}),
            self._clock.now(),
            is_complete=is_complete,
            begun=begun,
            behind=behind,
        )

    def _stream_page(self, arguments: Mapping[str, Any]) -> Any:
        resource = f"stream of {self._table_name}"
        for attempt in range(1, _PAGE_TRIES + 1):
            try:
                answer = self._call(
                    "dynamodbstreams",
                    "DescribeStream",
                    resource,
                    StreamArn=self._arn(),
                    **arguments,
                )
                return required(answer, "StreamDescription", resource)
            except Throttled:
                if attempt == _PAGE_TRIES:
                    raise
                time.sleep(1.0)
        raise AssertionError  # the loop returns or raises


def _iterator_type(position: Position) -> dict[str, str]:
    match position:
        case FromStart():
            return {"ShardIteratorType": "TRIM_HORIZON"}
        case At(sequence):
            return {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": sequence}
        case After(sequence):
            return {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": sequence}
        case End():
            raise ValueError("a shard that was read to its end has no iterator")
