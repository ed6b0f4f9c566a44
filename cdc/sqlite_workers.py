"""The processes that answer queries on a SQLite file: started, kept, killed.

A process (`cdc.sqlite_query`) is started when a query finds none idle, kept for the next one, and
killed if its answer does not come in time. More queries at once than `MOST_WORKERS` wait for a
place, for as long as one may run.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from cdc import sqlite_query
from cdc.accelerator import QueryLimits, QueryRefused, QueryResult
from cdc.slots import Slots

MOST_WORKERS = 4
# On top of the worker's own timer, for the transfer of a large answer.
_ANSWER_GRACE_SECONDS = 2.0
# The process gets no credentials: only what Python and SQLite need to start and to sort on disk.
_ENVIRONMENT = ("PATH", "TMPDIR", "SQLITE_TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG")


class Worker:
    """One process, used by one thread at a time."""

    def __init__(self, path: Path, dataset: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own file, run by our own interpreter
            [sys.executable, "-I", "-S", sqlite_query.__file__, str(path.absolute()), dataset],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        )

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer, or None if the process died or had to be killed."""
        data = json.dumps(request).encode()
        seconds = request["seconds"] + sqlite_query.KILL_GRACE_SECONDS + _ANSWER_GRACE_SECONDS
        timer = threading.Timer(seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        requests, answers = self._process.stdin, self._process.stdout
        try:
            if requests is None or answers is None:
                return None
            requests.write(struct.pack("<I", len(data)) + data)
            requests.flush()
            head = answers.read(4)
            body = answers.read(struct.unpack("<I", head)[0]) if len(head) == 4 else b""
            return cast("dict[str, Any]", json.loads(body)) if body else None
        except (BrokenPipeError, ValueError):
            # The process was killed while it was being written to or while it answered.
            return None
        finally:
            timer.cancel()

    def kill(self) -> None:
        """End the process, with its locks; a thread that waits for its answer is let go."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End the process and release what it held."""
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    # Bytes that the dead process did not take; the pipe is closed all the same.
                    continue


class QueryWorkers:
    """Answers queries on one file, from any thread."""

    def __init__(self, path: Path, dataset: str) -> None:
        self._path = path
        self._dataset = dataset
        self._lock = threading.Lock()
        self._places = Slots(MOST_WORKERS)
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._closed = False

    def query(self, sql: str, columns: int, limits: QueryLimits) -> QueryResult:
        """The bounded result. `columns`: how many the dataset has. Raises QueryRefused."""
        request = {
            "sql": sql,
            "columns": columns,
            "rows": limits.rows,
            "bytes": limits.result_bytes,
            "seconds": limits.seconds,
        }
        if not self._places.acquire(limits.seconds):
            raise QueryRefused(f"{MOST_WORKERS} queries are running already", status=429)
        try:
            with self._worker() as worker:
                answer = worker.ask(request)
                if answer is None:
                    raise QueryRefused(
                        f"the query was stopped: it ran longer than {limits.seconds:g} s"
                        " or needed too much memory",
                        status=408,
                    )
        finally:
            self._places.release()
        if "refused" in answer:
            raise QueryRefused(answer["refused"], status=answer["status"])
        rows = [tuple(row) for row in answer["rows"]]
        return QueryResult(tuple(answer["columns"]), rows, answer["truncated"])

    @contextmanager
    def _worker(self) -> Iterator[Worker]:
        """A worker for one query; one that could not answer is not used again."""
        with self._lock:
            if self._closed:
                raise QueryRefused("the dataset is being closed", status=503)
            worker = self._idle.pop() if self._idle else Worker(self._path, self._dataset)
            self._busy.add(worker)
        is_usable = False
        try:
            yield worker
            is_usable = True
        finally:
            with self._lock:
                self._busy.discard(worker)
                is_usable = is_usable and not self._closed
                if is_usable:
                    self._idle.append(worker)
            if not is_usable:
                worker.stop()

    def close(self) -> None:
        """End the processes; running queries are refused."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = list(self._busy)
        for worker in busy:
            worker.kill()
        for worker in idle:
            worker.stop()
