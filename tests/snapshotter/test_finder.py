"""Blocks that are not read: the map is the same as if all had been, and a failing disk is found."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cdc.accelerator import Engine, FrozenPart
from snapshotter import finder
from snapshotter.digest import digest
from snapshotter.errors import Corrupt
from snapshotter.finder import HASH_ALL_SECONDS
from snapshotter.reader import read_header, read_pointer
from snapshotter.transfer import compared
from tests.restorer.accelerators import DATASET, Producer
from tests.snapshotter.bench import Bucket, file_store
from tests.snapshotter.images import BLOCK, BytesPart

ROWS = 4000
BLOCKS = 300


@dataclass
class MarkedPart(BytesPart):
    """A file whose engine says what it wrote; `asked` are the blocks that were read."""

    told: frozenset[int] | None = frozenset()
    asked: list[int] = field(default_factory=list)

    def read(self, offset: int, size: int) -> bytes:
        self.asked += range(offset // BLOCK, (offset + size) // BLOCK)
        return super().read(offset, size)

    def mark(self) -> object:
        return "a freeze"

    def changed_since(self, mark: object) -> frozenset[int] | None:
        assert mark == "a freeze"
        return self.told


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket.at(tmp_path / "bucket")


@pytest.fixture
def data() -> bytes:
    return random.Random(1).randbytes(BLOCKS * BLOCK)


def changed(data: bytes, *blocks: int) -> bytes:
    out = bytearray(data)
    for block in blocks:
        out[block * BLOCK] ^= 1
    return bytes(out)


def a_day_later(monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.monotonic()
    monkeypatch.setattr("snapshotter.transfer.time.monotonic", lambda: began + HASH_ALL_SECONDS)


def test_blocks_that_are_near_are_read_at_once_and_those_between_are_as_they_were(
    bucket: Bucket, data: bytes, tmp_path: Path
) -> None:
    publisher = bucket.publisher()
    bucket.publish(publisher, MarkedPart(data))
    written = changed(data, 7, 9, 280)
    # What the engine did not write is not looked at, even where it is read along.
    part = MarkedPart(changed(written, 8), told=frozenset({7, 9, 280}))
    report = bucket.publish(publisher, part, 2)

    assert part.asked == [7, 8, 9, 280]
    assert report.blocks_new == 3
    assert bucket.restore(tmp_path / "out") == written


def test_only_blocks_that_the_engine_wrote_are_read(
    bucket: Bucket, data: bytes, tmp_path: Path
) -> None:
    publisher = bucket.publisher()
    bucket.publish(publisher, MarkedPart(data))
    part = MarkedPart(changed(data, 7, 130), told=frozenset({7, 8, 130}))
    report = bucket.publish(publisher, part, 2)

    assert sorted(part.asked) == [7, 8, 130]
    assert report.blocks_new == 2
    assert bucket.restore(tmp_path / "out") == part.data


def test_blocks_behind_the_end_of_the_file_before_are_read_too(
    bucket: Bucket, data: bytes, tmp_path: Path
) -> None:
    publisher = bucket.publisher()
    bucket.publish(publisher, MarkedPart(data[: 200 * BLOCK]))
    part = MarkedPart(data)
    bucket.publish(publisher, part, 2)

    assert sorted(part.asked) == list(range(200, BLOCKS))
    assert bucket.restore(tmp_path / "out") == data


def test_a_block_that_came_into_use_is_read_and_one_that_went_out_is_a_hole(
    bucket: Bucket, data: bytes, tmp_path: Path
) -> None:
    publisher = bucket.publisher()
    bucket.publish(publisher, MarkedPart(data, used=frozenset(range(100))))
    part = MarkedPart(data, used=frozenset(range(50, 120)))
    bucket.publish(publisher, part, 2)

    assert sorted(part.asked) == list(range(100, 120))
    restored = bucket.restore(tmp_path / "out")
    assert restored == (
        bytes(50 * BLOCK) + data[50 * BLOCK : 120 * BLOCK] + bytes((BLOCKS - 120) * BLOCK)
    )


def test_everything_is_read_where_the_engine_cannot_tell(bucket: Bucket, data: bytes) -> None:
    publisher = bucket.publisher()
    bucket.publish(publisher, MarkedPart(data))
    part = MarkedPart(changed(data, 7), told=None)
    report = bucket.publish(publisher, part, 2)

    assert len(part.asked) == BLOCKS
    assert report.blocks_new == 1


def test_another_publisher_reads_everything(bucket: Bucket, data: bytes) -> None:
    bucket.publish(bucket.publisher(), MarkedPart(data))
    part = MarkedPart(changed(data, 7))
    report = bucket.publish(bucket.publisher("b"), part, 2)

    assert len(part.asked) == BLOCKS
    assert report.blocks_new == 1


def test_a_freeze_that_was_not_published_is_no_mark(
    bucket: Bucket, data: bytes, tmp_path: Path
) -> None:
    publisher = bucket.publisher()
    bucket.publish(publisher, MarkedPart(data))
    bucket.publish(bucket.publisher("b"), MarkedPart(changed(data, 3)), 2)
    again = bucket.publisher("c")
    part = MarkedPart(changed(data, 3, 7))
    bucket.publish(again, part, 3)

    assert len(part.asked) == BLOCKS
    assert bucket.restore(tmp_path / "out") == part.data


def test_once_a_day_every_block_is_read_and_a_rotten_one_is_refused(
    bucket: Bucket, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = bucket.publisher()
    bucket.publish(publisher, MarkedPart(data))
    rotten = MarkedPart(changed(data, 7, 250, 251), told=frozenset({7}))
    a_day_later(monkeypatch)
    with pytest.raises(Corrupt, match=r"block 250 of main is not as .* nor are 1"):
        bucket.publish(publisher, rotten, 2)

    assert bucket.header().checkpoint.version == 1
    whole = MarkedPart(changed(data, 7), told=frozenset({7}))
    bucket.publish(publisher, whole, 2)
    assert len(whole.asked) == BLOCKS
    assert bucket.header().checkpoint.version == 2


@pytest.fixture(params=["duckdb", "sqlite"])
def producer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Producer]:
    engine: Engine = request.param
    producer = Producer(file_store(tmp_path / "bucket"), tmp_path / "file", engine)
    producer.put(0, ROWS)
    producer.accelerator.maintain(idle=True)
    yield producer
    producer.close()


def test_in_many_rounds_of_random_updates_nothing_that_changed_is_left_unread(
    producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdc.sqlite_checkpointer.LOG_LIMIT_BYTES", 100_000)
    monkeypatch.setattr("cdc.duckdb_accelerator.CHECKPOINT_WAL_BYTES", 100_000, raising=False)
    read: list[bool] = []
    real = finder.find

    def noted(*given: object) -> finder.Finding:
        finding = real(*given)  # type: ignore[arg-type] # passed through
        read.append(finding.read is None)
        return finding

    source = random.Random(4)
    monkeypatch.setattr("snapshotter.transfer.finder.find", noted)
    for _ in range(20):
        for _ in range(source.randint(0, 3)):
            first = source.randrange(ROWS)
            producer.put(first, source.choice([1, 40, 400]), seed=source.randrange(1000))
            producer.accelerator.maintain(idle=source.random() < 0.3)
        with producer.accelerator.freeze() as image:
            producer.publisher.publish(image, reason="test")
            whole = [(part.name, whole_root(part)) for part in image.parts]
        header = read_header(producer.store, read_pointer(producer.store, DATASET).catalog[0])
        assert [(part.name, part.root) for part in header.parts] == whole
    assert not all(read)


def whole_root(part: FrozenPart) -> str:
    """The root digest over all used blocks, each of them read."""
    shape, _ = compared(part, None, "blake3")
    numbers = range(shape.block_count)
    spans = {at: shape.part("", ()).span(at) for at in numbers if is_used(part, at)}
    digests = {at: digest(part.read(*span), "blake3") for at, span in spans.items()}
    return digest(b"".join([digests.get(at, bytes(32)) for at in numbers]), "blake3").hex()


def is_used(part: FrozenPart, block: int) -> bool:
    return part.used is None or block in part.used
