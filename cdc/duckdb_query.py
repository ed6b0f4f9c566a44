"""Run one client statement: guarded, in a read-only transaction, bounded in rows, bytes and time.

The limits are of different strength. Rows, bytes of the result and the number of statements at once
are hard. Time is an interrupt that the engine answers between vectors, usually within milliseconds.
Memory is the instance's limit for joins, sorts and aggregates; expressions: `cdc.duckdb_guard`.
"""

from __future__ import annotations

import base64
import json
import math
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from datetime import time as clock_time
from decimal import Decimal
from typing import Any

import duckdb

from cdc.accelerator import QueryLimits, QueryRefused, QueryResult
from cdc.duckdb_errors import first_line
from cdc.duckdb_file import Database
from cdc.duckdb_guard import Refusal, check
from cdc.slots import Slots

CONCURRENT = 2
SQL_LIMIT = 64 * 1024
_PAGE_ROWS = 64
_EXPLAIN = re.compile(r"\s*EXPLAIN\s+(.*)", re.IGNORECASE | re.DOTALL)
_FUNCTIONS = """
    SELECT DISTINCT lower(function_name) FROM duckdb_functions()
    WHERE internal AND function_type IN ('scalar', 'aggregate', 'macro')
      AND coalesce(stability, '') <> 'VOLATILE' AND NOT coalesce(has_side_effects, false)
"""


class Queries:
    """The statements of clients on one dataset."""

    def __init__(self, database: Database, dataset: str) -> None:
        self._database = database
        self._dataset = dataset
        self._slots = Slots(CONCURRENT)
        self._functions: frozenset[str] = frozenset()

    def run(self, sql: str, limits: QueryLimits) -> QueryResult:
        """The result of one read-only statement. Raises QueryRefused."""
        until = time.monotonic() + limits.seconds
        if len(sql) > SQL_LIMIT:
            raise QueryRefused(f"the statement is longer than {SQL_LIMIT} characters", status=413)
        if not self._slots.acquire(limits.seconds):
            raise QueryRefused("too many queries at once", status=429)
        try:
            with self._database.snapshot() as cursor:
                statement = self._judged(cursor, sql)
                with _interrupting(cursor, until):
                    return _fetched(cursor, statement, limits, until)
        except duckdb.InterruptException as error:
            raise _too_slow(limits) from error
        except duckdb.OutOfMemoryException as error:
            raise QueryRefused("the query needs more memory than it may use", status=413) from error
        except duckdb.ConnectionException as error:
            raise QueryRefused("the dataset is being closed", status=503) from error
        except duckdb.Error as error:
            raise QueryRefused(self._redacted(first_line(error))) from error
        finally:
            self._slots.release()

    def _judged(self, cursor: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
        statements = cursor.extract_statements(sql)
        if len(statements) != 1:
            raise QueryRefused(f"exactly one statement is expected, not {len(statements)}")
        statement = statements[0]
        text = statement.query
        if statement.type == duckdb.StatementType.EXPLAIN:
            # What follows must be a SELECT by itself, which leaves out ANALYZE and options.
            found = _EXPLAIN.match(text)
            text = found.group(1) if found else ""
        elif statement.type != duckdb.StatementType.SELECT:
            raise QueryRefused(f"{statement.type.name} is not available; use SELECT")
        rows = cursor.execute("SELECT json_serialize_sql(?)", [text]).fetchall()
        try:
            tree = json.loads(rows[0][0])
            if tree["error"]:
                raise QueryRefused(self._redacted(str(tree["error_message"]).split("\n", 1)[0]))
            if len(tree["statements"]) != 1:
                raise QueryRefused("exactly one statement is expected")
            check(tree["statements"][0]["node"], self._dataset, self._known(cursor))
        except RecursionError as error:
            raise QueryRefused("the statement is nested too deeply") from error
        except Refusal as error:
            raise QueryRefused(str(error)) from error
        return statement

    def _known(self, cursor: duckdb.DuckDBPyConnection) -> frozenset[str]:
        # With the first statement: listing them takes longer than to open the file.
        if not self._functions:
            rows = cursor.execute(_FUNCTIONS).fetchall()
            self._functions = frozenset(row[0] for row in rows)
        return self._functions

    def _redacted(self, message: str) -> str:
        return message.replace(str(self._database.path), "<file>")


def _fetched(
    cursor: duckdb.DuckDBPyConnection,
    statement: duckdb.Statement,
    limits: QueryLimits,
    until: float,
) -> QueryResult:
    cursor.execute(statement)
    names = tuple(str(entry[0]) for entry in cursor.description or ())
    rows: list[tuple[Any, ...]] = []
    size = 0
    while len(rows) <= limits.rows:
        page = cursor.fetchmany(min(_PAGE_ROWS, limits.rows + 1 - len(rows)))
        if not page:
            break
        if time.monotonic() > until:
            raise _too_slow(limits)
        plain = [tuple(map(plain_value, row)) for row in page]
        size += sum(map(size_of, plain))
        if size > limits.result_bytes:
            raise QueryRefused(f"the result is larger than {limits.result_bytes} bytes", status=413)
        rows += plain
    return QueryResult(names, rows[: limits.rows], truncated=len(rows) > limits.rows)


@contextmanager
def _interrupting(cursor: duckdb.DuckDBPyConnection, until: float) -> Iterator[None]:
    timer = threading.Timer(max(0.0, until - time.monotonic()), cursor.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        # A timer that already fires must not hit the cursor's next user.
        timer.join()


def _too_slow(limits: QueryLimits) -> QueryRefused:
    return QueryRefused(f"the query took longer than {limits.seconds:g} s", status=408)


def plain_value(value: Any) -> Any:
    """A value as JSON knows it: exact decimals as text, binary as base64, times as ISO 8601."""
    match value:
        case None | bool() | int() | str():
            plain: Any = value
        case float():
            plain = value if math.isfinite(value) else str(value)
        case bytes() | bytearray() | memoryview():
            plain = base64.b64encode(value).decode()
        case list() | tuple():
            plain = [plain_value(entry) for entry in value]
        case dict():
            plain = {str(key): plain_value(entry) for key, entry in value.items()}
        case Decimal():
            plain = format(value, "f")
        case datetime() | date() | clock_time():
            plain = value.isoformat()
        case _:
            plain = str(value)
    return plain


def size_of(value: Any) -> int:
    """Bytes that a plain value takes in JSON, roughly."""
    if isinstance(value, str):
        return len(value) + 3
    if isinstance(value, list | tuple):
        return 2 + sum(map(size_of, value))
    if isinstance(value, dict):
        return 2 + sum(len(key) + 4 + size_of(entry) for key, entry in value.items())
    return 8
