"""Capture for a long time: 200 shards that roll over, errors, and nobody looking."""

from pathlib import Path

import pytest

from tests.soak.soaking import Form, soak

QUARTER = Form(lanes=200, rate=10_000, rollover=60, poll=0.25, seconds=900)
SLOPE_MIB_PER_MINUTE = 0.5


@pytest.mark.soak
@pytest.mark.timeout(1_500)
@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_a_quarter_of_an_hour_leaves_memory_where_it_was(tmp_path: Path, engine: str) -> None:
    told = soak(QUARTER, engine, tmp_path)

    assert told["slope_mib_per_minute"] < SLOPE_MIB_PER_MINUTE
    assert told["server"]["listings_in_a_second"] <= 6, "listings exceed their budget"
