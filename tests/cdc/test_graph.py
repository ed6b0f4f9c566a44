"""Listings of a stream, consistent and otherwise, and what the graph makes of them."""

from cdc.graph import ShardGraph
from cdc.lineage import Horizon, State
from cdc.lineage_events import EndReached, IteratorOpened, PageRead
from cdc.position import After, End, FromStart
from cdc.shard_progress import ShardProgress
from cdc.source import ListedShard, ShardListing

NOW = 1_700_000_000.0
DAY = 24 * 3600.0


def name(letter: str, hours_ago: float = 1.0) -> str:
    return f"shardId-{int((NOW - hours_ago * 3600) * 1000):020d}-{letter}"


A, B, C, D = (name(letter) for letter in "abcd")


def listing(
    *shards: tuple[str, str | None, bool],
    is_complete: bool = True,
    enabled: bool = True,
    at: float = NOW,
) -> ShardListing:
    entries = tuple(ListedShard(*shard) for shard in shards)
    return ShardListing(entries, is_complete, enabled, at)


def started(*shards: tuple[str, str | None, bool]) -> ShardGraph:
    return ShardGraph.start(listing(*shards), began_at=NOW, slack_seconds=300, horizon=Horizon())


def read_to_end(graph: ShardGraph, shard_id: str, sequence: str = "7") -> None:
    if graph[shard_id].state is State.READY:
        graph.handle(IteratorOpened(shard_id))
    graph.handle(PageRead(shard_id, NOW, False, sequence, NOW - 1))
    graph.handle(EndReached(shard_id, NOW))


# ---------------------------------------------------------------- bootstrap


def test_a_bootstrap_reads_open_shards_from_their_start_and_leaves_closed_ones_alone() -> None:
    graph = started((A, None, True), (B, A, False))

    assert graph.openings() == [(B, FromStart(skip_before=NOW - 300))]
    assert graph[A].state is State.FINISHED


def test_a_bootstrap_that_sees_an_open_parent_and_its_child_lets_the_child_wait() -> None:
    graph = started((A, None, False), (B, A, False))

    assert [shard for shard, _ in graph.openings()] == [A]
    assert graph[B].state is State.BLOCKED


def test_a_closed_leaf_at_bootstrap_waits_for_the_child_that_is_not_listed_yet() -> None:
    graph = started((A, None, True))

    assert graph.drained() == (A,)

    graph.listed(listing((A, None, True), (B, A, False)))

    assert graph.openings() == [(B, FromStart())]


# ---------------------------------------------------------------- following


def test_children_are_released_when_their_parent_was_read_to_its_end() -> None:
    graph = started((A, None, False))
    graph.listed(listing((A, None, True), (B, A, False), (C, A, False)))
    assert [shard for shard, _ in graph.openings()] == [A]

    read_to_end(graph, A)

    assert graph.openings() == [(B, FromStart()), (C, FromStart())]
    assert graph[A].state is State.FINISHED


def test_a_child_that_is_listed_late_is_read_from_its_start() -> None:
    graph = started((A, None, False))
    read_to_end(graph, A)
    assert graph.drained() == (A,)

    graph.listed(listing((B, A, False), is_complete=False))

    assert graph.openings() == [(B, FromStart())]
    assert graph.drained() == ()


def test_a_shard_whose_parent_nobody_knows_does_not_wait_for_ever() -> None:
    graph = started((A, None, False))

    graph.listed(listing((A, None, False), (D, "shardId-gone", False)))

    assert (D, FromStart()) in graph.openings()


def test_a_partial_answer_makes_no_orphans() -> None:
    graph = started((A, None, False))

    graph.listed(listing((D, C, False), is_complete=False))
    assert [shard for shard, _ in graph.openings()] == [A]

    graph.listed(listing((A, None, False), (C, A, True), (D, C, False)))
    assert graph[D].state is State.BLOCKED


def test_three_generations_in_one_listing_are_read_in_order() -> None:
    graph = started((A, None, False))
    graph.listed(listing((A, None, True), (C, B, False), (B, A, True)))

    order = []
    while graph.openings():
        shard_id = graph.openings()[0][0]
        order.append(shard_id)
        read_to_end(graph, shard_id)

    assert order == [A, B, C]


