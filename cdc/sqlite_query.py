"""One guarded read of a SQLite file, in a process of its own that may be killed.

A separate process, because SQLite cannot be stopped everywhere: planning a chain of WITH tables
that are each used twice doubles per link (16 links: 0.24 s and 60 MB, in 3.40), `instr` of two
texts of 1 MB takes 7 s, and neither looks at the interrupt flag; a limit of memory holds for all
connections of a process. Here a timer and the address space end the process; the node goes on.

Layers: the file opened read-only · an authorizer that lets through SELECT, listed functions and
the columns of the dataset's view, nothing else · SQLite's own limits · a progress handler for the
time · limits of the operating system · the parent's kill.

    python -I -S sqlite_query.py PATH DATASET
    stdin and stdout:  length:u32 (little-endian) JSON
    request:           {"sql", "columns", "rows", "bytes", "seconds"}   columns: of the dataset
    answer:            {"columns", "rows", "truncated"}  or  {"refused", "status"}

Only the standard library is imported: the process starts in 40 ms and sees no site-packages.
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
import resource
import signal
import sqlite3
import struct
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO
from urllib.parse import quote

# A row of a 400 KB item fits several times; what a statement builds up must not be much larger.
VALUE_BYTES = 2 * 1024 * 1024
SQL_BYTES = 64 * 1024
_MEMORY_BYTES = 1024 * 1024 * 1024
_TEMPORARY_FILE_BYTES = 512 * 1024 * 1024
# The operating system's timer comes after SQLite's own, which can still explain itself.
KILL_GRACE_SECONDS = 1.0
_STEPS_BETWEEN_LOOKS = 20_000

ROWS = "_snowmelt_rows"
_TABLE_FUNCTIONS = frozenset({"json_each", "json_tree"})
# What is counted without naming a column cannot be told from a user's own WITH table.
_HIDDEN_PREFIXES = ("_snowmelt", "sqlite_", "pragma_", "dbstat", "bytecode", "tables_used", "fts")
_FUNCTIONS = frozenset(
    """
    -> ->> abs acos acosh asin asinh atan atan2 atanh avg ceil ceiling char coalesce concat
    concat_ws cos cosh count cume_dist current_date current_time current_timestamp date datetime
    degrees dense_rank exp first_value floor format glob group_concat hex ifnull iif instr json
    json_array json_array_length json_each json_error_position json_extract json_group_array
    json_group_object json_insert json_object json_patch json_pretty json_quote json_remove
    json_replace json_set json_tree json_type json_valid julianday lag last_value lead length like
    likelihood likely ln log log10 log2 lower ltrim max median min mod nth_value ntile nullif
    octet_length percent_rank percentile percentile_cont percentile_disc pi pow power printf quote
    radians rank replace round row_number rtrim sign sin sinh soundex sqrt strftime string_agg
    substr substring subtype sum tan tanh time timediff total trim trunc typeof unhex unicode
    unixepoch unlikely upper
    """.split()  # noqa: SIM905 - a hundred names read better as text
)
_ACTIONS = {
    value: name.removeprefix("SQLITE_").replace("_", " ")
    for name, value in vars(sqlite3).items()
    if name.startswith(("SQLITE_CREATE", "SQLITE_DROP", "SQLITE_ALTER"))
    or name
    in (
        "SQLITE_ANALYZE",
        "SQLITE_ATTACH",
        "SQLITE_DELETE",
        "SQLITE_DETACH",
        "SQLITE_INSERT",
        "SQLITE_PRAGMA",
        "SQLITE_REINDEX",
        "SQLITE_SAVEPOINT",
        "SQLITE_TRANSACTION",
        "SQLITE_UPDATE",
    )
}


class Refusal(Exception):
    """Why a statement is not answered, with the HTTP status that fits."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Guard:
    """A read-only connection that answers one bounded SELECT at a time."""

    def __init__(self, path: str, dataset: str) -> None:
        self._dataset = dataset.lower()
        self._denied: str | None = None
        self._connection = sqlite3.connect(
            f"file:{quote(path)}?mode=ro", uri=True, isolation_level=None, timeout=1.0
        )
        self._connection.execute("PRAGMA query_only=ON")
        self._connection.execute("PRAGMA trusted_schema=OFF")
        self._connection.execute("PRAGMA cell_size_check=ON")
        # Their first use declares a table, which the authorizer would take for a change.
        for function in sorted(_TABLE_FUNCTIONS):
            self._connection.execute(f"SELECT count(*) FROM {function}('[]')").fetchall()
        self._connection.set_authorizer(self._authorize)

    def close(self) -> None:
        self._connection.close()

    def run(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a request. Raises Refusal."""
        sql: str = request["sql"]
        if "\0" in sql:
            raise Refusal("the statement contains a NUL character")
        if len(sql.encode(errors="replace")) > SQL_BYTES:
            raise Refusal(f"the statement is longer than {SQL_BYTES} bytes", 413)
        deadline = time.monotonic() + request["seconds"]
        self._limit(request["columns"])
        self._denied = None
        self._connection.set_progress_handler(
            lambda: time.monotonic() > deadline, _STEPS_BETWEEN_LOOKS
        )
        cursor = self._connection.cursor()
        try:
            return _fetch(cursor.execute(sql), request, deadline)
        except (sqlite3.Error, sqlite3.Warning, ValueError, MemoryError) as error:
            raise self._explained(error, request["seconds"]) from error
        finally:
            cursor.close()

    def _limit(self, columns: int) -> None:
        for limit, value in (
            (sqlite3.SQLITE_LIMIT_LENGTH, VALUE_BYTES),
            (sqlite3.SQLITE_LIMIT_SQL_LENGTH, SQL_BYTES),
            (sqlite3.SQLITE_LIMIT_COLUMN, max(100, columns + 10)),
            (sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 200),
            (sqlite3.SQLITE_LIMIT_COMPOUND_SELECT, 50),
            (sqlite3.SQLITE_LIMIT_VDBE_OP, 100_000),
            (sqlite3.SQLITE_LIMIT_FUNCTION_ARG, 100),
            (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
            (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256),
            (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 1),
            (sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0),
        ):
            self._connection.setlimit(limit, value)

    def _authorize(
        self, action: int, first: str | None, second: str | None, _: str | None, view: str | None
    ) -> int:
        if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION:
            if (second or "").lower() in _FUNCTIONS:
                return sqlite3.SQLITE_OK
            return self._deny(f"function {second} is not allowed")
        if action == sqlite3.SQLITE_READ:
            if self._may_read(first or "", second or "", view):
                return sqlite3.SQLITE_OK
            return self._deny(f"{first} cannot be read; read {self._dataset}")
        return self._deny(f"{_ACTIONS.get(action, 'this statement')} is not allowed; use SELECT")

    def _may_read(self, table: str, column: str, view: str | None) -> bool:
        if table == ROWS:
            # Counting the view shows up as the table without a column and without the view.
            return column != "_h" and (not column or (view or "").lower() == self._dataset)
        name = table.lower()
        if name == self._dataset or name in _TABLE_FUNCTIONS:
            return True
        return not column and not name.startswith(_HIDDEN_PREFIXES)

    def _deny(self, reason: str) -> int:
        self._denied = self._denied or reason
        return sqlite3.SQLITE_DENY

    def _explained(self, error: Exception, seconds: float) -> Refusal:
        if self._denied:
            return Refusal(self._denied)
        text = " ".join(str(error).split())
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_INTERRUPT:
            return Refusal(f"the query ran longer than {seconds:g} s", 408)
        if isinstance(error, MemoryError) or code == sqlite3.SQLITE_NOMEM:
            return Refusal("the query needs too much memory", 413)
        if code in (sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            return Refusal(f"the query needs too much: {text}", 413)
        return Refusal(text)


def _fetch(cursor: sqlite3.Cursor, request: Mapping[str, Any], deadline: float) -> dict[str, Any]:
    if cursor.description is None:
        raise Refusal("not a query: use SELECT")
    most: int = request["rows"]
    room: int = request["bytes"]
    rows: list[list[Any]] = []
    # Row by row: a page of rows could be a hundred times the limit before anybody looks.
    for row in cursor:
        if len(rows) == most:
            return _answer(cursor, rows, truncated=True)
        room -= sum(map(_size, row))
        if room < 0:
            raise Refusal(f"the result is larger than {request['bytes']} bytes", 413)
        if time.monotonic() > deadline:
            raise Refusal(f"the query ran longer than {request['seconds']:g} s", 408)
        rows.append([_plain(value) for value in row])
    return _answer(cursor, rows, truncated=False)


def _answer(cursor: sqlite3.Cursor, rows: list[list[Any]], *, truncated: bool) -> dict[str, Any]:
    names = [column[0] for column in cursor.description]
    return {"columns": names, "rows": rows, "truncated": truncated}


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode())
    return len(value) * 4 // 3 if isinstance(value, bytes) else 8


def _plain(value: Any) -> Any:
    """The value for JSON: bytes as base64 text; JSON has no infinity."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _confine() -> None:
    for kind, most in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, _TEMPORARY_FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        # A platform that has no such limit still has the others.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


def serve(path: str, dataset: str, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the other side closes."""
    _confine()
    guard: Guard | None = None
    while True:
        head = requests.read(4)
        if len(head) < 4:
            return
        request = json.loads(requests.read(struct.unpack("<I", head)[0]))
        # The default action of SIGALRM ends the process, whatever native code is doing.
        signal.setitimer(signal.ITIMER_REAL, request["seconds"] + KILL_GRACE_SECONDS)
        try:
            guard = guard or Guard(path, dataset)
            body = guard.run(request)
        except Refusal as refusal:
            body = {"refused": str(refusal), "status": refusal.status}
        except (sqlite3.Error, MemoryError) as error:
            body = {"refused": f"the file cannot be read now: {error}", "status": 503}
        signal.setitimer(signal.ITIMER_REAL, 0)
        _send(answers, body)


def _send(answers: BinaryIO, body: Mapping[str, Any]) -> None:
    _write: Callable[[bytes], int] = answers.write
    try:
        data = json.dumps(body, ensure_ascii=False).encode()
    except (MemoryError, UnicodeEncodeError):
        data = json.dumps({"refused": "the result cannot be sent", "status": 413}).encode()
    _write(struct.pack("<I", len(data)))
    _write(data)
    answers.flush()


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], sys.stdin.buffer, sys.stdout.buffer)
