"""Decisions for a table that is read anew, without its stream: any age is served."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from restorer.decision import decide, lineage_conflict
from restorer.facts import Facts, LocalFile, Policy, Published, Rejection, Selection, Trouble
from restorer.verdict import Action, Decision
from tests.restorer import offers
from tests.restorer.offers import HOUR, LINEAGE, NOW, facts

OLDER = replace(LINEAGE, stream_arn="", epoch="20260601T000000Z-0a1b")
NEWER = replace(LINEAGE, stream_arn="", epoch="20260602T000000Z-0a1b")
HOURLY = Policy(refresh_seconds=HOUR)


def offered(age_hours: float, **changes: Any) -> Published:
    data_at = NOW - age_hours * HOUR
    found = offers.candidate(
        1, age_hours, resumable_until=None, lineage_id=NEWER.id, data_at=data_at
    )
    return offers.published(found, lineage_id=NEWER.id, **changes)


def local(age_hours: float, **changes: Any) -> LocalFile:
    facts_of_it = {"lineage": NEWER, "data_at": NOW - age_hours * HOUR, **changes}
    return offers.local(1, age_hours, resumable_until=None, **facts_of_it)


def decided(
    offer: Published,
    file: LocalFile | None = None,
    policy: Policy = HOURLY,
    selection: Selection | None = None,
    known: Facts | None = None,
) -> Decision:
    return decide(offer, file or LocalFile(), policy, known or facts(), selection)


@pytest.mark.parametrize("hours", [0.5, 300.0])
def test_a_snapshot_of_any_age_is_taken(hours: float) -> None:
    decision = decided(offered(hours))

    assert decision.action is Action.RESTORE
    assert decision.judged[0].age == ("fresh" if hours < 1 else "expired")
    assert decision.numbers.age_seconds == pytest.approx(hours * HOUR + 1.0)


@pytest.mark.parametrize("hours", [0.5, 300.0])
def test_a_local_file_of_any_age_is_kept_where_nothing_newer_is_published(hours: float) -> None:
    decision = decided(offered(200.0, lineage=NEWER), local(hours))

    assert decision.action is Action.KEEP_LOCAL
    assert decision.numbers.age_seconds == hours * HOUR


def test_a_newer_refresh_replaces_the_local_file() -> None:
    decision = decided(offered(1.0, lineage=NEWER), local(5.0, lineage=OLDER))

    assert decision.action is Action.RESTORE


def test_a_local_refresh_that_was_not_published_yet_is_never_given_up_for_an_older_one() -> None:
    decision = decided(offered(1.0, lineage=OLDER), local(0.1, lineage=NEWER))

    assert decision.action is Action.KEEP_LOCAL


def test_nothing_at_all_is_a_bootstrap() -> None:
    assert decided(Published()).action is Action.BOOTSTRAP


def test_an_unfinished_file_gives_way_to_a_snapshot_and_else_to_a_bootstrap() -> None:
    unfinished = local(0.1, is_complete=False)

    assert decided(offered(5.0), unfinished).action is Action.RESTORE
    assert decided(Published(), unfinished).action is Action.BOOTSTRAP


@pytest.mark.parametrize(
    "behavior, action",
    [("fallback", Action.BOOTSTRAP), ("warn", Action.BOOTSTRAP), ("retry", Action.WAIT)],
)
def test_where_the_bucket_is_no_help_the_behavior_decides(behavior: Any, action: Action) -> None:
    policy = replace(HOURLY, bootstrap_on_failure=behavior)
    damaged = facts(rejected=(Rejection(offered(1.0).candidates[0].snapshot_id, 5, "a block"),))
    away = Published(trouble=Trouble(8, "nobody answers"))

    assert decided(offered(1.0), policy=policy, known=damaged).action is action
    assert decided(away, policy=policy).action is action
    assert decided(away, local(300.0), policy=policy).action is Action.KEEP_LOCAL


def test_a_snapshot_that_is_asked_for_is_taken_at_any_age() -> None:
    offer = offered(300.0)
    chosen = Selection(snapshot_id=offer.candidates[0].snapshot_id)

    assert decided(offer, selection=chosen).action is Action.RESTORE


def test_a_file_that_was_followed_and_one_that_was_read_anew_may_replace_each_other() -> None:
    assert lineage_conflict(LINEAGE, None, ("table-1", "")) is None
    assert lineage_conflict(NEWER, LINEAGE, None) is None
    assert lineage_conflict(LINEAGE, NEWER, None) is None
    assert lineage_conflict(NEWER, None, ("table-2", "")) is not None
