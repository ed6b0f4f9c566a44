"""The command as a person runs it: a process of its own, without this machine's cloud settings."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

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


def start(
    *arguments: str, cwd: Path, environment: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """Begin a command; the caller waits for it or ends it."""
    return subprocess.Popen(
        [sys.executable, "-m", "snowmelt", *arguments],
        cwd=cwd,
        env={**ENVIRONMENT, "HOME": str(cwd), **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def snowmelt(*arguments: str, cwd: Path, environment: dict[str, str] | None = None) -> Ended:
    """Run a command to its end."""
    with start(*arguments, cwd=cwd, environment=environment) as process:
        try:
            output, errors = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            output, errors = process.communicate()
            raise AssertionError(f"{arguments} took too long:\n{output}\n{errors}") from None
    return Ended(arguments, process.returncode, output, tuple(errors.splitlines()))
