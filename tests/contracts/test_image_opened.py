"""A frozen image opened by an engine of its own: it says what the header will say, or why not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from cdc.accelerator import Accelerator, Engine, FrozenImage, FrozenPart, Reopened
from tests.contracts.accelerator import Producer, item
from tests.contracts.test_accelerators_frozen import Writer

ROUNDS = 5


@dataclass
class Changed:
    """A part of which some bytes are others, or that ends earlier."""

    part: FrozenPart
    at: int = -1
    end: int | None = None

    def __post_init__(self) -> None:
        self.name = self.part.name
        self.length = self.part.length if self.end is None else self.end
        self.block_size = self.part.block_size
        self.preamble = self.part.preamble
        self.used = self.part.used

    def read(self, offset: int, size: int) -> bytes:
        data = bytearray(self.part.read(offset, min(size, self.length - offset)))
        if offset <= self.at < offset + len(data):
            data[self.at - offset] ^= 0xFF
        return bytes(data)


def opened(image: FrozenImage, *, counts: bool = True) -> Reopened:
    found = image.reopened(counts=counts)
    assert found is not None
    return found


def says_the_same(found: Reopened, image: FrozenImage) -> bool:
    same = (found.checkpoint, found.columns) == (image.checkpoint, image.columns)
    return found.trouble is None and same and found.row_count in (None, image.row_count)


def folders(path: Path) -> set[str]:
    return {each.name for each in path.parent.iterdir() if each.is_dir()}


def split(accelerator: Accelerator, producer: Producer) -> None:
    """A main file, and two commits in the log behind it."""
    producer.scan(*(item(i, text="x" * 100) for i in range(500)))
    producer.end_scan()
    accelerator.maintain(idle=True)
    producer.put(item(1, n=2))
    producer.delete(item(2))


@pytest.mark.parametrize("counts", [False, True])
def test_an_image_between_commits_holds_what_its_freeze_says(
    counts: bool,  # noqa: FBT001 - a parameter
    accelerator: Accelerator,
    producer: Producer,
) -> None:
    split(accelerator, producer)

    with accelerator.freeze() as image:
        found = opened(image, counts=counts)

        assert len(image.parts) == 2
        assert says_the_same(found, image)
        if counts:
            assert found.row_count == 499


def test_a_file_without_a_log_is_opened_too(accelerator: Accelerator, producer: Producer) -> None:
    producer.scan(item(1))
    producer.end_scan()
    accelerator.maintain(idle=True)

    with accelerator.freeze() as image:
        assert len(image.parts) == 1
        assert says_the_same(opened(image), image)


def test_an_image_under_a_writer_that_never_rests_is_one_commit(
    accelerator: Accelerator, producer: Producer
) -> None:
    producer.scan(*(item(i) for i in range(2000)))
    with Writer(producer, seed=5) as writer:
        for _ in range(ROUNDS):
            writer.wait_for_a_commit()
            with accelerator.freeze() as image:
                assert says_the_same(opened(image), image)
                image.verify_unchanged()


def test_opening_an_image_leaves_nothing_behind_and_the_file_as_it_was(
    accelerator: Accelerator, producer: Producer
) -> None:
    split(accelerator, producer)
    before = set(accelerator.path.parent.iterdir())
    with accelerator.freeze() as image:
        opened(image)
        image.verify_unchanged()

        assert set(accelerator.path.parent.iterdir()) == before
    producer.put(item(1, n=3))
    assert accelerator.row_count() == 499


def test_what_a_killed_process_left_is_cleared(
    engine: Engine, accelerator: Accelerator, producer: Producer
) -> None:
    split(accelerator, producer)
    left = accelerator.path.with_name(f"{accelerator.path.name}.image")
    left.mkdir()
    (left / "image").write_bytes(b"of another life")

    with accelerator.freeze() as image:
        assert says_the_same(opened(image), image)
    assert left.exists() == (engine == "duckdb")  # which puts nothing on the disk


@pytest.mark.parametrize("change", [{"end": 40}, {"at": 60}])
def test_a_log_that_ends_too_early_or_has_a_wrong_byte_shows(
    change: dict[str, int], accelerator: Accelerator, producer: Producer
) -> None:
    split(accelerator, producer)

    with accelerator.freeze() as image:
        main, tail = image.parts
        where = {name: tail.length - back for name, back in change.items()}
        found = main.reopened((Changed(tail, **where),), counts=True)  # type: ignore[attr-defined]

        assert not says_the_same(found, image)


def test_a_wrong_byte_in_the_file_shows_where_the_whole_image_is_looked_at(
    engine: Engine, accelerator: Accelerator, producer: Producer
) -> None:
    split(accelerator, producer)
    size = accelerator.path.stat().st_size
    # SQLite: in the header of each page but the first two. DuckDB: both headers, under checksums.
    places = range(2 * 4096 + 5, size, 4096) if engine == "sqlite" else (4100, 8200)

    with accelerator.freeze() as image:
        flip(accelerator.path, places)
        found = opened(image)
        flip(accelerator.path, places)

    assert found.trouble is not None


def flip(path: Path, places: Iterable[int]) -> None:
    with path.open("r+b", buffering=0) as file:
        for place in places:
            file.seek(place)
            (byte,) = file.read(1)
            file.seek(place)
            file.write(bytes([byte ^ 0xFF]))
