"""What the DuckDB file promises beyond the accelerator's contract."""

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cdc import duckdb_accelerator, duckdb_blocks
from cdc.accelerator import FreezeBroken, QueryLimits
from cdc.duckdb_accelerator import DuckdbAccelerator
from cdc.engines import fold_log
from cdc.errors import FileBusy, FileUnusable, FormatUnknown
from tests.cdc.duckdb_files import inside, opened
from tests.contracts.accelerator import (
    Producer,
    contents,
    copy_out,
    item,
    opened_plainly,
    stored_text,
)

ROOT = Path(__file__).parents[2]


# ---------------------------------------------------------------- the file


@pytest.mark.parametrize("name", ["snowmelt.db", "flights.db", "main.db", "a'b \".db"])
def test_plain_duckdb_reads_the_view_whatever_the_file_is_called(tmp_path: Path, name: str) -> None:
    made = opened(tmp_path / name, create=True)
    Producer(made).put(item("a", n=1), item("b", n=2))
    made.close()

    with duckdb.connect(str(tmp_path / name), read_only=True) as plain:
        assert plain.execute("SELECT id, n FROM flights ORDER BY id").fetchall() == [
            ("a", 1),
            ("b", 2),
        ]


def test_a_refused_second_opening_and_a_freeze_do_not_give_the_file_away(
    accelerator: DuckdbAccelerator, producer: Producer
) -> None:
    # Closing any descriptor of the file would drop this process's locks on it.
    producer.put(item("a"))
    with pytest.raises(FileBusy):
        opened(accelerator.path)
    with accelerator.freeze():
        pass
    other = subprocess.run(
        [sys.executable, "-c", f"import duckdb; duckdb.connect({str(accelerator.path)!r})"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )

    assert "Could not set lock" in other.stderr


def _word(data: bytearray, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def _with_version(raw: bytes, version: int) -> bytes:
    """The file as a later DuckDB would have marked it, checksum included."""
    header = bytearray(raw[:4096])
    header[12:20] = version.to_bytes(8, "little")
    checksum = 5381
    for at in range(8, 4096, 8):
        checksum ^= _word(header, at) * 0xBF58476D1CE4E5B9 % 2**64
    header[:8] = checksum.to_bytes(8, "little")
    return bytes(header) + raw[4096:]


def test_a_file_of_a_later_duckdb_is_refused(accelerator: DuckdbAccelerator) -> None:
    accelerator.close()
    raw = accelerator.path.read_bytes()
    accelerator.path.write_bytes(_with_version(raw, 68))
    assert accelerator.path.read_bytes() == raw  # the checksum is computed rightly
    for version in (99, 999):
        accelerator.path.write_bytes(_with_version(raw, version))
        with pytest.raises(FormatUnknown):
            opened(accelerator.path)


def test_a_file_of_a_later_snowmelt_is_refused(accelerator: DuckdbAccelerator) -> None:
    accelerator.close()
    with duckdb.connect(str(accelerator.path)) as plain:
        plain.execute("UPDATE _snowmelt.meta SET value = '2' WHERE name = 'format'")

    with pytest.raises(FormatUnknown):
        opened(accelerator.path)


def test_another_program_s_duckdb_file_is_refused(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "theirs.db")) as plain:
        plain.execute("CREATE TABLE t AS SELECT 1")

    with pytest.raises(FileUnusable):
        opened(tmp_path / "theirs.db", create=True)


def test_a_file_whose_making_was_interrupted_is_made_again(tmp_path: Path) -> None:
    duckdb.connect(str(tmp_path / "empty.db")).close()

    made = opened(tmp_path / "empty.db", create=True)
    assert made.checkpoint() is None
    made.close()


def test_the_storage_version_is_the_oldest_supported_one(
    accelerator: DuckdbAccelerator, producer: Producer
) -> None:
    producer.put(item("a"))
    with accelerator.freeze() as image:
        assert image.storage_version == "v1.5.0"
        assert image.engine_version == duckdb.__version__


def test_folding_the_log_of_a_file_in_use_is_refused(accelerator: DuckdbAccelerator) -> None:
    with pytest.raises(FileBusy):
        fold_log("duckdb", accelerator.path)


# ---------------------------------------------------------------- freezing


def test_a_checkpoint_behind_the_back_breaks_the_freeze(
    accelerator: DuckdbAccelerator, producer: Producer
) -> None:
    producer.put(item("a"))
    with accelerator.freeze() as image:
        assert accelerator._database.checkpoint()

        with pytest.raises(FreezeBroken):
            image.verify_unchanged()


def test_blocks_in_use_are_those_that_the_engine_counts(
    accelerator: DuckdbAccelerator, producer: Producer
) -> None:
    for turn in range(2):
        producer.put(*(item(i, n=turn, text="x" * 300) for i in range(turn * 500, 5_000)))
        accelerator.maintain(idle=True)
        assert accelerator._database.used_blocks({}) is not None
        producer.put(*(item(i, n=-1) for i in range(17_000)), item(f"small {turn}"))
        assert accelerator._database.used_blocks({}) is not None


def test_the_blocks_of_base_are_listed_while_commits_go_on(
    accelerator: DuckdbAccelerator, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer.put(*(item(i) for i in range(500)))
    accelerator.maintain(idle=True)
    producer.put(*(item(i) for i in range(100)))
    listed, table_blocks = [], duckdb_blocks.table_blocks

    def noted(cursor: duckdb.DuckDBPyConnection, table: str) -> frozenset[int]:
        listed.append((table.replace('"', ""), accelerator._gate._writing._owner is not None))
        return table_blocks(cursor, table)

    for module in (duckdb_blocks, duckdb_accelerator):
        monkeypatch.setattr(module, "table_blocks", noted)
    with accelerator.freeze() as image:
        assert image.parts[0].used is not None

    assert [is_alone for table, is_alone in listed if table == "_snowmelt.base"] == [False]
    assert {is_alone for table, is_alone in listed if "delta" in table} == {True}


def test_strings_that_fill_blocks_of_their_own_are_copied(
    tmp_path: Path, accelerator: DuckdbAccelerator, producer: Producer
) -> None:
    producer.put(
        *(item(i, text=f"{i}" * 390_000) for i in range(5)), item("x", raw=b"\x01" * 300_000)
    )
    accelerator.maintain(idle=True)
    producer.put(item("late", text="y" * 390_000))
    with accelerator.freeze() as image:
        copy = copy_out(image, tmp_path / "copy.db")

    again = opened(copy)
    assert contents(again) == producer.expected
    again.close()


def test_dead_blocks_are_left_out_of_a_copy(
    tmp_path: Path, accelerator: DuckdbAccelerator, producer: Producer
) -> None:
    producer.scan(*(item(i, text=f"{i * 7919}" * 40) for i in range(20_000)))
    accelerator.maintain(idle=True)  # base is written anew, sorted: the first one is dead
    with accelerator.freeze() as image:
        (main, *_) = image.parts
        assert main.used is not None
        assert len(main.used) < (main.length - main.preamble) // main.block_size
        copy = copy_out(image, tmp_path / "copy.db")

    assert opened_plainly("duckdb", copy) == (stored_text(image.checkpoint), 20_000)


def test_an_image_stays_readable_when_the_file_is_closed(
    tmp_path: Path, accelerator: DuckdbAccelerator, producer: Producer
) -> None:
    producer.put(*(item(i) for i in range(100)))
    with accelerator.freeze() as image:
        accelerator.close()
        copy = copy_out(image, tmp_path / "copy.db")

    assert opened_plainly("duckdb", copy) == (stored_text(image.checkpoint), 100)


def test_a_freeze_gets_its_turn_beside_a_busy_writer(
    accelerator: DuckdbAccelerator, producer: Producer
) -> None:
    producer.put(item("a"))
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            producer.put()

    thread = threading.Thread(target=write)
    thread.start()
    waits = []
    for _ in range(20):
        began = time.monotonic()
        with accelerator.freeze():
            waits.append(time.monotonic() - began)
    stop.set()
    thread.join()

    assert max(waits) < 30  # without turns, for as long as the writer goes on


def test_dropped_blocks_count_until_the_checkpoint_that_frees_them(
    accelerator: DuckdbAccelerator, producer: Producer
) -> None:
    producer.put(*(item(i, text="x" * 300) for i in range(2_000)))
    accelerator.maintain(idle=True)
    pages = accelerator.items(page_rows=10)
    next(pages)  # an old reader, so there will be no checkpoint
    before = accelerator._database.used_blocks({})
    for turn in range(2):
        producer.put(*(item(i, n=turn) for i in range(17_000)))
        assert not accelerator.maintain(idle=True).checkpointed
        used = accelerator._database.used_blocks({})
        assert used is not None
        assert before is not None
        assert before < used
        before = used
    assert sum(1 for _ in pages) > 0

    accelerator.maintain(idle=True)
    assert len(accelerator._database.used_blocks({}) or ()) < len(before or ())


# ---------------------------------------------------------------- upkeep


def test_a_reader_delays_the_checkpoint_and_does_not_prevent_it(
    accelerator: DuckdbAccelerator, producer: Producer
) -> None:
    producer.put(*(item(i) for i in range(500)))
    pages = accelerator.items(page_rows=10)
    next(pages)
    for _ in range(3):
        producer.put(item("again"))
        delayed = accelerator.maintain(idle=False)
        assert not delayed.checkpointed
        assert delayed.wal_bytes > 0
    for _ in pages:
        pass

    assert accelerator.maintain(idle=True).wal_bytes == 0


def test_a_column_that_comes_during_a_lookup_is_never_missed(
    accelerator: DuckdbAccelerator, producer: Producer
) -> None:
    producer.put(item("a", n=0))
    wrong: list[Any] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            found = accelerator.read(item("a"))
            # Commit k leaves the attributes n = k and a1 ... ak.
            if found is None or len(found) != 2 + int(found["n"]["N"]):
                wrong.append(found)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for k in range(1, 13):
        producer.put(item("a", n=k, **{f"a{i}": "x" for i in range(1, k + 1)}))
    done.set()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_the_settings_of_the_instance_are_locked(accelerator: DuckdbAccelerator) -> None:
    for statement in (
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET checkpoint_threshold = '1MB'",
        f"ATTACH '{accelerator.path}.other' AS other",
        "SELECT * FROM read_text('/etc/hostname')",
    ):
        with pytest.raises(duckdb.Error):
            inside(accelerator, statement)

    assert accelerator.query("SELECT 1", QueryLimits()).rows == [(1,)]
