"""A follower fetches what changed, also where both snapshots have a log that it folded away."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cdc.accelerator import Engine
from cdc.engines import fold_overwrites, sidecars
from restorer.facts import Policy
from restorer.restore import RestoreReport, RestoreRequest, restore
from restorer.unfolded import unfolded_main, unfolded_tail
from snapshotter.difference import difference
from snapshotter.reader import read_pointer
from tests.restorer.accelerators import DATASET, Producer, plain_rows

EDGE = RestoreRequest(Policy(role="edge"))
ROWS = 4000


def scattered(producer: Producer, seed: int) -> None:
    """Commits that touch rows all over the file."""
    for first in range(seed, ROWS, 97):
        producer.put(first, 1, seed=seed)


def stepped(producer: Producer, target: Path, request: RestoreRequest) -> tuple[RestoreReport, int]:
    """A newer snapshot, restored over the one before; the report, and the bytes that differ."""
    older = read_pointer(producer.store, DATASET).catalog[0]
    scattered(producer, producer.version)
    producer.publish()
    newer = read_pointer(producer.store, DATASET).catalog[0]
    changed = difference(producer.store, older, newer).blocks.fetch_bytes
    return restore(producer.store, DATASET, target, request), changed


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
def test_an_edge_fetches_what_lies_between_two_snapshots_and_little_more(
    produce: Callable[..., Producer], tmp_path: Path, engine: Engine
) -> None:
    producer, target = produce(engine, rows=ROWS), tmp_path / "edge"
    producer.accelerator.maintain(idle=True)
    producer.publish()
    restore(producer.store, DATASET, target, EDGE)
    fetched = changed = 0
    for _ in range(4):
        report, differs = stepped(producer, target, EDGE)
        fetched, changed = fetched + report.bytes_fetched, changed + differs

    assert fetched <= 1.2 * changed
    assert fetched < read_pointer(producer.store, DATASET).catalog[0].stored_bytes
    producer.close()
    assert plain_rows(target, engine) == plain_rows(producer.path, engine)


def test_a_node_that_does_not_follow_keeps_nothing_for_later(
    produce: Callable[..., Producer], tmp_path: Path
) -> None:
    producer, target = produce("sqlite"), tmp_path / "node"
    producer.publish()

    restore(producer.store, DATASET, target, RestoreRequest(Policy(role="operator")))

    assert not unfolded_tail(target).exists()


def test_what_is_kept_of_another_file_is_no_harm(
    produce: Callable[..., Producer], tmp_path: Path
) -> None:
    producer, target = produce("sqlite", rows=ROWS), tmp_path / "edge"
    producer.publish()
    restore(producer.store, DATASET, target, EDGE)
    for kept in (unfolded_main(target), unfolded_tail(target)):
        kept.write_bytes(os.urandom(kept.stat().st_size))

    stepped(producer, target, EDGE)

    producer.close()
    assert plain_rows(target, "sqlite") == plain_rows(producer.path, "sqlite")


def test_the_pages_of_a_log_are_told_as_ranges(produce: Callable[..., Producer]) -> None:
    producer = produce("sqlite", rows=ROWS)
    producer.accelerator.maintain(idle=True)
    before = producer.path.read_bytes()
    scattered(producer, 1)
    log = sidecars("sqlite", producer.path)[0]
    ranges = fold_overwrites("sqlite", log)
    producer.accelerator.maintain(idle=True)
    after = producer.path.read_bytes()

    untouched = bytearray(after[: len(before)])
    for offset, size in ranges:
        untouched[offset : offset + size] = before[offset : offset + size]
    assert ranges == sorted(ranges)
    assert bytes(untouched) == before != after
    log.write_bytes(b"short")
    assert fold_overwrites("sqlite", log) == []
