"""Records and items become exact rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import msgspec
import pytest

from cdc.batch import Batch
from cdc.column_rules import ColumnRules
from cdc.columns import Column, Columns
from cdc.decode import OTHER_ATTRIBUTES, Decoder, ShardRecords
from cdc.errors import Retryable
from cdc.keys import Item, KeyAttribute, KeySchema
from cdc.records import EventName, StreamRecord

KEYS = KeySchema(KeyAttribute("id", "S"))


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    with_string_key = Decoder(KEYS)
    yield with_string_key
    with_string_key.close()


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value, separators=(",", ":")).encode())


def _record(
    item: Item, event: EventName = "MODIFY", sequence: str = "1", *, is_ttl: bool = False
) -> StreamRecord:
    image = None if event == "REMOVE" else _raw(item)
    return StreamRecord(event, sequence, 0.0, _raw({"id": item["id"]}), image, is_ttl)


def _scan(decoder: Decoder, *values: Any, columns: Columns | None = None) -> Batch:
    items = [{"id": {"S": str(i)}, "v": value} for i, value in enumerate(values)]
    return decoder.scan([_raw(item) for item in items], columns or Columns())


def _cells(batch: Batch, name: str = "v") -> list[Any]:
    cells: list[Any] = batch.rows.column(name).to_pylist()
    return cells


def _rests(batch: Batch) -> list[Any]:
    texts = batch.rows.column("_rest").to_pylist()
    return [None if text is None else json.loads(text) for text in texts]


# ---------------------------------------------------------------- columns


@pytest.mark.parametrize(
    "typed, kind, scale, cell",
    [
        ({"S": "é\u0000"}, "text", 0, "é\u0000"),
        ({"S": ""}, "text", 0, ""),
        ({"N": "-9223372036854775808"}, "integer", 0, -9223372036854775808),
        ({"N": "1.5"}, "decimal", 2, "1.5"),
        ({"N": "0.001"}, "decimal", 6, "0.001"),
        ({"N": "9223372036854775808"}, "decimal", 2, "9223372036854775808"),
        ({"BOOL": False}, "boolean", 0, False),
        ({"B": "AAH/"}, "binary", 0, b"\x00\x01\xff"),
        ({"B": ""}, "binary", 0, b""),
        ({"M": {}}, "json", 0, "{}"),
        ({"L": [{"N": "1"}]}, "json", 0, "[1]"),
    ],
)
def test_a_new_attribute_gets_a_column_that_holds_it(
    decoder: Decoder, typed: dict[str, Any], kind: Any, scale: int, cell: Any
) -> None:
    batch = _scan(decoder, typed)

    assert batch.columns.get("v") == Column("v", kind, scale)
    assert _cells(batch) == [cell]
    assert _rests(batch) == [None]
    assert batch.misfits == {}


@pytest.mark.parametrize(
    "kind, scale, typed",
    [
        ("text", 0, {"N": "1"}),
        ("integer", 0, {"N": "1.5"}),
        ("integer", 0, {"N": "9223372036854775808"}),
        ("integer", 0, {"N": "1_000"}),
        ("integer", 0, {"N": "0x10"}),
        ("integer", 0, {"N": " 5 "}),
        ("integer", 0, {"N": "-0"}),
        ("integer", 0, {"S": "1"}),
        ("decimal", 2, {"N": "1.555"}),
        ("decimal", 2, {"N": "1.50"}),
        ("decimal", 2, {"N": "-0"}),
        ("decimal", 18, {"N": "1" + "0" * 20}),
        ("boolean", 0, {"S": "true"}),
        ("binary", 0, {"S": "AAE="}),
        ("binary", 0, {"B": "not base64!"}),
        ("json", 0, {"B": "AAE="}),
    ],
)
def test_a_value_that_its_column_cannot_hold_exactly_stays_typed(
    decoder: Decoder, kind: Any, scale: int, typed: dict[str, Any]
) -> None:
    columns = Columns((Column("id", "text"), Column("v", kind, scale)))

    batch = _scan(decoder, typed, columns=columns)

    assert _cells(batch) == [None]
    assert _rests(batch) == [{"v": typed}]
    assert batch.misfits == {"v": 1}


@pytest.mark.parametrize("number", ["9" * 36 + ".99", "-" + "9" * 36, "0.01", "0"])
def test_a_decimal_cell_always_fits_the_engines_column(decoder: Decoder, number: str) -> None:
    columns = Columns((Column("id", "text"), Column("v", "decimal", 2)))

    (cell,) = _cells(_scan(decoder, {"N": number}, columns=columns))

    (held,) = duckdb.execute("SELECT ?::DECIMAL(38, 2)", [cell]).fetchall()[0]
    assert held == Decimal(number)


@pytest.mark.parametrize(
    "typed, shown", [({"SS": ["a"]}, '["a"]'), ({"L": [{"B": "AA=="}]}, '["AA=="]')]
)
def test_what_plain_json_cannot_hold_is_shown_and_kept(
    decoder: Decoder, typed: dict[str, Any], shown: str
) -> None:
    batch = _scan(decoder, typed)

    assert _cells(batch) == [shown]
    assert _rests(batch) == [{"v": typed}]
    assert batch.misfits == {"v": 1}


@pytest.mark.parametrize(
    "typed, plain",
    [
        ({"S": "[]"}, '"[]"'),
        ({"S": "null"}, '"null"'),
        ({"N": "-1.5"}, "-1.5"),
        ({"BOOL": False}, "false"),
    ],
)
def test_a_json_column_holds_single_values_too(
    decoder: Decoder, typed: dict[str, Any], plain: str
) -> None:
    batch = _scan(decoder, typed, columns=Columns((Column("id", "text"), Column("v", "json"))))

    assert _cells(batch) == [plain]
    assert _rests(batch) == [None]
    assert batch.misfits == {}


def test_a_null_is_kept_apart_from_an_absent_attribute(decoder: Decoder) -> None:
    items = [{"id": {"S": "1"}, "v": {"NULL": True}}, {"id": {"S": "2"}}]

    batch = decoder.scan([_raw(item) for item in items], Columns())

    assert batch.columns.names == ("id",)
    assert _rests(batch) == [{"v": {"NULL": True}}, None]
    assert batch.misfits == {}


def test_names_that_clash_by_case_share_no_column(decoder: Decoder) -> None:
    item = {"id": {"S": "1"}, "v": {"S": "low"}, "V": {"S": "high"}, "": {"S": "none"}}

    batch = decoder.scan([_raw(item)], Columns((Column("id", "text"), Column("v", "text"))))

    assert _cells(batch) == ["low"]
    assert _rests(batch) == [{"V": {"S": "high"}, "": {"S": "none"}}]
    assert batch.misfits == {"V": 1, "": 1}


def test_the_key_comes_first_and_columns_beyond_the_budget_are_not_added() -> None:
    decoder = Decoder(KEYS, ColumnRules(budget=2))
    item = {"id": {"S": "1"}, "a": {"S": "x"}, "b": {"S": "y"}}

    batch = decoder.scan([_raw(item)], Columns())

    assert batch.columns.names == ("id", "a")
    assert _rests(batch) == [{"b": {"S": "y"}}]


def test_names_made_of_data_do_not_fill_the_counters() -> None:
    decoder = Decoder(KEYS, ColumnRules(budget=1))
    columns = Columns((Column("id", "text"),))
    items = [{"id": {"S": str(i)}, f"name-{i}": {"S": "x"}} for i in range(500)]

    batch = decoder.scan([_raw(item) for item in items], columns)

    assert len(batch.misfits) < 250
    assert batch.misfits[OTHER_ATTRIBUTES] == 300
    assert sum(batch.misfits.values()) == 500


# ---------------------------------------------------------------- changes


def test_the_last_record_of_an_item_wins_across_shards(decoder: Decoder) -> None:
    old = _record({"id": {"S": "a"}, "v": {"S": "old"}})
    new = _record({"id": {"S": "a"}, "v": {"S": "new"}})
    other = _record({"id": {"S": "b"}, "v": {"S": "other"}})

    batch = decoder.changes(
        [ShardRecords("parent", [old, other]), ShardRecords("child", [new])], Columns()
    )

    assert sorted(_cells(batch)) == ["new", "other"]
    assert batch.records == 3


def test_a_removed_item_leaves_its_identity(decoder: Decoder) -> None:
    item: Item = {"id": {"S": "a"}, "v": {"S": "x"}}
    page = ShardRecords("s", [_record(item), _record(item, "REMOVE", is_ttl=True)])
    columns = Columns((Column("id", "text"), Column("v", "text")))

    batch = decoder.changes([page], columns)

    assert batch.rows.to_pylist() == [
        {"_h": KEYS.identity(item), "_dead": True, "id": None, "v": None, "_rest": None}
    ]
    assert batch.ttl_deletes == 1


def test_an_item_that_comes_back_is_alive(decoder: Decoder) -> None:
    item: Item = {"id": {"S": "a"}, "v": {"S": "x"}}

    batch = decoder.changes(
        [ShardRecords("s", [_record(item, "REMOVE"), _record(item, "INSERT")])], Columns()
    )

    assert batch.rows.column("_dead").to_pylist() == [False]


@pytest.mark.parametrize("spelling", ["1.0", "01", "1E0", "+1"])
def test_a_number_in_a_key_is_one_item_in_every_spelling(spelling: str) -> None:
    keys = KeySchema(KeyAttribute("n", "N"))
    decoder = Decoder(keys)

    batch = decoder.scan([_raw({"n": {"N": "1"}}), _raw({"n": {"N": spelling}})], Columns())

    assert batch.rows.column("_h").to_pylist() == [keys.identity({"n": {"N": "1"}})]


def test_an_empty_read_is_an_empty_batch(decoder: Decoder) -> None:
    columns = Columns((Column("id", "text"),))

    batch = decoder.changes([ShardRecords("s", [])], columns)

    assert batch.is_empty
    assert batch.columns == columns


# ---------------------------------------------------------------- memory


def test_a_batch_larger_than_the_memory_limit_is_decoded_in_slices() -> None:
    decoder = Decoder(KEYS, memory_limit="128MB")
    items = [_raw({"id": {"S": str(i)}, "v": {"S": "x" * 390_000}}) for i in range(150)]

    batch = decoder.scan(items, Columns())

    assert {len(cell) for cell in _cells(batch)} == {390_000}
    assert _cells(batch, "id") == [str(i) for i in range(150)]
    decoder.close()


def test_a_memory_limit_that_is_too_small_is_told() -> None:
    decoder = Decoder(KEYS, memory_limit="8MB")
    items = [_raw({"id": {"S": str(i)}, "v": {"S": "x" * 100_000}}) for i in range(200)]

    with pytest.raises(Retryable, match="more memory"):
        decoder.scan(items, Columns())

    decoder.close()
