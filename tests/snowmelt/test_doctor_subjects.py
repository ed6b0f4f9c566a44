"""The preflight of a table alone, a location alone, a node's file; and the bill of a fleet."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cdc.credential_chain import IRSA_ROLE, IRSA_TOKEN, KEYS
from snapshotter.errors import StoreAccessDenied
from snapshotter.location import StoreParams
from snapshotter.reader import read_pointer
from snapshotter.stores import open_store
from snowmelt.fleet_cost import fleet_bill, seen_in
from snowmelt.preflight import fleet
from snowmelt.preflight.subject import PlannedFleet
from tests.restorer.accelerators import DATASET, Producer
from tests.restorer.published import directory_store
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.snowmelt.command import Ended, snowmelt
from tests.snowmelt.places import place

GIB = 2**30


@pytest.fixture
def published(tmp_path: Path) -> str:
    """A location with two snapshots of `pipelines`."""
    store = directory_store(tmp_path / "store")
    producer = Producer(store, tmp_path / "source", "sqlite")
    for seed in (1, 2):
        producer.put(0, 500, seed=seed)
        producer.publish()
    producer.close()
    return store.url


def findings(ended: Ended) -> dict[str, dict[str, Any]]:
    assert ended.errors == ()
    document = json.loads(ended.output)
    return {one["check"]: one for one in document["findings"]}


def test_a_location_alone_is_examined_without_asking_any_table(
    published: str, tmp_path: Path
) -> None:
    words = ("doctor", "--location", published, "--json")

    unnamed = findings(snowmelt(*words, "--fleet", "10", cwd=tmp_path))
    named = findings(snowmelt(*words, "--fleet", "10", "--dataset", DATASET, cwd=tmp_path))

    assert not {"table", "identity", "clock", "route dynamodb"} & {*unnamed, *named}
    assert unnamed["store put-if-match"]["verdict"] == "ok"
    assert unnamed["snapshots"]["verdict"] == "not known"
    assert unnamed["fleet"]["verdict"] == "not known"
    assert "disk" not in unnamed
    assert named["snapshots"]["detail"].startswith(f"2 of {DATASET}, the newest is ")
    newest = read_pointer(open_store(published, StoreParams()), DATASET).catalog[0]
    assert named["disk"]["data"]["needed"] == 2 * newest.file_bytes
    assert "2 published snapshots" in named["fleet"]["detail"]


def test_the_bill_of_a_fleet_is_that_of_the_published_catalog(
    published: str, tmp_path: Path
) -> None:
    words = ("--location", published, "--dataset", DATASET, "--fleet", "5000", "--poll", "2m")

    ended = snowmelt("doctor", *words, "--route", "nat", "--json", cwd=tmp_path)

    found = findings(ended)
    catalog = read_pointer(open_store(published, StoreParams()), DATASET).catalog
    sized = fleet.sized(PlannedFleet(5_000, 120.0, "nat"), catalog, None, "")
    assert sized is not None
    expected = fleet_bill(sized[0])
    assert sized[0].snapshot_bytes == catalog[0].stored_bytes
    assert found["fleet"]["data"]["dollars_a_month"] == round(expected.dollars, 2) > 0
    assert found["fleet"]["data"]["requests_a_month"] == round(sized[0].gets)
    assert found["fleet"]["data"]["bytes_a_month"] == round(sized[0].bytes_a_month)
    assert "through a NAT gateway" in " ".join(found)
    assert "÷ 120 s" in found["fleet, looks at the pointer"]["detail"]


def test_a_fleet_that_asks_more_than_a_prefix_gives_is_a_warning() -> None:
    planned = PlannedFleet(50_000, poll_seconds=10.0)

    *_, crowded = fleet.bill(planned, fleet.sized(planned, (), 8 * GIB, ""))
    calm = replace(planned, poll_seconds=300.0)
    *_, quiet = fleet.bill(calm, fleet.sized(calm, (), 8 * GIB, ""))

    assert crowded.verdict == "warning"
    assert "look at the pointer less often" in crowded.hint
    assert quiet.verdict == "ok"


def test_a_key_of_kms_is_in_the_bill_if_objects_are_encrypted_with_one() -> None:
    planned = PlannedFleet(100)

    found = fleet.sized(planned, (), 8 * GIB, "aws:kms with arn")

    assert found is not None
    assert found[0].kms
    assert any("decryption" in one.check for one in fleet.bill(planned, found))
    assert seen_in((), found[0]) == found[0]


def test_dynamodb_local_a_nodes_file_names_table_location_and_path(
    dynamodb_local: DynamoDBLocal, published: str, tmp_path: Path
) -> None:
    table = dynamodb_local.table("pipelines")
    node = place(tmp_path / "node", table.name, dynamodb_local)
    node.home.mkdir()
    node.store_at(published)
    node.params["scan_max_rcu"] = 25

    whole = findings(node.run("doctor", "-c", "node.yaml", "--json"))
    node.config["runtime"]["role"] = "edge"
    edge = findings(node.run("doctor", "-c", "node.yaml", "--json"))

    described = dynamodb_local.dynamodb().describe_table(TableName=table.name)["Table"]
    assert whole["table"]["data"]["table_id"].startswith(described["TableArn"])  # it has no id
    assert whole["dynamodb:Scan"]["verdict"] == "ok"
    assert whole["snapshots"]["verdict"] == "ok"
    assert str(node.home) in whole["disk"]["detail"]
    assert whole["route dynamodb"]["verdict"] == "ok"
    assert not {"table", "dynamodb:Scan", "route dynamodb"} & {*edge}
    assert edge["snapshots"]["verdict"] == "ok"
    assert str(node.home) in edge["disk"]["detail"]


def test_nothing_to_examine_and_a_poll_that_is_none_are_wrong_command_lines(
    tmp_path: Path,
) -> None:
    nothing = snowmelt("doctor", cwd=tmp_path)
    often = snowmelt("doctor", "--table", "t", "--fleet", "9", "--poll", "9ms", cwd=tmp_path)

    assert nothing.code == often.code == 2
    (line,) = nothing.errors
    assert "neither --table nor --location" in line
    (line,) = often.errors
    assert "--poll 9ms" in line


def test_a_pods_token_that_is_missing_is_no_store_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (KEYS, "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(IRSA_TOKEN, str(tmp_path / "none"))
    monkeypatch.setenv(IRSA_ROLE, "arn:aws:iam::123456789012:role/edge")
    params = StoreParams(region="us-east-1", endpoint="http://127.0.0.1:9")

    with pytest.raises(StoreAccessDenied) as caught:
        open_store("s3://bucket/nodes", params).head("x")

    assert f"{IRSA_TOKEN} names {tmp_path / 'none'}, which does not exist" in caught.value.hint
