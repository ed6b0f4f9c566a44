"""What is restored is what was frozen, while a writer loads in bulk and readers never pause."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cdc.accelerator import Accelerator, Engine, FreezeBroken, FrozenImage, QueryLimits
from cdc.checkpoint import Checkpoint
from cdc.engines import sidecars
from restorer.facts import Policy, Selection
from restorer.fetch import fetch
from restorer.plan import make_plan
from restorer.restore import RestoreRequest, restore
from snapshotter.format import Header
from snapshotter.reader import read_header, read_pointer, read_segments
from snapshotter.store import ObjectStore
from tests.restorer.accelerators import DATASET, Producer, plain_rows, rows_of, stored_checkpoint
from tests.restorer.conftest import Produce

ENGINES: tuple[Engine, ...] = ("duckdb", "sqlite")
ROWS = 20_000
BULK = 4_000
READERS = 3
PATIENT = QueryLimits(seconds=60.0)  # a busy machine is slow, not wrong


@dataclass
class Load:
    """A writer and three readers, until stopped."""

    producer: Producer
    commits: int = 0
    reads: list[int] = field(default_factory=lambda: [0] * READERS)
    errors: list[BaseException] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def write(self) -> None:
        """Every commit is a bulk of new rows and some changed ones, told by its version."""
        try:
            while not self.stopped.is_set():
                version = self.producer.version + 1
                self.producer.put(ROWS + (version - 2) * BULK, BULK, seed=version)
                self.producer.accelerator.maintain(idle=False)
                self.commits += 1
        except BaseException as error:  # noqa: BLE001 - the test reports it
            self.errors.append(error)

    def read(self, reader: int) -> None:
        accelerator: Accelerator = self.producer.accelerator
        try:
            while not self.stopped.is_set():
                accelerator.query(f'SELECT count(*), max(id) FROM "{DATASET}"', PATIENT)
                self.reads[reader] += 1
                time.sleep(0.001)  # two run at once: whoever asks again at once keeps the third out
        except BaseException as error:  # noqa: BLE001 - the test reports it
            self.errors.append(error)

    def wait_for_a_turn_of_each(self, commits: int, reads: list[int]) -> None:
        """Until the writer and every reader went on since; in vain if they cannot."""
        end = time.monotonic() + 60
        while time.monotonic() < end and not self.errors:
            pairs = zip([self.commits, *self.reads], [commits, *reads], strict=True)
            if all(now > then for now, then in pairs):
                return
            time.sleep(0.005)

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self.write)]
        threads += [threading.Thread(target=self.read, args=(n,)) for n in range(READERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stopped.set()
            for thread in threads:
                thread.join()


@dataclass(frozen=True)
class Published:
    """A snapshot, and the bytes of every used block as the frozen image gave them.

    `commits` and `reads` (of each reader) happened while it was frozen.
    """

    snapshot_id: str
    checkpoint: Checkpoint
    row_count: int
    blocks: dict[tuple[str, int], bytes]
    commits: int
    reads: list[int]


def publish(load: Load) -> Published:
    producer = load.producer
    for _ in range(20):
        try:
            with producer.accelerator.freeze() as image:
                commits, reads = load.commits, list(load.reads)
                report = producer.publisher.publish(image, reason="test")
                blocks = frozen_blocks(image)
                load.wait_for_a_turn_of_each(commits, reads)
                image.verify_unchanged()
                return Published(
                    snapshot_id=report.snapshot_id,
                    checkpoint=image.checkpoint,
                    row_count=image.row_count,
                    blocks=blocks,
                    commits=load.commits - commits,
                    reads=[now - then for now, then in zip(load.reads, reads, strict=True)],
                )
        except FreezeBroken:
            continue
    pytest.fail("the file was never still")


def frozen_blocks(image: FrozenImage) -> dict[tuple[str, int], bytes]:
    blocks: dict[tuple[str, int], bytes] = {}
    for part in image.parts:
        count = -(-(part.length - part.preamble) // part.block_size) + bool(part.preamble)
        for number in range(count) if part.used is None else sorted(part.used):
            first = number - bool(part.preamble)
            offset = 0 if first < 0 else part.preamble + first * part.block_size
            size = part.preamble if first < 0 else part.block_size
            blocks[part.name, offset] = part.read(offset, min(size, part.length - offset))
    return blocks


def header_of(store: ObjectStore, snapshot_id: str) -> Header:
    entry = read_pointer(store, DATASET).entry(snapshot_id)
    assert entry is not None
    return read_header(store, entry)


@pytest.fixture(params=ENGINES)
def under_load(request: pytest.FixtureRequest, produce: Produce) -> tuple[Load, list[Published]]:
    """Three snapshots of a file that is written and read all the time."""
    producer = produce(request.param, rows=ROWS)
    load = Load(producer)
    with load.running():
        published = []
        for _ in range(3):
            time.sleep(0.3)
            published.append(publish(load))
    return load, published


def test_used_blocks_rows_and_checkpoint_are_those_of_the_freeze(
    under_load: tuple[Load, list[Published]], store: ObjectStore, tmp_path: Path
) -> None:
    load, published = under_load
    engine = load.producer.engine
    assert load.errors == []
    assert load.commits > 3

    for each in published:
        target = tmp_path / each.snapshot_id
        header = header_of(store, each.snapshot_id)
        files = fetched(store, header, tmp_path / f"raw-{each.snapshot_id}", engine)
        for (part, offset), block in each.blocks.items():
            assert files[part][offset : offset + len(block)] == block

        request = RestoreRequest(Policy(role="operator"), Selection(snapshot_id=each.snapshot_id))
        restore(store, DATASET, target, request)

        rows = plain_rows(target, engine)
        assert stored_checkpoint(target, engine) == each.checkpoint
        assert len(rows) == each.row_count
        assert rows == expected_rows(each.checkpoint.version)


def fetched(
    store: ObjectStore, header: Header, directory: Path, engine: Engine
) -> dict[str, bytes]:
    directory.mkdir()
    files = {"main": directory / "main", "tail": sidecars(engine, directory / "main")[0]}
    plan = make_plan(header, [read_segments(store, header, part) for part in header.parts])
    fetch(store, plan, [files[part.name] for part in header.parts])
    return {part.name: files[part.name].read_bytes() for part in header.parts}


def expected_rows(version: int) -> list[tuple[str, int, str]]:
    rows = rows_of(0, ROWS, seed=1)
    for commit in range(2, version + 1):
        rows += rows_of(ROWS + (commit - 2) * BULK, BULK, seed=commit)
    return rows


def test_the_writer_and_every_reader_go_on_while_the_file_is_frozen(
    under_load: tuple[Load, list[Published]],
) -> None:
    load, published = under_load

    assert load.errors == []
    assert sum(each.commits for each in published) > 0
    for reader in range(READERS):
        assert sum(each.reads[reader] for each in published) >= len(published)
