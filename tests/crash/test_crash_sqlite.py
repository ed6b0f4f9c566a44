"""SQLite nodes, killed at every crash point."""

from tests.crash.effects import sites
from tests.crash.points import (
    counted,
    test_a_bootstrap_killed_anywhere_goes_on,
    test_a_node_killed_anywhere_while_it_follows_and_publishes_goes_on,
    test_a_restore_killed_anywhere_goes_on,
    test_a_restore_that_gives_a_damaged_snapshot_up_may_be_killed,
    test_nodes_killed_before_and_behind_the_first_the_middle_and_the_last_passing_go_on,
)
from tests.crash.stories import Landed

__all__ = [
    "counted",
    "test_a_bootstrap_killed_anywhere_goes_on",
    "test_a_node_killed_anywhere_while_it_follows_and_publishes_goes_on",
    "test_a_restore_killed_anywhere_goes_on",
    "test_a_restore_that_gives_a_damaged_snapshot_up_may_be_killed",
    "test_nodes_killed_before_and_behind_the_first_the_middle_and_the_last_passing_go_on",
]

ENGINE = "sqlite"


def test_no_crash_point_of_sqlite_was_left_out(landed: Landed) -> None:
    mine = {str(site) for site in sites() if site.module.startswith("cdc.sqlite")}

    assert mine
    assert mine <= landed.sites, f"nothing died at {sorted(mine - landed.sites)}"
