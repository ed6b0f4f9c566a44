"""Pages of the wire become values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cdc.errors import SourceUnreachable
from cdc.records import parse_records, parse_scan


def _record(**changes: Any) -> dict[str, Any]:
    change: dict[str, Any] = {
        "ApproximateCreationDateTime": 1.7e9,
        "Keys": {"pk": {"S": "a"}},
        "NewImage": {"pk": {"S": "a"}, "n": {"N": "1"}},
        "OldImage": {"pk": {"S": "a"}},
        "SequenceNumber": "000100000000001234567",
        "SizeBytes": 12,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    record = {"eventID": "x", "eventName": "MODIFY", "eventVersion": "1.1", "dynamodb": change}
    outer = {k: v for k, v in changes.items() if k in {"eventName", "userIdentity"}}
    change |= {k: v for k, v in changes.items() if k not in outer}
    return record | outer


def _body(*records: dict[str, Any], **rest: Any) -> bytes:
    return json.dumps({"Records": records, **rest}).encode()


def test_a_record_keeps_sequence_text_and_image_bytes() -> None:
    page = parse_records(_body(_record(), NextShardIterator="next"))

    (record,) = page.records
    assert page.next_iterator == "next"
    assert record.event_name == "MODIFY"
    assert record.sequence == "000100000000001234567"
    assert record.created == 1.7e9
    assert json.loads(bytes(record.keys)) == {"pk": {"S": "a"}}
    assert record.image is not None
    assert json.loads(bytes(record.image)) == {"pk": {"S": "a"}, "n": {"N": "1"}}
    assert not record.is_ttl


@pytest.mark.parametrize("created", ["1700000000", "1700000000.0", "1.7E9"])
def test_a_creation_time_may_be_spelled_in_any_way(created: str) -> None:
    body = _body(_record(ApproximateCreationDateTime=0)).replace(b'DateTime": 0', b'DateTime": %b')

    page = parse_records(body % created.encode())

    assert page.records[0].created == 1.7e9


def test_a_missing_next_iterator_is_the_end_of_the_shard() -> None:
    page = parse_records(_body())

    assert page.records == []
    assert page.next_iterator is None


@pytest.mark.parametrize(
    "identity, expected",
    [
        ({"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}, True),
        ({"Type": "Service", "PrincipalId": "somebody.else"}, False),
        (None, False),
    ],
)
def test_a_delete_by_time_to_live_is_told_by_its_identity(identity: Any, *, expected: bool) -> None:
    record = _record(eventName="REMOVE", userIdentity=identity)
    del record["dynamodb"]["NewImage"]

    (parsed,) = parse_records(_body(record)).records

    assert parsed.image is None
    assert parsed.is_ttl is expected


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"<html>", _body(_record())[:-20], b'{"Records":[{"eventName":"MODIFY"}]}', b"[]"],
)
def test_a_malformed_answer_is_worth_another_try(body: bytes) -> None:
    with pytest.raises(SourceUnreachable) as caught:
        parse_records(body)

    assert "\n" not in str(caught.value)


def test_a_lone_surrogate_does_not_refuse_the_page() -> None:
    bad = _record(NewImage={"pk": {"S": "a"}, "t": {"S": "\ud800"}})

    page = parse_records(_body(_record(), bad, NextShardIterator="next"))

    assert [record.sequence for record in page.records] == ["000100000000001234567"] * 2
    assert page.records[1].image is not None
    assert b"\\ud800" in bytes(page.records[1].image)
    assert parse_scan(b'{"Items":[{"a":{"S":"\\ud800"}},{"a":{"S":"x"}}]}').items[1:]


def test_a_scan_page_keeps_items_and_the_key_to_go_on_from() -> None:
    body = b'{"Count":1,"Items":[{"a":{"N":"1.50"}}],"LastEvaluatedKey":{"a": {"N":"1.50"}}}'

    page = parse_scan(body)

    assert [bytes(item) for item in page.items] == [b'{"a":{"N":"1.50"}}']
    assert page.last_key == '{"a": {"N":"1.50"}}'


def test_a_scan_without_a_last_key_is_at_its_end() -> None:
    assert parse_scan(b'{"Items":[]}').last_key is None


def test_a_malformed_scan_is_worth_another_try() -> None:
    with pytest.raises(SourceUnreachable):
        parse_scan(b'{"Items":[{"a"')


def test_a_scan_page_tells_what_it_took_where_the_service_says_so() -> None:
    told = parse_scan(b'{"Items":[],"ConsumedCapacity":{"TableName":"t","CapacityUnits":127.5}}')
    silent = parse_scan(b'{"Items":[]}')

    assert told.capacity_units == 127.5
    assert silent.capacity_units is None
