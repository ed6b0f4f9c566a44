"""The command as a person runs it: a process of its own, without this machine's cloud settings.

It is forked by a process that has loaded the command, because to load it takes most of its time;
`test_cli.py` and the stories start the interpreter.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.forking.client import zygote

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
        process = zygote().run(
            arguments, cwd=cwd, environment=environment, output=output, errors=errors
        )
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            said = f"{output.read_text()}\n{errors.read_text()}"
            raise AssertionError(f"{arguments} took too long:\n{said}") from None
        return Ended(arguments, code, output.read_text(), tuple(errors.read_text().splitlines()))
