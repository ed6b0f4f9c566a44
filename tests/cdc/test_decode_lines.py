"""Images of one layout are taken at once; what is not clear in them is left to others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from cdc.columns import Column, Columns
from cdc.decode_lines import LineDecode, Lines
from cdc.keys import Item, KeyAttribute, KeySchema

KEYS = KeySchema(KeyAttribute("id", "S"))
COLUMNS = Columns(
    (Column("id", "text"), Column("m", "json"), Column("t", "text"), Column("n", "integer"))
)
ITEM: Item = {
    "id": {"S": "a"},
    "m": {
        "M": {"l": {"L": [{"S": "é"}, {"N": "1.5"}]}, "on": {"BOOL": True}, "no": {"NULL": True}}
    },
    "t": {"S": "x"},
    "n": {"N": "-17"},
}
CELLS = ["a", '{"l":["é",1.5],"on":true,"no":null}', "x", -17]


@pytest.fixture
def lines() -> Iterator[LineDecode]:
    with duckdb.connect(":memory:") as connection:
        yield LineDecode(connection, KEYS, least_rows=1)


def _image(item: Any) -> bytes:
    return json.dumps(item, separators=(",", ":"), ensure_ascii=False).encode()


def _decoded(lines: LineDecode, *texts: bytes, columns: Columns = COLUMNS) -> Lines:
    """The odd texts, the usual item around them."""
    images = [_image(ITEM)] * 5 + [*texts] + [_image(ITEM)] * 5
    found = lines.decode(images, [None] * len(images), pa.array([False] * len(images)), columns)
    assert found is not None
    return found


def _row(found: Lines, position: int) -> list[Any]:
    place = found.places[found.positions.to_pylist().index(position)].as_py()
    return [cells[place].as_py() for cells in found.arrays]


def test_rows_of_the_layout_have_their_cells_and_identities(lines: LineDecode) -> None:
    found = _decoded(lines, _image(ITEM | {"id": {"S": "b"}, "n": {"N": "9" * 18}}))

    assert (found.others.to_pylist(), found.rests) == ([], {})
    assert _row(found, 0) == CELLS
    assert _row(found, 5) == ["b", *CELLS[1:3], int("9" * 18)]
    assert found.identities.to_pylist()[5] == KEYS.identity({"id": {"S": "b"}})


@pytest.mark.parametrize(
    "text",
    [
        {"t": {"S": 'a "quoted" word'}},
        {"t": {"S": "back\\slash"}},
        {"t": {"S": "}"}},
        {"t": {"S": "{"}, "n": {"S": "}"}},
        {"t": {"SS": ["a"]}},
        {"t": {"M": {}}},
        {"t": {"S": "a", "N": "b"}},
        {"t": {"L": [{"S": "x"}]}},
        {"n": {"M": {"n": {"N": "1"}}}},
        {"n": {"N": "9" * 19}},
        {"m": {"M": {}}},
        {"m": {"M": {"l": {"L": [{"S": "é"}, {"N": "01"}]}, "on": {"BOOL": True}}}},
        {"m": {"M": ITEM["m"]["M"] | {"l": {"L": [{"N": "1"}, {"S": "é"}]}}}},
        {"m": {"M": ITEM["m"]["M"] | {"no": {"NULL": False}}}},
        {"more": {"S": "x"}},
    ],
)
def test_what_is_not_clear_is_left_to_others(lines: LineDecode, text: Item) -> None:
    found = _decoded(lines, _image(ITEM | text))

    assert found.others.to_pylist() == [5]
    assert len(found.positions) == 10
    assert found.rests == {}


def test_attributes_in_another_order_or_place_are_left_to_others(lines: LineDecode) -> None:
    inside = '{"id":{"S":"a"},"m":{"M":{"l":{"L":[{"S":"é"},{"N":"1"}]},"on":{"BOOL":true},"no":'
    moved = inside + '{"NULL":true},"t":{"S":"x"}}},"n":{"N":"1"}}'
    imitated = '{"id":{"S":"a"},"m":' + _image(ITEM["m"]).decode()
    imitated += ',"t":{"M":{"t":{"S":"x"},"n":{"N":"1"}}}}'

    found = _decoded(lines, _image(dict(reversed(ITEM.items()))), moved.encode(), imitated.encode())

    assert sorted(found.others.to_pylist()) == [5, 6, 7]


@pytest.mark.parametrize(
    "name, value",
    [("t", {"N": "1"}), ("t", {"NULL": True}), ("n", {"N": "1.5"}), ("n", {"N": "007"})],
)
def test_a_single_value_that_its_column_cannot_hold_makes_a_misfit(
    lines: LineDecode, name: str, value: Any
) -> None:
    found = _decoded(lines, _image(ITEM | {name: value}))

    assert found.rests == {5: _image({name: value}).decode()}
    assert found.counts == ({} if "NULL" in value else {name: 1})
    cells = dict(zip(COLUMNS.names, _row(found, 5), strict=True))
    assert cells == dict(zip(COLUMNS.names, CELLS, strict=True)) | {name: None}


def test_what_is_left_of_a_row_is_named_by_its_change(lines: LineDecode) -> None:
    odd = {"t": {"N": "1"}, "n": {"NULL": True}}
    images = [_image(ITEM), None, _image({"id": {"S": "other"}}), _image(ITEM | odd)]
    images += [_image(ITEM)] * 4
    keys = [_image({"id": {"S": "gone"}}) if image is None else None for image in images]
    is_dead = pa.array([image is None for image in images])

    found = lines.decode(images, keys, is_dead, COLUMNS)

    assert found is not None
    assert found.others.to_pylist() == [2]
    assert (found.rests, found.counts) == ({3: _image(odd).decode()}, {"t": 1})


def test_a_deleted_item_has_no_place(lines: LineDecode) -> None:
    images = [_image(ITEM), None, _image(ITEM)]
    keys = [None, _image({"id": {"S": "gone"}}), None]

    found = lines.decode(images, keys, pa.array([False, True, False]), COLUMNS)

    assert found is not None
    assert found.positions.to_pylist() == [0, 2, 1]
    assert found.places.to_pylist() == [0, 1, None]
    assert found.identities.to_pylist()[2] == KEYS.identity({"id": {"S": "gone"}})


def test_texts_of_several_lines_are_refused_and_not_tried_each_time(lines: LineDecode) -> None:
    spaced = json.dumps(ITEM, indent=1).encode()
    arguments = [None] * 3, pa.array([False] * 3), COLUMNS

    assert lines.decode([_image(ITEM), spaced, _image(ITEM)], *arguments) is None
    assert [lines.decode([_image(ITEM)] * 3, *arguments) for _ in range(15)] == [None] * 15
    assert lines.decode([_image(ITEM)] * 3, *arguments) is not None