def test_a_disabled_stream_ends_its_leaves_and_then_is_over() -> None:
    graph = started((A, None, False))
    read_to_end(graph, A)
    assert not graph.is_over()

    graph.listed(listing((A, None, True), enabled=False))

    assert graph.is_over()
    assert graph.drained() == ()


def test_a_listing_that_brings_a_shard_twice_changes_nothing() -> None:
    graph = started((A, None, False))
    graph.handle(IteratorOpened(A))

    assert graph.listed(listing((A, None, False), (A, None, False))) == ()
    assert graph[A].state is State.READING


# ---------------------------------------------------------------- resume


def progress(shard_id: str, parent: str | None, position: object, **times: float) -> ShardProgress:
    return ShardProgress(shard_id, parent, position, **times)  # type: ignore[arg-type]


def resumed(*entries: ShardProgress) -> ShardGraph:
    return ShardGraph.resume({entry.shard_id: entry for entry in entries}, Horizon())


def test_a_resume_reads_the_leaves_only() -> None:
    graph = resumed(
        progress(A, None, End(), ended_at=NOW - 60),
        progress(B, A, After("5"), created_at=NOW - 30),
        progress(C, B, FromStart()),
    )

    assert graph.openings() == [(B, After("5"))]
    assert graph.by_state() == {"finished": 1, "ready": 1, "blocked": 1}


def test_a_resume_asks_again_for_the_children_of_an_ended_leaf() -> None:
    graph = resumed(progress(A, None, End(), ended_at=NOW - 60))

    assert graph.drained() == (A,)


def test_an_unread_shard_that_vanished_while_its_child_is_listed_is_a_gap() -> None:
    graph = resumed(progress(A, None, After("5"), created_at=NOW - 60))

    graph.listed(listing((B, A, False)))

    assert [shard.progress.shard_id for shard in graph.losses()] == [A]


def test_an_ended_leaf_that_vanished_with_all_that_followed_is_a_gap() -> None:
    graph = resumed(progress(A, None, End(), ended_at=NOW - 26 * 3600))

    graph.listed(listing((D, C, False)))

    assert [shard.progress.shard_id for shard in graph.losses()] == [A]


def test_an_ended_shard_that_vanished_leaves_its_children_to_be_read_from_their_start() -> None:
    graph = resumed(progress(A, None, End(), ended_at=NOW - 20 * 3600))

    graph.listed(listing((B, A, False)))

    assert graph.openings() == [(B, FromStart())]
    assert graph.losses() == ()


def test_a_child_that_began_before_the_retention_is_a_gap_although_it_is_listed() -> None:
    old = name("o", hours_ago=25)
    graph = resumed(progress(A, None, End()))

    graph.listed(listing((old, A, False)))
    graph.advance(NOW)

    assert [shard.progress.shard_id for shard in graph.losses()] == [old]


def test_finished_shards_are_remembered_while_they_are_listed_and_two_days_longer() -> None:
    graph = resumed(
        progress(A, None, End(), ended_at=NOW),
        progress(B, A, After("5"), created_at=NOW),
    )
    graph.handle(IteratorOpened(B))

    graph.listed(listing((A, None, True), (B, A, False), at=NOW + 3 * DAY))
    assert A in graph.progress()
    graph.listed(listing((B, A, False), at=NOW + 1.9 * DAY))
    assert A in graph.progress()
    graph.listed(listing((B, A, False), at=NOW + 2.1 * DAY))
    assert A not in graph.progress()


def test_a_stale_listing_does_not_bring_back_a_shard_that_is_wholly_trimmed() -> None:
    child = name("y", hours_ago=30)
    graph = resumed(
        progress(child, A, End(), ended_at=NOW - 26 * 3600),
        progress(B, child, After("5"), created_at=NOW),
    )

    graph.listed(listing((A, None, True), (child, A, True), (B, child, False)))

    assert A not in graph.progress()
    assert graph.losses() == ()


def test_the_first_wanted_sequence_number_lies_behind_the_position() -> None:
    graph = resumed(progress(A, None, After("0099"), created_at=NOW))

    assert graph.first_wanted(A) == 100


def test_a_parents_end_reaches_a_blocked_child_as_its_proof() -> None:
    graph = started((A, None, False))
    graph.listed(listing((A, None, True), (B, A, False)))

    read_to_end(graph, A)

    assert graph[B].progress.tip_at == graph[A].progress.ended_at == NOW - 1
