"""A restore that is killed again and again fetches what one restore fetches, and a little more."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cdc.accelerator import Engine
from restorer.switch import work_directory
from snapshotter.reader import read_pointer
from snapshotter.store import ObjectStore
from tests.restorer.accelerators import plain_rows, rows_of
from tests.restorer.conftest import Produce

ROOT = Path(__file__).parents[2]
# So many that the reads that two kills lose are less than a tenth: three each, because two more may
# wait to be written; of DuckDB a read is a block.
ROWS: dict[Engine, int] = {"duckdb": 250_000, "sqlite": 60_000}


class Restores:
    """Processes that restore to one target, one after the other."""

    def __init__(self, store: ObjectStore, home: Path) -> None:
        self._url = store.url
        self._tally = home / "tally"
        self.target = home / "node" / "file"

    def run(self, *, die_after: float = 1e12, die_behind: str = "") -> int:
        words = [self._url, self.target, self._tally, str(int(die_after)), die_behind]
        command = [sys.executable, "-m", "tests.restorer.dying", *map(str, words)]
        return subprocess.run(command, cwd=ROOT, check=False).returncode

    def fetched(self) -> int:
        return sum(map(int, self._tally.read_text().split()))


@pytest.mark.parametrize("engine", ROWS)
def test_all_kills_together_cost_less_than_a_tenth_of_a_restore(
    store: ObjectStore, produce: Produce, tmp_path: Path, engine: Engine
) -> None:
    producer = produce(engine, rows=ROWS[engine])
    while producer.accelerator.maintain(idle=True).is_pending:
        pass
    producer.publish()
    whole = read_pointer(store, "pipelines").catalog[0].stored_bytes
    restores = Restores(store, tmp_path)

    for share in (0.6, 0.3):
        assert restores.run(die_after=share * whole) == -signal.SIGKILL
        assert not restores.target.exists()
    for step in ("journal", "park"):
        assert restores.run(die_behind=step) == -signal.SIGKILL
    assert restores.run() == 0

    assert plain_rows(restores.target, engine) == rows_of(0, ROWS[engine], seed=1)
    assert whole < restores.fetched() <= 1.1 * whole
    left = {file.name for file in work_directory(restores.target).iterdir()}
    assert left == {"lock", "origin.json", "previous"}
