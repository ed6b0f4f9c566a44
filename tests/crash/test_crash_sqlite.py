"""SQLite nodes, killed at every crash point."""

import pytest

from tests.crash.effects import sites
from tests.crash.points import Following, Restoring
from tests.crash.stories import Landed

ENGINE = "sqlite"
# One test tells up to twenty lives; each wait in them has a bound of its own.
pytestmark = pytest.mark.timeout(1800)


class TestFollowing(Following):
    pass


class TestRestoring(Restoring):
    pass


def test_no_crash_point_of_sqlite_was_left_out(landed: Landed) -> None:
    mine = {str(site) for site in sites() if site.module.startswith("cdc.sqlite")}

    assert mine
    assert mine <= landed.sites, f"nothing died at {sorted(mine - landed.sites)}"
