"""Pages that changed since a freeze: never fewer than those whose bytes differ, rarely more."""

import itertools
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cdc import sqlite_moves
from cdc.accelerator import FrozenPart
from cdc.sqlite_accelerator import SqliteAccelerator
from cdc.sqlite_freeze import MainPart
from tests.cdc.sqlite_rows import KEYS, batch, checkpoint

ROWS = 4_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flights.db"


@pytest.fixture
def accelerator(path: Path) -> Iterator[SqliteAccelerator]:
    accelerator = SqliteAccelerator.open(path, "flights", keys=KEYS, create=True)
    accelerator.apply(batch(range(ROWS)), checkpoint(1))
    accelerator.maintain(idle=True)
    yield accelerator
    accelerator.close()


def pages(part: FrozenPart) -> list[bytes]:
    data = part.read(0, part.length)
    return [data[at : at + part.block_size] for at in range(0, len(data), part.block_size)]


def frozen(accelerator: SqliteAccelerator, mark: object) -> tuple[list[bytes], object, set[int]]:
    """Pages, mark, and those that are said to have changed since the earlier one."""
    with accelerator.freeze() as image:
        main = image.parts[0]
        assert isinstance(main, MainPart)
        found = pages(main)
        changed = main.changed_since(mark)
        return found, main.mark(), set(range(len(found))) if changed is None else set(changed)


def differing(old: list[bytes], new: list[bytes]) -> set[int]:
    return {at for at, page in enumerate(new[: len(old)]) if page != old[at]}


def update(accelerator: SqliteAccelerator, version: int, source: random.Random) -> None:
    numbers = source.sample(range(ROWS), source.choice([1, 30, 300]))
    dead = source.sample(sorted(set(range(ROWS)) - set(numbers)), source.choice([0, 0, 50]))
    note = "x" * source.choice([5, 40, 900])
    accelerator.apply(batch(numbers, version, dead=dead, note=note), checkpoint(version))


