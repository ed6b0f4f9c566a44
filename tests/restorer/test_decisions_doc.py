"""The published table of decisions is what `decide` does, and is right by rows written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from restorer.facts import OnFailure, Role, ShardNotFound
from tests.restorer.decisions import Situation
from tests.restorer.decisions_doc import render, word

DOCUMENT = Path(__file__).parents[2] / "docs" / "decisions.md"

# published · local file · role · shard_not_found_behavior · bootstrap_on_failure_behavior · then.
# Written from the promises of docs/operating.md, before the table was made.
BY_HAND: list[tuple[str, str, Role, ShardNotFound, OnFailure, str]] = [
    ("none", "none", "central", "error", "retry", "bootstrap"),
    ("none", "none", "edge", "ready_after_load", "warn", "wait (4)"),
    ("none", "stale", "central", "error", "fallback", "refuse (6)"),
    ("none", "stale", "edge", "error", "fallback", "keep"),
    ("none", "unfinished bootstrap", "central", "error", "retry", "bootstrap"),
    ("fresh", "none", "central", "error", "warn", "restore"),
    ("fresh", "fresh", "central", "error", "warn", "keep"),
    ("fresh", "no file of ours", "operator", "error", "warn", "refuse (3)"),
    ("near-expired, `recover`", "none", "central", "ready_after_load", "warn", "bootstrap"),
    ("near-expired, `try_resume`", "stale", "central", "error", "warn", "restore"),
    ("expired", "none", "central", "ready_before_load", "warn", "serve snapshot"),
    ("expired", "stale", "central", "ready_before_load", "warn", "serve file"),
    ("expired", "fresh", "edge", "error", "warn", "restore"),
    ("expired, an older one fresh", "none", "central", "error", "warn", "restore older"),
    ("damaged, an older one fresh", "none", "central", "error", "warn", "bootstrap"),
    ("damaged, an older one fresh", "none", "central", "error", "retry", "wait (5)"),
    ("damaged, an older one fresh", "none", "central", "error", "fallback", "restore older"),
    ("quarantined, an older one fresh", "none", "operator", "error", "warn", "restore older"),
    ("of another engine", "none", "central", "error", "retry", "wait (11)"),
    ("of another table", "none", "central", "ready_after_load", "fallback", "refuse (3)"),
    ("of another table", "fresh", "central", "error", "fallback", "keep"),
    ("of another table", "fresh", "edge", "error", "fallback", "refuse (3)"),
    ("fresh, of a newer generation", "ahead of a fork", "edge", "error", "warn", "restore"),
    ("fresh, of a newer generation", "ahead of a fork", "central", "error", "warn", "keep"),
    ("pointer of a newer format", "none", "edge", "error", "warn", "wait (11)"),
    ("store away", "stale", "central", "ready_before_load", "retry", "wait (8)"),
    ("store away", "fresh", "central", "error", "retry", "keep"),
]


def test_the_documented_decisions_are_those_of_the_code() -> None:
    assert DOCUMENT.read_text() == render(), (
        "run: python -m tests.restorer.decisions_doc > docs/decisions.md"
    )


@pytest.mark.parametrize("row", BY_HAND, ids=lambda row: f"{row[0]}, {row[1]}, {row[2]}")
def test_a_case_that_was_decided_by_hand_is_decided_so(
    row: tuple[str, str, Role, ShardNotFound, OnFailure, str],
) -> None:
    *settings, wanted = row

    assert word(Situation(*settings).decision(), row[0]) == wanted  # type: ignore[arg-type]  # as typed above
