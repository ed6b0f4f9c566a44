"""Capture for a long time: 200 shards that roll over, errors, and nobody looking.

The short form is for a look in between; a machine that is shared gets a fifth of the records.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LANES = 200
FAILS_EACH = 20  # calls
RSS_CAP_MIB = 600
SLOPE_MIB_PER_MINUTE = 0.5


def soak(tmp_path: Path, *, engine: str, rate: float, rollover: float, seconds: float) -> Any:
    """What `tests.soak.follow` tells, printed but for its samples."""
    form = [str(LANES), str(rate / LANES), str(rollover)]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.soak.server", *form, str(FAILS_EACH)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port, began_at = json.loads(server.stdout.readline())
        arguments = [str(port), str(began_at), *form, engine, str(seconds), str(tmp_path)]
        done = subprocess.run(
            [sys.executable, "-m", "tests.soak.follow", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=seconds + 300,
        )
        server.stdin.close()
    told = json.loads(done.stdout)
    figures = {name: told[name] for name in told if name != "rss_mib"}
    (tmp_path / "soak.json").write_text(json.dumps(told))
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    assert told["failures"] == []
    assert told["wrong_commits"] == []
    assert told["missing"] == 0, "records were lost"
    assert told["wrong_items"] == 0, "items are not what their newest records say"
    assert told["records"] >= 0.9 * rate * seconds, "the stream was not what it should have been"
    assert told["server"]["faults"] > 0.04 * told["server"]["GetRecords"]
    assert told["server"]["listings_in_a_second"] <= 6, "listings exceed their budget"
    assert told["rss_most_mib"] < RSS_CAP_MIB
    return told


@pytest.mark.soak
@pytest.mark.timeout(420)
def test_a_minute_of_rollovers_and_errors_loses_and_doubles_nothing(tmp_path: Path) -> None:
    soak(tmp_path, engine="duckdb", rate=2_000, rollover=20, seconds=50)


@pytest.mark.soak
@pytest.mark.timeout(1_500)
@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_a_quarter_of_an_hour_leaves_memory_where_it_was(tmp_path: Path, engine: str) -> None:
    told = soak(tmp_path, engine=engine, rate=10_000, rollover=60, seconds=900)

    assert told["slope_mib_per_minute"] < SLOPE_MIB_PER_MINUTE
