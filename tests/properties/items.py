"""Strategies for items as DynamoDB's wire carries them: every type, odd names, hard numbers."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from cdc.columns import Column, Columns, Kind
from cdc.keys import Item, KeyAttribute, KeySchema, KeyType

# The first ones often: values of many types have to meet in one column.
NAMES = (
    *("a", "b", "c", "c.d") * 3,
    "A", "e[0]", "$", "*", 'q"x', "it's", "\\", "ünï", "ß", "SS", "😀", "", "\n", "n" * 256,
    "_h", "_REST", "_dead", "rowid", "select", "x y", "pk", "PK",
)  # fmt: skip

texts = st.one_of(
    st.sampled_from(["", "0", "true", '{"S":"x"}', "\u0000", "a\u0000b", '"', "\\", "\u2028"]),
    st.text(max_size=12),
)
binaries = st.binary(max_size=8).map(lambda raw: base64.b64encode(raw).decode())


def _spelled(digits: int, scale: int, *, is_negative: bool) -> str:
    text = str(digits).rjust(scale + 1, "0")
    whole, fraction = text[: len(text) - scale], text[len(text) - scale :].rstrip("0")
    sign = "-" if is_negative and digits else ""
    return sign + whole + ("." + fraction if fraction else "")


numbers = st.one_of(
    st.sampled_from(
        [
            "0",
            "-0",
            "1.50",
            "007",
            "1E5",
            "+1",
            "1e-130",
            "9.99E+125",
            "-1E-130",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "12345678901234567890.5",
            "0.1000000000000000000000000001",
            "9" * 38,
            "0." + "0" * 129 + "1",
            "1" + "0" * 125,
            "0.1",
            "-0.5",
            "100.25",
        ]
    ),
    st.integers(-10, 10**6).map(str),
    st.builds(
        _spelled,
        st.integers(0, 10**38 - 1),
        st.sampled_from([0, 1, 2, 6, 12, 18, 19, 38]),
        is_negative=st.booleans(),
    ),
)


def _sets(members: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(members, min_size=1, max_size=3, unique=True)


def _tagged(tag: str) -> Callable[[Any], dict[str, Any]]:
    return lambda value: {tag: value}


scalars = st.one_of(
    texts.map(_tagged("S")),
    numbers.map(_tagged("N")),
    binaries.map(_tagged("B")),
    st.booleans().map(_tagged("BOOL")),
    st.just({"NULL": True}),
    _sets(texts).map(_tagged("SS")),
    _sets(st.integers().map(str)).map(_tagged("NS")),
    _sets(binaries).map(_tagged("BS")),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(_tagged("L")),
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=3).map(_tagged("M")),
    ),
    max_leaves=6,
)
_KEY_VALUES: dict[str, st.SearchStrategy[str]] = {
    "S": st.text(min_size=1, max_size=3),
    "N": st.sampled_from(["0", "-0", "1", "1.0", "-2.5", "1E2", "9" * 38, "1E-130"]),
    "B": st.binary(min_size=1, max_size=3).map(lambda raw: base64.b64encode(raw).decode()),
}


@st.composite
def key_schemas(draw: st.DrawFn) -> KeySchema:
    types: st.SearchStrategy[KeyType] = st.sampled_from(("S", "N", "B"))
    partition = KeyAttribute("pk", draw(types))
    if draw(st.booleans()):
        return KeySchema(partition)
    return KeySchema(
        partition, KeyAttribute(draw(st.sampled_from(["PK", "sk", 'q"x'])), draw(types))
    )


@st.composite
def items(draw: st.DrawFn, keys: KeySchema) -> Item:
    item: Item = draw(st.dictionaries(st.sampled_from(NAMES), values, max_size=6))
    for attribute in keys.attributes:
        item[attribute.name] = {attribute.type: draw(_KEY_VALUES[attribute.type])}
    return item


def key_of(keys: KeySchema, item: Item) -> Item:
    return {attribute.name: item[attribute.name] for attribute in keys.attributes}


@st.composite
def columns(draw: st.DrawFn) -> Columns:
    """Columns as some history may have left them, for attributes of whatever kind comes now."""
    names = draw(st.lists(st.sampled_from(("a", "b", "c", "c.d", 'q"x', "pk")), unique=True))
    kinds: st.SearchStrategy[Kind] = st.sampled_from(
        ("text", "integer", "decimal", "boolean", "binary", "json")
    )
    chosen = [(name, draw(kinds)) for name in names]
    scales = st.sampled_from((2, 6, 18))
    return Columns(
        tuple(Column(name, kind, draw(scales) * (kind == "decimal")) for name, kind in chosen)
    )
