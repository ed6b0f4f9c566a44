"""DynamoDB and its Streams behind the contract of `cdc.source`.

Calls that are made often, GetRecords and Scan, are signed by us and their bodies go out as bytes
(`cdc.raw_calls`); botocore's own way takes 1 ms for each, and 170 ms to parse a full page. All
others are botocore's. It parses whatever arrives, so a hook checks every answer's length and CRC32
before: a truncated body is an error.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from cdc.aws import AwsClients, AwsParams, Service, ServiceClock
from cdc.errors import (
    CredentialsRejected,
    Permanent,
    SourceUnreachable,
    StreamDisabled,
    Throttled,
    ViewTypeUnsupported,
)
from cdc.keys import KeyAttribute, KeySchema
from cdc.listing import keep_to_budget, read_listing
from cdc.position import After, At, End, FromStart, Position
from cdc.source import RawPage, ShardListing, SourceDescription
from cdc.table_indexes import table_indexes
from cdc.whole import DamagedAnswer, fault_of

RETENTION_SECONDS = 24 * 3600.0
_VIEW_TYPES = ("NEW_IMAGE", "NEW_AND_OLD_IMAGES")
_FAULT = "SnowmeltFault"
_PAGE_TRIES = 6  # a throttled page is asked again; a long listing must not start over for it
_Result = TypeVar("_Result")


class DynamoDbSource:
    """A table with its stream, through AWS's API. Thread-safe. No request before the first call.

    `clock` may be shared by several sources of one service.
    """

    def __init__(self, table: str, params: AwsParams, clock: ServiceClock | None = None) -> None:
        self._table = table
        self._params = params
        self._clock = clock or ServiceClock()
        self._clients = AwsClients(params, self._clock, prepare=_prepare)
        self._stream_arn = ""

    @property
    def clock(self) -> ServiceClock:
        """The service's time; its offset is worth a metric."""
        return self._clock

    def describe(self) -> SourceDescription:
        """Ask for the table. Later listings and iterators are of the stream that is named here.

        `table_id` is the ARN with the creation time where an emulator has no TableId.
        """
        answer = self._call("dynamodb", "DescribeTable", self._table_name, TableName=self._table)
        table = _required(answer, "Table", self._table_name)
        self._stream_arn, view_type = self._stream_of(table)
        return SourceDescription(
            table_name=str(table["TableName"]),
            table_id=str(table.get("TableId") or _substitute_id(table)),
            stream_arn=self._stream_arn,
            view_type=view_type,
            keys=_key_schema(table),
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
            raise StreamDisabled(f"{self._table_name} has no enabled stream")
        view_type = str(stream.get("StreamViewType"))
        if view_type not in _VIEW_TYPES:
            raise ViewTypeUnsupported(
                f"the stream of {self._table_name} has view type {view_type}, without new images"
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
        arn = self._arn()
        asked = {"StreamArn": arn, "ShardId": shard_id, **_iterator_type(position)}
        resource = f"{shard_id} of {self._table_name}"
        body = self._raw("dynamodbstreams", "GetShardIterator", resource, asked)
        try:
            answer = json.loads(body)
        except ValueError as error:
            raise SourceUnreachable(f"{resource}: an answer that is no JSON: {error}") from error
        return str(_required(answer, "ShardIterator", shard_id))

    def get_records(self, iterator: str) -> RawPage:
        requested_at = self._clock.now()
        asked = {"ShardIterator": iterator, "Limit": 1000}
        resource = f"stream of {self._table_name}"
        return RawPage(self._raw("dynamodbstreams", "GetRecords", resource, asked), requested_at)

    def scan(
        self, segment: int, total_segments: int, start_key: str | None, limit: int | None = None
    ) -> RawPage:
        asked = {
            "TableName": self._table,
            "Segment": segment,
            "TotalSegments": total_segments,
            "ConsistentRead": True,
            "ReturnConsumedCapacity": "TOTAL",
        }
        if start_key is not None:  # as the service wrote it
            asked["ExclusiveStartKey"] = json.loads(start_key)
        if limit is not None:
            asked["Limit"] = limit
        requested_at = self._clock.now()
        return RawPage(self._raw("dynamodb", "Scan", self._table_name, asked), requested_at)

    def now(self) -> float:
        return self._clock.now()

    @property
    def _table_name(self) -> str:
        return f"table {self._table}"

    def _arn(self) -> str:
        return self._stream_arn or self.describe().stream_arn

    def _raw(self, service: Service, action: str, resource: str, asked: Mapping[str, Any]) -> bytes:
        """The body of one request that is signed here. Raises the errors of `cdc.errors` only."""
        body = json.dumps(asked).encode()
        return self._translated(
            service, action, resource, lambda: self._clients.raw(service).call(action, body)
        )

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
                return _required(answer, "StreamDescription", resource)
            except Throttled:
                if attempt == _PAGE_TRIES:
                    raise
                time.sleep(1.0)
        raise AssertionError  # the loop returns or raises

    def _call(
        self, service: Service, action: str, resource: str, **arguments: Any
    ) -> dict[str, Any]:
        """One request of botocore, with its retries. Raises the errors of `cdc.errors` only."""
        from botocore import xform_name

        def ask() -> dict[str, Any]:
            call = getattr(self._clients.get(service), xform_name(action))
            answer: dict[str, Any] = call(**arguments)
            if _FAULT in answer:
                raise DamagedAnswer(answer[_FAULT])
            return answer

        return self._translated(service, action, resource, ask)

    def _translated(
        self, service: Service, action: str, resource: str, ask: Callable[[], _Result]
    ) -> _Result:
        """What `ask` gives. Raises the errors of `cdc.errors` only."""
        from cdc.dynamodb_errors import Call, translate

        call = Call(action, resource, self._params.region or "", self._endpoint(service))
        try:
            client = self._clients.get(service)
            call = Call(action, resource, client.meta.region_name or "", client.meta.endpoint_url)
            return ask()
        except DamagedAnswer as error:
            raise SourceUnreachable(f"{call.where}: {call.endpoint} sent {error}") from error
        except Exception as error:
            translated = translate(error, call)
            if isinstance(translated, CredentialsRejected):
                self._clients.reset()  # credentials that were renewed since must be found
            raise translated from error

    def _endpoint(self, service: Service) -> str:
        return self._params.endpoint_of(service) or "AWS"


def _prepare(client: Any) -> None:
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"before-parse.{service}", _check_body)
    keep_to_budget(client)


def _check_body(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Keep a damaged body out of botocore's parser, and say so in the answer."""
    if response_dict["status_code"] != 200:
        return
    fault = fault_of(response_dict["body"], response_dict["headers"])
    if fault:
        customized_response_dict[_FAULT] = fault
        response_dict["body"] = b"{}"


def _required(answer: Mapping[str, Any], name: str, resource: str) -> Any:
    if not answer.get(name):
        raise SourceUnreachable(f"the answer for {resource} lacks {name}")
    return answer[name]


def _key_schema(table: Mapping[str, Any]) -> KeySchema:
    types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
    names = {each["KeyType"]: each["AttributeName"] for each in table["KeySchema"]}
    sort = names.get("RANGE")
    return KeySchema(
        KeyAttribute(names["HASH"], types[names["HASH"]]),
        KeyAttribute(sort, types[sort]) if sort else None,
    )


def _substitute_id(table: Mapping[str, Any]) -> str:
    return f"{table['TableArn']}@{table['CreationDateTime'].timestamp():.3f}"


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
