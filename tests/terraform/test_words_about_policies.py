"""What manual and program say of permissions is what the policies allow."""

import re
from pathlib import Path

import pytest

from cdc.roles import POLICY_OF
from snapshotter.bucket_settings import CALLS
from snapshotter.roles import policies_with
from tests.terraform.rendering import role_policies

MANUAL = Path(__file__).parents[2] / "docs" / "operating.md"
# Begin of a row of the manual's table -> the policies that such a role is given.
ROWS = {
    "writer (`snapshots: enabled`)": ("writer", "stream_reader"),
    "edge, `restore`": ("reader",),
    "auditor:": ("auditor",),
    "janitor,": ("janitor",),
    "`selftest`": ("reader", "selftest"),
}
_KEYS = (
    "head.json",
    "lease.json",
    "bucket.json",
    "catalog/x.json",
    "packs/0/x.pack",
    "snapshots/x/manifest",
)


def actions(*policies: str) -> set[str]:
    """Actions of these policies, but for those on the key."""
    found = {
        action
        for policy in policies
        for statement in role_policies()[policy]["Statement"]
        for action in statement["Action"]
    }
    return {action for action in found if not action.startswith("kms:")}


def told(begin: str) -> set[str]:
    """Actions in the row of the manual that begins so."""
    rows = [line for line in MANUAL.read_text().splitlines() if line.startswith(f"| {begin}")]
    assert len(rows) == 1, f"{len(rows)} rows of the manual begin with {begin}"
    return set(re.findall(r"`((?:dynamodb|kinesis|s3|lambda):\w+)`", rows[0]))


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_manual_is_what_its_policies_allow(row: str) -> None:
    assert told(row) == actions(*ROWS[row])


def test_a_writer_by_kinesis_has_the_writer_s_row_besides() -> None:
    assert told("writer, `from: kinesis:TABLE`") == actions("kinesis_reader")


def test_who_goes_back_and_who_restores_the_past_are_the_dr_operator() -> None:
    assert told("recovery:") | told("person who marks") == actions("dr_operator")


def test_settings_that_doctor_reads_are_those_of_its_policy() -> None:
    assert {f"s3:{action}" for action in CALLS} <= actions("doctor")
    for action in CALLS:
        assert f"`s3:{action}`" in MANUAL.read_text()


def test_a_refusal_of_the_table_names_a_policy_that_has_the_action() -> None:
    for action, policies in POLICY_OF.items():
        for policy in policies:
            assert action in actions(policy), f"{policy} has no {action}"


@pytest.mark.parametrize("key", _KEYS)
@pytest.mark.parametrize("action", ["GetObject", "PutObject", "DeleteObject"])
def test_a_refusal_of_the_bucket_names_a_policy_that_has_the_action(action: str, key: str) -> None:
    named = policies_with(action, f"pipelines/{key}")

    for policy in named:
        resources = [
            resource
            for statement in role_policies()[policy]["Statement"]
            if f"s3:{action}" in statement["Action"]
            for resource in statement["Resource"]
        ]
        if action != "DeleteObject" or "/" in key:  # nobody deletes the documents
            stems = [resource.partition("/pipelines/")[2].rstrip("*") for resource in resources]
            assert any(key.startswith(stem) for stem in stems), f"{policy} does not reach {key}"
