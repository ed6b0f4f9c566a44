"""Questions to a DuckDB file that run for as long as a test wants."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import duckdb
import pytest

from cdc import duckdb_query
from cdc.accelerator import Accelerator, QueryLimits, QueryRefused
from tests.cdc.follower import wait
from tests.contracts.accelerator import DATASET

SLOW = f"SELECT sum(a.n * b.n * c.n) FROM {DATASET} a, {DATASET} b, {DATASET} c"


def rows(accelerator: Accelerator, sql: str, **limits: Any) -> list[tuple[Any, ...]]:
    return list(accelerator.query(sql, QueryLimits(**{"seconds": 60.0, **limits})).rows)


def wait_for_questions(accelerator: Accelerator, count: int) -> None:
    """Wait until so many questions have been admitted, and a moment more for them to run."""
    slots = accelerator._queries._slots  # type: ignore[attr-defined]
    wait(lambda: slots._free <= duckdb_query.CONCURRENT - count)
    time.sleep(0.2)


@contextmanager
def questions_under_way(accelerator: Accelerator, count: int) -> Iterator[list[threading.Thread]]:
    """So many that would run for minutes: they are ended with the block, and not by a clock."""
    begun: list[duckdb.DuckDBPyConnection] = []
    interrupting = duckdb_query._interrupting

    def noted(cursor: duckdb.DuckDBPyConnection, until: float) -> Any:
        begun.append(cursor)
        return interrupting(cursor, until)

    def ask() -> None:
        with pytest.raises(QueryRefused):
            rows(accelerator, SLOW, seconds=600)

    threads = [threading.Thread(target=ask) for _ in range(count)]
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(duckdb_query, "_interrupting", noted)
        for thread in threads:
            thread.start()
        try:
            wait(lambda: len(begun) == count)
            time.sleep(0.2)
            yield threads
        finally:
            while any(thread.is_alive() for thread in threads):
                for cursor in tuple(begun):
                    with suppress(duckdb.ConnectionException):  # it has ended
                        cursor.interrupt()
                time.sleep(0.01)
