"""Troubles that users of the service know: what a node says of them, and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdc.aws import AwsParams
from cdc.dynamodb import DynamoDbSource
from cdc.errors import TableNotFound, Trimmed
from cdc.position import After, FromStart
from snowmelt.cli.tables import print_status
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.moving_clock import MovingClock
from tests.simulators.faults import ServiceRefusal
from tests.simulators.household import HOUR, MINUTE, Household, household

THROTTLED = "ProvisionedThroughputExceededException"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Household]:
    """A household whose nodes ask through the real SDK."""
    with household(tmp_path, is_served=True, rows=40) as made:
        yield made


def problem_of(node: Any) -> dict[str, Any]:
    problem: dict[str, Any] = node.status()["problem"]
    return problem


@pytest.mark.parametrize(
    "acceleration",
    [{}, {"refresh_mode": "full", "refresh_check_interval": "1h"}],
    ids=["bootstrap", "refresh"],
)
def test_a_throttled_scan_says_what_is_done_about_it_and_which_setting_bounds_it(
    acceleration: dict[str, str], served: Household
) -> None:
    served.table.fail("scan", ServiceRefusal(THROTTLED))
    node = served.node("node", acceleration=acceleration, params={"scan_max_rcu": 50})

    message = problem_of(node.start().live(2 * MINUTE))["message"]

    assert f"dynamodb:Scan on table {served.table.name}" in message
    assert THROTTLED in message
    assert "smaller pages, fewer at once and more slowly" in message
    assert "scan_max_rcu bounds the read units that it takes a second, of a refresh too" in message
    assert "(now asking for pages of " in message
    assert "1 at once" in message
    assert "scan_max_rcu is 50" in message
    served.table.heal()
    node.live(5 * MINUTE)
    assert node.is_ready()
    assert node.status()["problem"] is None


@pytest.mark.parametrize(
    "call, action, told",
    [
        ("get_records", "GetRecords", "a shard serves two readers well"),
        ("list_shards", "DescribeStream", "ten such calls a second for a stream"),
    ],
)
def test_a_throttled_stream_says_who_else_may_read_it(
    call: str, action: str, told: str, served: Household
) -> None:
    node = served.node("node").start().live(MINUTE)
    served.table.fail(call, ServiceRefusal("LimitExceededException"))
    node.live(5 * MINUTE)

    message = problem_of(node)["message"]

    assert f"dynamodb:{action}" in message
    assert told in message
    assert "snowmelt doctor" in message
    assert node.is_ready()


def test_a_dataset_that_is_in_error_after_a_restart_says_why_since_when_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with household(tmp_path, rows=40) as house:
        node = house.node("node", acceleration={"snapshots": "disabled"}).start().live(HOUR)
        node.stop()
        house.clock.advance(30 * HOUR)
        restarted_at = house.clock.now
        node.start().live(MINUTE)
        first = node.status()
        node.live(10 * MINUTE)
        later = node.status()

        for status in (first, later):
            assert status["state"] == "error"
            assert status["problem"]["exit_code"] == 6
            assert "too old to resume" in status["problem"]["message"]
            assert "shard_not_found_behavior" in status["problem"]["hint"]
            assert "snowmelt bootstrap --replace" in status["problem"]["hint"]
            assert status["problem"]["next_try_at"] > house.clock.now - 11 * MINUTE
        assert later["problem"]["since"] == first["problem"]["since"]
        assert later["problem"]["since"] - restarted_at < MINUTE
        assert later["problem"]["tries"] > first["problem"]["tries"] > 1

        print_status([later])
    told = " ".join(capsys.readouterr().out.split())
    assert f"tried {later['problem']['tries']} times, the next try is at " in told
    assert "(since 20" in told


def test_trouble_that_comes_again_is_counted_anew(tmp_path: Path) -> None:
    with household(tmp_path, rows=40) as house:
        house.close_everything()
        node = house.node("node").start().live(10 * MINUTE)
        assert problem_of(node)["tries"] > 1
        house.open_everything()
        node.live(10 * MINUTE)
        assert node.status()["problem"] is None
        again_at = house.clock.now
        house.table.disable()
        house.table.enable()  # another stream
        node.live(10 * MINUTE)
        problem = problem_of(node)

    assert problem["exit_code"] == 3
    assert problem["since"] >= again_at
    assert problem["tries"] < 15


def test_dynamodb_local_a_position_that_was_trimmed_names_the_three_behaviours(
    dynamodb_local_moving: MovingClock,
) -> None:
    server = dynamodb_local_moving.server
    table = server.table()
    source = DynamoDbSource(table.name, identity(server))
    for name in ("first", "second"):
        server.dynamodb().put_item(TableName=table.name, Item={"id": {"S": name}})
    (shard,) = source.list_shards().shards
    page = source.get_records(source.open_iterator(shard.shard_id, FromStart()))
    first, _ = json.loads(page.body)["Records"]
    dynamodb_local_moving.advance(hours=26)

    position = After(first["dynamodb"]["SequenceNumber"])

    with pytest.raises(Trimmed) as caught:
        source.get_records(source.open_iterator(shard.shard_id, position))

    assert "TrimmedDataAccessException" in str(caught.value)
    for behaviour in ("error", "ready_before_load", "ready_after_load"):
        assert behaviour in caught.value.hint
    assert "snowmelt bootstrap --replace" in caught.value.hint


# ---------------------------------------------------------------- regions


def identity(server: DynamoDBLocal, region: str | None = None) -> AwsParams:
    return AwsParams(
        region=server.region if region is None else region or None,
        auth="key",
        access_key_id=server.access_key,
        secret_access_key=server.secret_key,
        endpoint_url=server.endpoint_url,
    )


@pytest.fixture
def no_region(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_dynamodb_local_a_table_of_another_region_says_where_the_region_came_from(
    variable: str, dynamodb_local: DynamoDBLocal, no_region: pytest.MonkeyPatch
) -> None:
    table = dynamodb_local.table()
    no_region.setenv(variable, "ap-south-1")

    with pytest.raises(TableNotFound, match="in ap-south-1: no such table") as by_variable:
        DynamoDbSource(table.name, identity(dynamodb_local, "")).describe()
    with pytest.raises(TableNotFound, match="in eu-north-1: no such table") as by_setting:
        DynamoDbSource(table.name, identity(dynamodb_local, "eu-north-1")).describe()

    assert f"this asked in ap-south-1 (from {variable})" in by_variable.value.hint
    assert "from the configuration or --region" in by_setting.value.hint
