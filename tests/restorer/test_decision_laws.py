"""Laws of the decision, proven over every case that `tests/restorer/decisions.py` names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from cdc.checkpoint import RETENTION_SECONDS
from restorer.decision import decide
from restorer.facts import Candidate, LocalFile, Policy
from restorer.verdict import Action, Decision
from tests.restorer.decisions import Situation, situations
from tests.restorer.offers import HOUR, LINEAGE, NOW, candidate, facts, published, until

BOOTSTRAPS = (Action.BOOTSTRAP, Action.SERVE_STALE_AND_BOOTSTRAP)


@pytest.fixture(scope="module")
def cases() -> list[tuple[Situation, Decision]]:
    return [(each, each.decision()) for each in situations()]


def can_be_resumed(situation: Situation, snapshot: Candidate) -> bool:
    """By its fields alone, without the judgement of the product."""
    limit = 24 * HOUR if situation.offered.near_expired == "try_resume" else 18 * HOUR
    seconds = snapshot.stored_bytes / 60e6
    assert snapshot.resumable_until is not None
    # Half an hour of slack: no case of the table lies that near to a limit.
    age = NOW + seconds - (snapshot.resumable_until + 300 - RETENTION_SECONDS)
    return all(
        (
            age < limit - HOUR / 2,
            snapshot.engine == "duckdb",
            snapshot.storage_version == "v1.5.0",
            snapshot.quarantined is None,
            snapshot.lineage_id == LINEAGE.id,
            snapshot.version not in situation.offered.rejected,
        )
    )


def taken(decision: Decision) -> Iterator[Candidate]:
    if decision.chosen is not None:
        yield decision.chosen
    yield from decision.fallbacks


def test_all_cases_are_there(cases: list[tuple[Situation, Decision]]) -> None:
    assert len(cases) == 18 * 7 * 3 * 3 * 3 * 2
    assert {decision.action for _, decision in cases} == set(Action)


def test_only_a_central_node_that_may_bootstraps(cases: list[tuple[Situation, Decision]]) -> None:
    for situation, decision in cases:
        if situation.role != "central" or not situation.allow_bootstrap:
            assert decision.action not in BOOTSTRAPS, situation


def test_nothing_expired_is_taken_while_something_can_be_resumed(
    cases: list[tuple[Situation, Decision]],
) -> None:
    for situation, decision in cases:
        if situation.role != "central":
            continue
        candidates = situation.offered.published.candidates
        resumable = [each for each in candidates if can_be_resumed(situation, each)]
        if decision.action is Action.RESTORE:
            assert set(taken(decision)) <= set(resumable), situation
        falls_back = not situation.offered.rejected or situation.on_failure == "fallback"
        if resumable and falls_back and situation.file in ("none", "stale"):
            assert decision.chosen in resumable, situation


def test_nothing_of_another_table_is_taken_or_bootstrapped_over(
    cases: list[tuple[Situation, Decision]],
) -> None:
    for situation, decision in cases:
        local = situation.local.lineage
        for each in taken(decision):
            if situation.role == "central":
                assert each.lineage_id == LINEAGE.id, situation
            if local is not None:
                assert each.lineage_id == local.id, situation
        if decision.action in BOOTSTRAPS:
            offered = situation.offered.published.lineage
            assert local is None or local == LINEAGE, situation
            assert offered is None or offered == LINEAGE, situation


def test_nothing_is_served_that_is_not_there(cases: list[tuple[Situation, Decision]]) -> None:
    for situation, decision in cases:
        is_complete = situation.local.lineage is not None and situation.local.is_complete
        match decision.action:
            case Action.KEEP_LOCAL:
                assert is_complete, situation
            case Action.RESTORE:
                assert decision.chosen is not None, situation
            case Action.SERVE_STALE_AND_BOOTSTRAP:
                assert decision.chosen is not None or is_complete, situation
            case _:
                assert decision.chosen is None, situation


def test_what_is_no_file_of_ours_is_never_touched(cases: list[tuple[Situation, Decision]]) -> None:
    for situation, decision in cases:
        if situation.file == "no file of ours":
            assert (decision.action, decision.exit_code) == (Action.REFUSE, 3), situation


def test_each_decision_has_a_reason_and_a_code_if_it_ends_a_verb(
    cases: list[tuple[Situation, Decision]],
) -> None:
    for situation, decision in cases:
        assert decision.reasons[0], situation
        assert (decision.exit_code is not None) == (
            decision.action in (Action.REFUSE, Action.WAIT)
        ), situation


def test_without_space_nothing_is_restored() -> None:
    for situation in situations():
        decision = replace(situation, more={"free_bytes": 1}).decision()

        assert decision.action is not Action.RESTORE, situation


# ---------------------------------------------------------------- the way takes time

TRIES = Policy(near_expired="try_resume")


def decided(age_hours: float, **known: float) -> Decision:
    return decide(published(candidate(9, age_hours)), LocalFile(), TRIES, facts(**known))


def test_a_snapshot_whose_horizon_passes_while_it_is_fetched_is_not_resumed_from() -> None:
    minute = 60_000_000 / 60  # a restore of the usual snapshot takes a minute

    assert decided(23.0, throughput_bytes_per_second=minute).action is Action.RESTORE
    assert decided(23.0, throughput_bytes_per_second=minute / 60).exit_code == 6


def test_a_snapshot_whose_horizon_passes_before_it_is_caught_up_with_is_not_resumed_from() -> None:
    assert decided(23.0, catch_up_rate=60.0).action is Action.RESTORE

    too_slow = decided(23.0, catch_up_rate=20.0)  # 69 minutes, and 55 are left

    assert too_slow.exit_code == 6
    assert too_slow.judged[0].age == "expired"


def test_an_older_snapshot_that_is_smaller_is_taken_if_the_newer_one_would_come_too_late() -> None:
    large = candidate(9, 23.0, stored_bytes=60_000_000 * 3600)
    small = candidate(8, 23.1)

    decision = decide(published(large, small), LocalFile(), TRIES, facts())

    assert decision.chosen == small


def test_an_edge_and_a_person_take_it_however_long_it_takes() -> None:
    slow = facts(throughput_bytes_per_second=1.0, catch_up_rate=0.1)
    offer = published(candidate(9, resumable_until=until(20)))
    for policy in (Policy(role="edge"), Policy(role="operator")):
        decision = decide(offer, LocalFile(), policy, slow)

        assert decision.action is Action.RESTORE
        assert decision.numbers.catch_up_seconds == 0.0


def test_the_numbers_say_how_long_restore_and_catching_up_take() -> None:
    numbers = decided(2.0, throughput_bytes_per_second=6e6).numbers

    assert numbers.predicted_seconds == pytest.approx(10.0)
    assert numbers.catch_up_seconds == pytest.approx((2 * HOUR + 10) / 60)
    assert numbers.throughput_bytes_per_second == 6e6
