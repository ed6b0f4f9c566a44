"""The command as a whole: every verb explains itself, and the manual says what is true."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

import restorer.decision
from cdc.errors import CdcError
from restorer.errors import RestoreError
from snapshotter.errors import SnapshotError
from snowmelt import __version__
from snowmelt.cli import execute
from snowmelt.cli.app import app
from snowmelt.errors import NodeError, UsageError, explain
from tests.snowmelt.command import ENVIRONMENT
from tests.snowmelt.files import SMALLEST
from tests.snowmelt.places import NOBODY

ROOT = Path(__file__).parents[2]
MANUAL = (ROOT / "docs" / "operating.md").read_text()
GOLDEN = Path(__file__).parent / "golden"


def verbs(group: object = None, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every verb that does something, e.g. ("snapshots", "list")."""
    command = group or typer.main.get_command(app)
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words
        return
    for name, one in inner.items():
        yield from verbs(one, (*words, name))


def leaves(kind: type[Exception]) -> list[type[Exception]]:
    """What the product raises: classes without a more precise one below."""
    below = [one for one in kind.__subclasses__() if not one.__module__.startswith("tests.")]
    return [leaf for one in below for leaf in leaves(one)] if below else [kind]


ERRORS = [
    leaf for root in (CdcError, SnapshotError, RestoreError, NodeError) for leaf in leaves(root)
]


# ---------------------------------------------------------------- help


