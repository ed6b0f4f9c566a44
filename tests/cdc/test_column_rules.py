"""What the configuration says about columns is kept, and what does not fit is told."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from cdc.batch import Batch
from cdc.column_rules import ColumnRules, parse_type, type_of
from cdc.columns import Column, Columns
from cdc.decode import Decoder, ShardRecords
from cdc.errors import ColumnsRefused
from cdc.keys import Item, KeySchema
from cdc.rebuild import rebuild
from cdc.records import StreamRecord

KEYS = KeySchema.from_json([{"name": "id", "type": "S"}, {"name": "at", "type": "N"}])


def _raw(item: Any) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(item).encode())


def _item(number: int, **attributes: dict[str, Any]) -> Item:
    return {"id": {"S": f"i-{number}"}, "at": {"N": str(number)}, **attributes}


def _decoded(rules: ColumnRules, items: Iterable[Item], columns: Columns | None = None) -> Batch:
    decoder = Decoder(KEYS, rules)
    batch = decoder.scan([_raw(item) for item in items], columns or rules.beginning(Columns()))
    decoder.close()
    return batch


def _items(batch: Batch) -> list[Item]:
    rows = zip(*batch.rows.to_pydict().values(), strict=True)
    return [rebuild(batch.columns, cells, rest) for _, _, *cells, rest in rows]


# ---------------------------------------------------------------- declared


def test_a_declared_column_takes_what_fits_and_leaves_the_rest() -> None:
    rules = ColumnRules((Column("price", "decimal", 4), Column("note", "text")))
    items = [_item(1, price={"N": "1.25"}), _item(2, price={"S": "free"}), _item(3)]

    batch = _decoded(rules, items)

    assert batch.columns.all[:2] == rules.declared
    assert batch.rows["price"].to_pylist() == ["1.25", None, None]
    assert batch.misfits == {"price": 1}
    assert _items(batch) == items


def test_declared_columns_are_added_behind_those_of_an_older_file() -> None:
    held = Columns((Column("id", "text"), Column("note", "text")))
    rules = ColumnRules((Column("note", "text"), Column("price", "decimal", 2)))

    assert rules.beginning(held) == held.added([Column("price", "decimal", 2)])


@pytest.mark.parametrize(
    "declared, told",
    [
        (Column("n", "text"), "column n is declared text, but the file holds n as integer"),
        (Column("N", "integer"), "column N is declared integer, but the file holds n as integer"),
        (
            Column("d", "decimal", 6),
            "column d is declared decimal(6), but the file holds d as decimal(2)",
        ),
    ],
)
def test_a_declaration_that_contradicts_the_file_is_refused(declared: Column, told: str) -> None:
    held = Columns((Column("n", "integer"), Column("d", "decimal", 2)))

    with pytest.raises(ColumnsRefused) as caught:
        ColumnRules((declared,)).beginning(held)

    assert str(caught.value) == told
    assert "bootstrap --replace" in caught.value.hint


@pytest.mark.parametrize(
    "rules, told",
    [
        (
            ColumnRules(excluded=frozenset({"at"})),
            "attribute at is excluded, but it is part of the table's key",
        ),
        (
            ColumnRules((Column("at", "text"),)),
            "column at is declared text, but the table's key has it as N",
        ),
    ],
)
def test_a_key_is_neither_excluded_nor_of_another_type(rules: ColumnRules, told: str) -> None:
    with pytest.raises(ColumnsRefused) as caught:
        rules.check_keys(KEYS)

    assert str(caught.value) == told


def test_types_are_read_as_they_are_written() -> None:
    for text in ("text", "integer", "decimal(0)", "decimal(30)", "boolean", "binary", "json"):
        assert type_of(parse_type("v", text)) == text
    for text in ("varchar", "decimal", "decimal(31)", "decimal(-1)", "text(2)", "Integer", ""):
        with pytest.raises(ValueError, match=r"is not a column type; use text"):
            parse_type("v", text)


# ---------------------------------------------------------------- order and budget


def test_the_keys_get_columns_before_a_thousand_other_attributes() -> None:
    wide = {f"a{number:04}": {"N": str(number)} for number in range(1_000)}
    items = [_item(1, **wide, zz={"S": "indexed"})]

    batch = _decoded(ColumnRules(preferred=("zz",), budget=10), items)

    assert batch.columns.names[:3] == ("id", "at", "zz")
    assert len(batch.columns) == 10
    assert _items(batch) == items


# ---------------------------------------------------------------- excluded

ODD = ("ssn", 'q"x', "it's", "ünï", "", "a.b", "$", "SSN", "\n")


@pytest.mark.parametrize("budget", [0, 200])
def test_an_excluded_attribute_is_in_no_cell_and_in_no_rest(budget: int) -> None:
    rules = ColumnRules(excluded=frozenset({*ODD, "absent"}), budget=budget)
    odd = {name: {"S": "secret"} for name in ODD}
    mixed = [_item(1, **odd), _item(2, kept={"S": "x"}), _item(3, kept={"N": "1"}, **odd)]

    batch = _decoded(rules, mixed)

    assert "secret" not in str(batch.rows.to_pydict())
    assert not set(ODD) & set(batch.columns.names)
    assert not set(ODD) & batch.misfits.keys()
    assert _items(batch) == [
        {name: value for name, value in item.items() if name not in ODD} for item in mixed
    ]


def test_a_row_with_nothing_but_excluded_attributes_beside_its_cells_is_no_misfit() -> None:
    rules = ColumnRules(excluded=frozenset({"ssn"}))
    items = [_item(number, ssn={"S": "secret"}) for number in range(3)]

    batch = _decoded(rules, items)

    assert batch.rows["_rest"].to_pylist() == [None, None, None]


@pytest.mark.parametrize(
    "image, kept",
    [
        (b'{"id":{"S":"1"},"ssn":{"S":"secret"},"v":{"S":"x"}}', b'{"id":{"S":"1"},"v":{"S":"x"}}'),
        (b'{"id":{"S":"1"},"ssn":{"S":"secret"},"v":', b""),
    ],
)
def test_the_quarantine_holds_no_excluded_attribute(image: bytes, kept: bytes) -> None:
    decoder = Decoder(KEYS, ColumnRules(excluded=frozenset({"ssn"})))
    record = StreamRecord("MODIFY", "7", 0.0, _raw({"id": {"S": "1"}}), msgspec.Raw(image))

    batch = decoder.changes([ShardRecords("s", [record])], Columns())

    (poison,) = batch.poison
    assert poison.raw == kept
    assert "secret" not in poison.reason
    decoder.close()


@pytest.mark.parametrize(
    "loaded, now, told",
    [
        ((), {"ssn"}, "attribute ssn is excluded, but the file was loaded with it"),
        (("ssn",), (), "attribute ssn is not excluded, but the file was loaded without it"),
    ],
)
def test_a_file_that_was_loaded_under_another_list_is_refused(
    loaded: tuple[str, ...], now: Iterable[str], told: str
) -> None:
    ColumnRules(excluded=frozenset(loaded)).check_excluded(loaded)

    with pytest.raises(ColumnsRefused) as caught:
        ColumnRules(excluded=frozenset(now)).check_excluded(loaded)

    assert str(caught.value) == told
