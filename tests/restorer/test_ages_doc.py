"""Each cell of the manual's table of ages is what `decide` does, for a file and for a snapshot."""

from __future__ import annotations

from typing import Literal

import pytest

from restorer.decision import decide
from restorer.facts import LocalFile, NearExpired, Policy, Role, ShardNotFound
from restorer.verdict import Action, Decision
from tests.restorer.ages_doc import BEHAVIORS, age_rows, of_a_refused_position
from tests.restorer.offers import candidate, facts, local, published

Where = Literal["file", "snapshot"]

# word -> action for a file on the disk, for a snapshot with an empty disk, and the exit code
WORDS: dict[str, tuple[Action, Action, int | None]] = {
    "resumes": (Action.KEEP_LOCAL, Action.RESTORE, None),
    "refuses": (Action.REFUSE, Action.REFUSE, 6),
    "serves and rebuilds": (
        Action.SERVE_STALE_AND_BOOTSTRAP,
        Action.SERVE_STALE_AND_BOOTSTRAP,
        None,
    ),
    "rebuilds": (Action.BOOTSTRAP, Action.BOOTSTRAP, None),
    "serves": (Action.KEEP_LOCAL, Action.RESTORE, None),
}


def decided(
    hours: float,
    where: Where,
    near_expired: NearExpired,
    behavior: ShardNotFound = "error",
    role: Role = "central",
) -> Decision:
    policy = Policy(role=role, near_expired=near_expired, shard_not_found_behavior=behavior)
    if where == "file":
        return decide(published(), local(7, hours), policy, facts())
    return decide(published(candidate(7, hours)), LocalFile(), policy, facts())


def action(word: str, where: Where) -> tuple[Action, int | None]:
    of_file, of_snapshot, exit_code = WORDS[word]
    return (of_file if where == "file" else of_snapshot), exit_code


@pytest.mark.parametrize("where", ["file", "snapshot"])
@pytest.mark.parametrize("behavior", BEHAVIORS)
def test_a_central_node_decides_as_the_manual_says_by_the_hour(
    behavior: ShardNotFound, where: Where
) -> None:
    for row in age_rows():
        for rule in row.near_expired:
            decision = decided(row.hours, where, rule, behavior)
            found = (decision.action, decision.exit_code)
            assert found == action(row.of_behavior[behavior], where), (row.hours, rule)


@pytest.mark.parametrize("where", ["file", "snapshot"])
def test_an_edge_decides_as_the_manual_says_by_the_hour(where: Where) -> None:
    for row in age_rows():
        for rule in row.near_expired:
            decision = decided(row.hours, where, rule, role="edge")
            assert (decision.action, decision.exit_code) == action(row.of_edge, where)


def test_the_manual_covers_both_sides_of_both_limits_and_both_rules_between() -> None:
    covered = {(row.hours, rule) for row in age_rows() for rule in row.near_expired}

    assert covered == {(h, rule) for h in (17, 19, 25) for rule in ("recover", "try_resume")}


def test_a_refused_position_is_as_bad_as_an_expired_one() -> None:
    (expired,) = (row for row in age_rows() if row.hours == 25)

    assert of_a_refused_position() == expired.of_behavior
