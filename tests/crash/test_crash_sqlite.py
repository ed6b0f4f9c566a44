"""SQLite nodes, killed at every crash point."""

import pytest

from tests.crash import stories
from tests.crash.lives import Bench
from tests.crash.points import Following, Restoring, assert_none_was_left_out
from tests.crash.telling import Landed, tell_all

ENGINE = "sqlite"
# One test tells up to twenty lives; each wait in them has a bound of its own.
pytestmark = pytest.mark.timeout(1800)


def is_mine(site: str) -> bool:
    return site.startswith("cdc.sqlite")


class TestFollowing(Following):
    pass


class TestRestoring(Restoring):
    pass


def test_a_refresh_killed_where_its_log_is_folded_leaves_one_whole_file(
    bench: Bench, landed: Landed
) -> None:
    tell_all(
        "refresh",
        stories.refresh(bench),
        landed,
        only=lambda site: site.startswith("cdc.sqlite_file:checkpoint"),
    )


def test_no_crash_point_of_sqlite_was_left_out(landed: Landed) -> None:
    assert_none_was_left_out(landed)
