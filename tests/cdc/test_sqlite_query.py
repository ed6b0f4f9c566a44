"""Clients' SQL on a SQLite file: what is answered, what is refused, what it may cost."""

import hashlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cdc.accelerator import QueryLimits, QueryRefused
from cdc.columns import Column
from cdc.sqlite_accelerator import SqliteAccelerator
from cdc.sqlite_workers import MOST_WORKERS
from tests.cdc.hostile_sqlite import HOSTILE
from tests.cdc.sqlite_rows import COLUMNS, KEYS, batch, batch_of, checkpoint

PATIENT = QueryLimits(rows=1000, result_bytes=1024 * 1024, seconds=60)
TIGHT = replace(PATIENT, seconds=0.5)  # for what is to be stopped


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("query") / "flights.db"


@pytest.fixture(scope="module")
def accelerator(path: Path) -> Iterator[SqliteAccelerator]:
    accelerator = SqliteAccelerator.open(path, "flights", keys=KEYS, create=True)
    accelerator.apply(batch(range(300), note="as \0 planned"), checkpoint(1))
    yield accelerator
    accelerator.close()


def _trace(path: Path) -> tuple[str, list[str], list[tuple[int, ...]]]:
    """Everything a statement could have left: content, files of the folder, schema version."""
    connection = sqlite3.connect(path)
    try:
        dump = "\n".join(connection.iterdump())
        versions = connection.execute("PRAGMA schema_version").fetchall()
    finally:
        connection.close()
    return (
        hashlib.sha256(dump.encode()).hexdigest(),
        sorted(file.name for file in path.parent.iterdir()),
        versions,
    )


@pytest.mark.parametrize(
    "sql,statuses", [(sql, s) for _, sql, s in HOSTILE], ids=[h[0] for h in HOSTILE]
)
def test_a_hostile_statement_is_refused_and_leaves_no_trace(
    accelerator: SqliteAccelerator, path: Path, sql: str, statuses: set[int]
) -> None:
    before = _trace(path)

    started = time.monotonic()
    with pytest.raises(QueryRefused) as refused:
        accelerator.query(sql, TIGHT if 408 in statuses else PATIENT)
    seconds = time.monotonic() - started

    assert refused.value.status in statuses, str(refused.value)
    assert "\n" not in str(refused.value)
    assert seconds < 50
    assert _trace(path) == before
    assert accelerator.query("SELECT count(*) FROM flights", PATIENT).rows == [(300,)]


@pytest.mark.parametrize(
    "sql,rows",
    [
        ("SELECT leg FROM flights WHERE route = 'route#7'", [(7,)]),
        ("SELECT count(*) FROM FLIGHTS;", [(300,)]),
        (
            "SELECT f.leg FROM flights f JOIN flights g USING (leg) WHERE leg < 2 ORDER BY 1",
            [(0,), (1,)],
        ),
        ("WITH t AS (SELECT max(leg) m FROM flights) SELECT m + 1 FROM t", [(300,)]),
        (
            (
                "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r LIMIT 3)"
                " SELECT sum(x) FROM r"
            ),
            [(6,)],
        ),
        ("SELECT count(*) FROM (SELECT 1)", [(1,)]),
        ("""SELECT j.value FROM json_each('[1, "a"]') j""", [(1,), ("a",)]),
        ("""SELECT '{"a": {"b": 2.5}}' -> 'a' ->> 'b'""", [(2.5,)]),
        ("SELECT row_number() OVER (ORDER BY leg DESC) FROM flights WHERE leg = 5", [(1,)]),
        ("SELECT x'00ff'", [("AP8=",)]),
        ("SELECT 9e999, -9e999, NULL, 0.1", [("Infinity", "-Infinity", None, 0.1)]),
        ("SELECT 9223372036854775807", [(2**63 - 1,)]),
        ("SELECT note FROM flights WHERE leg = 1", [("as \0 planned",)]),
        ("VALUES (1), (2)", [(1,), (2,)]),
        (
            (
                "SELECT leg FROM flights WHERE route LIKE 'route#1_' AND note GLOB '*'"
                " ORDER BY 1 LIMIT 1"
            ),
            [(10,)],
        ),
    ],
)
def test_an_ordinary_question_is_answered(
    accelerator: SqliteAccelerator, sql: str, rows: list[tuple[object, ...]]
) -> None:
    assert accelerator.query(sql, PATIENT).rows == rows


def test_the_view_shows_the_attributes_and_rest_and_nothing_else(
    accelerator: SqliteAccelerator,
) -> None:
    result = accelerator.query("SELECT * FROM flights LIMIT 1", PATIENT)

    assert result.columns == ("route", "leg", "version", "note", "_rest")


def test_rows_beyond_the_limit_are_cut_and_said_to_be(accelerator: SqliteAccelerator) -> None:
    exact = accelerator.query("SELECT leg FROM flights", replace(PATIENT, rows=300))
    cut = accelerator.query("SELECT leg FROM flights", replace(PATIENT, rows=299))

    assert (len(exact.rows), exact.truncated) == (300, False)
    assert (len(cut.rows), cut.truncated) == (299, True)


def test_a_result_beyond_the_byte_limit_is_refused(accelerator: SqliteAccelerator) -> None:
    with pytest.raises(QueryRefused) as refused:
        accelerator.query("SELECT * FROM flights", replace(PATIENT, result_bytes=1000))

    assert refused.value.status == 413


