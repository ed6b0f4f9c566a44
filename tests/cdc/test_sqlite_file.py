"""A SQLite file and the others: second nodes, plain readers, foreign files, full disks."""

import json
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cdc import sqlite_file
from cdc.errors import CdcError, FileBusy, FileUnusable, FormatUnknown, NoSpace
from cdc.keys import KeyAttribute, KeySchema
from cdc.sqlite_accelerator import SqliteAccelerator
from cdc.sqlite_file import fold_log
from tests.cdc.sqlite_rows import KEYS, batch, checkpoint, contents, select


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flights.db"


def _open(path: Path, *, create: bool = True) -> SqliteAccelerator:
    return SqliteAccelerator.open(path, "flights", keys=KEYS, create=create)


def _made(path: Path) -> Path:
    accelerator = _open(path)
    accelerator.apply(batch(range(10)), checkpoint(1))
    accelerator.close()
    return path


_SPILL = """
import os, sys
from pathlib import Path
from cdc.sqlite_file import connect_writer

connection = connect_writer(Path(sys.argv[1]))
connection.execute("PRAGMA temp_store = FILE")
connection.execute("PRAGMA temp.cache_size = 1")
connection.execute("CREATE TEMP TABLE spilled (value)")
connection.executemany("INSERT INTO spilled VALUES (?)", [(b"x" * 1000,)] * 1000)
for descriptor in range(64):
    if os.path.islink(f"/proc/self/fd/{descriptor}"):
        print(os.readlink(f"/proc/self/fd/{descriptor}"))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="open files are looked up in /proc")
def test_what_sqlite_spills_lies_beside_the_file(path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _SPILL, str(path)], capture_output=True, text=True, check=True
    )

    (spilled,) = [line for line in run.stdout.splitlines() if "etilqs" in line]
    assert spilled.startswith(f"{path.parent}/")


# ---------------------------------------------------------------- one owner


def test_a_second_node_on_the_same_path_is_refused(path: Path) -> None:
    first = _open(path)
    with pytest.raises(FileBusy, match=r"another node holds flights\.db\.lock"):
        _open(path)
    first.close()

    _open(path).close()


def test_a_node_of_another_process_is_refused(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from tests.cdc.test_sqlite_file import _open; _open(Path(sys.argv[1]))"
    )
    accelerator = _open(path)
    run = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    accelerator.close()

    assert run.returncode != 0
    assert "cdc.errors.FileBusy" in run.stderr


def test_a_process_that_writes_with_plain_sqlite_makes_the_file_busy(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "_BUSY_SECONDS", 0.1)
    accelerator = _open(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(FileBusy, match="applying changes: database is locked"):
        accelerator.apply(batch([1]), checkpoint(1))
    other.close()
    accelerator.apply(batch([1]), checkpoint(1))
    rows = accelerator.row_count()
    accelerator.close()

    assert rows == 1


def test_a_failed_opening_releases_the_path(path: Path) -> None:
    _made(path)
    with pytest.raises(FileUnusable):
        SqliteAccelerator.open(path, "hotels", keys=KEYS, create=True)

    _open(path).close()


# ---------------------------------------------------------------- plain readers

_READ_FOR_EVER = """
import sqlite3, sys
connection = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
sql = "SELECT count(*), count(DISTINCT version), max(version) FROM flights"
last, reads = 0, 0
while last < 60:
    ((rows, versions, last_now),) = connection.execute(sql).fetchall()
    assert versions <= 1 and (last_now or 0) >= last, (rows, versions, last_now, last)
    last, reads = last_now or 0, reads + 1
