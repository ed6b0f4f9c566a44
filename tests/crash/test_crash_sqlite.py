"""SQLite nodes, killed at every crash point."""

import pytest

from tests.crash.points import Following, Restoring, assert_none_was_left_out
from tests.crash.telling import Landed

ENGINE = "sqlite"
# One test tells up to twenty lives; each wait in them has a bound of its own.
pytestmark = pytest.mark.timeout(1800)


def is_mine(site: str) -> bool:
    return site.startswith("cdc.sqlite")


class TestFollowing(Following):
    pass


class TestRestoring(Restoring):
    pass


def test_no_crash_point_of_sqlite_was_left_out(landed: Landed) -> None:
    assert_none_was_left_out(landed)
