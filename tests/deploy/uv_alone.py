"""A machine that has nothing but uv: no virtual environment, a home of its own.

uv's cache is this machine's, so that what `make` fetched is not fetched again; a cache holds files,
not environments. uv does not read pip's configuration, so an index that only pip knows is told.
"""

import os
import re
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 390
_INDEX_IS_AWAY = re.compile(r"Failed to fetch|error sending request|dns error|Network is unreach")
_NOT_THERE = ("PYTHONPATH", "VIRTUAL_ENV", "UV", "CI", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True)
class Ended:
    code: int
    output: str
    errors: str


def uv() -> str:
    return str(Path(sysconfig.get_path("scripts")) / "uv")


def environment(home: Path) -> dict[str, str]:
    """The variables of this machine, less those that lead back into our virtual environment."""
    left = {name: value for name, value in os.environ.items() if name not in _NOT_THERE}
    left = {name: value for name, value in left.items() if not name.startswith(("XDG_", "AWS_"))}
    cache = subprocess.run([uv(), "cache", "dir"], capture_output=True, text=True, check=True)
    left |= {"HOME": str(home), "PATH": os.defpath, "UV_CACHE_DIR": cache.stdout.strip()}
    left |= {"UV_PYTHON": sys.executable, "UV_PYTHON_DOWNLOADS": "never", "LANG": "C.UTF-8"}
    index = _index_of_pip()
    return left | ({"UV_DEFAULT_INDEX": index} if index else {})


def _index_of_pip() -> str | None:
    asked = [sys.executable, "-m", "pip", "config", "get"]
    for name in ("global.index-url", "user.index-url", "site.index-url", ":env:.index-url"):
        said = subprocess.run([*asked, name], capture_output=True, text=True, check=False)
        if said.returncode == 0:
            return said.stdout.strip()
    return None


def run(command: list[str], home: Path, **variables: str) -> Ended:
    """Run it to its end; skip, with the reason, where uv reaches no index."""
    said = subprocess.run(
        command,
        cwd=home,
        env=environment(home) | variables,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if said.returncode and _INDEX_IS_AWAY.search(said.stderr):
        pytest.skip(f"uv reaches no package index: {said.stderr[-300:]}")
    return Ended(said.returncode, said.stdout, said.stderr)


def uvx(*arguments: str, home: Path, source: Path = ROOT, **variables: str) -> Ended:
    """`uvx --from SOURCE ARGUMENTS`: what `uvx` is an alias of."""
    command = [uv(), "tool", "run", "--from", str(source), *arguments]
    return run(command, home, **variables)
