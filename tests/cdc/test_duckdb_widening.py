"""Columns of a DuckDB file get wider types when base is sorted, and items stay what they are."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cdc import duckdb_upkeep
from cdc.accelerator import QueryLimits
from cdc.column_rules import ColumnRules
from cdc.columns import Column
from cdc.keys import Item, KeySchema
from tests.properties.item_files import Items, item_file

BY_ID = KeySchema.from_json([{"name": "id", "type": "S"}])


@pytest.fixture
def file() -> Iterator[Items]:
    with item_file("duckdb", BY_ID) as made:
        yield made


def items(*values: dict[str, Any], first: int = 0, name: str = "v") -> list[Item]:
    return [{"id": {"S": f"i-{first + at}"}, name: value} for at, value in enumerate(values)]


def numbers(*texts: str) -> list[dict[str, Any]]:
    return [{"N": text} for text in texts]


def settle(file: Items) -> None:
    """End the scan and let upkeep come to its end, which sorts base for the first time."""
    file.end_scan()
    file.maintain(idle=True)
    file.check()


def cells(file: Items, name: str = "v") -> list[Any]:
    rows = file.file.query(f"SELECT {name}, _rest FROM things ORDER BY id", QueryLimits()).rows
    return [row[0] for row in rows]


def test_integers_among_fractions_become_decimals(file: Items) -> None:
    file.scan(items(*numbers("1", "2", "3")))
    file.scan(items(*numbers("0.25", "-7.125", "12345678901234567890"), first=3))
    assert file.file.columns().get("v") == Column("v", "integer")

    settle(file)

    assert file.file.columns().get("v") == Column("v", "decimal", 6)
    sql = "SELECT sum(v)::VARCHAR, count(_rest) FROM things"
    assert file.file.query(sql, QueryLimits()).rows == [("12345678901234567889.125000", 0)]


def test_values_of_several_types_become_json_with_every_value_in_it(file: Items) -> None:
    mixed: list[dict[str, Any]] = [
        {"S": 'quo"ted\x00 ünï'},
        {"BOOL": True},
        {"N": "1.5"},
        {"M": {"a": {"L": [{"NULL": True}]}}},
        {"SS": ["b", "a"]},
        {"N": "9" * 38},
        {"NULL": True},
    ]
    file.scan(items(*numbers("1", "-9223372036854775808")))
    file.scan(items(*mixed, first=2))

    settle(file)

    assert file.file.columns().get("v") == Column("v", "json")
    sql = "SELECT v::VARCHAR FROM things WHERE v IS NOT NULL AND _rest IS NULL ORDER BY id"
    assert [text for (text,) in file.file.query(sql, QueryLimits()).rows] == [
        "1",
        "-9223372036854775808",
        '"quo\\"ted\\u0000 ünï"',
        "true",
        "1.5",
        '{"a":[null]}',
    ]


def test_a_column_that_began_as_a_number_becomes_text_when_nearly_all_is_text(file: Items) -> None:
    file.scan(items({"N": "7"}))
    file.scan(items(*({"S": f"t-{number}"} for number in range(20)), first=1))

    settle(file)

    assert file.file.columns().get("v") == Column("v", "text")
    assert sorted(cells(file), key=str)[:2] == [None, "t-0"]


def test_a_declared_column_keeps_its_type(file: Items) -> None:
    declared = Column("v", "integer")
    with item_file("duckdb", BY_ID, ColumnRules((declared,))) as strict:
        strict.scan(items(*numbers("1.5", "2.5")))

        settle(strict)

        assert strict.file.columns().get("v") == declared
        assert cells(strict) == [None, None]


def test_nothing_is_widened_while_changes_are_applied(file: Items) -> None:
    file.scan(items(*numbers("1")))
    settle(file)

    file.change([(True, item) for item in items(*numbers("1.5", "2.5", "3.5"), first=1)])
    file.maintain(idle=True)

    assert file.file.columns().get("v") == Column("v", "integer")
    file.check()


def test_changes_that_wait_beside_base_are_widened_with_it(file: Items) -> None:
    file.scan(items(*numbers("1", "2")))
    file.scan(items(*numbers("1.5", "2.5"), first=2))
    file.end_scan()
    # The first step decides, a later one exchanges base: what comes between has the old types.
    file.maintain(idle=False)
    assert file.file.columns().get("v") == Column("v", "integer")
    file.change([(True, item) for item in items(*numbers("7", "8.5"), {"S": "x"})])
    file.change([(False, item) for item in items(*numbers("1"), first=3)])
    file.change([(True, {"id": {"S": "new"}, "w": {"S": "late"}, "v": {"N": "3"}})])

    while file.file.columns().get("v") == Column("v", "integer"):
        assert file.file.maintain(idle=False).is_pending
        file.check()

    assert file.file.columns().get("v") == Column("v", "decimal", 2)
    assert file.file.columns().get("w") == Column("w", "text")
    file.check()
    file.change([(True, item) for item in items(*numbers("0.25"), first=9)])
    settle(file)
    file.go_on_from_a_snapshot()
    file.check()


def test_widening_that_was_left_at_any_step_is_gone_on_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(duckdb_upkeep, "FIRST_SORT_STEP_ROWS", 3)
    for left_at in range(1, 20):
        with item_file("duckdb", BY_ID) as file:
            file.scan(items(*numbers("1", "2", "3")))
            file.scan(items(*numbers("1.5", "2.5", "3.5", "4.5"), first=3))
            file.end_scan()
            pending = [file.file.maintain(idle=False).is_pending for _ in range(left_at)]
            # What is frozen now is what a process that dies now leaves behind.
            file.change([(True, item) for item in items(*numbers("7.25"), first=6)])
            file.go_on_from_a_snapshot()
            file.check()
            file.maintain(idle=True)

            assert file.file.columns().get("v") == Column("v", "decimal", 2)
            file.check()
        if not pending[-1]:
            break
    assert left_at > 3


def test_a_key_of_numbers_with_fractions_is_still_found() -> None:
    keys = KeySchema.from_json([{"name": "n", "type": "N"}])
    with item_file("duckdb", keys) as file:
        file.scan([{"n": {"N": "1"}}, {"n": {"N": "2"}}])
        file.scan([{"n": {"N": "1.5"}}, {"n": {"N": "9" * 38}}, {"n": {"N": "-0.25"}}])

        settle(file)

        assert file.file.columns().get("n") == Column("n", "decimal", 2)
        for text in ("1", "1.5", "-0.25", "9" * 38):
            assert file.file.read({"n": {"N": text}}) == {"n": {"N": text}}


def test_a_lookup_between_the_exchange_of_base_and_its_end_sees_the_new_types(file: Items) -> None:
    file.scan(items(*numbers("1", "2")))
    file.scan(items({"S": "x"}, {"S": "y"}, first=2))
    file.end_scan()
    upkeep = file.file._upkeep  # type: ignore[attr-defined]  # of DuckDB
    run, found = upkeep.run, list[Item | None]()
    reader = threading.Thread(target=lambda: found.append(file.file.read({"id": {"S": "i-2"}})))

    def run_and_look(**facts: Any) -> Any:
        columns = file.file.columns()
        step = run(**facts)
        if file.file.columns() != columns:
            reader.start()
            reader.join(0.3)  # it waits for the end of this step, or it has read too early
        return step

    upkeep.run = run_and_look
    file.maintain(idle=True)
    reader.join()

    assert found == [{"id": {"S": "i-2"}, "v": {"S": "x"}}]
