"""A process that has loaded the product, and forks one that runs a verb on request.

To load it takes most of a short life, and the tests start hundreds. Requests and answers are lines
of JSON:

    {"run": [words], "cwd", "environment", "output", "errors"}  ->  {"pid"}
    {"ended": pid}  ->  {"status": exit code, -signal, or null for running still}

`output` and `errors` are files that are appended to. Whoever runs on when there are no more
requests is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from tests import loaded

Order = dict[str, Any]


def serve(before: Callable[[Order], None] = lambda _: None) -> NoReturn:
    """Answer requests to their end, and end with them. `before`: what each child does first."""
    running: set[int] = set()
    _say(ready=True)
    for line in sys.stdin:
        order = json.loads(line)
        if "run" in order:
            pid = os.fork()
            if pid == 0:
                _become(order, before)
            running.add(pid)
            _say(pid=pid)
        else:
            _say(status=_status(order["ended"], running))
    for pid in running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    os._exit(0)  # what was frozen for the forks looks like a leak to an interpreter that ends


def _become(order: Order, before: Callable[[Order], None]) -> None:
    """In the child: run the verb, and end with it."""
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environment"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in ((1, order["output"]), (2, order["errors"])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for ever
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    before(order)
    from snowmelt.cli import execute

    code = 1
    try:
        code = execute(order["run"])
    except BaseException:  # noqa: BLE001 - a fork must not go on as its parent
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _status(pid: int, running: set[int]) -> int | None:
    done, status = os.waitpid(pid, os.WNOHANG)
    if not done:
        return None
    running.discard(pid)
    return os.waitstatus_to_exitcode(status)


def _say(**answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    loaded.load()
    loaded.freeze()
    serve()
