"""Runs pytest again and again in forks of a process that has imported the libraries once.

A line of JSON comes in: the directory and the test ids; pytest runs there, in a fork. A line goes
out: pytest's exit code, and for each test the phase in which it ended, how, and the message. Only
what is no part of the product is imported here, so each fork imports the product of its directory.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Generator
from pathlib import Path

import boto3  # noqa: F401 - imported for the forks, as all that follow
import duckdb  # noqa: F401
import hypothesis  # noqa: F401
import moto.server  # noqa: F401
import pyarrow.compute  # noqa: F401
import pydantic  # noqa: F401
import pytest
import zstandard  # noqa: F401

# An assertion of the test; pytest.raises without an exception counts as one.
_ASSERTIONS = (AssertionError, pytest.fail.Exception)


class Outcomes:
    """A plugin that notes how each test ended: `passed`, `assertion`, or the kind of error."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[str, str, str]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.excinfo is not None:
            is_assertion = call.excinfo.errisinstance(_ASSERTIONS)
            how = "assertion" if is_assertion else call.excinfo.typename
            self.found[report.nodeid] = (str(report.when), how, str(call.excinfo.value)[:1000])
        elif report.when == "call":
            self.found[report.nodeid] = ("call", "passed", "")
        return report


def run(directory: Path, tests: list[str]) -> None:
    """Run the tests in this process; the result goes into the directory."""
    os.chdir(directory)
    log = os.open("pytest.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    outcomes = Outcomes()
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", f"--basetemp={directory / 'tmp'}"]
    # Asserts in the plugin of hypothesis stay plain, because it has been imported already.
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    code = pytest.main([*options, *tests], plugins=[outcomes])
    result = {"code": int(code), "outcomes": outcomes.found}
    Path("outcomes.json").write_text(json.dumps(result))


def main() -> None:
    sys.dont_write_bytecode = True  # a directory is thrown away after its run
    for line in sys.stdin:
        job = json.loads(line)
        directory = Path(job["directory"])
        child = os.fork()
        if child == 0:
            try:
                run(directory, job["tests"])
            except BaseException:  # noqa: BLE001 - a fork must not go on with its parent's work
                traceback.print_exc()
            os._exit(0)
        os.waitpid(child, 0)
        sys.stdout.write((directory / "outcomes.json").read_text() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
