"""A process that has loaded the command, and forks one that runs it on request.

Requests and answers are lines of JSON:

    {"words", "cwd", "environment", "output", "errors", "seconds"}  ->  exit code, -signal, or null

`output` and `errors` are files; null: it took longer than `seconds`, and was killed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from typing import Any

from tests import loaded

_POLL_SECONDS = 0.005


def _become(order: dict[str, Any]) -> None:
    """In the child: be the command, and end with it."""
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environment"])
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for number, path in enumerate((os.devnull, order["output"], order["errors"])):
        os.dup2(os.open(path, flags if number else os.O_RDONLY), number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for ever
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    from snowmelt.cli import execute

    code = 1
    try:
        code = execute(order["words"])
    except BaseException:  # noqa: BLE001 - a fork must not go on as its parent
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _end_of(pid: int, seconds: float) -> int | None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(_POLL_SECONDS)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def main() -> None:
    loaded.load()
    loaded.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(order)
        sys.stdout.write(json.dumps(_end_of(pid, order["seconds"])) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
