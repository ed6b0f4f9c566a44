r"""GetRecords and Scan answers as values; images stay undecoded bytes.

A page is read once by msgspec: what capture decides on (event, sequence number, creation time, who
deleted) becomes fields, while keys and images stay slices of the body until the engine decodes
whole batches of them. OldImage is skipped. Field names are those of the wire, see botocore's model
of `dynamodbstreams`: `userIdentity` has `PrincipalId` and `Type`, unlike the event of a function.

msgspec refuses a body with a lone surrogate (`\ud800`) anywhere; the standard library does not. So
a refused body is read once more, slowly: one bad string must not stop a shard for ever. The decoder
puts the record aside.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import msgspec

from cdc.errors import SourceUnreachable

EventName = Literal["INSERT", "MODIFY", "REMOVE"]

_TTL_PRINCIPAL = "dynamodb.amazonaws.com"
_ABSENT = frozenset({b"", b"null"})
_ABSENT_BYTES = max(map(len, _ABSENT))
_Answer = TypeVar("_Answer")


# gc=False: there are many of these, they form no cycles, and the collector would look at all.
class Stamp(msgspec.Struct, frozen=True, gc=False):
    """What orders a change where the stream does not: when it was made, and out of what.

    It was made within [`first_us`, `last_us`], epoch microseconds. `old`: the image before it.
    """

    event: str
    first_us: int
    last_us: int
    old: msgspec.Raw | None = None


class StreamRecord(msgspec.Struct, frozen=True, gc=False):
    """One change. `sequence` is verbatim; `created` is in epoch seconds of the service's clock.

    `keys` and `image` are typed DynamoDB JSON. `image` is None for a REMOVE, and for a stream whose
    view type carries no new images. `stamp`: of a stream without order. `refused`: why it is no
    change at all; then `keys` are its bytes.
    """

    event_name: EventName
    sequence: str
    created: float
    keys: msgspec.Raw
    image: msgspec.Raw | None = None
    is_ttl: bool = False
    stamp: Stamp | None = None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class RecordPage:
    """One page of a shard in sequence order. `next_iterator` None: the shard has ended.

    `last`: sequence number and time of its last record, where that may be of another table.
    `has_more`: whether the service says that the shard holds more by now, None if it does not say.
    `rest_seconds`: how long the service wants to be left alone after so many bytes.
    """

    records: list[StreamRecord]
    next_iterator: str | None
    last: tuple[str, float] | None = None
    has_more: bool | None = None
    rest_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ScanPage:
    """One page of items. `last_key`: DynamoDB JSON text to go on from, None at the end.

    `capacity_units`: what reading it took, where the service says so.
    """

    items: list[msgspec.Raw]
    last_key: str | None
    capacity_units: float | None = None


class _Identity(msgspec.Struct, gc=False):
    principal: str | None = msgspec.field(default=None, name="PrincipalId")
    type: str | None = msgspec.field(default=None, name="Type")


class _Change(msgspec.Struct, rename="pascal", gc=False):
    sequence_number: str
    approximate_creation_date_time: float
    keys: msgspec.Raw
    new_image: msgspec.Raw = msgspec.Raw()  # msgspec reads Raw | None as None alone


class _Record(msgspec.Struct, gc=False):
    change: _Change = msgspec.field(name="dynamodb")
    event_name: EventName = msgspec.field(name="eventName")
    identity: _Identity | None = msgspec.field(default=None, name="userIdentity")


class _RecordsAnswer(msgspec.Struct, rename="pascal"):
    records: list[_Record]
    next_shard_iterator: str | None = None


class _Capacity(msgspec.Struct, rename="pascal"):
    capacity_units: float | None = None


class _ScanAnswer(msgspec.Struct, rename="pascal"):
    items: list[msgspec.Raw]
    last_evaluated_key: msgspec.Raw = msgspec.Raw()
    consumed_capacity: _Capacity | None = None


_RECORDS = msgspec.json.Decoder(_RecordsAnswer)
_SCAN = msgspec.json.Decoder(_ScanAnswer)


def parse_records(body: bytes) -> RecordPage:
    """The page in a GetRecords body. Raises SourceUnreachable (retryable) for a malformed body."""
    answer = _parse(_RECORDS, body, "GetRecords")
    records = [
        StreamRecord(
            record.event_name,
            record.change.sequence_number,
            record.change.approximate_creation_date_time,
            record.change.keys,
            present(record.change.new_image),
            record.identity is not None and _is_ttl(record.identity),
        )
        for record in answer.records
    ]
    return RecordPage(records, answer.next_shard_iterator)


def parse_scan(body: bytes) -> ScanPage:
    """The page in a Scan body. Raises SourceUnreachable (retryable) for a malformed body."""
    answer = _parse(_SCAN, body, "Scan")
    last = present(answer.last_evaluated_key)
    capacity = answer.consumed_capacity
    return ScanPage(
        answer.items,
        None if last is None else bytes(last).decode(),
        None if capacity is None else capacity.capacity_units,
    )


def present(raw: msgspec.Raw) -> msgspec.Raw | None:
    """The value, if there is one: an absent member reads as nothing, one that is null as null."""
    # By length first: comparing takes a copy, and images are large.
    return None if len(raw) <= _ABSENT_BYTES and bytes(raw) in _ABSENT else raw


def _is_ttl(identity: _Identity) -> bool:
    return identity.type == "Service" and identity.principal == _TTL_PRINCIPAL


def _parse(decoder: msgspec.json.Decoder[_Answer], body: bytes, call: str) -> _Answer:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        answer = _parse_slowly(decoder, body)
        if answer is None:
            raise SourceUnreachable(
                f"{call} answered with {len(body)} bytes that are not a whole answer: {error}",
                hint="nothing to do, the call is repeated; if it persists, suspect a proxy",
            ) from error
        return answer


def _parse_slowly(decoder: msgspec.json.Decoder[_Answer], body: bytes) -> _Answer | None:
    try:
        answer = json.loads(body)
        for holder, name in _undecoded(answer):
            if name in holder:
                holder[name] = msgspec.Raw(_compact(holder[name]).encode())
        if "Items" in answer:
            items = answer["Items"]
            answer["Items"] = [msgspec.Raw(_compact(item).encode()) for item in items]
        return msgspec.convert(answer, decoder.type)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _undecoded(answer: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    yield answer, "LastEvaluatedKey"
    for record in answer.get("Records", ()):
        yield record["dynamodb"], "Keys"
        yield record["dynamodb"], "NewImage"


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