def test_a_large_result_within_the_limit_arrives_whole(accelerator: SqliteAccelerator) -> None:
    sql = (
        "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r LIMIT 9)"
        " SELECT printf('%1000000d', x) FROM r"
    )
    result = accelerator.query(sql, QueryLimits(seconds=60))

    assert [len(row[0]) for row in result.rows] == [1_000_000] * 9


def test_a_query_sees_every_commit_that_came_before_it(tmp_path: Path) -> None:
    accelerator = SqliteAccelerator.open(tmp_path / "f.db", "flights", keys=KEYS, create=True)
    seen: list[tuple[object, ...]] = []
    for version in (1, 2, 3):
        accelerator.apply(batch(range(version * 10), version), checkpoint(version))
        accelerator.maintain(idle=version == 2)
        seen += accelerator.query("SELECT count(*) FROM flights", PATIENT).rows
    accelerator.close()

    assert seen == [(10,), (20,), (30,)]


def test_a_new_column_is_there_for_a_process_that_answered_before(tmp_path: Path) -> None:
    accelerator = SqliteAccelerator.open(tmp_path / "f.db", "flights", keys=KEYS, create=True)
    accelerator.apply(batch([1]), checkpoint(1))
    sql = "SELECT f.*, j.value FROM flights f, json_each('[7]') j"
    before = accelerator.query(sql, PATIENT)
    grown = COLUMNS.added([Column("gate", "text")])
    accelerator.apply(batch_of(grown, []), checkpoint(2))
    after = accelerator.query(sql, PATIENT)
    accelerator.close()

    assert before.columns == ("route", "leg", "version", "note", "_rest", "value")
    assert after.columns == ("route", "leg", "version", "note", "gate", "_rest", "value")
    assert after.rows == [("route#1", 1, 1, "as planned", None, None, 7)]


def test_a_statement_that_has_to_be_killed_leaves_commits_and_queries_alone(
    tmp_path: Path,
) -> None:
    (sql,) = [sql for name, sql, _ in HOSTILE if name == "a search without a stop"]
    accelerator = SqliteAccelerator.open(tmp_path / "f.db", "flights", keys=KEYS, create=True)
    accelerator.apply(batch(range(10)), checkpoint(1))
    refusals: list[int] = []
    versions = 1

    def ask() -> None:
        while not refusals or versions <= 3:  # until enough went on beside it
            with pytest.raises(QueryRefused) as refused:
                accelerator.query(sql, TIGHT)
            refusals.append(refused.value.status)

    asking = threading.Thread(target=ask)
    asking.start()
    while asking.is_alive():
        versions += 1
        accelerator.apply(batch(range(10), versions), checkpoint(versions))
        rows = accelerator.query("SELECT max(version) FROM flights", PATIENT).rows
        assert rows == [(versions,)]
    asking.join()
    log = accelerator.maintain(idle=True)
    accelerator.close()

    assert set(refusals) == {408}
    assert versions > 3
    assert log.wal_bytes == 0  # the killed reader holds nothing back


def _wait_for_queries(accelerator: SqliteAccelerator, count: int) -> None:
    """Until so many have places, and a moment more for them to run."""
    end = time.monotonic() + 60
    while accelerator._workers._places._free > MOST_WORKERS - count:
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(0.1)


def _end(accelerator: SqliteAccelerator, threads: list[threading.Thread]) -> None:
    """End queries that would run for minutes, as the limit of a busy machine's seconds cannot."""
    while any(thread.is_alive() for thread in threads):
        for worker in list(accelerator._workers._busy):
            worker.kill()
        time.sleep(0.01)


def test_more_queries_at_once_than_there_are_places_are_told_to_come_again(
    accelerator: SqliteAccelerator,
) -> None:
    (sql,) = [sql for name, sql, _ in HOSTILE if name == "a product"]
    statuses: list[int] = []

    def ask() -> None:
        with pytest.raises(QueryRefused) as refused:
            accelerator.query(sql, QueryLimits(seconds=600))
        statuses.append(refused.value.status)

    threads = [threading.Thread(target=ask) for _ in range(MOST_WORKERS)]
    for thread in threads:
        thread.start()
    try:
        _wait_for_queries(accelerator, MOST_WORKERS)
        with pytest.raises(QueryRefused) as refused:
            accelerator.query("SELECT 1", QueryLimits(seconds=0.2))
    finally:
        _end(accelerator, threads)

    assert refused.value.status == 429
    assert statuses == [408] * MOST_WORKERS


def test_closing_ends_a_running_query(tmp_path: Path) -> None:
    (sql,) = [sql for name, sql, _ in HOSTILE if name == "a product"]
    accelerator = SqliteAccelerator.open(tmp_path / "f.db", "flights", keys=KEYS, create=True)
    accelerator.apply(batch(range(300)), checkpoint(1))
    ended = threading.Event()

    def ask() -> None:
        with pytest.raises(QueryRefused):
            accelerator.query(sql, QueryLimits(seconds=600))
        ended.set()

    asking = threading.Thread(target=ask)
    asking.start()
    _wait_for_queries(accelerator, 1)
    accelerator.close()
    asking.join(timeout=60)

    assert ended.is_set()
    assert not (tmp_path / "f.db-wal").exists()


def test_the_process_that_answers_knows_no_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalr")
    accelerator = SqliteAccelerator.open(tmp_path / "f.db", "flights", keys=KEYS, create=True)
    accelerator.query("SELECT 1", PATIENT)
    (worker,) = accelerator._workers._idle
    environment = Path(f"/proc/{worker._process.pid}/environ")
    text = environment.read_bytes() if environment.exists() else b""
    accelerator.close()

    assert b"wJalr" not in text
