"""The JSON operations of DynamoDB and DynamoDB Streams on simulated tables, without the transport.

A request is an operation's name and its JSON; the answer is a status and a body, worded as the
service words it. What is refused, and when, is told to the table (`fail`, `limit`, `distort`, …).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from cdc.errors import (
    AccessDenied,
    CdcError,
    CredentialsRejected,
    IteratorExpired,
    ShardNotFound,
    SourceUnreachable,
    TableNotFound,
    Throttled,
    Trimmed,
)
from cdc.position import After, At, FromStart, Position
from cdc.source import ListedShard
from tests.simulators.faults import ServiceRefusal
from tests.simulators.shards import MalformedIterator, parse_iterator
from tests.simulators.stream import Json, Served, SimulatedTable, records_body

PAGE_SHARDS = 100

_NAMESPACES = {
    "ValidationException": "com.amazon.coral.validate",
    "ThrottlingException": "com.amazon.coral.availability",
    "AccessDeniedException": "com.amazon.coral.service",
    "UnrecognizedClientException": "com.amazon.coral.service",
    "UnknownOperationException": "com.amazon.coral.service",
}
# The service says the same with different codes, by operation.
_THROTTLES = {
    "Scan": "ProvisionedThroughputExceededException",
    "GetRecords": "LimitExceededException",
}
_CODES: dict[type[CdcError], str] = {
    AccessDenied: "AccessDeniedException",
    CredentialsRejected: "UnrecognizedClientException",
    IteratorExpired: "ExpiredIteratorException",
    ShardNotFound: "ResourceNotFoundException",
    SourceUnreachable: "InternalServerError",
    TableNotFound: "ResourceNotFoundException",
    Trimmed: "TrimmedDataAccessException",
}
_NAMES = {
    "DescribeTable": "describe",
    "Scan": "scan",
    "GetShardIterator": "open_iterator",
    "GetRecords": "get_records",
}


class Protocol:
    """Answers calls for some tables. Thread-safe; `table.served` grows by one for each call."""

    def __init__(self, tables: Sequence[SimulatedTable]) -> None:
        self._tables = {table.name: table for table in tables}
        self._operations: dict[str, Callable[[SimulatedTable, Json], tuple[bytes, Served]]] = {
            "DescribeTable": self._describe_table,
            "DescribeTimeToLive": self._describe_time_to_live,
            "DescribeStream": self._describe_stream,
            "GetShardIterator": self._get_shard_iterator,
            "GetRecords": self._get_records,
            "Scan": self._scan,
            "PutItem": self._put_item,
            "DeleteItem": self._delete_item,
        }

    @property
    def now(self) -> float:
        return next(iter(self._tables.values())).clock.now

    def answer(self, action: str, request: Json) -> tuple[int, bytes]:
        """The status and the body."""
        status, table = 200, None
        try:
            operation = self._operations.get(action)
            if operation is None:
                raise ServiceRefusal("UnknownOperationException", f"no {action} here")
            table = self._table_of(action, request)
            note(table, action, request)
            body, served = operation(table, request)
        except CdcError as error:
            status, code, message = refusal(action, error)
            served = Served(self.now, action, request, code)
            namespace = _NAMESPACES.get(code, "com.amazonaws.dynamodb.v20120810")
            said = "Message" if code == "AccessDeniedException" else "message"
            body = json.dumps({"__type": f"{namespace}#{code}", said: message}).encode()
        if table is not None:
            table.served.append(served)
        return status, body

    def _table_of(self, action: str, request: Json) -> SimulatedTable:
        try:
            arn = request.get("StreamArn") or parse_iterator(request.get("ShardIterator", ""))[0]
        except MalformedIterator:
            arn = ""
        name = str(arn).partition("table/")[2].partition("/")[0] or request.get("TableName", "")
        if action == "GetRecords" and not arn:
            raise invalid("Invalid ShardIterator")
        table = self._tables.get(name.rpartition("/")[2])
        is_gone = table is not None and table.is_deleted and not arn
        if table is None or is_gone or (arn and arn not in table.streams):
            what = f"Stream: {arn}" if arn else f"Table: {name}"
            raise ServiceRefusal(
                "ResourceNotFoundException", f"Requested resource not found: {what} not found"
            )
        return table

    # ------------------------------------------------------------ table

    def _describe_table(self, table: SimulatedTable, request: Json) -> tuple[bytes, Served]:
        with table.lock:
            arn = table.stream_arn
            answer: Json = {
                "TableName": table.name,
                "TableId": table.table_id,
                "TableArn": arn.partition("/stream/")[0],
                "TableStatus": "ACTIVE",
                "CreationDateTime": table.created_at,
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
                "ItemCount": len(table.items),
                "TableSizeBytes": sum(len(json.dumps(item)) for item in table.items.values()),
                "LatestStreamArn": arn,
                "LatestStreamLabel": arn.partition("/stream/")[2],
            }
            if table.is_enabled:
                answer["StreamSpecification"] = {
                    "StreamEnabled": True,
                    "StreamViewType": table.view_type,
                }
        return self._good(table, "DescribeTable", request, {"Table": answer})

    def _describe_time_to_live(self, table: SimulatedTable, request: Json) -> tuple[bytes, Served]:
        answer = {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}
        return self._good(table, "DescribeTimeToLive", request, answer)

    def _scan(self, table: SimulatedTable, request: Json) -> tuple[bytes, Served]:
        segment, total = int(request.get("Segment", 0)), int(request.get("TotalSegments", 1))
        if segment >= total:
            raise invalid(
                "The Segment parameter is zero-based and must be less than parameter TotalSegments:"
                f" Segment: {segment} is not less than TotalSegments: {total}"
            )
        start = request.get("ExclusiveStartKey")
        page, last = table.scan_page(
            segment, total, start and start["id"]["S"], request.get("Limit")
        )
        answer: Json = {"Items": page, "Count": len(page), "ScannedCount": len(page)}
        if last is not None:
            answer["LastEvaluatedKey"] = {"id": {"S": last}}
        if request.get("ReturnConsumedCapacity") == "TOTAL":
            units = max(1, -(-len(json.dumps(page)) // 4096))
            answer["ConsumedCapacity"] = {"TableName": table.name, "CapacityUnits": float(units)}
        body, served = self._good(table, "Scan", request, answer)
        return body, replace(served, keys=tuple(item["id"]["S"] for item in page))

    def _put_item(self, table: SimulatedTable, request: Json) -> tuple[bytes, Served]:
        table.put_item(request["Item"])
        return self._good(table, "PutItem", request, {})

    def _delete_item(self, table: SimulatedTable, request: Json) -> tuple[bytes, Served]:
        table.delete(request["Key"]["id"]["S"])
        return self._good(table, "DeleteItem", request, {})

    # ------------------------------------------------------------ stream

    def _describe_stream(self, table: SimulatedTable, request: Json) -> tuple[bytes, Served]:
        arn, limit = request["StreamArn"], int(request.get("Limit", PAGE_SHARDS))
        if not 1 <= limit <= PAGE_SHARDS:
            raise invalid(f"1 validation error detected: Value '{limit}' at 'limit' is invalid")
        wanted = request.get("ShardFilter")
        with table.lock:
            listed = table.listed(arn)
            if wanted is not None:
                listed = [shard for shard in listed if shard.parent_id == wanted["ShardId"]]
            behind = request.get("ExclusiveStartShardId", "")
            page = [shard for shard in listed if shard.shard_id > behind][:limit]
            is_enabled = table.is_enabled and arn == table.stream_arn
            description: Json = {
                "StreamArn": arn,
                "StreamLabel": arn.partition("/stream/")[2],
                "StreamStatus": "ENABLED" if is_enabled else "DISABLED",
                "StreamViewType": table.view_type,
                "CreationRequestDateTime": table.created_at,
                "TableName": table.name,
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "Shards": [_wire_shard(table, arn, shard) for shard in page],
            }
        if len(page) == limit:
            description["LastEvaluatedShardId"] = page[-1].shard_id
        answer = {"StreamDescription": description}
        return self._good(table, "DescribeStream", request, answer)

    def _get_shard_iterator(self, table: SimulatedTable, request: Json) -> tuple[bytes, Served]:
        shard_id = request["ShardId"]
        with table.lock:
            iterator = table.iterator_at(request["StreamArn"], shard_id, _position(request))
        answer = {"ShardIterator": iterator}
        body, served = self._good(table, "GetShardIterator", request, answer)
        return body, replace(served, shard_id=shard_id)

    def _get_records(self, table: SimulatedTable, request: Json) -> tuple[bytes, Served]:
        limit = int(request.get("Limit", 1_000))
        if not 1 <= limit <= 1_000:
            raise invalid(f"1 validation error detected: Value '{limit}' at 'limit' is invalid")
        with table.lock:
            records, following = table.read(request["ShardIterator"], limit)
        _, served = self._good(table, "GetRecords", request, {})
        sequences = tuple(record.sequence for record in records)
        served = replace(
            served, shard_id=parse_iterator(request["ShardIterator"])[1], sequences=sequences
        )
        return records_body([record.text for record in records], following), served

    def _good(
        self, table: SimulatedTable, action: str, request: Json, answer: Json
    ) -> tuple[bytes, Served]:
        return json.dumps(answer).encode(), Served(table.clock.now, action, request)


def note(table: SimulatedTable, action: str, request: Json) -> None:
    """Into the table's log, by the names of `cdc.source.Source`; raises what it was told to."""
    if action == "DescribeStream":
        parent = (request.get("ShardFilter") or {}).get("ShardId", "")
        table.called("list_children" if parent else "list_shards", parent)
    elif action in _NAMES:
        about = request.get("ShardId") or str(request.get("Segment", ""))
        if "ShardIterator" in request:
            about = parse_iterator(request["ShardIterator"])[1]
        table.called(_NAMES[action], about)


