"""The quick decode proves rows by their length, and leaves what it cannot prove to others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from cdc.columns import Column, Columns
from cdc.decode_leaves import LeafDecode, Leaves
from cdc.keys import Item, KeyAttribute, KeySchema

KEYS = KeySchema(KeyAttribute("id", "S"))
COLUMNS = Columns(
    (
        Column("id", "text"),
        Column("n", "integer"),
        Column("d", "decimal", 2),
        Column("on", "boolean"),
        Column("raw", "binary"),
        Column("m", "json"),
    )
)
ITEM: Item = {
    "id": {"S": "a"},
    "n": {"N": "-17"},
    "d": {"N": "1.5"},
    "on": {"BOOL": False},
    "raw": {"B": "AAE="},
    "m": {"M": {"host": {"S": "é"}, "in": {"M": {"port": {"N": "80"}, "tls": {"BOOL": True}}}}},
}
PLAIN = '{"host":"é","in":{"port":80,"tls":true}}'


@pytest.fixture
def leaves() -> Iterator[LeafDecode]:
    with duckdb.connect(":memory:") as connection:
        yield LeafDecode(connection, KEYS, frozenset())


def _image(item: Any) -> bytes:
    return json.dumps(item, separators=(",", ":"), ensure_ascii=False).encode()


def _decoded(leaves: LeafDecode, *texts: bytes, columns: Columns = COLUMNS) -> Leaves:
    found = leaves.decode(texts, [None] * len(texts), pa.array([False] * len(texts)), columns)
    assert found is not None
    return found


def _whole(leaves: LeafDecode, *texts: bytes, columns: Columns = COLUMNS) -> list[bool]:
    whole: list[bool] = _decoded(leaves, *texts, columns=columns).is_whole.to_pylist()
    return whole


def test_rows_of_a_settled_table_are_proven_in_both_ways_of_reading_nested_values(
    leaves: LeafDecode,
) -> None:
    for _ in range(2):  # by their text, and then by the shape that was learnt
        found = _decoded(leaves, _image(ITEM), _image({"id": {"S": "b"}}))

        assert found.is_whole.to_pylist() == [True, True]
        assert [cells.to_pylist()[0] for cells in found.arrays] == [
            *("a", -17, "1.5", False, b"\0\1", PLAIN)
        ]
        assert [cells.to_pylist()[1] for cells in found.arrays] == ["b", *[None] * 5]
        assert found.identities.to_pylist() == [
            KEYS.identity({"id": {"S": "a"}}),
            KEYS.identity({"id": {"S": "b"}}),
        ]


@pytest.mark.parametrize(
    "other",
    [
        {"more": {"S": "x"}},
        {"n": {"S": "x"}},
        {"n": {"N": "1.0"}},
        {"n": {"N": "007"}},
        {"n": {"N": "1e2"}},
        {"d": {"N": "0.123"}},
        {"on": {"NULL": True}},
        {"m": {"SS": ["a"]}},
        {"m": {"M": {"host": {"B": "AAE="}}}},
        {"id": {"S": 'quoted "text"'}},
    ],
)
def test_what_the_cells_do_not_give_back_is_not_proven(leaves: LeafDecode, other: Any) -> None:
    usual = _image(ITEM)
    for _ in range(2):
        assert _whole(leaves, usual, _image(ITEM | other), usual) == [True, False, True]


@pytest.mark.parametrize(
    "inner",
    [
        {"port": {"N": "80"}, "tsl": {"BOOL": True}},
        {"port": {"S": "80"}, "tls": {"BOOL": True}},
        {"port": {"N": "8."}, "tls": {"BOOL": True}},
        {"port": {"N": "-0"}, "tls": {"BOOL": True}},
        {"port": {"N": "1" * 20}, "tls": {"BOOL": True}},
        {"port": {"N": "80"}},
        {"port": {"N": "80"}, "tls": {"BOOL": True}, "x": {"M": {}}},
    ],
)
def test_a_nested_value_of_another_shape_is_not_taken_for_the_usual_one(
    leaves: LeafDecode, inner: Any
) -> None:
    usual = _image(ITEM)
    _decoded(leaves, usual)
    unusual = _image(ITEM | {"m": {"M": {"host": {"S": "é"}, "in": {"M": inner}}}})

    assert _whole(leaves, usual, unusual, usual) == [True, False, True]


def test_escaped_text_and_blanks_are_left_to_others(leaves: LeafDecode) -> None:
    item = {"id": {"S": "é"}}
    escaped = json.dumps(item, separators=(",", ":")).encode()
    spaced = json.dumps(item, ensure_ascii=False).encode()

    assert _whole(leaves, _image(item), _image(item), escaped, _image(item), spaced) == [
        *(True, True, False, True, False)
    ]


def test_a_shape_that_most_values_do_not_have_any_more_is_given_up(leaves: LeafDecode) -> None:
    old, new = _image(ITEM), _image({"id": {"S": "a"}, "m": {"M": {"other": {"S": "x"}}}})
    assert _whole(leaves, old) == _whole(leaves, old) == [True]

    assert [_whole(leaves, new, new) for _ in range(4)] == [[False] * 2, *[[True] * 2] * 3]


def test_names_with_the_signs_of_paths_are_found(leaves: LeafDecode) -> None:
    names = ["a/b", "~", "~1", "/0", "0", "*", "$", "$.x", 'q"', "it's", "c.d", "e[0]", "é", "-"]
    columns = COLUMNS.added(Column(name, "text") for name in names)
    item = {"id": {"S": "a"}} | {name: {"S": name} for name in names if name != 'q"'}
    nested = {"id": {"S": "a"}, "m": {"M": {name: {"S": "x"} for name in names}}}

    for _ in range(2):
        found = _decoded(leaves, _image(item), _image(nested), _image(nested), columns=columns)

        assert found.is_whole.to_pylist() == [True, *[True] * 2]
        cells = [cells.to_pylist()[0] for cells in found.arrays[len(COLUMNS) :]]
        assert cells == [None if name == 'q"' else name for name in names]
        assert json.loads(found.arrays[5].to_pylist()[1]) == dict.fromkeys(names, "x")


def test_a_deleted_item_is_its_key(leaves: LeafDecode) -> None:
    found = leaves.decode([None], [_image({"id": {"S": "a"}})], pa.array([True]), COLUMNS)

    assert found is not None
    assert found.is_whole.to_pylist() == [True]
    assert {cells.null_count for cells in found.arrays} == {1}


def test_attributes_that_are_excluded_count_without_being_kept() -> None:
    with duckdb.connect(":memory:") as connection:
        leaves = LeafDecode(connection, KEYS, frozenset({"secret", "none"}))

        assert _whole(leaves, _image(ITEM | {"secret": {"L": [{"S": "x"}]}})) == [True]
        assert _whole(leaves, _image(ITEM | {"secret": {"S": "x"}, "more": {"S": "x"}})) == [False]


def test_bad_data_is_left_to_the_way_that_tells_what_is_bad(leaves: LeafDecode) -> None:
    for bad in (b"{", b'{"id":{"S":"\\ud800"}}', b'{"id":{"S":"\xff"}}', b""):
        assert (
            leaves.decode([_image(ITEM), bad], [None] * 2, pa.array([False] * 2), COLUMNS) is None
        )
    assert _whole(leaves, _image(ITEM)) == [True]


def test_where_little_is_proven_it_is_not_tried_each_time(leaves: LeafDecode) -> None:
    spaced = json.dumps(ITEM).encode()
    tried = [leaves.decode([spaced], [None], pa.array([False]), COLUMNS) for _ in range(20)]

    assert [number for number, found in enumerate(tried) if found is not None] == [0, 16]
