"""What a person took back: quarantined snapshots, and files from behind a rollback."""

from __future__ import annotations

from typing import Any

import pytest

from restorer.facts import LocalFile, Published, Selection
from restorer.verdict import Action
from snapshotter.format import Rollback
from tests.restorer.offers import LINEAGE, OTHER_EPOCH, candidate, local, published, until
from tests.restorer.test_decision import NO_FILE, decided

BAD = "rolled back to 8: wrong prices"


def rolled_back(**changes: Any) -> Published:
    """To version 8, by generation 2; 9 and 10 were left."""
    fields: dict[str, Any] = {
        "current": candidate(8).snapshot_id,
        "rollbacks": (Rollback(2, LINEAGE.id, 8),),
        "hold": BAD,
    }
    offers = (candidate(10, quarantined=BAD), candidate(9, quarantined=BAD), candidate(8))
    return published(*(*offers, candidate(7)), **{**fields, **changes})


def later(version: int, generation: int = 3) -> Published:
    """The same after the release, with a snapshot that was published since."""
    since = candidate(
        version,
        generation=generation,
        snapshot_id=f"{generation:06d}-{version:012d}-20260601T000000000Z",
    )
    before = rolled_back()
    return published(since, *before.candidates, rollbacks=before.rollbacks)


# ---------------------------------------------------------------- new nodes


@pytest.mark.parametrize("role", ["central", "edge", "operator"])
def test_a_new_node_takes_what_was_gone_back_to(role: str) -> None:
    decision = decided(rolled_back(), role=role)

    assert decision.action is Action.RESTORE
    assert decision.chosen == candidate(8)
    assert decision.fallbacks == (candidate(7),)


def test_what_was_quarantined_is_named_with_its_reason() -> None:
    decision = decided(published(candidate(9, 1.0, quarantined="rows are gone"), candidate(8, 2.0)))

    assert f"not {candidate(9).snapshot_id}: quarantined: rows are gone" in decision.reasons


@pytest.mark.parametrize("role", ["central", "edge", "operator"])
def test_a_quarantined_snapshot_is_refused_by_name_with_the_way_out(role: str) -> None:
    named = Selection(snapshot_id=candidate(9).snapshot_id)

    decision = decided(rolled_back(), NO_FILE, named, role=role)

    assert (decision.action, decision.exit_code) == (Action.REFUSE, 4)
    assert decision.message == f"{candidate(9).snapshot_id} is quarantined: {BAD}"
    assert f"snapshots quarantine {candidate(9).snapshot_id} --lift" in (decision.hint or "")


def test_a_time_or_a_version_passes_over_what_is_quarantined() -> None:
    assert decided(rolled_back(), NO_FILE, Selection(data_version=10)).chosen == candidate(8)


# ---------------------------------------------------------------- nodes with a file


@pytest.mark.parametrize("version", [9, 10, 11])
def test_a_file_from_behind_a_rollback_gives_way(version: int) -> None:
    for role in ("central", "edge"):
        decision = decided(rolled_back(), local(version), role=role)

        assert decision.action is Action.RESTORE
        assert decision.chosen == candidate(8)


@pytest.mark.parametrize("version", [8, 3])
def test_a_central_file_from_before_a_rollback_is_kept(version: int) -> None:
    assert decided(rolled_back(), local(version)).action is Action.KEEP_LOCAL


def test_a_file_that_went_on_from_the_rollback_is_kept() -> None:
    assert decided(rolled_back(), local(11, generation=3)).action is Action.KEEP_LOCAL
    restored = local(11, snapshot_id="000003-000000000011-20260601T000000000Z")
    assert decided(later(11), restored).action is Action.KEEP_LOCAL


def test_a_file_of_another_bootstrap_than_the_one_gone_back_to_gives_way() -> None:
    newer = local(2, lineage=OTHER_EPOCH)

    assert decided(rolled_back(lineage=LINEAGE), newer).chosen == candidate(8)


def test_where_the_snapshot_cannot_be_resumed_the_file_stays() -> None:
    expired = tuple(
        candidate(version, 30.0, resumable_until=until(30), quarantined=bad)
        for version, bad in ((10, BAD), (8, None))
    )
    offer = published(*expired, current=expired[1].snapshot_id, rollbacks=rolled_back().rollbacks)

    assert decided(offer, local(11)).action is Action.KEEP_LOCAL


def test_an_unfinished_bootstrap_is_not_given_up_for_a_rollback() -> None:
    unfinished = local(11, is_complete=False)

    assert not rolled_back().distrusts(unfinished)
    assert not rolled_back().distrusts(LocalFile())


def test_an_edge_goes_back_from_a_quarantined_state_though_nobody_went_back() -> None:
    offer = published(candidate(9, quarantined="rows are gone"), candidate(8))

    assert decided(offer, local(9), role="edge").chosen == candidate(8)
    assert decided(offer, local(9)).chosen == candidate(8)


def test_an_edge_that_missed_the_rollback_goes_on_to_what_came_after_it() -> None:
    offer = later(9)

    decision = decided(offer, local(10), role="edge")

    assert decision.chosen == offer.candidates[0]
    assert candidate(8) in decision.fallbacks


def test_an_edge_with_nothing_better_serves_what_was_taken_back() -> None:
    offer = published(candidate(9, quarantined="rows are gone"))

    assert decided(offer, local(9), role="edge").action is Action.KEEP_LOCAL


def test_a_table_that_is_read_anew_goes_back_too() -> None:
    decision = decided(rolled_back(), local(10, data_at=None), refresh_seconds=3600.0)

    assert decision.chosen == candidate(8)
