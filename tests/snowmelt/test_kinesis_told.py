"""What a person reads of a table that is followed by Kinesis: transcripts and the preflight."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cdc.aws import AwsParams
from snapshotter.location import StoreParams
from snowmelt.doctor import Finding, Subject, examine
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.kinesalite import Kinesalite, Stream
from tests.servers.kinesis_front import KinesisFront, kinesis_front
from tests.servers.moto import MotoServer
from tests.snowmelt.places import Place, place

QUIET = ("--progress", "none")


@dataclass
class Account:
    """A table, a stream and a node's directory."""

    front: KinesisFront
    table: str
    stream: Stream
    node: Place

    def enable(self, status: str) -> None:
        self.front.enable(self.table, self.stream.arn, status=status)


@pytest.fixture
def account(kinesalite: Kinesalite, moto_server: MotoServer, tmp_path: Path) -> Iterator[Account]:
    with kinesis_front(moto_server.endpoint_url, kinesalite.endpoint_url) as front:
        table = DynamoDBLocal(moto_server.endpoint_url).table("routes", view=None).name
        node = place(tmp_path, table, DynamoDBLocal(front.endpoint_url))
        node.dataset["from"] = f"kinesis:{table}"
        yield Account(front, table, kinesalite.stream(table), node)


@pytest.mark.parametrize(
    "status, name", [("DISABLED", "kinesis-disabled"), ("ENABLE_FAILED", "kinesis-enable_failed")]
)
def test_a_destination_that_delivers_nothing(account: Account, status: str, name: str) -> None:
    account.enable(status)

    account.node.tells(name, "bootstrap", *QUIET, code=7)


def test_a_table_without_a_destination(account: Account) -> None:
    account.node.tells("kinesis-none", "bootstrap", *QUIET, code=7)


def test_a_table_that_is_read_anew_and_followed_at_once(account: Account) -> None:
    account.node.acceleration.update(refresh_mode="full", refresh_check_interval="1h")

    account.node.tells("kinesis-read-anew", "config", "check", code=2)


def test_the_preflight_tries_each_permission_that_kinesis_takes(
    account: Account, tmp_path: Path
) -> None:
    account.enable("ACTIVE")

    found = _found(account, tmp_path)

    assert [name for name in found if ":" in name] == [
        "kinesis:ListShards",
        "kinesis:GetShardIterator",
        "kinesis:GetRecords",
        "dynamodb:GetItem",
        "dynamodb:Scan",
    ]
    assert {found[name].verdict for name in found if ":" in name} == {"ok"}
    assert found["table"].hint == ""


def test_the_preflight_says_that_nothing_is_delivered(account: Account, tmp_path: Path) -> None:
    account.enable("DISABLED")

    found = _found(account, tmp_path)

    assert found["table"].verdict == "failed"
    assert found["table"].exit_code == 7
    assert "is DISABLED" in found["table"].detail


def _found(account: Account, path: Path) -> dict[str, Finding]:
    params = account.node.params
    aws = AwsParams(
        region=params["dynamodb_region"],
        auth="key",
        access_key_id=params["dynamodb_access_key_id"],
        secret_access_key=params["dynamodb_secret_access_key"],
        endpoint_url=account.front.endpoint_url,
    )
    subject = Subject(account.table, aws, None, StoreParams(), path, by_kinesis=True)
    return {finding.check: finding for finding in examine(subject)}
