"""The extra of the demonstration: who brings it, and where from."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from snowmelt.demo.extra import requirement


@pytest.mark.parametrize(
    "direct_url, expected",
    [
        (None, "snowmelt[demo]==1.2.3"),
        ({"url": "file:///src", "dir_info": {}}, "snowmelt[demo] @ file:///src"),
        (
            {"url": "https://g/s", "vcs_info": {"vcs": "git", "commit_id": "ab"}},
            "snowmelt[demo] @ git+https://g/s@ab",
        ),
        (
            {"url": "file:///src", "dir_info": {}, "subdirectory": "python"},
            "snowmelt[demo] @ file:///src#subdirectory=python",
        ),
    ],
)
def test_the_extra_comes_from_where_the_rest_came_from(
    direct_url: dict[str, object] | None, expected: str
) -> None:
    assert requirement("1.2.3", json.dumps(direct_url) if direct_url else None) == expected


def demo_without_the_extra(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command in a process where the embedded AWS is not installed."""
    code = "import sys; sys.modules['moto'] = None; from snowmelt.cli import main; main()"
    environment = {name: os.environ[name] for name in os.environ if name != "UV"} | variables
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def uv(tmp_path: Path) -> Path:
    """Prints what it was asked for."""
    script = tmp_path / "uv"
    script.write_text('#!/bin/sh\necho "$@"\n')
    script.chmod(0o755)
    return script


def test_uv_that_started_us_runs_the_same_command_line_with_the_extra(uv: Path) -> None:
    ended = demo_without_the_extra("--log-level", "info", "demo", "--rows", "200", UV=str(uv))

    assert ended.stdout.startswith("tool run --from snowmelt[demo]")
    assert ended.stdout.endswith(" snowmelt --log-level info demo --rows 200\n")
    assert ended.returncode == 0


def test_an_index_without_the_extra_does_not_make_it_begin_again_and_again(uv: Path) -> None:
    ended = demo_without_the_extra("demo", UV=str(uv), SNOWMELT_RUN_AGAIN_WITH_DEMO="1")

    assert ended.stdout == ""
    assert ended.returncode == 2


def test_where_uv_did_not_start_it_nothing_is_installed_and_the_line_says_how() -> None:
    ended = demo_without_the_extra("demo", PATH=os.defpath)

    assert ended.stderr == (
        "snowmelt: error: the demo needs its embedded AWS; "
        "pip install 'snowmelt[demo]', or start it by uvx\n"
    )
    assert ended.returncode == 2
