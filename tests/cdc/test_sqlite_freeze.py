"""Frozen images of a SQLite file: what they hold while the writer, readers and others go on."""

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cdc.accelerator import FreezeBroken, FrozenImage
from cdc.errors import FileUnusable
from cdc.sqlite_accelerator import SqliteAccelerator
from cdc.sqlite_file import fold_log
from tests.cdc.sqlite_rows import COLUMNS, KEYS, batch, checkpoint, contents, copy_of, key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flights.db"


@pytest.fixture
def accelerator(path: Path) -> Iterator[SqliteAccelerator]:
    accelerator = SqliteAccelerator.open(path, "flights", keys=KEYS, create=True)
    yield accelerator
    accelerator.close()


def _lengths(image: FrozenImage) -> dict[str, int]:
    return {part.name: part.length for part in image.parts}


def _log_bytes(path: Path) -> int:
    return Path(f"{path}-wal").stat().st_size


def _fill(accelerator: SqliteAccelerator, version: int, rows: int = 200) -> None:
    accelerator.apply(batch(range(rows), version), checkpoint(version))


def test_an_image_is_the_commit_of_its_checkpoint_while_others_write_read_and_copy(
    accelerator: SqliteAccelerator, path: Path, tmp_path: Path
) -> None:
    stop = threading.Event()
    reads = [0, 0, 0]

    def write() -> None:
        version = 1
        while not stop.is_set():
            version += 1
            # Bulk inserts too: every tenth commit brings rows that are new.
            rows = 200 + (version // 10) * 300
            accelerator.apply(batch(range(rows), version), checkpoint(version))
            accelerator.maintain(idle=version % 7 == 0)

    def read(number: int) -> None:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        while not stop.is_set():
            ((versions,),) = connection.execute("SELECT count(DISTINCT version) FROM flights")
            assert versions == 1
            reads[number] += 1
        connection.close()

    _fill(accelerator, 1)
    threads = [threading.Thread(target=read, args=[number]) for number in range(3)]
    threads.append(threading.Thread(target=write))
    for thread in threads:
        thread.start()
    images: list[tuple[int, int, Path]] = []

    def were_busy() -> bool:
        return min(reads) > 5 and images[-1][0] > images[0][0] + 5

    while len(images) < 12 or (len(images) < 300 and not were_busy()):
        number = len(images)
        with accelerator.freeze() as image:
            time.sleep(0.03)
            copy = copy_of(image, tmp_path / f"copy-{number}")
            image.verify_unchanged()
            images.append((image.checkpoint.version, image.row_count, copy))
    stop.set()
    for thread in threads:
        thread.join()

    for version, rows, copy in images:
        assert contents(copy) == (version, rows, [(version, rows)])
    assert were_busy()


def test_a_folded_copy_is_one_file_and_opens_as_an_accelerator(
    accelerator: SqliteAccelerator, tmp_path: Path
) -> None:
    _fill(accelerator, 1)
    with accelerator.freeze() as image:
        copy = copy_of(image, tmp_path / "copy")
    fold_log(copy)

    assert [file.name for file in copy.parent.iterdir()] == ["copy.db"]
    again = SqliteAccelerator.open(copy, "flights", keys=None, create=False)
    found = (again.keys, again.columns(), again.checkpoint(), again.row_count())
    item = again.read(key(7))
    again.close()
    assert found == (KEYS, COLUMNS, checkpoint(1), 200)
    assert item == accelerator.read(key(7))


def test_an_image_says_what_it_is_of(accelerator: SqliteAccelerator) -> None:
    _fill(accelerator, 4)

    with accelerator.freeze() as image:
        assert (image.engine, image.engine_version) == ("sqlite", sqlite3.sqlite_version)
        assert (image.checkpoint, image.columns, image.keys) == (checkpoint(4), COLUMNS, KEYS)
        assert image.row_count == 200
        main, tail = image.parts
        assert (main.block_size, main.preamble, main.used) == (4096, 0, None)
        assert (tail.block_size, tail.preamble, tail.used) == (256 * 1024, 0, None)


def test_the_main_file_alone_is_the_image_when_it_holds_the_commit(
    accelerator: SqliteAccelerator, path: Path, tmp_path: Path
) -> None:
    _fill(accelerator, 1)
    accelerator.maintain(idle=True)

    with accelerator.freeze() as image:
        assert _lengths(image) == {"main": path.stat().st_size}
        # The next commits begin the log anew, which must not touch the image.
        _fill(accelerator, 2)
        _fill(accelerator, 3)
        copy = copy_of(image, tmp_path / "copy")
        image.verify_unchanged()
    assert contents(copy) == (1, 200, [(1, 200)])


def test_a_read_ends_with_the_part(accelerator: SqliteAccelerator) -> None:
    _fill(accelerator, 1)

    with accelerator.freeze() as image:
        _fill(accelerator, 2)
        for part in image.parts:
            assert len(part.read(part.length - 10, 100)) == 10
            assert part.read(part.length, 100) == b""
            assert part.read(part.length + 5, 100) == b""


# ---------------------------------------------------------------- frames that are not of the commit


def test_old_frames_behind_a_restarted_log_are_left_out(
    accelerator: SqliteAccelerator, path: Path, tmp_path: Path
) -> None:
    """A log that was moved completely but not emptied is overwritten from its beginning."""
    _fill(accelerator, 1, rows=3000)
    mover = sqlite3.connect(path, isolation_level=None)
    assert mover.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()[0][0] == 0
    mover.close()
    before = _log_bytes(path)
    _fill(accelerator, 2, rows=10)

    with accelerator.freeze() as image:
        copy = copy_of(image, tmp_path / "copy")
        tail = _lengths(image)["tail"]

    assert _log_bytes(path) == before
    assert tail < before / 4
    assert contents(copy) == (2, 3000, [(1, 2990), (2, 10)])


def test_frames_of_a_transaction_that_was_rolled_back_are_left_out(
    accelerator: SqliteAccelerator, path: Path, tmp_path: Path
) -> None:
    """A transaction that outgrows the cache writes frames, with valid salts, before it commits."""
    _fill(accelerator, 1)
    large = batch(range(20_000), 2, note="x" * 8000)
    failing = replace(large, misfits={"note": object()})  # type: ignore[dict-item]
    with pytest.raises(FileUnusable):
        accelerator.apply(failing, checkpoint(2))
    spilled = _log_bytes(path)
    accelerator.apply(batch([1], 2), checkpoint(2))

    with accelerator.freeze() as image:
        copy = copy_of(image, tmp_path / "copy")
        tail = _lengths(image)["tail"]

    assert spilled > 10_000_000
    assert tail < 1_000_000
    assert contents(copy) == (2, 200, [(1, 199), (2, 1)])


def test_an_open_transaction_is_not_in_the_image(
    accelerator: SqliteAccelerator, tmp_path: Path
) -> None:
    _fill(accelerator, 1)
    writer = accelerator._writer
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM _snowmelt_rows")

    with accelerator.freeze() as image:  # and does not wait for it
        copy = copy_of(image, tmp_path / "copy")
    writer.execute("ROLLBACK")

    assert contents(copy) == (1, 200, [(1, 200)])


# ---------------------------------------------------------------- what must not happen meanwhile


def test_the_log_is_not_moved_during_a_freeze_and_is_afterwards(
    accelerator: SqliteAccelerator,
) -> None:
    with pytest.raises(FileUnusable, match="no checkpoint"), accelerator.freeze():
        pass
    _fill(accelerator, 1)
    with accelerator.freeze(), accelerator.freeze() as image:
        _fill(accelerator, 2, rows=20_000)
        during = accelerator.maintain(idle=True)
        image.verify_unchanged()
    after = accelerator.maintain(idle=True)

    assert (during.checkpointed, after.checkpointed) == (False, True)
    assert during.wal_bytes > 0
    assert after.wal_bytes == 0


def test_a_checkpoint_by_another_process_is_noticed(
    accelerator: SqliteAccelerator, path: Path
) -> None:
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "print(c.execute('PRAGMA wal_checkpoint').fetchall())"
    )
    _fill(accelerator, 1)
    with accelerator.freeze() as image:
        image.verify_unchanged()
        subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True)
        with pytest.raises(FreezeBroken):
            image.verify_unchanged()


