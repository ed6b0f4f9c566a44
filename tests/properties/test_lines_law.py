"""The quickest decode changes nothing: rows, misfits and columns are those of the other ways."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from cdc.column_rules import ColumnRules
from cdc.columns import Column, Columns
from cdc.decode_engine import Decoded, DecodeEngine, Undecodable
from cdc.keys import Item, KeyAttribute, KeySchema
from tests.properties.items import numbers, scalars, texts, values

_KEYS = KeySchema(KeyAttribute("k", "S"), KeyAttribute("n", "N"))
_COLUMNS = Columns(
    (
        *(Column("k", "text"), Column("n", "integer"), Column("t", "text")),
        *(Column("i", "integer"), Column("d", "decimal", 2), Column("b", "boolean")),
        *(Column("j", "json"), Column("absent", "binary")),
    )
)
_signs = st.text('ab"\\{},:[]é\n\u2028', max_size=6)
_plain = st.one_of(_signs, texts)
_ITEM: Item = {
    "k": {"S": "usual"},
    "n": {"N": "7"},
    "t": {"S": "text"},
    "i": {"N": "-17"},
    "d": {"N": "1.5"},
    "b": {"BOOL": True},
    "j": {"M": {"s": {"S": "é"}, "l": {"L": [{"N": "1"}, {"NULL": True}]}, "b": {"BOOL": False}}},
}
# Enough of them that they make the layout, whatever else is in the batch.
_USUAL = [(_ITEM | {"n": {"N": str(number)}}, False) for number in range(12)]


def _nested(text: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.tuples(text, numbers, st.booleans()).map(
        lambda row: {
            "M": {
                "s": {"S": row[0]},
                "l": {"L": [{"N": row[1]}, {"NULL": True}]},
                "b": {"BOOL": row[2]},
            }
        }
    )


_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "k": st.sampled_from(["a", "é", '"', "}", "x" * 300]).map(lambda text: {"S": text}),
    "n": st.sampled_from(["1", "-1.5", "1.0", "-0", "9" * 19, "9" * 30]).map(lambda n: {"N": n}),
    "t": st.one_of(_plain.map(lambda text: {"S": text}), scalars, values),
    "i": st.one_of(numbers.map(lambda text: {"N": text}), scalars),
    "d": st.one_of(numbers.map(lambda text: {"N": text}), scalars),
    "b": st.one_of(st.booleans().map(lambda value: {"BOOL": value}), scalars),
    "j": st.one_of(_nested(_plain), values),
}


@st.composite
def _items(draw: st.DrawFn) -> Item:
    """The usual item with some of its values changed, and rarely in another order."""
    changed = draw(st.lists(st.sampled_from(list(_VALUES)), unique=True, max_size=3))
    item = _ITEM | {name: draw(_VALUES[name]) for name in changed}
    if draw(st.integers(0, 5)) == 0:
        names = draw(st.permutations(list(item)[2:]))[: draw(st.integers(0, 5))]
        item = {name: item[name] for name in ["k", "n", *names]}
    return item


def _decoded(least_lines: int, batches: Sequence[Sequence[tuple[Item, bool]]]) -> list[Any]:
    engine = DecodeEngine(
        _KEYS, ColumnRules(), threads=1, memory_limit="256MB", least_lines=least_lines
    )
    try:
        return [_outcome(engine, batch) for batch in batches]
    finally:
        engine.close()


def _outcome(engine: DecodeEngine, batch: Sequence[tuple[Item, bool]]) -> Any:
    images = [None if is_dead else _text(item) for item, is_dead in batch]
    keys = [_text({"k": item["k"], "n": item["n"]}) if is_dead else None for item, is_dead in batch]
    try:
        found: Decoded = engine.decode(images, keys, _COLUMNS)
    except Undecodable:
        return "undecodable"
    assert isinstance(found.rows, pa.Table)
    found.rows.validate(full=True)
    return found.rows.to_pylist(), found.columns, dict(found.misfits)


def _text(item: Item) -> bytes:
    return json.dumps(item, separators=(",", ":"), ensure_ascii=False).encode()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(_items(), st.sampled_from([False, False, True])), max_size=4))
def test_rows_of_one_layout_and_others_among_them(changes: list[tuple[Item, bool]]) -> None:
    batches = [[*_USUAL, *changes], [*changes, *_USUAL]]

    assert _decoded(1, batches) == _decoded(10**9, batches)
