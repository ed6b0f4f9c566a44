"""The shape of nested values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cdc.shapes import Leaf, Shape, common_shape


def _texts(*values: Any) -> list[str]:
    return [json.dumps(value, separators=(",", ":")) for value in values]


def test_a_shape_says_where_the_leaves_are_and_what_stands_between() -> None:
    value = {"M": {"a": {"S": "x"}, "b": {"M": {"n": {"N": "1"}}}, "on": {"BOOL": True}}}

    assert common_shape(_texts(value)) == Shape(
        (Leaf(("a",), "S"), Leaf(("b", "n"), "N"), Leaf(("on",), "BOOL")),
        ('{"a":"', '","b":{"n":', '},"on":', "}"),
        len(_texts(value)[0]) - len('{"a":"x","b":{"n":1},"on":true}'),
    )


def test_the_shape_is_that_of_most_values() -> None:
    usual, other = {"M": {"a": {"S": "x"}}}, {"M": {"b": {"S": "x"}}}

    shape = common_shape(_texts(*[usual] * 60, *[other] * 40))

    assert shape is not None
    assert shape.leaves == (Leaf(("a",), "S"),)
    assert common_shape(_texts(usual, other)) is None


@pytest.mark.parametrize(
    "value",
    [
        {"M": {}},
        {"M": {"a": {"S": "x"}, "b": {"M": {}}}},
        {"L": [{"S": "x"}]},
        {"M": {"a": {"L": []}}},
        {"M": {"a": {"NULL": True}}},
        {"M": {"a": {"SS": ["x"]}}},
        {"M": {"a": {"S": "x", "N": "1"}}},
        {"M": {"a": "x"}},
        {"M": {str(i): {"S": "x"} for i in range(100)}},
        {"S": "x"},
        {"N": "1"},
    ],
)
def test_what_members_paths_do_not_describe_has_no_shape(value: Any) -> None:
    assert common_shape(_texts(value)) is None