def refusal(action: str, error: CdcError) -> tuple[int, str, str]:
    """Status, code and message."""
    if isinstance(error, ServiceRefusal):
        return error.status, error.code, error.message
    if isinstance(error, Throttled):
        code = _THROTTLES.get(action, "ThrottlingException")
    else:
        code = _CODES[type(error)]
    return (500 if code == "InternalServerError" else 400), code, str(error)


def invalid(message: str) -> ServiceRefusal:
    return ServiceRefusal("ValidationException", message)


def _position(request: Json) -> Position | None:
    kind, sequence = request["ShardIteratorType"], request.get("SequenceNumber")
    if kind in ("TRIM_HORIZON", "LATEST"):
        if sequence is not None:
            raise invalid(f"SequenceNumber must not be given for {kind}")
        return FromStart() if kind == "TRIM_HORIZON" else None
    if sequence is None:
        raise invalid(f"SequenceNumber is required for {kind}")
    if kind not in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
        raise invalid(f"unknown ShardIteratorType {kind}")
    return At(sequence) if kind.startswith("AT") else After(sequence)


def _wire_shard(table: SimulatedTable, arn: str, listed: ListedShard) -> Json:
    """A shard as listed; a distorted listing may name one that never was."""
    known = table.streams[arn].get(listed.shard_id)
    range_ = {"StartingSequenceNumber": known.starting if known else "1" * 21}
    if listed.is_closed:
        range_["EndingSequenceNumber"] = (known and known.ending) or "9" * 21
    shard: Json = {"ShardId": listed.shard_id, "SequenceNumberRange": range_}
    return shard | ({"ParentShardId": listed.parent_id} if listed.parent_id else {})
