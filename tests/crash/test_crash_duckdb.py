"""DuckDB nodes, killed at every crash point of their own life."""

import pytest

from tests.crash import stories
from tests.crash.lives import Bench
from tests.crash.points import RESTORING, Following, assert_none_was_left_out
from tests.crash.telling import Landed, tell_all

ENGINE = "duckdb"
# One test tells up to twenty lives; each wait in them has a bound of its own.
pytestmark = pytest.mark.timeout(1800)


def is_mine(site: str) -> bool:
    return not site.startswith(("cdc.sqlite", *RESTORING))


class TestFollowing(Following):
    pass


def test_a_rebuild_killed_anywhere_goes_on(old_bench: Bench, landed: Landed) -> None:
    tell_all("rebuild", stories.rebuild(old_bench), landed, only=landed.is_new)


def test_a_refresh_killed_anywhere_leaves_one_whole_file(bench: Bench, landed: Landed) -> None:
    tell_all(
        "refresh",
        stories.refresh(bench),
        landed,
        only=lambda site: landed.is_new(site) or site.startswith(("restorer.switch", "snowmelt")),
    )


def test_no_crash_point_was_left_out(landed: Landed) -> None:
    assert_none_was_left_out(landed)