def test_freezing_does_not_cost_the_process_its_locks(
    accelerator: SqliteAccelerator, path: Path
) -> None:
    """Without them another process's last close would take the log away under the writer."""
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "c.execute('SELECT * FROM flights').fetchall(); c.close()"
    )
    for version in (1, 2):
        _fill(accelerator, version)
        with accelerator.freeze() as image:
            for part in image.parts:
                part.read(0, 4096)
        accelerator.maintain(idle=version == 1)
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)

    assert _log_bytes(path) > 0
    _fill(accelerator, 3)
    accelerator.close()
    assert contents(path) == (3, 200, [(3, 200)])


def test_closing_waits_for_a_freeze(path: Path, tmp_path: Path) -> None:
    accelerator = SqliteAccelerator.open(path, "flights", keys=KEYS, create=True)
    _fill(accelerator, 1)
    closing = threading.Thread(target=accelerator.close)
    with accelerator.freeze() as image:
        closing.start()
        closing.join(timeout=0.3)
        assert closing.is_alive()
        copy = copy_of(image, tmp_path / "copy")
    closing.join(timeout=60)

    assert not closing.is_alive()
    assert contents(copy) == (1, 200, [(1, 200)])
    assert contents(path) == (1, 200, [(1, 200)])


def test_a_freeze_that_ends_in_an_error_holds_nothing_back(accelerator: SqliteAccelerator) -> None:
    _fill(accelerator, 1)
    with pytest.raises(ZeroDivisionError), accelerator.freeze():
        raise ZeroDivisionError

    assert accelerator.maintain(idle=True).wal_bytes == 0


# ---------------------------------------------------------------- crashes

_APPLY_FOR_EVER = """
import sys
from pathlib import Path
from cdc.sqlite_accelerator import SqliteAccelerator
from tests.cdc.sqlite_rows import KEYS, batch, checkpoint
accelerator = SqliteAccelerator.open(Path(sys.argv[1]), "flights", keys=KEYS, create=True)
known = accelerator.checkpoint()
version = known.version if known else 0
while True:
    version += 1
    accelerator.apply(batch(range(2000), version), checkpoint(version))
    print(version, flush=True)
    accelerator.maintain(idle=version % 3 == 0)
"""


def test_a_killed_writer_leaves_rows_and_checkpoint_of_one_commit(path: Path) -> None:
    acknowledged = 0
    for seconds in (0.05, 0.15):
        child = subprocess.Popen(
            [sys.executable, "-c", _APPLY_FOR_EVER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(seconds)
        child.kill()
        printed = child.stdout.read().split()
        child.wait()
        child.stdout.close()
        acknowledged = max([acknowledged, *map(int, printed)])
        accelerator = SqliteAccelerator.open(path, "flights", keys=None, create=False)
        found = accelerator.checkpoint()
        accelerator.close()
        assert found is not None
        assert contents(path) == (found.version, 2000, [(found.version, 2000)])
        assert found.version >= acknowledged
