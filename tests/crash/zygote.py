"""A process that has loaded the product with its gates, and forks one that runs a verb on request.

Loading takes most of a short life; hundreds of processes that are killed need not do it again.
Requests and answers are lines of JSON:

    {"run": [words], "home", "log", "environment", "trace", "at", "countdown"}  ->  {"pid"}
    {"wait": pid, "seconds"}  ->  {"status": exit code, -signal, or null for running still}
"""

import json
import os
import sys
import time
import traceback
from functools import partial
from pathlib import Path
from typing import Any

from tests import loaded
from tests.crash import audit, effects

_POLL_SECONDS = 0.005


def _load() -> None:
    """All that a verb imports."""
    effects.install()
    loaded.load()
    audit.install()
    _note_reads()
    _scale_down()
    loaded.freeze()


def _note_reads() -> None:
    """Ranges that are read from a folder, in the trace."""
    from snapshotter.file_store import FileStore

    get_range = FileStore.get_range

    def noted(self: FileStore, key: str, offset: int, size: int) -> bytes:
        effects.note(f"read {key} {offset} {size}")
        return get_range(self, key, offset, size)

    FileStore.get_range = noted  # type: ignore[method-assign]


def _scale_down() -> None:
    """Limits that a table of some hundred items meets as a large one meets the real ones, and
    waits for a service that answers at once.
    """
    from cdc import duckdb_accelerator, duckdb_upkeep, polling, schedule, sqlite_checkpointer, tip
    from cdc.capture_status import CaptureSettings
    from cdc.listing import CallBudget
    from snapshotter import catalog
    from snowmelt import coldstart, parameters, wiring

    tip.PROOF_SECONDS = 0.1
    parameters.FASTEST_POLL_SECONDS = 0.02
    schedule.IDLE_SECONDS = 0.05
    settings = partial(CaptureSettings, shard_calls_per_second=50.0)
    wiring.CaptureSettings = settings  # type: ignore[attr-defined, assignment]
    CallBudget.__init__.__defaults__ = (50.0,)
    coldstart.ORPHANED_SECONDS = 0.1
    polling._LONGEST_WAIT_SECONDS = 0.05

    duckdb_upkeep.FOLD_ROWS = 40
    duckdb_upkeep.FOLD_STEP_ROWS = 15
    duckdb_upkeep.SORT_STEP_ROWS = duckdb_upkeep.FIRST_SORT_STEP_ROWS = 150
    duckdb_accelerator.CHECKPOINT_WAL_BYTES = 64 * 1024  # type: ignore[attr-defined]
    sqlite_checkpointer.LOG_LIMIT_BYTES = 512 * 1024  # less, and no freeze finds a log
    limits: Any = catalog.push
    limits.__kwdefaults__["limit"] = 2


def _run(order: dict[str, Any]) -> None:
    """In the child: become the verb, and end with it."""
    os.chdir(order["home"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number, descriptor in ((0, nothing), (1, log), (2, log)):
        os.dup2(descriptor, number)
    sys.stdin = os.fdopen(0)
    sys.stdout = os.fdopen(1, "w", buffering=1)
    sys.stderr = os.fdopen(2, "w", buffering=1)
    os.environ.update(order["environment"])
    effects.arm(Path(order["trace"]), order["at"], order["countdown"])
    from snowmelt.cli import execute

    code = 1
    try:
        code = execute(order["run"])
    except Exception:  # noqa: BLE001 - a fork must not go on as its parent
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(code)


def _wait(pid: int, seconds: float) -> int | None:
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            return None
        time.sleep(_POLL_SECONDS)


def _say(**answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    _load()
    _say(ready=True)
    for line in sys.stdin:
        order = json.loads(line)
        if "run" in order:
            pid = os.fork()
            if pid == 0:
                _run(order)
            _say(pid=pid)
        else:
            _say(status=_wait(order["wait"], order["seconds"]))


main()
