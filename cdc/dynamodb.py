"""DynamoDB and its Streams behind the contract of `cdc.source`.

botocore signs, retries and reads errors; its parser (170 ms for a full page) is kept away from the
bodies of GetRecords and Scan, which go out as bytes. botocore parses whatever arrives, so the hook
that takes the body also checks every answer's length and CRC32: a truncated body is an error.
"""

from __future__ import annotations

import base64
import json
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any

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
from cdc.position import After, At, End, FromStart, Position
from cdc.source import ListedShard, RawPage, ShardListing, SourceDescription

RETENTION_SECONDS = 24 * 3600.0
_VIEW_TYPES = ("NEW_IMAGE", "NEW_AND_OLD_IMAGES")
_RAW_OPERATIONS = ("GetRecords", "Scan")
_BODY, _FAULT = "SnowmeltBody", "SnowmeltFault"
_PAGE_SECONDS = 0.15  # between pages of a listing: DescribeStream allows 10 calls/s per account
_PAGE_TRIES = 6  # a throttled page is asked again; a long listing must not start over for it


class DynamoDbSource:
    """A table with its stream, through AWS's API. Thread-safe. No request before the first call.

    `clock` may be shared by several sources of one service.
    """

    def __init__(self, table: str, params: AwsParams, clock: ServiceClock | None = None) -> None:
        self._table = table
        self._params = params
        self._clock = clock or ServiceClock()
        self._clients = AwsClients(params, self._clock, prepare=_attach_body_hook)
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
        stream = table.get("StreamSpecification") or {}
        arn = table.get("LatestStreamArn")
        if not stream.get("StreamEnabled") or not arn:
            raise StreamDisabled(f"{self._table_name} has no enabled stream")
        view_type = str(stream.get("StreamViewType"))
        if view_type not in _VIEW_TYPES:
            raise ViewTypeUnsupported(
                f"the stream of {self._table_name} has view type {view_type}, without new images"
            )
        self._stream_arn = str(arn)
        return SourceDescription(
            table_name=str(table["TableName"]),
            table_id=str(table.get("TableId") or _substitute_id(table)),
            stream_arn=self._stream_arn,
            view_type=view_type,
            keys=_key_schema(table),
            item_count=int(table.get("ItemCount") or 0),
            size_bytes=int(table.get("TableSizeBytes") or 0),
            retention_seconds=RETENTION_SECONDS,
        )

    def list_shards(self) -> ShardListing:
        return self._list({}, is_complete=True)

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
        answer = self._call(
            "dynamodbstreams",
            "GetShardIterator",
            f"{shard_id} of {self._table_name}",
            StreamArn=self._arn(),
            ShardId=shard_id,
            **_iterator_type(position),
        )
        return str(_required(answer, "ShardIterator", shard_id))

    def get_records(self, iterator: str) -> RawPage:
        return self._page(
            "dynamodbstreams", "GetRecords", "stream of ", ShardIterator=iterator, Limit=1000
        )

    def scan(self, segment: int, total_segments: int, start_key: str | None) -> RawPage:
        start = {} if start_key is None else {"ExclusiveStartKey": _typed_key(start_key)}
        return self._page(
            "dynamodb",
            "Scan",
            "",
            TableName=self._table,
            Segment=segment,
            TotalSegments=total_segments,
            ConsistentRead=True,
            ReturnConsumedCapacity="TOTAL",
            **start,
        )

    def now(self) -> float:
        return self._clock.now()

    @property
    def _table_name(self) -> str:
        return f"table {self._table}"

    def _arn(self) -> str:
        return self._stream_arn or self.describe().stream_arn

    def _page(self, service: Service, action: str, of: str, **arguments: Any) -> RawPage:
        requested_at = self._clock.now()
        answer = self._call(service, action, of + self._table_name, **arguments)
        return RawPage(answer[_BODY], requested_at)

    def _list(self, filters: Mapping[str, Any], *, is_complete: bool) -> ShardListing:
        """Follow the pages until the service names no further one."""
        listed_at = self._clock.now()
        shards: dict[str, ListedShard] = {}
        start: dict[str, str] = {}
        seen: set[str] = set()
        while True:
            stream = self._stream_page({**filters, **start})
            for shard in stream.get("Shards") or ():
                listed = _listed_shard(shard)
                shards[listed.shard_id] = listed
            last = stream.get("LastEvaluatedShardId")
            if not last:
                enabled = stream.get("StreamStatus") in ("ENABLING", "ENABLED")
                return ShardListing(tuple(shards.values()), is_complete, enabled, listed_at)
            if last in seen:
                raise SourceUnreachable(f"the shards of {self._table_name} are listed in a circle")
            seen.add(last)
            start = {"ExclusiveStartShardId": last}
            time.sleep(_PAGE_SECONDS)

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
        """One request with botocore's retries. Raises the errors of `cdc.errors` only."""
        from botocore import xform_name

        from cdc.dynamodb_errors import Call, translate

        call = Call(action, resource, self._params.region or "", self._endpoint(service))
        try:
            client = self._clients.get(service)
            call = Call(action, resource, client.meta.region_name or "", client.meta.endpoint_url)
            answer: dict[str, Any] = getattr(client, xform_name(action))(**arguments)
        except Exception as error:
            translated = translate(error, call)
            if isinstance(translated, CredentialsRejected):
                self._clients.reset()  # credentials that were renewed since must be found
            raise translated from error
        if _FAULT in answer:
            raise SourceUnreachable(f"{call.where}: {call.endpoint} sent {answer[_FAULT]}")
        return answer

    def _endpoint(self, service: Service) -> str:
        return self._params.endpoint_of(service) or "AWS"


def _attach_body_hook(client: Any) -> None:
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"before-parse.{service}", _take_body)


def _take_body(
    operation_model: Any,
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    **_: Any,
) -> None:
    """Check the body of a success; keep those of raw operations out of botocore's parser."""
    if response_dict["status_code"] != 200:
        return
    body = response_dict["body"]
    fault = _fault(body, response_dict["headers"])
    if fault:
        customized_response_dict[_FAULT] = fault
    if fault or operation_model.name in _RAW_OPERATIONS:
        customized_response_dict[_BODY] = body
        response_dict["body"] = b"{}"


def _fault(body: bytes, headers: Mapping[str, str]) -> str | None:
    """What is wrong with a body, or None."""
    length = headers.get("Content-Length")
    if length is not None and int(length) != len(body):
        return f"{len(body)} of {length} bytes"
    checksum = headers.get("x-amz-crc32")
    if checksum is not None and int(checksum) != zlib.crc32(body):
        return "a body that does not match its checksum"
    if not body.rstrip().endswith(b"}"):
        return "a body that is no whole JSON object"
    return None


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


def _listed_shard(shard: Mapping[str, Any]) -> ListedShard:
    ending = (shard.get("SequenceNumberRange") or {}).get("EndingSequenceNumber")
    return ListedShard(str(shard["ShardId"]), shard.get("ParentShardId"), bool(ending))


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


def _typed_key(start_key: str) -> dict[str, dict[str, Any]]:
    """DynamoDB JSON as botocore wants it: binary values as bytes, which it encodes again."""
    decoders: dict[str, Callable[[str], Any]] = {"B": base64.b64decode}
    return {
        name: {kind: decoders.get(kind, str)(value) for kind, value in typed.items()}
        for name, typed in json.loads(start_key).items()
    }
