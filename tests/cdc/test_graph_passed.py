"""Shards of Kinesis that closed long before a bootstrap are passed over where that is sure."""

import pytest

from cdc.graph import ShardGraph, passed_over
from cdc.lineage import Horizon, State
from cdc.position import FromStart
from cdc.source import ListedShard, ShardListing

NOW = 1_700_000_000.0
A, B, C, D, E = (f"shardId-{number:012d}" for number in range(5))
OPENING = FromStart(NOW - 300)


def listing(*shards: ListedShard, at: float = NOW) -> ShardListing:
    return ShardListing(shards, is_complete=True, stream_is_enabled=True, listed_at=at)


# A became B, B became C, C became D.
CHAIN = listing(
    ListedShard(A, None, is_closed=True),
    ListedShard(B, A, is_closed=True),
    ListedShard(C, B, is_closed=True),
    ListedShard(D, C, is_closed=False),
)


@pytest.mark.parametrize(
    "still, passed",
    [
        pytest.param({D}, {A, B}, id="all but the last one's parent"),
        pytest.param({C, D}, {A}, id="the parent of one that closed since is read"),
        pytest.param({B, C, D}, set(), id="its only child closed since"),
        pytest.param({A, B, C, D}, set(), id="a service that does not filter"),
        pytest.param({A, D}, set(), id="left out with its child, but not its parent"),
    ],
)
def test_only_what_closed_with_all_its_children_is_passed_over(
    still: set[str], passed: set[str]
) -> None:
    assert passed_over(CHAIN, still) == passed


def test_a_shard_without_a_listed_child_is_read() -> None:
    assert passed_over(listing(ListedShard(A, None, is_closed=True))) == frozenset()


def test_both_parents_of_a_merged_shard_are_passed_over_only_with_its_children() -> None:
    merged = (
        ListedShard(A, None, is_closed=True),
        ListedShard(B, None, is_closed=True),
        ListedShard(C, A, True, B),
    )
    halves = (ListedShard(D, C, is_closed=False), ListedShard(E, C, is_closed=False))

    assert passed_over(listing(*merged, *halves), {D, E}) == {A, B}
    assert passed_over(listing(*merged, *halves), {C, D, E}) == frozenset()
    assert passed_over(listing(*merged, *halves), {B, C, D, E}) == frozenset()


def started() -> ShardGraph:
    return ShardGraph.start(
        CHAIN,
        began_at=NOW,
        slack_seconds=300,
        horizon=Horizon(retention_seconds=30 * 24 * 3600, is_told=False),
        is_ordered=False,
        passed=passed_over(CHAIN, {D}),
    )


def test_reading_begins_behind_what_is_passed_over() -> None:
    graph = started()

    assert graph.openings() == [(C, OPENING)]
    assert graph[D].state is State.BLOCKED
    assert {graph[A].state, graph[B].state} == {State.FINISHED}


def test_what_is_passed_over_is_no_gap_whether_listed_or_not() -> None:
    graph = started()
    graph.listed(CHAIN)
    assert graph.openings() == [(C, OPENING)]

    for days in range(1, 5):
        graph.listed(listing(*CHAIN.shards[2:], at=NOW + days * 24 * 3600))
    assert graph.losses() == ()
    assert graph.openings() == [(C, OPENING)]
    assert graph.by_state() == {"ready": 1, "blocked": 1}


def test_a_file_that_passed_shards_over_goes_on_the_same_after_a_restart() -> None:
    again = ShardGraph.resume(started().progress(), Horizon(is_told=False), began_at=NOW)
    again.listed(CHAIN)

    assert again.openings() == [(C, OPENING)]
    assert again.losses() == ()