@pytest.mark.parametrize("words", list(verbs()), ids=" ".join)
def test_every_verb_shows_an_example_in_its_help(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code = execute([*words, "--help"])

    shown = capsys.readouterr().out
    assert code == 0
    assert "Example: snowmelt" in shown or words == ("snapshot",)


@pytest.mark.parametrize("words", list(verbs()), ids=" ".join)
def test_every_verb_is_in_the_manual(words: tuple[str, ...]) -> None:
    assert f"`{words[-1]}`" in MANUAL or f"`snowmelt {' '.join(words)}`" in MANUAL


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--version"]) == 0
    assert capsys.readouterr().out == f"snowmelt {__version__}\n"


def test_without_a_verb_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute([]) == 2
    assert "Usage: snowmelt" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    "words",
    [
        ["status", "--dataset", "routes"],
        ["bootstrap", "--progress"],
        ["--log-level", "chatty", "status"],
        ["demo", "--rows", "7"],
        ["demo", "--engine", "postgres"],
        ["restore", "--at", "2026-11-22T10:00:00Z", "--snapshot", "x"],
        ["restore", "--at", "2026-11-22T10:00:00"],
        ["restore", "--data-version", "new"],
        ["snapshots", "burn"],
        ["snapshots", "verify", "--level", "deep"],
        ["get"],
        ["doctor"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_one_line_and_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code = execute(words)

    shown = capsys.readouterr()
    assert code == 2
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert line.startswith("snowmelt: error: ")


def test_a_flag_may_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SNOWMELT_CONFIG", str(tmp_path / "elsewhere.yaml"))

    assert execute(["config", "check"]) == 2
    assert "elsewhere.yaml" in capsys.readouterr().err


def test_a_flag_of_a_verb_has_a_variable_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SNOWMELT_SNAPSHOTS_VERIFY_LEVEL", "deep")

    assert execute(["snapshots", "verify"]) == 2
    assert "--level deep" in capsys.readouterr().err


def test_the_schema_is_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Snowmelt node"


def test_the_example_of_the_readme_is_valid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "snowmelt.yaml").write_text(example)

    assert execute(["config", "check", "-c", str(tmp_path / "snowmelt.yaml")]) == 0
    shown = capsys.readouterr()
    assert "valid" in shown.out
    assert shown.err == ""


@pytest.mark.parametrize("words", ["config check", "restore", "query 'select 1'", "status"])
def test_a_verb_without_a_capture_starts_without_loggers_and_sdks(
    words: str, tmp_path: Path
) -> None:
    edge = f"""{SMALLEST}
snapshots: {{ location: "file://{tmp_path}/store" }}
runtime: {{ role: edge, admin: {NOBODY}, query: {NOBODY} }}
"""
    (tmp_path / "snowmelt.yaml").write_text(edge)
    program = (
        "import shlex, sys\n"
        "from snowmelt.cli import execute\n"
        "execute(shlex.split(sys.argv[1]))\n"
        "print({'structlog', 'botocore', 'uvicorn', 'moto'} & set(sys.modules))\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program, words],
        cwd=tmp_path,
        env={**ENVIRONMENT, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ended.stdout.splitlines()[-1] == "set()"


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("snowmelt.config_schema.file_schema", broken)

    with pytest.raises(ZeroDivisionError):
        execute(["config", "schema"])


# ---------------------------------------------------------------- exit codes


def documented_codes() -> dict[int, list[str]]:
    section = MANUAL.partition("## Exit codes")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| ")]
    return {int(row[0]): [cell.strip() for cell in row[1:]] for row in rows[1:]}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_has_a_documented_code_and_says_what_to_do(error: type[Exception]) -> None:
    code = error.exit_code  # type: ignore[attr-defined]
    hint = error.hint  # type: ignore[attr-defined]

    assert code in documented_codes()
    assert code >= 2
    assert hint or error.__name__ == "ConfigError"  # its lines say it themselves
    assert hint != "report this as a bug"
    assert "\n" not in hint
    assert not hint.endswith(".")


def test_every_documented_code_says_whether_a_retry_helps() -> None:
    codes = documented_codes()

    assert set(codes) == set(range(15))
    assert all(row[1] for code, row in codes.items() if code)


def test_the_codes_in_the_help_are_those_of_the_manual(capsys: pytest.CaptureFixture[str]) -> None:
    execute(["--help"])
    shown = " ".join(capsys.readouterr().out.split())

    told = re.findall(r"(\d+) [a-z]", shown.partition("Exit codes:")[2])
    assert [int(code) for code in told] == sorted(documented_codes())


def test_every_code_that_a_verb_can_end_with_has_a_transcript() -> None:
    seen = {int(file.read_text().rsplit("exit ", 1)[1]) for file in GOLDEN.glob("*.txt")}

    assert seen >= {2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14}


def test_an_error_is_one_line_whatever_its_text() -> None:
    (line,) = explain(UsageError("a\nb  c.", hint="do d"))

    assert line == "snowmelt: error: a b c; do d"


# ---------------------------------------------------------------- the manual


def test_the_table_of_decisions_is_that_of_the_code() -> None:
    text = restorer.decision.__doc__ or ""
    table = [line for line in text.splitlines() if line.startswith("|")]

    assert len(table) == 9
    assert "\n".join(table) in MANUAL


def logged_events() -> set[str]:
    """The first argument of every call of a log's method."""
    found = set()
    for package in ("cdc", "snapshotter", "restorer", "snowmelt"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                    continue
                name = ast.unparse(node.func.value)
                first = node.args[0] if node.args else None
                if name in ("_log", "self._log") and isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return found


def test_every_event_of_the_log_is_in_the_manual_and_no_other() -> None:
    section = MANUAL.partition("| event | level | says |")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    documented = {event for row in rows for event in re.findall(r"`([a-z_]+)`", row)}

    assert logged_events() == documented


@pytest.mark.parametrize(
    "word",
    [
        "ProvisionedThroughputExceededException",
        "TrimmedDataAccessException",
        "AccessDeniedException",
        "NEW_AND_OLD_IMAGES",
        "dynamodb_streams_endpoint_url",
        "dynamodb:GetShardIterator",
        "s3:ListBucket",
        "SIGTERM",
        "X-Snowmelt-Stale",
        "mode=ro",
    ],
)
def test_what_people_look_for_is_in_the_manual(word: str) -> None:
    assert word in MANUAL
