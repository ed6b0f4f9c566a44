"""What a frozen image promises: exactly one commit, readable while writer and readers go on."""

import random
import threading
from pathlib import Path

import pytest

from cdc.accelerator import Accelerator, Engine, FrozenImage
from cdc.engines import fold_log, sidecars
from cdc.errors import FileUnusable
from tests.contracts.accelerator import (
    DATASET,
    Producer,
    Readers,
    contents,
    copy_out,
    item,
    opened_plainly,
    reopened,
    spans,
    stored_text,
)

ROUNDS = 10


class Writer:
    """A thread that commits without a pause and notes how many items each commit left."""

    def __init__(self, producer: Producer, seed: int) -> None:
        self.producer = producer
        self.rows_at: dict[int, int] = {}
        self.error: Exception | None = None
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._committed = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Writer":  # noqa: PYI034 - a helper of this file
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()
        assert self.error is None

    def wait_for_a_commit(self) -> None:
        self._committed.clear()
        assert self._committed.wait(60)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._commit()
        except Exception as error:  # noqa: BLE001 - raised again where the test waits
            self.error = error

    def _commit(self) -> None:
        # Every sixth batch is large enough for DuckDB to write it straight into the main file.
        version = self.producer.version + 1
        size = 17_000 if version % 6 == 0 else 200
        start = self._random.randrange(40_000)
        changed = [
            item(i, n=version, text=f"row {i} of {version}") for i in range(start, start + size)
        ]
        self.producer.change(changed, [item(i) for i in range(start - 50, start)])
        self.rows_at[self.producer.version] = len(self.producer.expected)
        self._committed.set()


def assert_is_the_commit(engine: Engine, image: FrozenImage, copy: Path, expected: int) -> None:
    assert image.row_count == expected
    assert opened_plainly(engine, copy) == (stored_text(image.checkpoint), expected)


def test_a_copy_taken_between_writers_and_readers_is_exactly_one_commit(
    engine: Engine, tmp_path: Path, accelerator: Accelerator, producer: Producer
) -> None:
    producer.scan(*(item(i, n=0, text="scanned") for i in range(30_000)))
    producer.end_scan()
    copies: list[tuple[FrozenImage, Path]] = []
    pause = random.Random(1)
    writer = Writer(producer, seed=2)
    with Readers(accelerator) as readers, writer:
        for turn in range(ROUNDS):
            writer.wait_for_a_commit()
            threading.Event().wait(pause.random() * 0.05)
            with accelerator.freeze() as image:
                copies.append((image, copy_out(image, tmp_path / f"copy{turn}")))
            if turn % 3 == 0:
                accelerator.maintain(idle=False)

    assert readers.errors == []
    assert readers.rounds > 0
    assert len({image.checkpoint.version for image, _ in copies}) > ROUNDS // 2
    rows_at = {2: 30_000, **writer.rows_at}
    for image, copy in copies:
        assert_is_the_commit(engine, image, copy, rows_at[image.checkpoint.version])


def test_the_content_of_a_copy_is_that_of_the_commit(
    engine: Engine, tmp_path: Path, accelerator: Accelerator, producer: Producer
) -> None:
    producer.scan(*(item(i, n=0, text="x" * 50) for i in range(5_000)))
    producer.end_scan()
    accelerator.maintain(idle=True)
    producer.put(*(item(i, n=1, long="y" * 500) for i in range(0, 10_000, 3)))
    expected = dict(producer.expected)
    with accelerator.freeze() as image:
        producer.put(*(item(i, n=2, other="z" * 50) for i in range(17_000)))
        producer.delete(*(item(i) for i in range(2_000, 8_000)))
        copy = copy_out(image, tmp_path / "copy")

    again = reopened(engine, copy)
    assert again.checkpoint() == image.checkpoint
    assert again.columns() == image.columns
    assert contents(again) == expected
    again.close()
    assert contents(accelerator) == producer.expected


def test_a_copy_taken_after_upkeep_that_could_not_empty_the_log_is_whole(
    engine: Engine, tmp_path: Path, accelerator: Accelerator, producer: Producer
) -> None:
    # A reader of an old state forbids the checkpoint after each fold, so the log still names blocks
    # of tables that were dropped since.
    producer.scan(*(item(i, n=0, text="x" * 20) for i in range(20_000)))
    producer.end_scan()
    old = accelerator.items(page_rows=10)
    next(old)
    for turn in range(3):
        producer.put(*(item(i, n=turn) for i in range(turn * 1000, turn * 1000 + 18_000)))
        done = accelerator.maintain(idle=True)
        assert engine == "sqlite" or (done.folded_rows > 0 and not done.checkpointed)
    with accelerator.freeze() as image:
        producer.put(*(item(i, n=9) for i in range(25_000)))
        copy = copy_out(image, tmp_path / "copy")
    assert sum(len(page) for page in old) == 20_000 - 10

    assert opened_plainly(engine, copy) == (stored_text(image.checkpoint), 20_000)


def test_upkeep_waits_until_nobody_is_frozen(accelerator: Accelerator, producer: Producer) -> None:
    producer.scan(*(item(i) for i in range(100)))
    producer.end_scan()
    producer.put(item("a"))
    with accelerator.freeze() as first, accelerator.freeze() as second:
        assert first.checkpoint == second.checkpoint
        held = accelerator.maintain(idle=True)
        assert (held.folded_rows, held.checkpointed) == (0, False)
        assert held.wal_bytes > 0
        first.verify_unchanged()

    assert accelerator.maintain(idle=True).checkpointed


def test_a_commit_does_not_wait_for_a_freeze(accelerator: Accelerator, producer: Producer) -> None:
    producer.put(item("a"))
    with accelerator.freeze() as image:
        producer.put(item("b"))
        assert accelerator.row_count() == 2
        assert image.row_count == 1


def test_parts_tell_their_layout(accelerator: Accelerator, producer: Producer) -> None:
    producer.put(*(item(i, text="x" * 100) for i in range(5000)))
    with accelerator.freeze() as image:
        assert [part.name for part in image.parts] in (["main"], ["main", "tail"])
        for part in image.parts:
            numbers = {number for number, _, _ in spans(part)}
            assert part.used is None or part.used <= numbers
            assert part.read(part.length, 10) == b""
            assert len(part.read(0, part.length + 10)) == part.length
        assert image.keys == producer.keys
        assert image.engine == accelerator.engine
        assert image.engine_version
        assert image.storage_version


def test_a_file_without_a_checkpoint_cannot_be_frozen(accelerator: Accelerator) -> None:
    with pytest.raises(FileUnusable), accelerator.freeze():
        pass

    accelerator.maintain(idle=True)


def test_an_error_while_frozen_reaches_the_caller_and_ends_the_freeze(
    accelerator: Accelerator, producer: Producer
) -> None:
    producer.put(item("a"))
    with pytest.raises(OSError, match="upload"), accelerator.freeze():
        raise OSError("upload failed")

    assert accelerator.maintain(idle=True).checkpointed


def test_a_closed_copy_folds_into_one_file(
    engine: Engine, tmp_path: Path, accelerator: Accelerator, producer: Producer
) -> None:
    producer.put(*(item(i) for i in range(300)))
    with accelerator.freeze() as image:
        copy = copy_out(image, tmp_path / "copy")
    log = sidecars(engine, copy)[0]
    assert log.exists()

    fold_log(engine, copy)

    left = [one for one in sidecars(engine, copy) if one.exists() and one.stat().st_size]
    assert left == []
    again = reopened(engine, copy)
    assert again.dataset == DATASET
    assert contents(again) == producer.expected
    again.close()
