"""Records that cannot be decoded are put aside, and stop nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from cdc.columns import Column, Columns
from cdc.decode import SCAN, Decoder, ShardRecords
from cdc.keys import Item, KeyAttribute, KeySchema
from cdc.records import StreamRecord

KEYS = KeySchema(KeyAttribute("id", "S"))


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    with_string_key = Decoder(KEYS)
    yield with_string_key
    with_string_key.close()


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def _record(item: Item, sequence: str = "1") -> StreamRecord:
    return StreamRecord("MODIFY", sequence, 0.0, _raw({"id": item["id"]}), _raw(item))


BAD_IMAGES = [
    b'{"id":{"S":"bad"},"v":{"S":"\\ud800"}}',
    b'{"id":{"S":"bad"},"v":{"S":"\xff"}}',
    b'{"id":{"S":"bad"},"\\udc00":{"S":"x"}}',
    b'{"id":{"S":"bad"},"v":',
]


@pytest.mark.parametrize("image", BAD_IMAGES)
@pytest.mark.parametrize("columns", [Columns(), Columns((Column("v", "text"),))])
def test_a_record_that_cannot_be_decoded_does_not_stop_the_others(
    decoder: Decoder, image: bytes, columns: Columns
) -> None:
    good = [_record({"id": {"S": str(i)}, "v": {"S": "x"}}) for i in range(9)]
    bad = StreamRecord("MODIFY", "77", 0.0, _raw({"id": {"S": "bad"}}), msgspec.Raw(image))

    batch = decoder.changes([ShardRecords("s", [*good[:4], bad, *good[4:]])], columns)

    (poison,) = batch.poison
    assert (poison.shard_id, poison.sequence, poison.raw) == ("s", "77", image)
    assert poison.reason
    assert batch.rows.num_rows == 9
    assert batch.records == 10


@pytest.mark.parametrize("keys", [b'{"id":{"S":"\\ud800"}}', b"{}", b'{"id":{"N":"1"}}', b"[]"])
def test_a_removal_without_a_usable_key_is_put_aside(decoder: Decoder, keys: bytes) -> None:
    bad = StreamRecord("REMOVE", "77", 0.0, msgspec.Raw(keys))

    batch = decoder.changes([ShardRecords("s", [bad, _record({"id": {"S": "a"}})])], Columns())

    assert [poison.raw for poison in batch.poison] == [keys]
    assert batch.rows.num_rows == 1


def test_a_change_without_an_image_is_put_aside_and_not_taken_for_a_removal(
    decoder: Decoder,
) -> None:
    record = StreamRecord("MODIFY", "1", 0.0, _raw({"id": {"S": "a"}}))

    batch = decoder.changes([ShardRecords("s", [record])], Columns())

    assert [poison.reason for poison in batch.poison] == ["the record has no new image"]
    assert batch.rows.num_rows == 0
    assert not batch.is_empty


def test_a_bad_record_that_was_superseded_leaves_the_newer_content(decoder: Decoder) -> None:
    bad = StreamRecord("MODIFY", "1", 0.0, _raw({"id": {"S": "a"}}), msgspec.Raw(BAD_IMAGES[0]))
    good = _record({"id": {"S": "a"}, "v": {"S": "x"}}, sequence="2")

    batch = decoder.changes([ShardRecords("s", [bad, good])], Columns())

    assert batch.rows.column("v").to_pylist() == ["x"]
    assert [poison.sequence for poison in batch.poison] == ["1"]


def test_a_scanned_item_that_cannot_be_decoded_is_put_aside(decoder: Decoder) -> None:
    items = [msgspec.Raw(image) for image in BAD_IMAGES] + [_raw({"id": {"S": "a"}})]

    batch = decoder.scan(items, Columns())

    assert {poison.shard_id for poison in batch.poison} == {SCAN}
    assert len({poison.sequence for poison in batch.poison}) == len(BAD_IMAGES)
    assert batch.rows.num_rows == 1


def test_bad_records_are_found_by_halves_when_only_the_engine_refuses_them(
    decoder: Decoder,
) -> None:
    images = [b'{"id":{"S":"a"},"v":{"S":"x"}}'] * 20
    images[5:5] = BAD_IMAGES

    found = decoder._bisect(images, [None] * len(images), range(len(images)), Columns())

    assert sorted(found) == [5, 6, 7, 8]
    assert all(found.values())


def test_a_bad_record_leaves_the_row_at_its_earlier_content(decoder: Decoder) -> None:
    good = _record({"id": {"S": "a"}, "v": {"S": "x"}})
    bad = StreamRecord("MODIFY", "2", 0.0, _raw({"id": {"S": "a"}}), msgspec.Raw(BAD_IMAGES[0]))

    batch = decoder.changes([ShardRecords("s", [good, bad])], Columns())

    assert batch.rows.column("v").to_pylist() == ["x"]
    assert [poison.sequence for poison in batch.poison] == ["2"]
