"""When a follower looks again, and where it stands: pure rules."""

import pytest

from snowmelt.follow_rule import pause_seconds


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_nodes_that_were_started_together_part_by_a_tenth(chance: float) -> None:
    pause = pause_seconds(60, 0, serves=True, chance=chance)

    assert pause == pytest.approx(54 + 12 * chance)


def test_a_node_that_serves_nothing_asks_each_five_seconds_or_more_often() -> None:
    assert pause_seconds(60, 0, serves=False, chance=0.5) == 5
    assert pause_seconds(1, 0, serves=False, chance=0.5) == 1


@pytest.mark.parametrize("failures, most", [(1, 120), (2, 240), (3, 480), (4, 600), (1000, 600)])
def test_pauses_double_while_the_store_is_away_up_to_ten_minutes(
    failures: int, most: float
) -> None:
    pauses = [
        pause_seconds(60, failures, serves=True, chance=chance) for chance in (0.0, 0.5, 0.999)
    ]

    assert pauses[0] == most / 2
    assert pauses == sorted(pauses)
    assert pauses[-1] < most


def test_a_long_interval_is_never_shortened_to_the_longest_pause() -> None:
    assert pause_seconds(3600, 3, serves=True, chance=0.999) > 1800


def test_who_serves_nothing_waits_a_minute_at_most() -> None:
    assert pause_seconds(60, 1000, serves=False, chance=0.999) <= 60
