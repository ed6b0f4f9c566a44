"""Free blocks of a DuckDB file that are given back: the disk has them, and nobody misses one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cdc import duckdb_holes, holes
from cdc.accelerator import Accelerator, Layout
from cdc.duckdb_accelerator import DuckdbAccelerator
from cdc.engines import open_accelerator
from restorer.facts import Policy, Selection
from restorer.restore import RestoreRequest, restore
from tests.restorer.accelerators import (
    COLUMNS,
    DATASET,
    KEYS,
    Producer,
    batch_of,
    plain_rows,
    rows_of,
)
from tests.restorer.published import directory_store
from tests.snapshotter.images import checkpoint

ROWS = 20_000
OPERATOR = Policy(role="operator")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.db"


@pytest.fixture
def file(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DuckdbAccelerator]:
    """A file whose base lies in the order of the scan, with nothing free in it."""
    monkeypatch.setattr(duckdb_holes, "LEAST_BYTES", 512 * 1024)
    made = opened(path)
    scanned = replace(checkpoint(1000.0, 1, finished=False))
    made.append_scan(batch_of(rows_of(0, ROWS, 1)), scanned)
    put(made, 0, 10, version=2)
    yield made
    made.close()


def opened(path: Path) -> DuckdbAccelerator:
    found = open_accelerator("duckdb", path, DATASET, keys=KEYS, create=not path.exists())
    assert isinstance(found, DuckdbAccelerator)
    found.layout = Layout(gives_back=True)
    return found


def put(file: DuckdbAccelerator, first: int, count: int, *, version: int) -> None:
    file.apply(batch_of(rows_of(first, count, version)), checkpoint(1000.0, version))


def drain(file: Accelerator) -> None:
    while file.maintain(idle=True).is_pending:
        pass


def rows(file: Accelerator) -> list[tuple[str, int, str]]:
    found = {item["id"]["S"]: item for page in file.items() for item in page}
    assert len(found) == file.row_count()
    names = COLUMNS.names
    assert names == ("id", "amount", "note")
    return [(key, int(found[key]["amount"]["N"]), found[key]["note"]["S"]) for key in sorted(found)]


def on_disk(path: Path) -> int:
    return path.stat().st_blocks * 512


def test_a_sorted_file_takes_no_more_of_the_disk_than_what_it_holds(
    file: DuckdbAccelerator, path: Path
) -> None:
    before = rows(file)
    drain(file)
    used = duckdb_holes.used_count(file._database) * 256 * 1024

    assert on_disk(path) <= used + 512 * 1024 < 0.75 * path.stat().st_size
    assert rows(file) == before
    file.close()
    assert plain_rows(path, "duckdb") == before
    again = opened(path)
    assert rows(again) == before
    again.close()


def test_free_blocks_are_kept_where_nobody_asked(file: DuckdbAccelerator, path: Path) -> None:
    file.layout = Layout()
    drain(file)

    assert on_disk(path) >= path.stat().st_size


def test_a_file_with_holes_is_written_folded_and_sorted_again(
    file: DuckdbAccelerator, path: Path
) -> None:
    expected = {row[0]: row for row in rows_of(0, ROWS, 1) + rows_of(0, 10, 2)}
    for version in range(3, 5):
        put(file, version * 2000, ROWS // 2, version=version)
        expected |= {row[0]: row for row in rows_of(version * 2000, ROWS // 2, version)}
        drain(file)

        assert rows(file) == sorted(expected.values())
    file.close()
    assert plain_rows(path, "duckdb") == sorted(expected.values())


def test_who_reads_an_older_state_keeps_all_of_it(file: DuckdbAccelerator, path: Path) -> None:
    drain(file)
    before = rows(file)
    pages = file.items(page_rows=1000)
    first = next(pages)
    put(file, 0, ROWS, version=3)
    for _ in range(20):
        file.maintain(idle=True)
    seen = [first, *pages]

    assert sorted(item["id"]["S"] for page in seen for item in page) == [row[0] for row in before]
    assert {item["note"]["S"] for page in seen for item in page} == {row[2] for row in before}
    drain(file)
    assert rows(file) == rows_of(0, ROWS, 3)
    assert on_disk(path) < 0.8 * path.stat().st_size


def test_nothing_is_given_back_while_an_image_is_frozen(
    file: DuckdbAccelerator, path: Path
) -> None:
    file.layout = Layout()
    drain(file)
    file.layout = Layout(gives_back=True)
    held = on_disk(path)
    with file.freeze():
        put(file, 0, 100, version=3)
        file.maintain(idle=True)

        assert on_disk(path) == held
    drain(file)
    assert on_disk(path) < held


def test_snapshots_between_which_space_was_given_back_restore_to_what_was_frozen(
    file: DuckdbAccelerator, path: Path, tmp_path: Path
) -> None:
    file.close()
    producer = Producer(directory_store(tmp_path / "bucket"), path, "duckdb", version=2)
    producer.accelerator.layout = Layout(gives_back=True)
    for round_ in range(2):
        producer.put(round_ * 6000, 8_000, seed=10 + round_)
        frozen = dict.fromkeys([producer.publish()], rows(producer.accelerator))
        drain(producer.accelerator)
        frozen[producer.publish()] = rows(producer.accelerator)
        for snapshot_id, held_rows in frozen.items():
            target = tmp_path / snapshot_id / "file"
            selection = Selection(snapshot_id=snapshot_id)
            restore(producer.store, DATASET, target, RestoreRequest(OPERATOR, selection))

            assert plain_rows(target, "duckdb") == held_rows
    producer.close()
    assert on_disk(path) < path.stat().st_size - duckdb_holes.LEAST_BYTES


def test_where_a_file_can_have_no_holes_that_is_told() -> None:
    reader, writer = os.pipe()

    assert not holes.punched(writer, 0, 4096)
    os.close(reader)
    os.close(writer)
