"""Snapshots of both engines' files, restored without us and opened by the plain engines."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdc.accelerator import Engine
from cdc.batch import Batch, schema_of
from cdc.engines import sidecars
from snapshotter import blocks
from snapshotter.publish_report import PublishReport
from snapshotter.reader import read_header, read_pointer
from snapshotter.transfer import compared
from tests.restorer.accelerators import (
    COLUMNS,
    DATASET,
    Producer,
    plain_rows,
    rows_of,
    stored_checkpoint,
)
from tests.snapshotter.bench import file_store, reference_reader

ROWS = 6000


@pytest.fixture(params=["duckdb", "sqlite"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return request.param  # type: ignore[no-any-return] # the fixture's params are engines


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    return tmp_path / "bucket"


@pytest.fixture
def producer(tmp_path: Path, bucket: Path, engine: Engine) -> Iterator[Producer]:
    producer = Producer(file_store(bucket), tmp_path / "file", engine)
    producer.put(0, ROWS)
    producer.accelerator.maintain(idle=True)
    yield producer
    producer.close()


def publish(producer: Producer) -> PublishReport:
    with producer.accelerator.freeze() as image:
        return producer.publisher.publish(image, reason="test")


def header_of(producer: Producer) -> Any:
    return read_header(producer.store, read_pointer(producer.store, DATASET).catalog[0])


def test_a_snapshot_opens_in_the_plain_engine_with_the_same_rows(
    producer: Producer, bucket: Path, engine: Engine, tmp_path: Path
) -> None:
    producer.put(100, 50, seed=2)
    publish(producer)
    target = tmp_path / "out"
    reference_reader.restore(bucket, DATASET, target)

    expected = dict.fromkeys(rows_of(0, ROWS, 0)) | {}
    rows = {row[0]: row for row in expected} | {row[0]: row for row in rows_of(100, 50, 2)}
    assert plain_rows(target, engine) == sorted(rows.values())
    assert stored_checkpoint(target, engine) == header_of(producer).checkpoint


def test_every_used_block_comes_back_and_the_rest_is_zero(
    producer: Producer, bucket: Path, tmp_path: Path
) -> None:
    producer.put(0, 3000, seed=3)
    producer.accelerator.maintain(idle=True)
    with producer.accelerator.freeze() as image:
        frozen = image.parts[0]
        shape, _ = compared(frozen, None, "blake3")
        windows = [(w.offset, frozen.read(w.offset, w.size)) for w in blocks.windows(shape)]
        producer.publisher.publish(image, reason="test")
    reference_reader.restore(bucket, DATASET, tmp_path / "out")
    restored = (tmp_path / "out").read_bytes()

    assert len(restored) == shape.length
    unused = bytearray(restored)
    for offset, data in windows:
        assert restored[offset : offset + len(data)] == data
        unused[offset : offset + len(data)] = bytes(len(data))
    assert not any(unused)


def test_few_changes_make_a_small_snapshot(producer: Producer) -> None:
    full = publish(producer)
    producer.put(500, 5, seed=4)
    small = publish(producer)

    assert small.new_bytes < full.new_bytes / 10
    assert small.blocks_new < full.blocks_new / 2


def test_an_idle_table_is_renewed_with_a_newer_checkpoint(producer: Producer) -> None:
    publish(producer)
    before = producer.accelerator.checkpoint()
    assert before is not None
    producer.accelerator.apply(_nothing(), before.next(updated_at=producer.store.now()))
    report = publish(producer)

    assert report.renewal
    assert report.new_bytes < 16 * 1024
    assert header_of(producer).checkpoint.version == before.version + 1


def _nothing() -> Batch:
    return Batch(schema_of(COLUMNS).empty_table(), COLUMNS)


def test_a_writer_commits_in_the_midst_of_every_snapshot(
    producer: Producer, bucket: Path, engine: Engine, tmp_path: Path
) -> None:
    stop, committed = threading.Event(), threading.Semaphore(0)

    def write() -> None:
        number = 0
        while not stop.is_set():
            producer.put(number * 37 % 5000, 50, seed=number)
            committed.release()
            number += 1

    def wait_for_a_commit(done: int, total: int) -> None:
        if done < total:
            assert committed.acquire(timeout=60)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        reports = []
        for _ in range(3):
            with producer.accelerator.freeze() as image:
                reports.append(
                    producer.publisher.publish(image, reason="x", progress=wait_for_a_commit)
                )
    finally:
        stop.set()
        writer.join(60)

    for number, report in enumerate(reports):
        target = tmp_path / f"out-{number}"
        reference_reader.restore(bucket, DATASET, target, report.snapshot_id)
        entry = read_pointer(producer.store, DATASET).entry(report.snapshot_id)
        assert entry is not None
        assert stored_checkpoint(target, engine) == read_header(producer.store, entry).checkpoint
        assert len(plain_rows(target, engine)) == entry.row_count


def test_log_and_main_file_have_the_names_the_engine_expects(
    producer: Producer, bucket: Path, engine: Engine, tmp_path: Path
) -> None:
    producer.put(1, 1, seed=9)
    publish(producer)
    target = tmp_path / "out"
    reference_reader.restore(bucket, DATASET, target)

    assert sidecars(engine, target)[0].exists()
