"""What a client of the DuckDB engine may ask, and what it is refused without an effect."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdc.accelerator import Accelerator, QueryLimits, QueryRefused
from cdc.engines import open_accelerator
from tests.cdc.duckdb_questions import questions_under_way, rows, wait_for_questions
from tests.cdc.hostile_duckdb import HOSTILE
from tests.contracts.accelerator import BY_ID, DATASET, Producer, item

ROWS = 3000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("duckdb_query")
    (folder / "other.csv").write_text("secret,1\n")
    return folder


@pytest.fixture(scope="module")
def accelerator(folder: Path) -> Iterator[Accelerator]:
    opened = open_accelerator(
        "duckdb", folder / "file.db", DATASET, keys=BY_ID, create=True, memory_limit="500MB"
    )
    producer = Producer(opened)
    producer.scan(*(item(i, n=i, price={"N": "1.5"}, raw=b"\x00\xff") for i in range(ROWS)))
    producer.end_scan()
    opened.maintain(idle=True)
    yield opened
    opened.close()


def footprint(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Names, times and bytes of everything on disk."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def settings(accelerator: Accelerator) -> list[Any]:
    """Settings and tables, seen past the guard."""
    database = accelerator._database  # type: ignore[attr-defined]
    with database.cursor() as cursor:
        values = cursor.execute("SELECT name, value FROM duckdb_settings() ORDER BY 1").fetchall()
        return [
            *values,
            *cursor.execute("SELECT database_name, path FROM duckdb_databases()").fetchall(),
        ]


# ---------------------------------------------------------------- refused


def test_every_hostile_statement_is_refused_without_an_effect(
    accelerator: Accelerator, folder: Path
) -> None:
    before, tuned = footprint(folder), settings(accelerator)
    python_variable = before  # noqa: F841 - DuckDB would resolve a table name to it
    names = {
        "dataset": DATASET,
        "path": accelerator.path,
        "other": folder / "other.csv",
        "new": folder / "new",
    }
    accepted, telling = [], []
    for template in HOSTILE:
        statement = template.format(**names) if "{" in template else template
        try:
            accelerator.query(statement, QueryLimits(seconds=2))
            accepted.append(template[:80])
        except QueryRefused as refusal:
            if str(accelerator.path) in str(refusal) and "{path}" not in template:
                telling.append(template[:80])

    assert (accepted, telling) == ([], [])
    assert footprint(folder) == before
    assert settings(accelerator) == tuned
    assert rows(accelerator, f"SELECT count(*) FROM {DATASET}") == [(ROWS,)]


def test_a_refused_statement_leaves_no_transaction_behind(accelerator: Accelerator) -> None:
    for _ in range(20):
        with pytest.raises(QueryRefused):
            rows(accelerator, "SELECT 1 / 'x'::int")
    accelerator.apply(*_empty_commit(accelerator))

    assert accelerator.maintain(idle=True).checkpointed


def _empty_commit(accelerator: Accelerator) -> tuple[Any, Any]:
    checkpoint = accelerator.checkpoint()
    assert checkpoint is not None
    columns = accelerator.columns()
    producer = Producer(accelerator, columns=columns)
    return producer.batch([], []), checkpoint.next()


# ---------------------------------------------------------------- allowed


@pytest.mark.parametrize(
    "sql,expected",
    [
        (f"SELECT count(*) FROM {DATASET}", [(ROWS,)]),
        (f'SELECT count(*) FROM main."{DATASET}"', [(ROWS,)]),
        (f"SELECT count(*) FROM {DATASET.upper()}", [(ROWS,)]),
        (f"FROM {DATASET} SELECT max(n)", [(ROWS - 1,)]),
        (f"SELECT id, price FROM {DATASET} WHERE n = 7", [("7", "1.50")]),
        (f"WITH x AS (SELECT n FROM {DATASET}), y AS (FROM x) SELECT max(n) FROM y", [(ROWS - 1,)]),
        ("WITH RECURSIVE c AS (SELECT 1 a UNION ALL SELECT a + 1 FROM c WHERE a < 5) FROM c", [
            (1,), (2,), (3,), (4,), (5,)
        ]),
        (f"WITH {DATASET} AS (SELECT 1 a) SELECT a FROM {DATASET}", [(1,)]),
        ("SELECT * FROM range(3)", [(0,), (1,), (2,)]),
        ("SELECT unnest([1, 2])", [(1,), (2,)]),
        ("VALUES (1), (2)", [(1,), (2,)]),
        (f"SELECT sum(a.n) FROM {DATASET} a JOIN {DATASET} b USING (id) WHERE b.n < 3", [(3,)]),
        (f"SELECT n FROM {DATASET} WHERE n IN (SELECT max(n) FROM {DATASET})", [(ROWS - 1,)]),
        (f"SELECT row_number() OVER (ORDER BY n DESC) r FROM {DATASET} ORDER BY r LIMIT 1", [(1,)]),
        ("SELECT date_trunc('month', date '2026-08-14')::date", [("2026-08-01",)]),
        ("SELECT lower('A'), regexp_replace('abc', 'b', 'x'), md5('a')[:3]",
         [("a", "axc", "0cc")]),
        ("SELECT list_transform([1, 2], lambda x: x * 2), {'a': 1}.a", [([2, 4], 1)]),
        ("SELECT json_extract('{\"a\": 1}', '$.a')::int", [(1,)]),
        (f"SELECT t FROM (SELECT count(*) t FROM {DATASET} GROUP BY n % 2) ORDER BY 1",
         [(ROWS // 2,), (ROWS // 2,)]),
        (f"SELECT * FROM (PIVOT (SELECT n % 2 p FROM {DATASET}) ON p IN (0, 1) USING count(*))",
         [(ROWS // 2, ROWS // 2)]),
        (f"SELECT 1 UNION ALL SELECT count(*) FROM {DATASET} ORDER BY 1", [(1,), (ROWS,)]),
    ],
)  # fmt: skip
def test_ordinary_questions_are_answered(
    accelerator: Accelerator, sql: str, expected: list[tuple[Any, ...]]
) -> None:
    assert rows(accelerator, sql) == expected


def test_the_dataset_can_be_described_and_explained(accelerator: Accelerator) -> None:
    described = accelerator.query(f"DESCRIBE {DATASET}", QueryLimits())
    assert [row[:2] for row in described.rows][:2] == [("id", "VARCHAR"), ("n", "BIGINT")]

    plan = accelerator.query(f"EXPLAIN SELECT * FROM {DATASET}", QueryLimits())
    assert str(accelerator.path) not in str(plan.rows)


def test_values_are_ready_for_json(accelerator: Accelerator) -> None:
    sql = (
        "SELECT 1.50::decimal(10,2) a, 'x'::blob b, date '2026-08-01' c, 1e300 * 1e10 d, "
        "{'k': [1, NULL]} e, map {1: 'v'} f, 170141183460469231731687303715884105727 g, "
        "uuid '00000000-0000-0000-0000-000000000001' h, interval 1 day i, time '01:02:03' j, true k"
    )
    result = accelerator.query(sql, QueryLimits())
    row = dict(zip(result.columns, result.rows[0], strict=True))

    assert json.loads(json.dumps(row)) == row
    assert row | {"i": None} == {
        "a": "1.50",
        "b": "eA==",
        "c": "2026-08-01",
        "d": "inf",
        "e": {"k": [1, None]},
        "f": {"1": "v"},
        "g": 2**127 - 1,
        "h": "00000000-0000-0000-0000-000000000001",
        "i": None,
        "j": "01:02:03",
        "k": True,
    }


# ---------------------------------------------------------------- bounded


def test_rows_beyond_the_limit_are_cut_and_said_so(accelerator: Accelerator) -> None:
    cut = accelerator.query(f"SELECT n FROM {DATASET}", QueryLimits(rows=10))
    assert (len(cut.rows), cut.truncated) == (10, True)

    whole = accelerator.query(f"SELECT n FROM {DATASET} LIMIT 10", QueryLimits(rows=10))
    assert (len(whole.rows), whole.truncated) == (10, False)


def test_a_result_of_too_many_bytes_is_refused(accelerator: Accelerator) -> None:
    with pytest.raises(QueryRefused) as refused:
        rows(accelerator, f"SELECT * FROM {DATASET}", result_bytes=1000)

    assert refused.value.status == 413


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT sum(a.n * b.n * c.n) FROM {DATASET} a, {DATASET} b, {DATASET} c",
        "WITH RECURSIVE c AS (SELECT 1 a UNION ALL SELECT a + 1 FROM c) SELECT count(*) FROM c",
        "SELECT sum(range) FROM range(100000000000)",
    ],
)
def test_a_slow_question_is_stopped(accelerator: Accelerator, sql: str) -> None:
    began = time.monotonic()
    with pytest.raises(QueryRefused) as refused:
        rows(accelerator, sql, seconds=0.3)

    assert refused.value.status == 408
    assert time.monotonic() - began < 30


def test_a_hungry_question_dies_alone(accelerator: Accelerator) -> None:
    with pytest.raises(QueryRefused):
        rows(accelerator, "SELECT list(a.range) FROM range(100000) a, range(10000) b", seconds=20)

    accelerator.apply(*_empty_commit(accelerator))
    assert rows(accelerator, f"SELECT count(*) FROM {DATASET}") == [(ROWS,)]


def test_a_third_question_waits_and_is_then_refused(accelerator: Accelerator) -> None:
    with questions_under_way(accelerator, 2), pytest.raises(QueryRefused) as refused:
        rows(accelerator, "SELECT 1", seconds=0.2)

    assert refused.value.status == 429
    assert rows(accelerator, "SELECT 1") == [(1,)]


def test_a_writer_goes_on_while_a_question_runs(accelerator: Accelerator) -> None:
    with questions_under_way(accelerator, 1) as (thread,):
        accelerator.apply(*_empty_commit(accelerator))
        assert thread.is_alive()


def test_closing_does_not_wait_for_a_question(tmp_path: Path) -> None:
    opened = open_accelerator("duckdb", tmp_path / "f", DATASET, keys=BY_ID, create=True)
    outcome: list[BaseException] = []

    def ask() -> None:
        try:
            rows(opened, "SELECT sum(range) FROM range(10000000000000)", seconds=600)
        except QueryRefused as refusal:
            outcome.append(refusal)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_for_questions(opened, 1)
    opened.close()
    thread.join(timeout=60)

    assert len(outcome) == 1
    with pytest.raises(QueryRefused) as refused:
        rows(opened, "SELECT 1")
    assert refused.value.status == 503


def test_nothing_is_spilled_into_the_working_directory(
    accelerator: Accelerator, tmp_path: Path
) -> None:
    rows(accelerator, f"SELECT * FROM {DATASET} ORDER BY n", rows=ROWS)

    assert not Path(".tmp").exists()
