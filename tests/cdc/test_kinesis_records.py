"""What a page of Kinesis holds: changes of one table, of others, and what is no change at all."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from cdc.errors import SourceUnreachable
from cdc.kinesis_records import parse_changes, time_range_us
from cdc.records import RecordPage, Stamp
from tests.simulators.change_documents import Change, document

AT_US = 1_795_000_000_123_456
CHANGE = Change(
    "routes",
    {"id": {"S": "a"}},
    {"id": {"S": "a"}, "v": {"N": "1"}},
    {"id": {"S": "a"}, "v": {"N": "2"}},
    AT_US,
    "0" * 32,
)


def page(*texts: bytes, following: str | None = "next", **more: Any) -> RecordPage:
    records = [
        {
            "SequenceNumber": str(number),
            "ApproximateArrivalTimestamp": 1_795_000_001.5,
            "Data": base64.b64encode(text).decode(),
            "PartitionKey": "p",
        }
        for number, text in enumerate(texts, 1)
    ]
    body = {"Records": records, "NextShardIterator": following, **more}
    return parse_changes("routes", json.dumps(body).encode())


def test_a_document_is_a_change_with_both_images_and_its_time() -> None:
    (record,) = page(document(CHANGE)).records

    assert (record.event_name, record.sequence, record.created) == ("MODIFY", "1", AT_US / 1e6)
    assert json.loads(bytes(record.keys)) == CHANGE.keys
    assert record.image is not None
    assert json.loads(bytes(record.image)) == CHANGE.new
    assert record.stamp is not None
    assert record.stamp.old is not None
    assert json.loads(bytes(record.stamp.old)) == CHANGE.old
    assert record.stamp.event == "00000000-0000-0000-0000-000000000000"


def test_an_insert_has_found_nothing_and_a_delete_leaves_nothing() -> None:
    made, gone = page(
        document(replace(CHANGE, old=None)), document(replace(CHANGE, new=None))
    ).records

    assert made.event_name == "INSERT"
    assert made.stamp is not None
    assert made.stamp.old is None
    assert (gone.event_name, gone.image) == ("REMOVE", None)


def test_a_delete_by_time_to_live_is_told_from_others() -> None:
    gone = replace(CHANGE, new=None)
    records = page(document(gone), document(replace(gone, is_ttl=True))).records

    assert [record.is_ttl for record in records] == [False, True]


@pytest.mark.parametrize(
    "time, expected",
    [
        (1_795_000_000_123_456, (1_795_000_000_123_456, 1_795_000_000_123_456)),
        (1_795_000_000_123, (1_795_000_000_123_000, 1_795_000_000_123_999)),
        (1_795_000_000, (1_795_000_000_000_000, 1_795_000_000_999_999)),
    ],
)
def test_the_unit_of_a_time_shows_in_its_magnitude(time: int, expected: tuple[int, int]) -> None:
    assert time_range_us(time) == expected


def test_the_unit_may_change_within_a_page() -> None:
    stamps = [record.stamp for record in page(document(CHANGE), document(CHANGE, "ms")).records]

    assert all(isinstance(stamp, Stamp) for stamp in stamps)
    assert [(stamp.first_us, stamp.last_us) for stamp in stamps if stamp] == [
        (AT_US, AT_US),
        (AT_US - 456, AT_US + 543),
    ]


def test_changes_of_other_tables_are_left_out_and_the_page_still_says_how_far_it_goes() -> None:
    found = page(document(CHANGE), document(replace(CHANGE, table="airports")))

    assert [record.sequence for record in found.records] == ["1"]
    assert found.last == ("2", 1_795_000_001.5)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"hello",
        b"\xff\xfe",
        b"{}",
        b'{"tableName": "routes"}',
        document(CHANGE) + b"," + document(CHANGE),
        document(CHANGE)[:-1],
        document(replace(CHANGE, at_us=2**63)),
        document(replace(CHANGE, at_us=-1)),
    ],
)
def test_what_is_no_document_is_refused_alone_with_its_bytes(text: bytes) -> None:
    before, refused, after = page(document(CHANGE), text, document(CHANGE)).records

    assert (before.refused, after.refused) == ("", "")
    assert refused.refused.startswith("not a document of a change")
    assert bytes(refused.keys) == text


def test_a_shard_has_more_if_the_service_is_behind_and_has_ended_without_an_iterator() -> None:
    assert page(MillisBehindLatest=0).has_more is False
    assert page(MillisBehindLatest=5).has_more is True
    assert page().has_more is None
    assert page(following=None).next_iterator is None
    assert page().last is None


def test_a_large_page_wants_its_rest() -> None:
    assert page(b"x" * 1024 * 1024).rest_seconds == pytest.approx(0.5)


def test_a_body_that_is_cut_short_is_asked_for_again() -> None:
    with pytest.raises(SourceUnreachable, match="not a whole answer"):
        parse_changes("routes", b'{"Records": [')