@pytest.mark.parametrize("seed", [1, 2])
def test_no_page_that_differs_is_missed_in_many_rounds_of_random_updates(
    accelerator: SqliteAccelerator, path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdc.sqlite_checkpointer.LOG_LIMIT_BYTES", 200_000)
    source, version, kept = random.Random(seed), 1, 0
    old, mark, _ = frozen(accelerator, None)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader:
        reader.isolation_level = None
        for _ in range(60):
            for _ in range(source.randint(0, 6)):
                version += 1
                update(accelerator, version, source)
                if not reader.in_transaction and source.random() < 0.2:
                    reader.execute("BEGIN")
                    reader.execute("SELECT count(*) FROM flights").fetchall()
                elif reader.in_transaction and source.random() < 0.5:
                    reader.execute("ROLLBACK")
                accelerator.maintain(idle=source.random() < 0.2)
            new, later, changed = frozen(accelerator, mark)
            assert differing(old, new) <= changed
            kept += len(changed) < len(new)
            # As if some of the snapshots failed: the next is compared with an older one.
            if source.random() < 0.7:
                old, mark = new, later
    assert kept > 20


def test_pages_that_commits_beside_a_checkpoint_bring_are_not_missed(
    accelerator: SqliteAccelerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdc.sqlite_checkpointer.LOG_LIMIT_BYTES", 20_000)
    stop = threading.Event()

    def write() -> None:
        source, version = random.Random(5), 1
        while not stop.is_set():
            version += 1
            numbers = source.sample(range(ROWS), 5)
            accelerator.apply(batch(numbers, version), checkpoint(version))
            accelerator.maintain(idle=False)

    thread = threading.Thread(target=write)
    thread.start()
    kept = 0
    old, mark, _ = frozen(accelerator, None)
    for _ in range(60):
        new, mark, changed = frozen(accelerator, mark)
        assert differing(old, new) <= changed
        kept += len(changed) < len(new)
        old = new
    stop.set()
    thread.join()
    assert kept > 0


class Interrupted:
    """The connection of a checkpoint, with a commit just before or just after it."""

    def __init__(self, accelerator: SqliteAccelerator, *, before: bool) -> None:
        self._accelerator = accelerator
        self._mover = accelerator._checkpointer._mover
        self._before = before

    def execute(self, statement: str) -> Any:
        if self._before:
            self._commit()
        row = self._mover.execute(statement)
        if not self._before:
            self._commit()
        return row

    def _commit(self) -> None:
        self._accelerator.apply(batch(range(2000, 2020), 3), checkpoint(3))


@pytest.mark.parametrize("before", [True, False])
def test_a_commit_in_the_instant_of_a_checkpoint_is_not_missed(
    accelerator: SqliteAccelerator,
    before: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    old, mark, _ = frozen(accelerator, None)
    accelerator.apply(batch([7], 2), checkpoint(2))
    interrupted: Any = Interrupted(accelerator, before=before)
    accelerator._moves.checkpoint(interrupted, "PASSIVE")
    accelerator.maintain(idle=True)
    new, _, changed = frozen(accelerator, mark)

    assert len(differing(old, new)) > 5
    assert differing(old, new) <= changed < set(range(len(new)))


def test_an_old_mark_says_nothing_after_many_freezes(accelerator: SqliteAccelerator) -> None:
    _, mark, _ = frozen(accelerator, None)
    for version in range(2, 8):
        accelerator.apply(batch([version], version), checkpoint(version))
        accelerator.maintain(idle=True)
        frozen(accelerator, None)
    new, _, changed = frozen(accelerator, mark)

    assert changed == set(range(len(new)))


def test_only_the_pages_of_what_was_updated_are_named(accelerator: SqliteAccelerator) -> None:
    _, mark, _ = frozen(accelerator, None)
    accelerator.apply(batch([7], 2), checkpoint(2))
    accelerator.maintain(idle=True)
    new, _, changed = frozen(accelerator, mark)

    assert 0 < len(changed) < 20 < len(new)


def test_while_the_log_was_not_moved_no_page_changed(accelerator: SqliteAccelerator) -> None:
    _, mark, _ = frozen(accelerator, None)
    accelerator.apply(batch([7], 2), checkpoint(2))

    assert frozen(accelerator, mark)[2] == set()


def test_somebody_else_who_moves_the_log_makes_every_page_unknown(
    accelerator: SqliteAccelerator, path: Path
) -> None:
    _, mark, _ = frozen(accelerator, None)
    accelerator.apply(batch(range(500), 2), checkpoint(2))
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(PASSIVE)")

    new, later, changed = frozen(accelerator, mark)
    assert changed == set(range(len(new)))
    assert frozen(accelerator, later)[2] == set()


def test_a_mark_of_another_life_of_the_file_says_nothing(
    accelerator: SqliteAccelerator, path: Path
) -> None:
    _, mark, _ = frozen(accelerator, None)
    accelerator.close()
    again = SqliteAccelerator.open(path, "flights", keys=None, create=False)
    new, _, changed = frozen(again, mark)
    again.close()

    assert changed == set(range(len(new)))


def test_what_is_remembered_has_a_bound(
    accelerator: SqliteAccelerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_moves, "_MOST_PAGES", 10)
    _, mark, _ = frozen(accelerator, None)
    accelerator.apply(batch(range(ROWS), 2), checkpoint(2))
    accelerator.maintain(idle=True)

    new, _, changed = frozen(accelerator, mark)
    assert changed == set(range(len(new)))


def test_the_log_is_begun_anew_beside_readers_that_never_pause(
    accelerator: SqliteAccelerator, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdc.sqlite_checkpointer.LOG_LIMIT_BYTES", 200_000)
    monkeypatch.setattr("cdc.sqlite_checkpointer._PATIENCE_SECONDS", 5.0)
    monkeypatch.setattr("cdc.sqlite_checkpointer._BETWEEN_SECONDS", 0.0)
    stop = threading.Event()

    def read() -> None:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader:
            while not stop.is_set():
                reader.execute("SELECT count(*), max(version) FROM flights").fetchall()

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    lengths = []
    for version in range(2, 60):
        accelerator.apply(batch(range(300), version), checkpoint(version))
        accelerator.maintain(idle=False)
        if (state := accelerator._index.state()) is not None:
            lengths.append(state.frames)
    stop.set()
    for thread in threads:
        thread.join()

    assert any(later < earlier for earlier, later in itertools.pairwise(lengths))


def test_only_idle_times_give_the_space_of_the_log_back(
    accelerator: SqliteAccelerator, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdc.sqlite_checkpointer.LOG_LIMIT_BYTES", 200_000)
    log = Path(f"{path}-wal")
    accelerator.apply(batch(range(3_000), 2), checkpoint(2))
    size = log.stat().st_size
    assert size > 200_000
    accelerator.maintain(idle=False)
    deadline = time.monotonic() + 60
    while accelerator.maintain(idle=False).wal_bytes and time.monotonic() < deadline:
        time.sleep(0.01)

    accelerator.apply(batch(range(10), 3), checkpoint(3))
    begun = accelerator._index.state()
    assert begun is not None
    assert begun.length < 200_000
    assert log.stat().st_size == size

    assert accelerator.maintain(idle=True).wal_bytes == 0
    assert log.stat().st_size == 0
