"""The soak's minute, in every run of the tests: it mostly waits, in a file that is begun early.

Few lanes and rare polls, because each commit costs its 10 ms whatever it holds; figures of rates
and memory's slope are for the quarter of an hour.
"""

from pathlib import Path

import pytest

from tests.soak.soaking import Form, soak

MINUTE = Form(lanes=20, rate=500, rollover=10, poll=2.0, seconds=50)


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_a_minute_of_rollovers_and_errors_loses_and_doubles_nothing(tmp_path: Path) -> None:
    told = soak(MINUTE, "duckdb", tmp_path)

    # The last one may have come in the last moment.
    rollovers = int(MINUTE.seconds / MINUTE.rollover) - 1
    assert told["shards"]["finished"] >= rollovers * MINUTE.lanes
