"""A log that grows too much beside a snapshot ends the snapshot; the writer goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdc import freeze_limit
from cdc.errors import NoSpace
from snapshotter.reader import read_pointer
from tests.restorer.accelerators import DATASET, Producer
from tests.snapshotter.bench import file_store


@pytest.fixture(params=["duckdb", "sqlite"])
def producer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Producer]:
    producer = Producer(file_store(tmp_path / "bucket"), tmp_path / "file", request.param)
    producer.put(0, 2000)
    producer.accelerator.maintain(idle=True)
    yield producer
    producer.close()


def publish_beside_a_writer(producer: Producer) -> None:
    with producer.accelerator.freeze() as image:
        producer.put(0, 2000, seed=2)
        producer.publisher.publish(image, reason="test")


def test_a_log_over_the_limit_ends_the_snapshot_and_the_next_one_succeeds(
    producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freeze_limit, "SOME_GROWTH_BYTES", 10_000)
    monkeypatch.setattr(freeze_limit, "MOST_GROWTH_BYTES", 20_000)
    with pytest.raises(NoSpace, match="grew by 0 MiB while it was written"):
        publish_beside_a_writer(producer)
    assert read_pointer(producer.store, DATASET).current is None

    producer.put(0, 2000, seed=3)
    producer.accelerator.maintain(idle=True)
    with producer.accelerator.freeze() as image:
        report = producer.publisher.publish(image, reason="test")
    assert read_pointer(producer.store, DATASET).current == report.snapshot_id


def test_on_a_disk_with_room_some_growth_does_not_matter(
    producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freeze_limit, "SOME_GROWTH_BYTES", 10_000)
    monkeypatch.setattr(freeze_limit, "LEAST_FREE_BYTES", 0)
    publish_beside_a_writer(producer)

    assert read_pointer(producer.store, DATASET).current is not None


def test_on_a_disk_that_is_nearly_full_it_is_too_much(
    producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freeze_limit, "SOME_GROWTH_BYTES", 10_000)
    monkeypatch.setattr(freeze_limit, "LEAST_FREE_BYTES", 2**60)
    with pytest.raises(NoSpace):
        publish_beside_a_writer(producer)
