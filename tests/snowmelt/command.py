"""The command as a person runs it: a process of its own, without this machine's cloud settings.

It is forked by a process that has loaded the command, because to load it takes most of its time;
`test_cli.py` and the stories start the interpreter.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
SECONDS = 90

ENVIRONMENT = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "LANG": "C.UTF-8",
    "NO_PROXY": "127.0.0.1,localhost",
    "PATH": os.defpath,
    "PYTHONPATH": str(ROOT),
}


@dataclass(frozen=True)
class Ended:
    """How a command ended. `errors`: the lines of stderr."""

    arguments: tuple[str, ...]
    code: int
    output: str
    errors: tuple[str, ...]


def snowmelt(*arguments: str, cwd: Path, environment: dict[str, str] | None = None) -> Ended:
    """Run a command to its end."""
    environment = {**ENVIRONMENT, "HOME": str(cwd), **(environment or {})}
    with TemporaryDirectory() as folder:  # not in `cwd`, which may be on a full disk
        output, errors = Path(folder, "output"), Path(folder, "errors")
        code = _forks().run(
            words=arguments,
            cwd=str(cwd),
            environment=environment,
            output=str(output),
            errors=str(errors),
        )
        told = output.read_text(), errors.read_text()
    if code is None:
        raise AssertionError(f"{arguments} took too long:\n{told[0]}\n{told[1]}")
    return Ended(arguments, code, told[0], tuple(told[1].splitlines()))


class _Forks:
    """The process that forks commands."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.snowmelt.forks"],
            cwd=ROOT,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self._close)

    def run(self, **order: object) -> int | None:
        """How a command ended; None if it was killed because it took too long."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({**order, "seconds": SECONDS}) + "\n")
        self._process.stdin.flush()
        code: int | None = json.loads(self._process.stdout.readline())
        return code

    def _close(self) -> None:
        with self._process:  # which closes its input, and so ends it
            pass


@cache
def _forks() -> _Forks:
    return _Forks()
