"""Each mutant of the product makes the test fail that is there to notice it.

Product and tests are copied, one text is replaced, and one test runs in the copy: it must fail by
an assertion of its own, not by an import, a fixture or an error that would come of anything.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.mutants.mutants import MUTANTS, Mutant

# The first of them runs all tests that are named, in a copy.
pytestmark = pytest.mark.timeout(1200)
ROOT = Path(__file__).parents[2]
COPIED = ("cdc", "snapshotter", "restorer", "snowmelt", "tests", "docs", "pyproject.toml")
# What steers this run of pytest is not meant for the one inside.
STEERING = ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTHONPATH", "CI", "SNOWMELT_REQUIRE_SERVERS")


@dataclass(frozen=True)
class Run:
    """How pytest ended in a copy: its exit code, and (phase, how, message) of each test."""

    code: int
    outcomes: dict[str, list[str]]
    log: str


@dataclass
class Bench:
    """Makes copies and runs tests in them."""

    directory: Path
    pytest: subprocess.Popen[str]

    def copy(self, name: str) -> Path:
        made = self.directory / name
        made.mkdir()
        for part in COPIED:
            source = ROOT / part
            # With its bytecode, which fits as long as size and time of a source do.
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, made / part)
        return made

    def run(self, directory: Path, *tests: str) -> Run:
        assert self.pytest.stdin is not None
        assert self.pytest.stdout is not None
        print(
            json.dumps({"directory": str(directory), "tests": tests}),
            file=self.pytest.stdin,
            flush=True,
        )
        answer = self.pytest.stdout.readline()
        log = directory / "pytest.log"
        text = log.read_text()[-4000:] if log.exists() else ""
        assert answer, f"pytest did not end:\n{text}"
        return Run(**json.loads(answer), log=text)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    environment = {name: text for name, text in os.environ.items() if name not in STEERING}
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "warm_pytest.py")],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield Bench(tmp_path_factory.mktemp("mutants"), process)
        process.kill()


@pytest.fixture(scope="module")
def unmutated(bench: Bench) -> Run:
    """All named tests in a copy in which nothing was replaced."""
    tests = dict.fromkeys(mutant.test for mutant in MUTANTS)
    return bench.run(bench.copy("unmutated"), *tests)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_fails_the_test_that_is_named_for_it(
    bench: Bench, unmutated: Run, mutant: Mutant
) -> None:
    assert unmutated.outcomes.get(mutant.test, [])[:2] == ["call", "passed"], unmutated.log
    directory = bench.copy(mutant.name)
    file = directory / mutant.file
    source = file.read_text()
    assert source.count(mutant.text) == 1, f"not exactly once in {mutant.file}:\n{mutant.text}"
    file.write_text(source.replace(mutant.text, mutant.replacement))

    run = bench.run(directory, mutant.test)

    assert run.code == pytest.ExitCode.TESTS_FAILED, run.log
    assert run.outcomes[mutant.test][:2] == ["call", "assertion"], run.log
    shutil.rmtree(directory)
