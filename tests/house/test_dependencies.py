"""Installing Snowmelt gives an s3fs of today.

boto3 and s3fs without floors resolve to s3fs 0.4.2 of 2020: aiobotocore pins botocore, so a
resolver that takes the newest boto3 first walks back to the last s3fs that did not need it.
"""

import json
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.servers.availability import missing

ROOT = Path(__file__).parents[2]
OLDEST_YEAR = 2026
# What the resolvers print where the floors contradict each other; anything else is the network.
_CONTRADICTION = re.compile(r"ResolutionImpossible|No solution found|conflict", re.IGNORECASE)


def _run(command: list[str]) -> str:
    answer = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False
    )
    if answer.returncode:
        assert not _CONTRADICTION.search(answer.stderr), answer.stderr
        missing(f"the package registry gave no answer: {answer.stderr[-500:]}")
    return answer.stdout


def _year(version: str) -> int:
    return int(version.partition(".")[0])


@pytest.mark.network
def test_pip_picks_an_s3fs_of_today(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    dry = ["--dry-run", "--ignore-installed", "--no-build-isolation", "--report", str(report), "."]

    _run([*pip, *dry])

    chosen = {
        entry["metadata"]["name"]: entry["metadata"]["version"]
        for entry in json.loads(report.read_text())["install"]
    }
    assert _year(chosen["s3fs"]) >= OLDEST_YEAR
    assert "snowmelt" in chosen


@pytest.mark.network
def test_uv_picks_an_s3fs_of_today() -> None:
    uv = str(Path(sysconfig.get_path("scripts")) / "uv")
    flags = ["--quiet", "--no-header", "--no-annotate", "--no-emit-index-url"]

    pins = _run([uv, "pip", "compile", *flags, "pyproject.toml"])

    found = re.search(r"^s3fs==(\S+)", pins, re.MULTILINE)
    assert found
    assert _year(found.group(1)) >= OLDEST_YEAR
