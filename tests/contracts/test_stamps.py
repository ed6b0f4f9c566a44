"""Every accelerator keeps the stamps of a stream without order with the rows that they are of."""

from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from cdc.accelerator import Accelerator, Engine
from cdc.engines import open_accelerator
from cdc.ordering import Remembered, stamps_of, table_of
from tests.contracts.accelerator import BY_ID, DATASET, Producer, item

AT_US = 1_795_000_000_000_000
HOUR_US = 3_600_000_000


def stamp(key: str, at_us: int = AT_US, **more: object) -> Remembered:
    digest = bytes(range(16))
    made = Remembered(BY_ID.identity(item(key)), at_us, at_us, "event", digest, None)
    return replace(made, **more)  # type: ignore[arg-type] # names are those of fields


def put(producer: Producer, *stamps: Remembered, **values: object) -> None:
    items = [item(key, v=value) for key, value in values.items()]
    producer.change(items, (), stamps=table_of(stamps))


def found(accelerator: Accelerator, *keys: str, since_us: int = 0) -> list[Remembered]:
    identities = pa.array([BY_ID.identity(item(key)) for key in keys], pa.binary(16))
    rows = stamps_of(accelerator.stamps(identities, since_us))
    return sorted(rows, key=lambda row: keys.index(next(k for k in keys if _is_of(row, k))))


def _is_of(row: Remembered, key: str) -> bool:
    return row.identity == BY_ID.identity(item(key))


def test_a_stamp_comes_back_as_it_was_also_from_a_file_that_was_closed(
    accelerator: Accelerator, producer: Producer, engine: Engine, path: Path
) -> None:
    stamps = (
        stamp("a", image=None, before=b"\xff" * 16, crowded=True, repaired_us=7),
        stamp("b", event=""),
    )
    put(producer, *stamps, a=1, b=2)
    assert found(accelerator, "a", "b", "c") == list(stamps)

    accelerator.close()
    again = open_accelerator(engine, path, DATASET)
    try:
        assert found(again, "a", "b", "c") == list(stamps)
    finally:
        again.close()


def test_a_newer_stamp_takes_the_place_of_the_older_one(
    accelerator: Accelerator, producer: Producer
) -> None:
    put(producer, stamp("a"), stamp("b"), a=1, b=1)
    put(producer, stamp("a", AT_US + 5), a=2)

    assert found(accelerator, "a", "b") == [stamp("a", AT_US + 5), stamp("b")]


def test_only_stamps_that_reach_so_far_are_given(
    accelerator: Accelerator, producer: Producer
) -> None:
    put(producer, stamp("a"), stamp("b", AT_US, last_us=AT_US + 999), a=1, b=1)

    assert found(accelerator, "a", "b", since_us=AT_US + 500) == [stamp("b", last_us=AT_US + 999)]


def test_stamps_are_committed_without_rows_too(
    accelerator: Accelerator, producer: Producer
) -> None:
    put(producer, stamp("a"), a=1)
    put(producer, stamp("a", crowded=True))

    assert found(accelerator, "a") == [stamp("a", crowded=True)]


def test_stamps_of_a_commit_that_fails_are_not_there(
    accelerator: Accelerator, producer: Producer
) -> None:
    put(producer, stamp("a"), a=1)
    batch = producer.batch([item("a", v=2)], [])
    wrong = batch.rows.append_column("more", pa.nulls(1))
    with pytest.raises(Exception):  # noqa: B017, PT011 - each engine refuses in its words
        accelerator.apply(
            replace(
                batch, rows=wrong.drop_columns("_rest"), stamps=table_of([stamp("a", AT_US + 5)])
            ),
            producer.next_checkpoint(),
        )

    assert found(accelerator, "a") == [stamp("a")]


def test_old_stamps_are_forgotten_in_upkeep(accelerator: Accelerator, producer: Producer) -> None:
    put(producer, stamp("a"), stamp("b", AT_US + 50 * HOUR_US), a=1, b=1)
    assert len(found(accelerator, "a", "b")) == 2
    for quarter in range(8):
        since_us = AT_US + 48 * HOUR_US + quarter * HOUR_US // 4
        for second in range(0, 900, 16):
            accelerator.layout = replace(
                accelerator.layout, stamps_since_us=since_us + second * 1_000_000
            )
            accelerator.maintain(idle=False)

    assert found(accelerator, "a", "b") == [stamp("b", AT_US + 50 * HOUR_US)]


def test_a_file_whose_stream_has_order_has_no_such_table(
    accelerator: Accelerator, producer: Producer, engine: Engine, path: Path
) -> None:
    producer.put(item("a", v=1))
    accelerator.maintain(idle=True)
    assert found(accelerator, "a") == []
    accelerator.close()

    assert "stamps" not in "".join(_tables(engine, path))


def _tables(engine: Engine, path: Path) -> list[str]:
    if engine == "sqlite":
        import sqlite3

        connection = sqlite3.connect(path)
        rows = connection.execute("SELECT name FROM sqlite_master").fetchall()
        connection.close()
    else:
        with duckdb.connect(str(path)) as opened:
            rows = opened.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    return [name for (name,) in rows]
