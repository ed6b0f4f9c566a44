"""Other programs for a comparison, each in an environment of its own below `.cache`.

They bring pandas and numpy, which must not get into ours: where those are installed, pyarrow loads
them into every process. An environment is made once; what cannot be installed is left out and said.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

_HOME = Path(__file__).parents[2] / ".cache" / "benchmarks"
_PATIENCE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that was installed. `version`: of its first package."""

    python: str
    version: str

    def program(self, name: str) -> Path:
        """A program of the environment: the binary, where its script would start Python first."""
        home = Path(self.python).parent
        inside = list(home.parent.glob(f"lib/python*/site-packages/{name}/bin/{name}"))
        return inside[0] if inside else home / name


class NotInstalled(Exception):
    """Why an environment cannot be had, on one line."""


def tool(name: str, *packages: str) -> Tool:
    """The environment of these packages, made if it is not there. Raises NotInstalled."""
    home = _HOME / name
    python, complete = home / "bin" / "python", home / "complete"
    if not complete.exists():
        shutil.rmtree(home, ignore_errors=True)
        _make(home, python, packages)
        complete.write_text(_version(python, packages[0]))
    return Tool(str(python), complete.read_text())


def _make(home: Path, python: Path, packages: tuple[str, ...]) -> None:
    uv = Path(sys.executable).with_name("uv")
    ways = [[str(uv), "pip", "install", "--quiet", "--python", str(python), *packages]]
    ways.append([str(python), "-m", "pip", "install", "--quiet", *packages])
    venv.create(home, with_pip=True)
    said = ""
    for way in ways:  # uv does not read pip's configuration, so pip has a try of its own
        try:
            done = subprocess.run(
                way, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            said = str(error)
            continue
        if done.returncode == 0:
            return
        said = done.stderr
    last = [line.strip() for line in said.splitlines() if line.strip()][-1:]
    raise NotInstalled(" ".join(last)[:200] or "the installer failed without a word")


def _version(python: Path, package: str) -> str:
    name = package.partition("[")[0]
    text = f"import importlib.metadata as m; print(m.version({name!r}))"
    done = subprocess.run([str(python), "-c", text], capture_output=True, text=True, check=True)
    return done.stdout.strip()
