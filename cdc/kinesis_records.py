"""A page of Kinesis with DynamoDB's changes, as the records that capture knows.

Each record's data is one JSON document of one change: `tableName`, `eventName`, `eventID`,
`userIdentity`, `dynamodb` with `ApproximateCreationDateTime`, `Keys`, `NewImage` and `OldImage`.
There is no sequence number of the change and no order among records but the time, and that in
milliseconds or microseconds, as the destination is set; it may be changed while we read. The unit
shows in the magnitude, and a change that is told in milliseconds was made within that millisecond.

All documents of a page are read at once. Documents of other tables are left out; what is no
document of a change at all becomes a refused record, which ends in quarantine: whoever may write to
the stream must not be able to stop it. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated

import msgspec

from cdc.errors import SourceUnreachable
from cdc.records import EventName, RecordPage, Stamp, StreamRecord, present

# A shard gives 2 MiB a second, and nothing at all while a larger answer is paid off.
_BYTES_PER_SECOND = 2 * 1024 * 1024
_MICROSECONDS, _MILLISECONDS = 10**14, 10**11  # from these on, a time is in that unit
_TTL_PRINCIPAL = "dynamodb.amazonaws.com"
# Microseconds have to fit into 64 bits; whoever may write to the stream may write any number.
_Time = Annotated[float, msgspec.Meta(ge=0, le=9e18)]


# gc=False: see `cdc.records`.
class _Record(msgspec.Struct, rename="pascal", gc=False):
    sequence_number: str
    data: bytes
    approximate_arrival_timestamp: float = 0.0


class _Answer(msgspec.Struct, rename="pascal"):
    records: list[_Record]
    next_shard_iterator: str | None = None
    millis_behind_latest: int | None = None


class _Identity(msgspec.Struct, gc=False):
    type: str | None = None
    principal: str | None = msgspec.field(default=None, name="principalId")


class _Change(msgspec.Struct, rename="pascal", gc=False):
    keys: msgspec.Raw
    approximate_creation_date_time: _Time
    new_image: msgspec.Raw = msgspec.Raw()
    old_image: msgspec.Raw = msgspec.Raw()


class _Document(msgspec.Struct, gc=False):
    table: str = msgspec.field(name="tableName")
    change: _Change = msgspec.field(name="dynamodb")
    event_name: EventName = msgspec.field(name="eventName")
    event: str = msgspec.field(default="", name="eventID")
    identity: _Identity | None = msgspec.field(default=None, name="userIdentity")


_ANSWER = msgspec.json.Decoder(_Answer)
_DOCUMENT = msgspec.json.Decoder(_Document)
_DOCUMENTS = msgspec.json.Decoder(list[_Document])


def parse_changes(table: str, body: bytes) -> RecordPage:
    """The table's changes in a GetRecords body. Raises SourceUnreachable for a malformed body."""
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SourceUnreachable(
            f"GetRecords answered with {len(body)} bytes that are not a whole answer: {error}",
            hint="nothing to do, the call is repeated; if it persists, suspect a proxy",
        ) from error
    raw = answer.records
    documents = _documents([record.data for record in raw])
    records = [
        _record(record, document)
        for record, document in zip(raw, documents, strict=True)
        if isinstance(document, str) or document.table == table
    ]
    last = None
    if raw:
        is_ours = records and records[-1].sequence == raw[-1].sequence_number
        at = records[-1].created if is_ours else raw[-1].approximate_arrival_timestamp
        last = (raw[-1].sequence_number, at)
    behind_ms = answer.millis_behind_latest
    has_more = None if behind_ms is None else behind_ms > 0
    rest_seconds = sum(len(record.data) for record in raw) / _BYTES_PER_SECOND
    return RecordPage(records, answer.next_shard_iterator, last, has_more, rest_seconds)


def time_range_us(time: float) -> tuple[int, int]:
    """The microseconds within which a change with this creation time was made."""
    if time >= _MICROSECONDS:
        return int(time), int(time)
    if time >= _MILLISECONDS:
        return int(time) * 1_000, int(time) * 1_000 + 999
    return int(time) * 1_000_000, int(time) * 1_000_000 + 999_999  # of an emulator


def _documents(texts: Sequence[bytes]) -> list[_Document | str]:
    """Each text as a document, or why it is none."""
    try:
        found = _DOCUMENTS.decode(b"[" + b",".join(texts) + b"]")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        found = []
    # One text with two documents would shift all others.
    return list(found) if len(found) == len(texts) else [_document(text) for text in texts]


def _document(text: bytes) -> _Document | str:
    try:
        return _DOCUMENT.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return f"not a document of a change: {error}"


def _record(record: _Record, document: _Document | str) -> StreamRecord:
    arrived = record.approximate_arrival_timestamp
    if isinstance(document, str):
        data = msgspec.Raw(record.data)
        return StreamRecord("MODIFY", record.sequence_number, arrived, data, refused=document)
    change, identity = document.change, document.identity
    first_us, last_us = time_range_us(change.approximate_creation_date_time)
    event = document.event or hashlib.sha256(record.data).hexdigest()
    return StreamRecord(
        document.event_name,
        record.sequence_number,
        min(first_us / 1_000_000, arrived) if arrived else first_us / 1_000_000,
        change.keys,
        present(change.new_image),
        identity is not None and (identity.type, identity.principal) == ("Service", _TTL_PRINCIPAL),
        Stamp(event, first_us, last_us, present(change.old_image)),
    )
