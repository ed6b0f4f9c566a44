"""As many reads at once as bring something, told by measurements of a link that is a formula."""

from __future__ import annotations

from collections.abc import Callable

from restorer.pace import Pace

MIB = 1024 * 1024
MOST = 16


class Link:
    """Reads of 1 MiB over a link whose speed depends on how many are under way."""

    def __init__(self, rate_mib: Callable[[int], float]) -> None:
        self.rate_mib = rate_mib
        self.now = 100.0
        self.pace = Pace(MOST, self.now)

    def run(self, seconds: float) -> list[int]:
        """The limits over time, one for each read."""
        limits, end = [], self.now + seconds
        while self.now < end:
            self.now += 1 / self.rate_mib(self.pace.limit)
            self.pace.arrived(MIB, self.now)
            limits.append(self.pace.limit)
        return limits


def test_where_each_connection_has_its_own_speed_all_are_used() -> None:
    link = Link(lambda limit: 10.0 * limit)

    assert link.run(30)[-1] == MOST


def test_where_the_link_is_full_no_more_are_asked_for_than_fill_it() -> None:
    link = Link(lambda limit: min(60.0, 10.0 * limit))

    limits = link.run(60)

    assert max(limits) <= 10
    assert 6 <= sorted(limits)[len(limits) // 2] <= 8


def test_a_link_that_became_faster_is_found_out_later() -> None:
    link = Link(lambda _: 20.0)
    link.run(20)
    assert link.pace.limit <= 6

    link.rate_mib = lambda limit: 10.0 * limit
    link.run(120)

    assert link.pace.limit == MOST


def test_a_store_that_refuses_gets_half_and_never_none() -> None:
    link = Link(lambda limit: 10.0 * limit)
    link.run(30)

    halves = []
    for _ in range(6):
        link.pace.refused(link.now)
        halves.append(link.pace.limit)

    assert halves == [8, 4, 2, 1, 1, 1]
    assert link.run(60)[-1] > 1


def test_one_thread_stays_one() -> None:
    pace = Pace(1, 0.0)
    for second in range(1, 50):
        pace.arrived(MIB, float(second))
        assert pace.limit == 1
