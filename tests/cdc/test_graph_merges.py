"""Shards of Kinesis: two may be merged into one, and no position is refused as too old."""

from dataclasses import replace

import pytest

from cdc.checkpoint import (
    Checkpoint,
    Lineage,
    ScanProgress,
    decode,
    encode,
    resumable_until,
    shard_started_at,
    unread_since,
)
from cdc.graph import ShardGraph
from cdc.lineage import Horizon, State
from cdc.lineage_events import EndReached, IteratorOpened, PageRead
from cdc.position import After, End, FromStart
from cdc.shard_progress import ShardProgress
from cdc.source import ListedShard, ShardListing

NOW = 1_700_000_000.0
DAY = 24 * 3600.0
A, B, C, D = (f"shardId-{number:012d}" for number in range(4))


def listing(*shards: ListedShard, is_complete: bool = True) -> ShardListing:
    return ShardListing(shards, is_complete, stream_is_enabled=True, listed_at=NOW)


def started(*shards: ListedShard, retention_seconds: float = DAY) -> ShardGraph:
    horizon = Horizon(retention_seconds=retention_seconds, is_told=False)
    return ShardGraph.start(listing(*shards), began_at=NOW, slack_seconds=300, horizon=horizon)


def read_to_end(graph: ShardGraph, shard_id: str, created: float = NOW) -> None:
    graph.handle(IteratorOpened(shard_id))
    graph.handle(PageRead(shard_id, NOW, False, "7", created))
    graph.handle(EndReached(shard_id, NOW))


def two_that_become_one() -> ShardGraph:
    graph = started(ListedShard(A, None, False), ListedShard(B, None, False))
    graph.listed(
        listing(ListedShard(A, None, True), ListedShard(B, None, True), ListedShard(C, A, False, B))
    )
    return graph


@pytest.mark.parametrize("first, last", [(A, B), (B, A)])
def test_a_merged_shard_waits_for_the_end_of_both_its_parents(first: str, last: str) -> None:
    graph = two_that_become_one()
    read_to_end(graph, first)

    assert graph[C].state is State.BLOCKED
    assert graph[first].state is State.FINISHED

    read_to_end(graph, last)

    assert graph[C].state is State.READY
    assert graph.openings() == [(C, FromStart())]


def test_no_record_of_a_merged_shard_is_older_than_the_end_of_the_later_parent() -> None:
    graph = two_that_become_one()
    read_to_end(graph, A, created=NOW + 5)
    read_to_end(graph, B, created=NOW + 90)

    assert unread_since(graph[C].progress) == NOW + 90


def test_a_merged_shard_waits_for_both_parents_after_a_restart_too() -> None:
    graph = two_that_become_one()
    read_to_end(graph, A)
    lineage = Lineage("routes", "table", "stream", "epoch")
    stored = Checkpoint(lineage, 0, 1, ScanProgress(NOW, ()), graph.progress())

    resumed = ShardGraph.resume(decode(encode(stored)).shards, Horizon(is_told=False))

    assert resumed[C].state is State.BLOCKED
    read_to_end(resumed, B)
    assert resumed[C].state is State.READY


def test_a_file_with_one_parent_read_to_its_end_goes_on_with_the_other_one() -> None:
    shards = {
        A: ShardProgress(A, None, End(), ended_at=NOW),
        B: ShardProgress(B, None, After("7"), created_at=NOW),
        C: ShardProgress(C, A, FromStart(), adjacent_id=B),
    }

    resumed = ShardGraph.resume(shards, Horizon(is_told=False))

    assert [shard for shard, _ in resumed.openings()] == [B]


def test_an_answer_that_leaves_out_one_of_two_unread_parents_makes_no_orphan() -> None:
    graph = started(ListedShard(A, None, False))

    new = graph.listed(
        listing(ListedShard(A, None, True), ListedShard(C, A, False, B), is_complete=False)
    )

    assert new == ()


def test_merged_parents_are_forgotten_after_both_and_never_before_their_own_parents() -> None:
    graph = two_that_become_one()
    read_to_end(graph, A)
    read_to_end(graph, B)
    later = ShardListing((ListedShard(C, A, False, B),), True, True, NOW + 3 * DAY)

    graph.listed(later)

    assert [shard.progress.shard_id for shard in graph.shards()] == [C]


def test_a_position_older_than_the_retention_is_lost_where_the_service_would_not_say_so() -> None:
    shards = {A: ShardProgress(A, None, After("7"), created_at=NOW - 2 * DAY)}
    told, silent = (
        ShardGraph.resume(shards, Horizon(is_told=is_told)) for is_told in (True, False)
    )

    told.advance(NOW)
    silent.advance(NOW)

    assert told[A].state is State.READY
    assert silent[A].state is State.LOST


def test_a_stream_that_keeps_records_for_a_week_can_be_resumed_for_a_week() -> None:
    shards = {A: ShardProgress(A, None, After("7"), created_at=NOW - 2 * DAY)}
    lineage = Lineage("routes", "table", "stream", "epoch")
    week = Checkpoint(lineage, 0, 1, ScanProgress(NOW, ()), shards, retention_seconds=7 * DAY)
    graph = ShardGraph.resume(shards, Horizon(retention_seconds=7 * DAY, is_told=False))

    graph.advance(NOW)

    assert graph[A].state is State.READY
    assert resumable_until(decode(encode(week))) == NOW + 5 * DAY - 300


def test_a_child_listed_before_its_parents_were_read_is_as_old_as_they_are() -> None:
    shards = {
        A: ShardProgress(A, None, After("7"), created_at=NOW - 3600),
        B: ShardProgress(B, None, End(), ended_at=NOW - 1800),
        C: ShardProgress(C, A, FromStart(), adjacent_id=B),
        D: ShardProgress(D, C, FromStart()),
    }
    lineage = Lineage("routes", "table", "stream", "epoch")
    checkpoint = Checkpoint(lineage, 0, 1, ScanProgress(NOW, ()), shards)

    assert unread_since(shards[D], shards) == NOW - 1800
    assert resumable_until(checkpoint) == NOW - 3600 + DAY - 300
    assert resumable_until(replace(checkpoint, shards={D: shards[D]})) is None


def test_a_retention_that_was_shortened_counts_from_the_next_look_on() -> None:
    shards = {A: ShardProgress(A, None, After("7"), created_at=NOW - 2 * DAY)}
    graph = ShardGraph.resume(shards, Horizon(retention_seconds=7 * DAY, is_told=False))

    graph.keep_to(Horizon(is_told=False))
    graph.advance(NOW)

    assert graph[A].state is State.LOST


def test_the_number_of_a_shard_is_no_time() -> None:
    assert shard_started_at("shardId-000000000012") is None