print(reads)
"""


def test_another_process_reads_whole_commits_with_plain_sqlite_while_the_node_runs(
    path: Path,
) -> None:
    accelerator = _open(path)
    version = 1
    accelerator.apply(batch(range(300 + version), version), checkpoint(version))
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", _READ_FOR_EVER, str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    while any(reader.poll() is None for reader in readers) and version < 5000:
        version += 1
        accelerator.apply(batch(range(300 + version), version), checkpoint(version))
        accelerator.maintain(idle=version % 10 == 0)
    outcomes = [reader.communicate() for reader in readers]
    accelerator.close()

    assert [error for _, error in outcomes] == ["", ""]
    assert all(int(reads) > 1 for reads, _ in outcomes)


def test_a_plain_reader_opens_the_file_of_a_node_that_has_stopped(path: Path) -> None:
    _made(path)

    assert select(path, "SELECT count(*) FROM flights") == [(10,)]


# ---------------------------------------------------------------- files that are not ours


def _foreign(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")
    connection.close()


def _of_the_future(path: Path) -> None:
    _changed(_made(path), "UPDATE _snowmelt_meta SET value = '2' WHERE name = 'format'")


def _without_keys(path: Path) -> None:
    _changed(_made(path), "DELETE FROM _snowmelt_meta WHERE name = 'keys'")


def _changed(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(sql)
    connection.close()


def _torn(path: Path) -> None:
    _made(path)
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))


@pytest.mark.parametrize(
    "make,error",
    [
        (_foreign, FormatUnknown),
        (_of_the_future, FormatUnknown),
        (_without_keys, FormatUnknown),
        (_torn, FileUnusable),
        (lambda path: path.write_text("a,b\n" * 1000), FileUnusable),
        (lambda path: path.mkdir(), FileUnusable),
        (lambda path: (path.parent / "flights.db").symlink_to("nowhere/x"), FileUnusable),
    ],
    ids=["foreign", "newer", "incomplete", "torn", "text", "folder", "dangling"],
)
def test_a_file_that_is_not_ours_is_refused_in_one_line(
    path: Path, make: object, error: type[CdcError]
) -> None:
    assert callable(make)
    make(path)

    with pytest.raises(error) as refused:
        _open(path)

    assert type(refused.value) is error
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_only_made_when_asked(path: Path) -> None:
    with pytest.raises(FileUnusable, match="there is no such file"):
        _open(path, create=False)

    assert list(path.parent.iterdir()) == []


def test_a_missing_folder_is_named(path: Path) -> None:
    with pytest.raises(FileUnusable, match="taking the lock: No such file or directory"):
        _open(path.parent / "none" / "flights.db")


def test_a_file_that_a_kill_left_empty_is_made_again(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()

    _open(path).close()
    assert select(path, "SELECT value FROM _snowmelt_meta WHERE name = 'format'") == [("1",)]


def test_a_file_of_other_keys_is_refused(path: Path) -> None:
    _made(path)
    other = KeySchema(KeyAttribute("hotel", "S"))

    for create in (True, False):
        with pytest.raises(FileUnusable, match="other keys"):
            SqliteAccelerator.open(path, "flights", keys=other, create=create)


def test_the_file_knows_its_keys(path: Path) -> None:
    _made(path)

    assert json.loads(
        select(path, "SELECT value FROM _snowmelt_meta WHERE name = 'keys'")[0][0]
    ) == [{"name": "route", "type": "S"}, {"name": "leg", "type": "N"}]


@pytest.mark.parametrize("dataset", ["_snowmelt_rows", "sqlite_x", "a\nb"])
def test_a_dataset_cannot_be_called_like_an_internal_table(path: Path, dataset: str) -> None:
    with pytest.raises(FileUnusable, match="cannot be called"):
        SqliteAccelerator.open(path, dataset, keys=KEYS, create=True)


# ---------------------------------------------------------------- full disk


def test_a_full_disk_takes_nothing_back_and_the_next_commit_works(path: Path) -> None:
    accelerator = _open(path)
    accelerator.apply(batch(range(100)), checkpoint(1))
    ((pages,),) = accelerator._writer.execute("PRAGMA page_count").fetchall()
    accelerator._writer.execute(f"PRAGMA max_page_count={pages + 2}").fetchall()
    with pytest.raises(NoSpace, match="applying changes: database or disk is full"):
        accelerator.apply(batch(range(5000), 2), checkpoint(2))
    held = accelerator.checkpoint()
    accelerator._writer.execute("PRAGMA max_page_count=1000000").fetchall()
    accelerator.apply(batch(range(5000), 2), checkpoint(2))
    accelerator.close()

    assert held == checkpoint(1)
    assert contents(path) == (2, 5000, [(2, 5000)])


# ---------------------------------------------------------------- folding


def test_folding_refuses_a_file_that_somebody_has_open(path: Path) -> None:
    accelerator = _open(path)
    accelerator.apply(batch(range(10)), checkpoint(1))
    with pytest.raises(FileBusy):
        fold_log(path)
    accelerator.close()

    fold_log(path)
    assert contents(path)[0] == 1


def test_folding_refuses_what_is_no_database(path: Path) -> None:
    with pytest.raises(FileUnusable, match="no such file"):
        fold_log(path)
    path.write_bytes(b"no database at all" * 300)
    with pytest.raises(FileUnusable, match="not a database"):
        fold_log(path)


def test_reading_an_item_is_safe_from_many_threads_while_columns_grow(path: Path) -> None:
    from cdc.columns import Column
    from tests.cdc.sqlite_rows import COLUMNS, batch_of, key

    accelerator = _open(path)
    accelerator.apply(batch([1]), checkpoint(1))
    stop = threading.Event()
    odd: list[object] = []

    def read() -> None:
        while not stop.is_set():
            item = accelerator.read(key(1)) or {}
            newest = int(item["version"]["N"])
            # The commit of version n brought the columns extra_2 to extra_n, all filled.
            if sum(name.startswith("extra_") for name in item) != newest - 1:
                odd.append(item)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    columns = COLUMNS
    for version in range(2, 40):
        columns = columns.added([Column(f"extra_{version}", "integer")])
        row = {**dict.fromkeys(columns.names, 1), "note": "n"} | {
            "route": "route#1",
            "version": version,
        }
        accelerator.apply(
            batch_of(columns, [row | {"_h": KEYS.identity(key(1))}]), checkpoint(version)
        )
    stop.set()
    for reader in readers:
        reader.join()
    accelerator.close()

    assert odd == []
