"""The row law: whatever an item holds, its row gives it back, in whatever columns came before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdc.batch import Batch, schema_of
from cdc.column_rules import ColumnRules
from cdc.columns import Columns
from cdc.decode import Decoder, ShardRecords
from cdc.keys import Item, KeySchema
from cdc.rebuild import canonical_item, rebuild
from cdc.records import StreamRecord
from tests.properties.items import columns, items, key_of, key_schemas


@cache
def _decoder(keys: KeySchema, budget: int) -> Decoder:
    return Decoder(keys, ColumnRules(budget=budget))


def _raw(item: Item) -> msgspec.Raw:
    # As the service spells it: without blanks, escaped only where it has to be.
    return msgspec.Raw(json.dumps(item, separators=(",", ":"), ensure_ascii=False).encode())


def _put(keys: KeySchema, item: Item) -> StreamRecord:
    return StreamRecord("MODIFY", "1", 0.0, _raw(key_of(keys, item)), _raw(item))


def _remove(keys: KeySchema, item: Item) -> StreamRecord:
    return StreamRecord("REMOVE", "1", 0.0, _raw(key_of(keys, item)))


def rows_of(batch: Batch) -> dict[bytes, Item | None]:
    """Items by identity as SQLite's readers see them (decimals as text); None for a delete."""
    assert batch.rows.schema == schema_of(batch.columns)
    found: dict[bytes, Item | None] = {}
    for identity, dead, *cells, rest in zip(*batch.rows.to_pydict().values(), strict=True):
        assert identity not in found
        found[identity] = None if dead else canonical_item(rebuild(batch.columns, cells, rest))
    return found


@dataclass(frozen=True)
class _Story:
    """Batches of puts (True) and removals of items, and the columns that they meet."""

    keys: KeySchema
    columns: Columns
    budget: int
    batches: list[list[tuple[bool, Item]]]


@st.composite
def _stories(draw: st.DrawFn) -> _Story:
    keys = draw(key_schemas())
    change = st.tuples(st.booleans() | st.just(True), items(keys))
    return _Story(
        keys,
        draw(st.just(Columns()) | columns()),
        draw(st.sampled_from([0, 2, 200])),
        draw(st.lists(st.lists(change, max_size=6), min_size=1, max_size=3)),
    )


def _expected(keys: KeySchema, changes: Iterator[tuple[bool, Item]]) -> dict[bytes, Item | None]:
    return {
        keys.identity(key_of(keys, item)): canonical_item(item) if is_put else None
        for is_put, item in changes
    }


@settings(max_examples=60, deadline=None)
@given(_stories())
def test_changes_give_back_every_item(story: _Story) -> None:
    keys, columns = story.keys, story.columns
    decoder = _decoder(keys, story.budget)
    for changes in story.batches:
        records = [_put(keys, item) if is_put else _remove(keys, item) for is_put, item in changes]
        pages = [ShardRecords("one", records[:3]), ShardRecords("two", records[3:])]

        batch = decoder.changes(pages, columns)

        assert rows_of(batch) == _expected(keys, iter(changes))
        assert batch.columns.all[: len(columns)] == columns.all
        assert len(batch.columns) <= max(len(columns), story.budget)
        assert batch.poison == ()
        columns = batch.columns


@settings(max_examples=30, deadline=None)
@given(_stories())
def test_scanned_pages_give_back_every_item(story: _Story) -> None:
    keys, columns = story.keys, story.columns
    decoder = _decoder(keys, story.budget)
    for changes in story.batches:
        page = [(True, item) for _, item in changes]

        batch = decoder.scan([_raw(item) for _, item in page], columns)

        assert rows_of(batch) == _expected(keys, iter(page))
        columns = batch.columns


@pytest.mark.parametrize("threads", [1, 2])
def test_large_batches_keep_rows_together(threads: int) -> None:
    keys = KeySchema.from_json([{"name": "id", "type": "N"}])
    items: list[Item] = [
        {
            "id": {"N": str(i)},
            "text": {"S": f"é{i}"},
            "mixed": {"N": str(i)} if i % 7 else {"S": str(i)},
            "sparse": {"L": [{"N": str(i)}]} if i % 3 else {"NULL": True},
        }
        for i in range(5_000)
    ]
    decoder = Decoder(keys, threads=threads)

    batch = decoder.scan([_raw(item) for item in items], Columns())

    assert rows_of(batch) == _expected(keys, ((True, item) for item in items))
    decoder.close()
