"""What every accelerator promises, asked of DuckDB and SQLite alike: rows, checkpoint, items."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from cdc.accelerator import Accelerator, Engine, QueryLimits
from cdc.columns import Column, Columns
from cdc.engines import open_accelerator, sidecars
from cdc.errors import FileBusy, FileUnusable
from cdc.keys import Item, KeyAttribute, KeySchema
from cdc.rebuild import canonical_item
from tests.contracts.accelerator import (
    BY_ID,
    DATASET,
    Producer,
    batch_of,
    checkpoint_at,
    contents,
    item,
    poison,
    reopened,
)

# ---------------------------------------------------------------- opening


def test_a_new_file_is_empty_and_has_no_checkpoint(accelerator: Accelerator) -> None:
    assert accelerator.checkpoint() is None
    assert accelerator.columns() == Columns()
    assert accelerator.row_count() == 0
    assert contents(accelerator) == {}


def test_a_missing_file_is_not_made_by_accident(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(FileUnusable):
        open_accelerator(engine, tmp_path / "none", DATASET)

    assert list(tmp_path.iterdir()) == []


def test_a_file_has_one_owner(engine: Engine, path: Path, accelerator: Accelerator) -> None:
    with pytest.raises(FileBusy):
        open_accelerator(engine, path, DATASET)

    accelerator.apply(batch_of(BY_ID, Columns(), [item("a")], []), checkpoint_at(1))
    assert accelerator.row_count() == 1


def test_a_file_refuses_another_dataset_name(
    engine: Engine, path: Path, accelerator: Accelerator
) -> None:
    accelerator.close()

    with pytest.raises(FileUnusable) as refused:
        open_accelerator(engine, path, "hotels")
    assert "hotels" in str(refused.value)
    assert DATASET in str(refused.value)


def test_a_file_refuses_other_keys(engine: Engine, path: Path, accelerator: Accelerator) -> None:
    accelerator.close()
    other = KeySchema(KeyAttribute("pk", "S"), KeyAttribute("sk", "N"))

    with pytest.raises(FileUnusable):
        open_accelerator(engine, path, DATASET, keys=other, create=True)


@pytest.mark.parametrize("name", ["", "1a", "a b", 'a"b', "a.b", "-a", "a" * 64, "ä"])
def test_a_bad_dataset_name_is_refused_before_a_file_is_made(
    engine: Engine, path: Path, name: str
) -> None:
    with pytest.raises(FileUnusable):
        open_accelerator(engine, path, name, keys=BY_ID, create=True)

    assert not path.exists()


@pytest.mark.parametrize("name", ["order", "Order-Items", "main", "_x", "db", "base", "snowmelt"])
def test_a_dataset_may_be_called_like_an_sql_word(engine: Engine, path: Path, name: str) -> None:
    opened = open_accelerator(engine, path, name, keys=BY_ID, create=True)
    opened.apply(batch_of(BY_ID, Columns(), [item("a")], []), checkpoint_at(1))

    assert opened.query(f'SELECT id FROM "{name}"', QueryLimits()).rows == [("a",)]
    opened.close()


def test_foreign_files_are_refused_untouched(engine: Engine, path: Path) -> None:
    path.write_bytes(b"something else entirely" * 1000)

    with pytest.raises(FileUnusable):
        open_accelerator(engine, path, DATASET, keys=BY_ID, create=True)
    assert path.read_bytes() == b"something else entirely" * 1000


def test_closing_twice_is_no_error(accelerator: Accelerator) -> None:
    accelerator.close()
    accelerator.close()


# ---------------------------------------------------------------- committing


def test_rows_and_checkpoint_are_there_after_reopening(
    engine: Engine, path: Path, accelerator: Accelerator, producer: Producer
) -> None:
    producer.scan(*(item(i, n=i) for i in range(2000)))
    producer.put(item(1, n=-1), item("new", late=True), misfits={"n": 2}, poison=(poison(1),))
    producer.end_scan()
    columns = accelerator.columns()
    accelerator.close()

    again = reopened(engine, path)
    assert contents(again) == producer.expected
    assert again.checkpoint() == checkpoint_at(3, 1000.0)
    assert again.columns() == columns
    assert again.keys == BY_ID
    assert again.counters() == {"misfit:n": 2, "quarantined": 1}
    again.close()


def test_a_batch_that_fails_leaves_the_last_commit(
    accelerator: Accelerator, producer: Producer
) -> None:
    producer.put(item("a", n=1))
    good = producer.batch([item("a", n=2), item("b", extra="x")], [])
    # Text where the file expects a number: it fails in the middle of the transaction.
    at = good.rows.schema.get_field_index("n")
    bad = good.rows.set_column(at, "n", [["x" * 5, "y"]])
    before = accelerator.columns()

    with pytest.raises(Exception) as failure:  # noqa: PT011 - whatever the engine calls it
        accelerator.apply(dataclasses.replace(good, rows=bad), checkpoint_at(99))
    assert failure.value is not None

    assert accelerator.checkpoint() == checkpoint_at(1)
    assert accelerator.columns() == before
    assert contents(accelerator) == producer.expected
    producer.put(item("b", extra="x"))
    assert contents(accelerator) == producer.expected


def test_an_empty_batch_commits_the_checkpoint_alone(
    accelerator: Accelerator, producer: Producer
) -> None:
    producer.put(item("a"))
    producer.put()

    assert accelerator.checkpoint() == checkpoint_at(2)
    assert accelerator.row_count() == 1


def test_changes_replace_and_delete(accelerator: Accelerator, producer: Producer) -> None:
    producer.put(item("a", n=1), item("b", n=2), item("c", n=3))
    producer.change([item("b", n=20)], [item("a")])
    producer.put(item("a", other="back without n"))
    producer.delete(item("never there"), item("c"))

    assert contents(accelerator) == producer.expected
    assert accelerator.row_count() == 2
    assert accelerator.read(item("a")) == item("a", other="back without n")
    assert accelerator.read(item("c")) is None


def test_quarantined_records_are_counted_over_batches(
    accelerator: Accelerator, producer: Producer
) -> None:
    producer.put(item("a"), poison=(poison(1), poison(2)))
    producer.put(poison=(poison(3),), misfits={"x": 1})
    producer.put(misfits={"x": 4, "y": 1})

    assert accelerator.counters() == {"quarantined": 3, "misfit:x": 5, "misfit:y": 1}


# ---------------------------------------------------------------- scanning


def test_the_stream_wins_over_the_scan(accelerator: Accelerator, producer: Producer) -> None:
    producer.put(item("changed", by="stream"))
    producer.scan(item("changed", by="scan"), item("only scanned", by="scan"))

    assert contents(accelerator) == producer.expected
    assert accelerator.read(item("changed")) == item("changed", by="stream")


def test_a_deleted_item_stays_deleted_when_its_scan_page_comes_later(
    accelerator: Accelerator, producer: Producer
) -> None:
    producer.delete(item("gone"))
    producer.scan(item("gone", n=1), item("stays", n=1))
    accelerator.maintain(idle=True)

    assert accelerator.read(item("gone")) is None
    assert accelerator.row_count() == 1

    producer.end_scan()
    accelerator.maintain(idle=True)
    assert contents(accelerator) == producer.expected


def test_an_item_deleted_after_its_page_may_come_back(
    accelerator: Accelerator, producer: Producer
) -> None:
    producer.scan(item("a", n=1))
    producer.delete(item("a"))
    assert accelerator.row_count() == 0

    producer.put(item("a", n=2))
    producer.end_scan()
    assert contents(accelerator) == producer.expected


# ---------------------------------------------------------------- columns and items


def test_columns_grow_with_the_rows_that_bring_them(
    accelerator: Accelerator, producer: Producer
) -> None:
    producer.scan(item("a", first=1))
    producer.put(item("b", second="x", third=True))
    producer.put(item("c", **{"odd \"name' ;--": 4}))

    assert accelerator.columns() == producer.columns
    assert len(accelerator.columns()) == 5
    assert contents(accelerator) == producer.expected
    result = accelerator.query(f"SELECT id, first, third FROM {DATASET} ORDER BY id", QueryLimits())
    assert [row[:2] for row in result.rows] == [("a", 1), ("b", None), ("c", None)]


def test_a_batch_decoded_with_earlier_columns_keeps_the_later_ones(
    accelerator: Accelerator, producer: Producer
) -> None:
    producer.put(item("a", n=1))
    early = producer.batch([item("c", n=3)], [])
    producer.put(item("b", extra="x"))
    accelerator.apply(early, checkpoint_at(3))

    assert accelerator.columns() == producer.columns
    assert accelerator.read(item("b")) == item("b", extra="x")
    assert accelerator.read(item("c")) == item("c", n=3)


HETEROGENEOUS: list[dict[str, Any]] = [
    {"S": ""},
    {"S": "\u0000 and 'quotes' and \U0001f9ca"},
    {"N": "0"},
    {"N": "-9223372036854775808"},
    {"N": "99999999999999999999999999999999999999"},
    {"N": "0.1000000000000000000000000001"},
    {"N": "1.5"},
    {"BOOL": False},
    {"NULL": True},
    {"B": "AAEC/w=="},
    {"L": [{"S": "x"}, {"N": "12345678901234567890.5"}, {"M": {}}]},
    {"M": {"a": {"NULL": True}, "A": {"B": "/w=="}}},
    {"SS": ["a", "b"]},
    {"NS": ["1", "2.5"]},
]


def test_items_come_back_exactly(accelerator: Accelerator, producer: Producer) -> None:
    for at, first in enumerate(HETEROGENEOUS):
        # The first value of an attribute decides its column; all others must survive beside it.
        producer.put(
            item(f"{at}", **{f"a{at}": first}),
            *(item(f"{at}/{n}", **{f"a{at}": other}) for n, other in enumerate(HETEROGENEOUS)),
        )

    assert contents(accelerator) == producer.expected
    assert all(
        canonical_item(accelerator.read(one) or {}) == one for one in producer.expected.values()
    )


KEYS: list[tuple[KeySchema, list[Item]]] = [
    (BY_ID, [{"id": {"S": text}} for text in ("a", "A", " ", "é", "10", "x\u0000y")]),
    (
        KeySchema(KeyAttribute("n", "N")),
        [
            {"n": {"N": number}}
            for number in ("0", "-1", "1.5", "9223372036854775808", "1" * 38, "0.00000000000001")
        ],
    ),
    (
        KeySchema(KeyAttribute("b", "B")),
        [{"b": {"B": text}} for text in ("AA==", "AAA=", "/w==", "JyI7")],
    ),
    (
        KeySchema(KeyAttribute("Pk", "S"), KeyAttribute("sk", "N")),
        [
            {"Pk": {"S": pk}, "sk": {"N": sk}}
            for pk in ("a", "b")
            for sk in ("1", "2", "1.25", "100000000000000000000")
        ],
    ),
    (
        KeySchema(KeyAttribute("_h", "S"), KeyAttribute("_rest", "B")),
        [{"_h": {"S": pk}, "_rest": {"B": sk}} for pk in ("a", "b") for sk in ("AA==", "/w==")],
    ),
]


@pytest.mark.parametrize(
    "keys,items", KEYS, ids=["S", "N", "B", "S and N", "names without a column"]
)
def test_every_kind_of_key_finds_its_item(
    engine: Engine, path: Path, keys: KeySchema, items: list[Item]
) -> None:
    opened = open_accelerator(engine, path, DATASET, keys=keys, create=True)
    producer = Producer(opened, keys)
    producer.scan(*({**one, "at": {"N": str(n)}} for n, one in enumerate(items)))
    producer.put({**items[0], "at": {"S": "changed"}})
    for _ in ("before", "after the fold"):
        assert contents(opened) == producer.expected
        assert all(opened.read(one) == one for one in producer.expected.values())
        producer.end_scan()
        opened.maintain(idle=True)
    producer.delete(items[-1])
    assert opened.read(items[-1]) is None
    opened.close()


def test_items_are_of_one_point_in_time(accelerator: Accelerator, producer: Producer) -> None:
    producer.scan(*(item(i, n=0) for i in range(3000)))
    pages = accelerator.items(page_rows=500)
    seen = next(pages)
    producer.put(*(item(i, n=1, more="x") for i in range(3000)))
    seen += [one for page in pages for one in page]

    assert len(seen) == 3000
    assert all(one["n"] == {"N": "0"} for one in seen)


# ---------------------------------------------------------------- upkeep


def test_upkeep_changes_no_item_and_empties_the_log(
    engine: Engine, path: Path, accelerator: Accelerator, producer: Producer
) -> None:
    producer.scan(*(item(i, n=i) for i in range(5000)))
    producer.end_scan()
    for step in range(4):
        producer.change(
            [item(i, n=-step, extra=f"e{step}") for i in range(step, 5000, 7)],
            [item(i) for i in range(step + 3, 5000, 11) if (i - step) % 7],
        )
        done = accelerator.maintain(idle=True)
        assert done.checkpointed
        assert done.wal_bytes == 0
        assert contents(accelerator) == producer.expected
    log = sidecars(engine, path)[0]
    assert not log.exists() or log.stat().st_size == 0


def test_an_error_in_one_batch_does_not_keep_the_log_from_being_emptied(
    accelerator: Accelerator, producer: Producer
) -> None:
    producer.put(item("a", n=1))
    good = producer.batch([item("a", n=2)], [])
    at = good.rows.schema.get_field_index("n")
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the engine calls it
        accelerator.apply(
            dataclasses.replace(good, rows=good.rows.set_column(at, "n", [["x"]])), checkpoint_at(9)
        )
    producer.put(item("b", n=2))

    assert accelerator.maintain(idle=True).checkpointed


def test_columns_that_do_not_continue_those_of_the_file_are_refused(
    accelerator: Accelerator, producer: Producer
) -> None:
    producer.put(item("a", n=1))
    other = batch_of(BY_ID, Columns((Column("n", "text"),)), [item("b", n="x")], [])

    with pytest.raises(ValueError, match="continue"):
        accelerator.apply(other, checkpoint_at(2))
    assert accelerator.checkpoint() == checkpoint_at(1)
    assert accelerator.row_count() == 1
