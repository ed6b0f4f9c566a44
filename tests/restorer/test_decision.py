"""The table in `restorer/decision.py`, row by row, and laws that hold for every case."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorer.decision import decide, lineage_conflict
from restorer.facts import Facts, LocalFile, Policy, Published, Rejection, Selection, Trouble
from restorer.verdict import Action, Decision
from tests.restorer.offers import (
    LINEAGE,
    NOW,
    OTHER_EPOCH,
    candidate,
    facts,
    local,
    published,
    until,
)

BEHAVIORS = ("error", "ready_before_load", "ready_after_load")
NO_FILE = LocalFile()
FRESH, NEAR, EXPIRED = 2.0, 19.0, 25.0


def decided(
    offer: Published, file: LocalFile = NO_FILE, selection: Selection | None = None, **policy: Any
) -> Decision:
    return decide(offer, file, Policy(**policy), facts(), selection)


def rejection(version: int, exit_code: int = 5) -> Rejection:
    return Rejection(candidate(version).snapshot_id, exit_code, "a damaged block")


# ---------------------------------------------------------------- the table


@pytest.mark.parametrize("behavior", BEHAVIORS)
def test_a_fresh_local_file_is_kept_whatever_the_bucket_holds(behavior: str) -> None:
    decision = decided(published(candidate(9)), local(7, FRESH), shard_not_found_behavior=behavior)

    assert decision.action is Action.KEEP_LOCAL


@pytest.mark.parametrize("behavior", BEHAVIORS)
@pytest.mark.parametrize("local_age", [NEAR, EXPIRED])
def test_a_fresh_snapshot_repairs_a_file_that_is_too_old(behavior: str, local_age: float) -> None:
    offer = published(candidate(9, FRESH))

    decision = decided(offer, local(7, local_age), shard_not_found_behavior=behavior)

    assert decision.action is Action.RESTORE
    assert decision.chosen == candidate(9, FRESH)


@pytest.mark.parametrize(
    "behavior, action, exit_code",
    [
        ("error", Action.REFUSE, 6),
        ("ready_before_load", Action.SERVE_STALE_AND_BOOTSTRAP, None),
        ("ready_after_load", Action.BOOTSTRAP, None),
    ],
)
@pytest.mark.parametrize("age", [NEAR, 23.95, EXPIRED, 400.0])
@pytest.mark.parametrize("where", ["local", "snapshot"])
def test_what_is_too_old_leads_to_the_configured_behavior(
    behavior: str, action: Action, exit_code: int | None, age: float, where: str
) -> None:
    offer = published(candidate(9, age)) if where == "snapshot" else published()
    file = local(7, age) if where == "local" else NO_FILE

    decision = decided(offer, file, shard_not_found_behavior=behavior)

    assert (decision.action, decision.exit_code) == (action, exit_code)


def test_stale_data_comes_from_the_local_file_before_a_download() -> None:
    offer = published(candidate(9, EXPIRED))

    with_file = decided(offer, local(7, EXPIRED), shard_not_found_behavior="ready_before_load")
    without = decided(offer, shard_not_found_behavior="ready_before_load")

    assert with_file.chosen is None
    assert without.chosen == candidate(9, EXPIRED)


@pytest.mark.parametrize("behavior", BEHAVIORS)
def test_try_resume_takes_a_near_expired_file_and_a_near_expired_snapshot(behavior: str) -> None:
    policy: dict[str, Any] = {"near_expired": "try_resume", "shard_not_found_behavior": behavior}

    kept = decided(published(candidate(9, NEAR)), local(7, NEAR), **policy)
    taken = decided(published(candidate(9, NEAR)), **policy)

    assert kept.action is Action.KEEP_LOCAL
    assert taken.action is Action.RESTORE


def test_try_resume_still_prefers_a_fresh_snapshot_to_a_near_expired_file() -> None:
    decision = decided(published(candidate(9, FRESH)), local(7, NEAR), near_expired="try_resume")

    assert decision.action is Action.RESTORE


@pytest.mark.parametrize(
    "age, action",
    [
        (17.99, Action.RESTORE),
        (18.01, Action.REFUSE),
    ],
)
def test_eighteen_hours_divide_resuming_from_recovering(age: float, action: Action) -> None:
    assert decided(published(candidate(9, age))).action is action


def test_both_thresholds_are_settings() -> None:
    offer = published(candidate(9, 5.0))

    near = decided(offer, near_expired_seconds=4 * 3600.0)
    expired = decided(
        offer,
        near_expired_seconds=3 * 3600.0,
        expired_seconds=4 * 3600.0,
        near_expired="try_resume",
    )

    assert near.exit_code == 6
    assert expired.exit_code == 6


def test_nothing_at_all_is_bootstrapped() -> None:
    decision = decided(published())

    assert decision.action is Action.BOOTSTRAP
    assert decision.numbers.read_units == 40_000.0


def test_an_interrupted_bootstrap_goes_on_where_it_stopped() -> None:
    decision = decided(published(), local(3, FRESH, is_complete=False))

    assert decision.action is Action.BOOTSTRAP
    assert "goes on" in decision.reasons[0]


def test_a_fresh_snapshot_is_better_than_an_unfinished_bootstrap() -> None:
    decision = decided(published(candidate(9)), local(3, FRESH, is_complete=False))

    assert decision.action is Action.RESTORE


def test_a_file_of_an_earlier_bootstrap_gives_way_to_a_fresh_snapshot_of_the_newer_one() -> None:
    newer = candidate(2, lineage_id=OTHER_EPOCH.id)
    offer = published(newer, lineage_id=OTHER_EPOCH.id, lineage=OTHER_EPOCH)

    assert decided(offer, local(900)).chosen == newer


def test_a_file_of_a_later_bootstrap_than_the_published_one_is_kept() -> None:
    older = published(candidate(900), lineage=LINEAGE)

    assert decided(older, local(2, lineage=OTHER_EPOCH)).action is Action.KEEP_LOCAL


def test_a_fresh_file_of_an_earlier_bootstrap_is_better_than_nothing_to_resume_from() -> None:
    old = candidate(2, EXPIRED, lineage_id=OTHER_EPOCH.id)
    offer = published(old, lineage_id=OTHER_EPOCH.id, lineage=OTHER_EPOCH)

    assert decided(offer, local(900)).action is Action.KEEP_LOCAL


# ---------------------------------------------------------------- the download takes time


def test_a_snapshot_that_would_expire_while_downloading_is_not_resumed_from() -> None:
    slow = candidate(9, 17.9, stored_bytes=60_000_000 * 3600)  # an hour at 60 MB/s

    decision = decided(published(slow))

    assert decision.exit_code == 6
    assert decision.judged[0].age == "near_expired"
    assert decision.judged[0].download_seconds == pytest.approx(3600)


def test_a_passed_horizon_is_expired_even_before_24_hours() -> None:
    decision = decided(
        published(candidate(9, 23.99)), near_expired="try_resume", expired_seconds=30 * 3600.0
    )

    assert decision.exit_code == 6


def test_an_older_snapshot_that_can_be_resumed_is_preferred_to_an_expired_newer_one() -> None:
    newer, older = candidate(9, 1.0, resumable_until=until(30)), candidate(8, 2.0)

    decision = decided(published(newer, older))

    assert decision.chosen == older
    assert any(newer.snapshot_id in reason for reason in decision.reasons)


# ---------------------------------------------------------------- what will be rejected


@pytest.mark.parametrize(
    "changes",
    [
        {"engine": "sqlite"},
        {"storage_version": "v9.0.0"},
        {"quarantined": "shrunken table"},
        {"lineage_id": OTHER_EPOCH.id},
    ],
)
@pytest.mark.parametrize("role", ["central", "edge"])
def test_what_would_be_rejected_is_never_chosen(changes: dict[str, Any], role: str) -> None:
    bad, good = candidate(9, **changes), candidate(8)

    decision = decided(
        published(bad, good, lineage_id=LINEAGE.id),
        engine="duckdb",
        storage_versions=frozenset({"v1.5.0"}),
        role=role,
    )

    assert decision.chosen == good


@pytest.mark.parametrize("changes", [{"engine": "sqlite"}, {"storage_version": "v9.0.0"}])
def test_only_unreadable_snapshots_and_no_bootstrap_is_exit_11(changes: dict[str, Any]) -> None:
    decision = decided(
        published(candidate(9, **changes)),
        engine="duckdb",
        storage_versions=frozenset({"v1.5.0"}),
        allow_bootstrap=False,
    )

    assert decision.exit_code == 11


def test_snapshots_newer_than_current_are_passed_over() -> None:
    offer = published(candidate(9), candidate(8), current=candidate(8).snapshot_id)

    assert decided(offer).chosen == candidate(8)


# ---------------------------------------------------------------- after damage


@pytest.mark.parametrize(
    "on_failure, action",
    [("warn", Action.BOOTSTRAP), ("retry", Action.WAIT), ("fallback", Action.RESTORE)],
)
def test_only_fallback_goes_on_to_an_older_snapshot(on_failure: str, action: Action) -> None:
    offer = published(candidate(9), candidate(8))
    policy = Policy(bootstrap_on_failure=on_failure)  # type: ignore[arg-type] # a parameter's str

    decision = decide(offer, NO_FILE, policy, facts(rejected=(rejection(9),)))

    assert decision.action is action
    assert decision.chosen == (candidate(8) if action is Action.RESTORE else None)


def test_when_all_are_damaged_fallback_bootstraps() -> None:
    rejected = (rejection(9), rejection(8))

    decision = decide(
        published(candidate(9), candidate(8)), NO_FILE, Policy(), facts(rejected=rejected)
    )

    assert decision.action is Action.BOOTSTRAP


@pytest.mark.parametrize("exit_code", [5, 11, 4])
def test_without_bootstrap_the_exit_code_is_that_of_the_damage(exit_code: int) -> None:
    rejected = (rejection(9, exit_code),)

    decision = decide(
        published(candidate(9)), NO_FILE, Policy(allow_bootstrap=False), facts(rejected=rejected)
    )

    assert (decision.action, decision.exit_code) == (Action.REFUSE, exit_code)


def test_an_empty_bucket_without_bootstrap_is_exit_4() -> None:
    assert decided(published(), allow_bootstrap=False).exit_code == 4


@pytest.mark.parametrize(
    "on_failure, action",
    [("warn", Action.BOOTSTRAP), ("fallback", Action.BOOTSTRAP), ("retry", Action.WAIT)],
)
def test_a_bucket_in_trouble_is_handled_like_a_failed_restore(
    on_failure: str, action: Action
) -> None:
    offer = published(trouble=Trouble(8, "no answer from s3://bucket"))

    assert decided(offer, bootstrap_on_failure=on_failure).action is action


def test_a_bucket_in_trouble_does_not_stop_a_fresh_local_file() -> None:
    offer = published(trouble=Trouble(8, "no answer from s3://bucket"))

    decision = decided(offer, local(7))

    assert decision.action is Action.KEEP_LOCAL
    assert "no answer from s3://bucket" in decision.reasons


# ---------------------------------------------------------------- edges


@pytest.mark.parametrize("age", [FRESH, NEAR, EXPIRED, 400.0])
def test_an_edge_takes_the_newest_snapshot_at_any_age(age: float) -> None:
    decision = decided(published(candidate(9, age), candidate(8, FRESH)), role="edge")

    assert decision.chosen == candidate(9, age)


def test_an_edge_goes_on_to_a_newer_snapshot_than_its_file() -> None:
    assert decided(published(candidate(9)), local(7), role="edge").action is Action.RESTORE


def test_an_edge_at_the_newest_snapshot_stays() -> None:
    assert decided(published(candidate(9)), local(9), role="edge").action is Action.KEEP_LOCAL


def test_an_edge_knows_the_snapshot_it_came_from_across_a_take_over() -> None:
    taken_over = candidate(9, generation=2)

    decision = decided(
        published(taken_over), local(9, snapshot_id=taken_over.snapshot_id), role="edge"
    )

    assert decision.action is Action.KEEP_LOCAL


def test_an_edge_beyond_a_fork_goes_back_to_the_new_generation() -> None:
    decision = decided(published(candidate(8, generation=2)), local(11), role="edge")

    assert decision.action is Action.RESTORE


def test_an_edge_follows_a_new_bootstrap_of_its_table() -> None:
    offer = published(candidate(2, lineage_id=OTHER_EPOCH.id), lineage_id=OTHER_EPOCH.id)

    assert decided(offer, local(900), role="edge").action is Action.RESTORE


def test_an_edge_follows_a_roll_back() -> None:
    offer = published(candidate(9), candidate(8), current=candidate(8).snapshot_id)

    decision = decided(offer, local(9), role="edge")

    assert decision.chosen == candidate(8)


def test_an_edge_does_not_fall_back_behind_what_it_serves() -> None:
    offer = published(candidate(9), candidate(6))
    policy = Policy(role="edge")

    first = decide(offer, local(7), policy, facts())
    second = decide(offer, local(7), policy, facts(rejected=(rejection(9),)))

    assert first.fallbacks == ()
    assert second.action is Action.KEEP_LOCAL


def test_an_edge_without_anything_waits() -> None:
    decision = decided(published(), role="edge")

    assert (decision.action, decision.exit_code) == (Action.WAIT, 4)


def test_an_edge_without_space_keeps_serving() -> None:
    policy = Policy(role="edge")
    small = facts(free_bytes=1000)

    assert decide(published(candidate(9)), local(7), policy, small).action is Action.KEEP_LOCAL
    assert decide(published(candidate(9)), NO_FILE, policy, small).exit_code == 12


# ---------------------------------------------------------------- asked for


@pytest.mark.parametrize(
    "selection, version",
    [
        (Selection(snapshot_id=candidate(8).snapshot_id), 8),
        (Selection(at=NOW - 2.5 * 3600), 7),
        (Selection(data_version=8), 8),
        (Selection(data_version=100), 9),
    ],
)
@pytest.mark.parametrize("role", ["central", "operator"])
def test_a_person_may_name_a_snapshot_a_time_or_a_version(
    selection: Selection, version: int, role: str
) -> None:
    offer = published(candidate(9, 1), candidate(8, 2), candidate(7, 3))

    decision = decided(offer, NO_FILE, selection, role=role)

    assert decision.chosen is not None
    assert decision.chosen.version == version


def test_a_named_snapshot_has_no_fallback() -> None:
    offer = published(candidate(9), candidate(8))

    decision = decided(offer, NO_FILE, Selection(snapshot_id=candidate(9).snapshot_id))

    assert decision.fallbacks == ()


def test_a_time_before_every_snapshot_is_exit_4() -> None:
    decision = decided(published(candidate(9)), NO_FILE, Selection(at=1.0), role="operator")

    assert (decision.exit_code, decision.message) == (4, "no snapshot matches --at 1")


def test_an_operator_takes_an_expired_snapshot_and_never_bootstraps() -> None:
    taken = decided(published(candidate(9, 400.0)), role="operator")
    nothing = decided(published(), role="operator")

    assert taken.action is Action.RESTORE
    assert (nothing.action, nothing.exit_code) == (Action.REFUSE, 4)


def test_a_central_node_does_not_resume_from_an_expired_snapshot_by_name() -> None:
    old = candidate(9, EXPIRED)

    decision = decided(published(old), NO_FILE, Selection(snapshot_id=old.snapshot_id))

    assert decision.exit_code == 6


def test_going_back_behind_the_target_needs_replace() -> None:
    offer = published(candidate(9), candidate(8))
    selection = Selection(data_version=8)

    refused = decided(offer, local(9), selection, role="operator")
    replaced = decided(offer, local(9), selection, role="operator", replace=True)

    assert (refused.action, refused.exit_code) == (Action.REFUSE, 3)
    assert replaced.action is Action.RESTORE


def test_a_follower_may_not_be_taken_past_a_hold() -> None:
    offer = published(
        candidate(9), candidate(8), current=candidate(8).snapshot_id, hold="rolled back by Ada"
    )
    past = Selection(snapshot_id=candidate(9).snapshot_id)

    assert decided(offer, NO_FILE, past, role="edge").exit_code == 14
    assert decided(offer, NO_FILE, past, role="operator").action is Action.RESTORE
    assert decided(offer, role="edge").chosen == candidate(8)


# ---------------------------------------------------------------- the target


@pytest.mark.parametrize("role", ["central", "edge", "operator"])
def test_a_target_that_is_not_ours_is_not_overwritten(role: str) -> None:
    foreign = LocalFile(exists=True)

    refused = decided(published(candidate(9)), foreign, role=role)
    replaced = decided(published(candidate(9)), foreign, role=role, replace=True)

    assert refused.exit_code == 3
    assert replaced.action is Action.RESTORE


def test_another_bootstrap_of_the_same_table_may_replace_the_file() -> None:
    assert lineage_conflict(OTHER_EPOCH, LINEAGE, ("table-1", "arn:stream-1")) is None


def test_another_table_may_not_replace_the_file() -> None:
    assert lineage_conflict(LINEAGE, None, ("table-2", "arn:stream-2")) is not None


def test_too_little_space_is_exit_12_with_both_numbers() -> None:
    decision = decide(published(candidate(9)), NO_FILE, Policy(), facts(free_bytes=1_000_000))

    assert decision.exit_code == 12
    assert decision.message == "needs more than 60 MB, has 1 MB"


def test_the_numbers_of_a_restore_are_those_of_its_snapshot() -> None:
    numbers = decided(published(candidate(9, 2.0))).numbers

    assert numbers.download_bytes == 60_000_000
    assert numbers.predicted_seconds == pytest.approx(1.0)
    assert numbers.age_seconds == pytest.approx(2 * 3600 + 1)
    assert numbers.disk_needed_bytes == 100_000_000
    assert numbers.read_units == 0.0


# ---------------------------------------------------------------- laws

_ages = st.one_of(st.floats(0, 48), st.none())
_candidates = st.lists(
    st.builds(
        lambda age, engine, storage, bad, lineage: (age, engine, storage, bad, lineage),
        _ages,
        st.sampled_from(["duckdb", "sqlite"]),
        st.sampled_from(["v1.5.0", "v9.0.0"]),
        st.sampled_from([None, "bad"]),
        st.sampled_from([LINEAGE, OTHER_EPOCH]),
    ),
    max_size=5,
)


@st.composite
def _cases(draw: st.DrawFn) -> tuple[Published, LocalFile, Policy, Facts]:
    drawn = draw(_candidates)
    offers = [
        candidate(
            20 - number,
            age if age is not None else 1.0,
            resumable_until=None if age is None else until(age),
            engine=engine,
            storage_version=storage,
            quarantined=bad,
            lineage_id=lineage.id,
        )
        for number, (age, engine, storage, bad, lineage) in enumerate(drawn)
    ]
    current = draw(st.sampled_from([o.snapshot_id for o in offers])) if offers else None
    rejected = draw(st.lists(st.sampled_from(offers), max_size=2)) if offers else []
    file = draw(
        st.sampled_from(
            [NO_FILE, LocalFile(exists=True), local(17, 1), local(17, 19), local(17, 30)]
        )
    )
    policy = Policy(
        role=draw(st.sampled_from(["central", "edge", "operator"])),
        near_expired=draw(st.sampled_from(["recover", "try_resume"])),
        shard_not_found_behavior=draw(st.sampled_from(BEHAVIORS)),
        bootstrap_on_failure=draw(st.sampled_from(["warn", "retry", "fallback"])),
        allow_bootstrap=draw(st.booleans()),
        engine="duckdb",
        storage_versions=frozenset({"v1.5.0"}),
    )
    given_facts = facts(
        rejected=tuple(Rejection(each.snapshot_id, 5, "damaged") for each in rejected)
    )
    return published(*offers, current=current, lineage_id=LINEAGE.id), file, policy, given_facts


@given(_cases())
def test_what_is_chosen_can_be_taken(
    case: tuple[Published, LocalFile, Policy, Facts],
) -> None:
    offer, file, policy, given_facts = case

    decision = decide(offer, file, policy, given_facts)

    rejected = {each.snapshot_id for each in given_facts.rejected}
    for each in (*((decision.chosen,) if decision.chosen else ()), *decision.fallbacks):
        assert each.engine == "duckdb"
        assert each.storage_version == "v1.5.0"
        assert each.quarantined is None
        assert each.snapshot_id not in rejected


@given(_cases())
def test_central_resumes_only_inside_the_horizon(
    case: tuple[Published, LocalFile, Policy, Facts],
) -> None:
    offer, file, policy, given_facts = case

    decision = decide(offer, file, policy, given_facts)

    if policy.role == "central" and decision.action is Action.RESTORE:
        chosen = decision.chosen
        assert chosen is not None
        assert chosen.resumable_until is not None
        assert chosen.resumable_until > NOW + decision.numbers.predicted_seconds


@given(_cases())
def test_an_edge_and_an_operator_never_bootstrap(
    case: tuple[Published, LocalFile, Policy, Facts],
) -> None:
    offer, file, policy, given_facts = case

    decision = decide(offer, file, policy, given_facts)

    if policy.role != "central" or not policy.allow_bootstrap:
        assert decision.action not in (Action.BOOTSTRAP, Action.SERVE_STALE_AND_BOOTSTRAP)


@given(_cases())
def test_a_decision_is_deterministic_and_explains_itself(
    case: tuple[Published, LocalFile, Policy, Facts],
) -> None:
    decision = decide(*case)

    assert decision == decide(*case)
    assert decision.reasons[0]
    assert (decision.exit_code is not None) == (decision.action in (Action.REFUSE, Action.WAIT))
    assert not any("\n" in reason for reason in decision.reasons)
