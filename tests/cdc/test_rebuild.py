"""Rows become items; items and sets of items are compared."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import pytest

from cdc.columns import Column, Columns
from cdc.keys import Item
from cdc.rebuild import ItemSetDigest, canonical_item, digest_number, item_digest, rebuild

COLUMNS = Columns(
    (
        Column("t", "text"),
        Column("i", "integer"),
        Column("d", "decimal", 6),
        Column("o", "boolean"),
        Column("b", "binary"),
        Column("j", "json"),
    )
)
ITEM: Item = {
    "t": {"S": ""},
    "i": {"N": "-7"},
    "d": {"N": "1.5"},
    "o": {"BOOL": False},
    "b": {"B": "AAH/"},
    "j": {"M": {"a": {"L": []}}},
}


def test_cells_as_duckdb_gives_them_become_the_item() -> None:
    cells = ["", -7, Decimal("1.500000"), False, b"\x00\x01\xff", '{"a":[]}']

    assert rebuild(COLUMNS, cells, None) == ITEM


def test_cells_as_sqlite_gives_them_become_the_item() -> None:
    cells = ["", -7, "1.5", 0, b"\x00\x01\xff", '{"a":[]}']

    assert rebuild(COLUMNS, cells, None) == ITEM


def test_rest_overrides_cells_and_adds_what_has_no_column() -> None:
    rest = '{"j":{"SS":["a"]},"":{"NULL":true},"i":{"S":"seven"}}'

    item = rebuild(COLUMNS, [None, None, None, None, None, '["a"]'], rest)

    assert item == {"j": {"SS": ["a"]}, "": {"NULL": True}, "i": {"S": "seven"}}


def test_a_tiny_decimal_keeps_its_digits() -> None:
    cells = [None, None, Decimal("1E-18"), None, None, None]

    assert rebuild(COLUMNS, cells, None) == {"d": {"N": "0.000000000000000001"}}


@pytest.mark.parametrize(
    "wire, seen",
    [
        ({"N": "001.50"}, {"N": "1.5"}),
        ({"N": "1E3"}, {"N": "1000"}),
        ({"B": "AAE="}, {"B": b"\x00\x01"}),
        ({"BS": ["AQ==", "AA=="]}, {"BS": {b"\x00", b"\x01"}}),
        ({"NS": ["10", "2.0"]}, {"NS": ["2", "1E1"]}),
        ({"SS": ["b", "a"]}, {"SS": {"a", "b"}}),
        ({"L": [{"N": "1.0"}]}, {"L": [{"N": "1"}]}),
        ({"M": {"a": {"NS": ["1", "2"]}}}, {"M": {"a": {"NS": ["2", "1"]}}}),
    ],
)
def test_what_dynamodb_calls_equal_is_equal(wire: dict[str, Any], seen: dict[str, Any]) -> None:
    assert canonical_item({"a": wire}) == canonical_item({"a": seen})
    assert item_digest({"a": wire}) == item_digest({"a": seen})


@pytest.mark.parametrize(
    "one, other",
    [
        ({"S": "1"}, {"N": "1"}),
        ({"L": []}, {"M": {}}),
        ({"L": [{"S": "a"}, {"S": "b"}]}, {"L": [{"S": "b"}, {"S": "a"}]}),
        ({"S": ""}, {"NULL": True}),
        ({"B": "AAE="}, {"S": "AAE="}),
        ({"S": "\ud800"}, {"S": "\udc00"}),
    ],
)
def test_what_differs_has_another_digest(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert item_digest({"a": one}) != item_digest({"a": other})


def test_the_digest_of_an_item_is_the_documented_one() -> None:
    item: Item = {"b": {"NS": ["2", "1.0"]}, "a": {"S": "é"}}

    text = "1:aS2:é1:bn2:1:11:2"
    assert item_digest(item) == hashlib.md5(text.encode(), usedforsecurity=False).digest()


def test_every_type_has_a_text_of_its_own() -> None:
    values: list[dict[str, Any]] = [
        {"S": "1"},
        {"N": "1"},
        {"B": "AQ=="},
        {"S": "AQ=="},
        {"BOOL": True},
        {"BOOL": False},
        {"NULL": True},
        {"M": {}},
        {"L": []},
        {"M": {"1": {"S": "1"}}},
        {"L": [{"S": "1"}]},
        {"L": [{"L": []}, {"L": []}]},
        {"L": [{"L": [{"L": []}]}]},
        {"SS": ["1"]},
        {"NS": ["1"]},
        {"BS": ["AQ=="]},
        {"SS": ["1", "2"]},
        {"SS": ["1,2"]},
    ]

    assert len({item_digest({"a": value}) for value in values}) == len(values)


def test_what_is_no_attribute_value_has_no_digest() -> None:
    with pytest.raises(ValueError, match="no attribute type"):
        item_digest({"a": {"X": "1"}})


def test_the_digest_of_many_items_ignores_their_order() -> None:
    items: list[Item] = [{"a": {"N": str(i)}} for i in range(20)]
    one, other = ItemSetDigest(), ItemSetDigest()

    one.add_all(items)
    other.add_all(reversed(items))

    assert one.hexdigest() == other.hexdigest()
    assert one.count == 20


def test_a_change_of_an_item_is_a_subtraction_and_an_addition() -> None:
    before, after = ItemSetDigest(), ItemSetDigest()
    before.add_all([ITEM, {"a": {"N": "1"}}])
    after.add_all([ITEM, {"a": {"N": "2"}}])

    before.add_sum(-1, -digest_number(item_digest({"a": {"N": "1"}})))
    before.add({"a": {"N": "2"}})

    assert (before.count, before.hexdigest()) == (after.count, after.hexdigest())


def test_an_item_counted_twice_changes_the_digest() -> None:
    once, thrice, nothing = ItemSetDigest(), ItemSetDigest(), ItemSetDigest()

    once.add(ITEM)
    thrice.add_all([ITEM] * 3)

    assert len({once.hexdigest(), thrice.hexdigest(), nothing.hexdigest()}) == 3
