"""The room that stamps take in a DuckDB file."""

from __future__ import annotations

import random
from itertools import count

import pyarrow as pa
import pytest

from cdc import duckdb_stamps
from cdc.duckdb_accelerator import DuckdbAccelerator
from cdc.duckdb_file import ROW_GROUP_ROWS
from cdc.ordering import STAMPS
from tests.cdc.duckdb_files import inside
from tests.contracts.accelerator import Producer

ITEMS = 40_000
BATCH = ROW_GROUP_ROWS


def digests(numbers: list[int]) -> pa.Array:
    return pa.array([number.to_bytes(16, "big") for number in numbers], pa.binary(16))


def stamps(numbers: list[int], at_us: int) -> pa.Table:
    times = [at_us] * len(numbers)
    columns = {
        "_h": digests(numbers),
        "first_us": times,
        "last_us": times,
        "event": ["event"] * len(numbers),
        "image": digests(numbers),
        "before": digests(numbers),
        "crowded": [False] * len(numbers),
        "repaired_us": times,
    }
    return pa.table(columns).cast(STAMPS)


def held_rows(accelerator: DuckdbAccelerator) -> int:
    ((rows,),) = inside(
        accelerator, "SELECT estimated_size FROM duckdb_tables() WHERE table_name = 'stamps'"
    )
    return int(rows)


def test_items_that_change_again_and_again_take_the_room_of_all_items_a_few_times(
    accelerator: DuckdbAccelerator, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_stamps, "MOVE_ROWS", 2 * ROW_GROUP_ROWS)
    chosen, times = random.Random(7), count(1)
    newest: dict[int, int] = {}

    def change(numbers: list[int]) -> None:
        at_us = next(times)
        producer.change((), (), stamps=stamps(numbers, at_us))
        newest.update(dict.fromkeys(numbers, at_us))
        accelerator.maintain(idle=at_us % 4 == 0)

    for first in range(0, ITEMS, BATCH):
        change(list(range(first, min(ITEMS, first + BATCH))))
    for _ in range(24):
        # A few that never change again lie between many that do.
        change(chosen.sample(range(ITEMS * 3 // 4), BATCH))

    assert held_rows(accelerator) < 4 * ITEMS  # all that was written is 11 times as much
    found = accelerator.stamps(digests(list(newest)), 0)
    rows = zip(found["_h"].to_pylist(), found["last_us"].to_pylist(), strict=True)
    assert {int.from_bytes(identity, "big"): at_us for identity, at_us in rows} == newest
