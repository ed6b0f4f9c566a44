"""Proof of the tip, watermark, lag and readiness, with time passed in."""

from cdc.lineage import Shard, State
from cdc.position import After, End, FromStart
from cdc.shard_progress import ShardProgress
from cdc.tip import TipProof
from cdc.watermark import has_passed, is_ready, lag_seconds, watermark

NOW = 1_000_000.0


def shard(
    name: str,
    state: State = State.READING,
    *,
    parent: str | None = None,
    created_at: float | None = None,
    tip_at: float | None = None,
    ended_at: float | None = None,
) -> Shard:
    position = End() if ended_at is not None else After("1") if created_at else FromStart()
    return Shard(ShardProgress(name, parent, position, created_at, tip_at, ended_at), state)


def pages(*times: float) -> TipProof:
    proof = TipProof()
    for time in times:
        proof = proof.after_page(is_empty=True, requested_at=time)
    return proof


# ---------------------------------------------------------------- tip


def test_four_empty_pages_prove_nothing() -> None:
    assert pages(0, 1, 2, 3).tip_at is None


def test_five_empty_pages_within_a_second_prove_nothing() -> None:
    assert pages(0, 0.2, 0.4, 0.6, 0.99).tip_at is None


def test_five_empty_pages_over_a_second_prove_the_start_of_the_first() -> None:
    assert pages(10, 10.25, 10.5, 10.75, 11).tip_at == 10


def test_once_at_the_tip_each_further_empty_page_proves_its_own_start() -> None:
    assert pages(10, 10.25, 10.5, 10.75, 11, 12).tip_at == 12


def test_a_record_begins_the_count_again() -> None:
    proof = pages(0, 1, 2, 3).after_page(is_empty=False, requested_at=4)

    assert proof.after_page(is_empty=True, requested_at=5) == TipProof(1, 5)


# ---------------------------------------------------------------- watermark


def test_without_a_stream_the_end_of_the_scan_is_enough() -> None:
    def ready(scan_ended_at: float | None, *, has_stream: bool) -> bool:
        return is_ready(
            [],
            scan_ended_at=scan_ended_at,
            started_at=NOW,
            now=NOW,
            ready_lag_seconds=2.0,
            has_stream=has_stream,
        )

    assert ready(NOW - 100, has_stream=False)
    assert not ready(None, has_stream=False)
    assert not ready(NOW - 100, has_stream=True)


def test_the_watermark_is_the_least_proof() -> None:
    shards = [shard("a", created_at=NOW - 9, tip_at=NOW - 3), shard("b", created_at=NOW - 5)]

    assert watermark(shards) == NOW - 5


def test_a_shard_without_a_proof_makes_the_watermark_unknown() -> None:
    assert watermark([shard("a", created_at=NOW), shard("b", State.READY)]) is None


def test_a_blocked_child_counts_through_its_parent() -> None:
    shards = [shard("a", created_at=NOW - 4), shard("b", State.BLOCKED, parent="a")]

    assert watermark(shards) == NOW - 4


def test_an_ended_shard_whose_child_is_not_listed_holds_the_watermark_back() -> None:
    shards = [shard("a", State.DRAINED, ended_at=NOW - 50), shard("b", tip_at=NOW)]

    assert watermark(shards) == NOW - 50


def test_a_finished_shard_does_not_hold_the_watermark_back() -> None:
    shards = [shard("a", State.FINISHED, ended_at=NOW - 50), shard("b", tip_at=NOW, parent="a")]

    assert watermark(shards) == NOW


def test_a_stream_that_is_over_stays_at_the_end_of_its_leaves() -> None:
    shards = [
        shard("a", State.FINISHED, ended_at=NOW - 500),
        shard("b", State.FINISHED, ended_at=NOW - 50, parent="a"),
    ]

    assert watermark(shards) == NOW - 50


def test_a_stream_without_shards_has_no_watermark() -> None:
    assert watermark([]) is None


def test_an_unknown_watermark_is_an_unknown_lag_and_a_clock_ahead_is_no_lag() -> None:
    assert lag_seconds(None, NOW) is None
    assert lag_seconds(NOW + 1, NOW) == 0
    assert lag_seconds(NOW - 3, NOW) == 3


# ---------------------------------------------------------------- readiness


def ready(shards: list[Shard], *, scan_ended_at: float | None, started_at: float) -> bool:
    return is_ready(
        shards,
        scan_ended_at=scan_ended_at,
        started_at=started_at,
        now=NOW,
        ready_lag_seconds=2.0,
    )


def test_nothing_is_ready_before_the_scan_has_ended() -> None:
    assert not ready([shard("a", tip_at=NOW)], scan_ended_at=None, started_at=NOW - 60)


def test_a_shard_at_its_tip_after_the_scans_end_is_ready() -> None:
    assert ready([shard("a", tip_at=NOW - 1)], scan_ended_at=NOW - 2, started_at=NOW - 60)


def test_one_shard_that_has_not_passed_the_scans_end_keeps_everything_waiting() -> None:
    shards = [shard("a", tip_at=NOW), shard("b", tip_at=NOW - 2.5)]

    assert not ready(shards, scan_ended_at=NOW - 2, started_at=NOW - 60)


def test_a_restart_is_not_ready_on_the_proofs_of_the_process_before() -> None:
    assert not ready([shard("a", tip_at=NOW - 1)], scan_ended_at=NOW - 60, started_at=NOW - 0.5)


def test_a_record_that_is_surely_newer_than_the_scans_end_is_proof_enough() -> None:
    newer = [shard("a", created_at=NOW)]
    same_second = [shard("a", created_at=NOW - 1)]

    assert ready(newer, scan_ended_at=NOW - 2, started_at=NOW - 60)
    assert not has_passed(same_second, NOW - 2)


def test_the_resolution_of_creation_times_is_taken_off_the_lag() -> None:
    within, beyond = [shard("a", tip_at=NOW - 2.9)], [shard("a", tip_at=NOW - 3.1)]

    assert ready(within, scan_ended_at=NOW - 60, started_at=NOW - 60)
    assert not ready(beyond, scan_ended_at=NOW - 60, started_at=NOW - 60)
