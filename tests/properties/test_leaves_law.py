"""What the quick decode believes to be whole is whole: its cells give back every attribute."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from cdc.columns import Column, Columns
from cdc.decode_leaves import LeafDecode
from cdc.keys import Item, KeyAttribute, KeySchema
from cdc.rebuild import canonical_item, rebuild
from tests.properties.items import columns, items, key_schemas, scalars

# Names and values of equal lengths, so that lengths alone tell little.
_short = st.one_of(
    st.sampled_from([{"S": "1"}, {"S": "t"}, {"N": "1"}, {"N": "2"}, {"BOOL": True}, {"S": ""}]),
    scalars,
)
_alike = st.recursive(
    _short,
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=2).map(
        lambda members: {"M": members}
    ),
    max_leaves=4,
)
_KEYS = KeySchema(KeyAttribute("k", "S"))
_COLUMNS = Columns((Column("k", "text"), Column("m", "json"), Column("n", "json")))


def _check(keys: KeySchema, held: Columns, batches: list[list[Item]]) -> None:
    with duckdb.connect(":memory:") as connection:
        leaves = LeafDecode(connection, keys, frozenset())
        for batch in batches:
            texts = [_text(item) for item in batch]
            found = leaves.decode(texts, [None] * len(texts), pa.array([False] * len(texts)), held)
            if found is None:
                continue
            rows = zip(*(cells.to_pylist() for cells in found.arrays), strict=True)
            judged = zip(found.is_whole.to_pylist(), found.identities.to_pylist(), strict=True)
            for item, (is_whole, identity), cells in zip(batch, judged, rows, strict=True):
                if is_whole:
                    assert canonical_item(rebuild(held, cells, None)) == canonical_item(item)
                    assert identity == keys.identity(item)


def _text(item: Any) -> bytes:
    return json.dumps(item, separators=(",", ":"), ensure_ascii=False).encode()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.tuples(_alike, _alike), min_size=1, max_size=8), max_size=4))
def test_rows_with_nested_values_that_look_alike(batches: list[list[tuple[Any, Any]]]) -> None:
    _check(
        _KEYS,
        _COLUMNS,
        [[{"k": {"S": "1"}, "m": m, "n": n} for m, n in pairs] for pairs in batches],
    )


@settings(max_examples=60, deadline=None)
@given(st.data(), key_schemas(), columns())
def test_rows_of_any_items(data: st.DataObject, keys: KeySchema, held: Columns) -> None:
    batch = data.draw(st.lists(items(keys), min_size=1, max_size=6))
    _check(keys, held, [batch, batch])
