"""Typed nested JSON and its plain form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cdc.nested import plain_from_typed, typed_from_plain


def _typed(value: Any) -> str:
    return json.dumps(value)


@pytest.mark.parametrize(
    "typed, plain",
    [
        ({"M": {}}, "{}"),
        ({"L": []}, "[]"),
        ({"M": {"": {"S": ""}}}, '{"":""}'),
        ({"L": [{"BOOL": True}, {"BOOL": False}, {"NULL": True}]}, "[true,false,null]"),
        ({"M": {"a": {"S": "1"}, "A": {"N": "1"}}}, '{"a":"1","A":1}'),
        ({"L": [{"N": "1.5"}, {"N": "-0.25"}, {"S": "1.5"}]}, '[1.5,-0.25,"1.5"]'),
        ({"L": [{"N": "9223372036854775807"}]}, "[9223372036854775807]"),
        ({"L": [{"N": "-9223372036854775808"}]}, "[-9223372036854775808]"),
        ({"L": [{"N": "1" + "0" * 125}]}, "[1" + "0" * 125 + "]"),
        ({"L": [{"N": "0." + "0" * 129 + "1"}]}, "[0." + "0" * 129 + "1]"),
        ({"L": [{"L": [{"M": {"x": {"L": []}}}]}]}, '[[{"x":[]}]]'),
        ({"M": {"S": {"S": "M"}}}, '{"S":"M"}'),
        ({"L": [{"S": '\u0000\n"é😀'}]}, '["\\u0000\\n\\"é😀"]'),
    ],
)
def test_what_plain_json_keeps_comes_back(typed: dict[str, Any], plain: str) -> None:
    assert plain_from_typed(_typed(typed)) == (plain, True)
    assert typed_from_plain(plain) == typed


@pytest.mark.parametrize(
    "typed, plain",
    [
        ({"SS": ["a", "b"]}, '["a","b"]'),
        ({"NS": ["1", "2.5"]}, "[1,2.5]"),
        ({"BS": ["AAE="]}, '["AAE="]'),
        ({"L": [{"B": "AAE="}]}, '["AAE="]'),
        ({"M": {"s": {"SS": ["a"]}}}, '{"s":["a"]}'),
        ({"L": [{"N": "9223372036854775808"}]}, "[9223372036854775808]"),
        ({"L": [{"N": "0.1234567890123456"}]}, "[0.1234567890123456]"),
        ({"L": [{"N": "0001.500"}]}, "[1.5]"),
        ({"L": [{"N": "-0"}]}, "[0]"),
        ({"L": [{"N": "what"}]}, '["what"]'),
        ({"L": [{"X": [1]}]}, "[[1]]"),
        ({"L": [{"S": "a", "N": "1"}]}, '[{"S":"a","N":"1"}]'),
        ({"L": [{"NULL": False}]}, "[null]"),
        ({"N": "1.50"}, "1.5"),
        ({"N": "9" * 38}, "9" * 38),
    ],
)
def test_what_plain_json_cannot_hold_is_still_shown(typed: dict[str, Any], plain: str) -> None:
    assert plain_from_typed(_typed(typed)) == (plain, False)


def test_the_deepest_nesting_that_dynamodb_allows_comes_back() -> None:
    typed: dict[str, Any] = {"S": "bottom"}
    for level in range(32):
        typed = {"M": {"a": typed}} if level % 2 else {"L": [typed]}

    plain, lossless = plain_from_typed(_typed(typed))

    assert lossless
    assert typed_from_plain(plain) == typed


def test_the_last_of_two_equal_names_wins() -> None:
    assert plain_from_typed('{"M":{"a":{"S":"1"},"a":{"S":"2"}}}') == ('{"a":"2"}', True)


@pytest.mark.parametrize("text", ['{"L":[{"S":"\\ud800"}]}', '{"L":[', ""])
def test_text_that_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        plain_from_typed(text)
