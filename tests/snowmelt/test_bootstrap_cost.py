"""What a bootstrap costs is said before it begins, and how far it is while it runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cdc.errors import NoSpace
from cdc.keys import KeyAttribute, KeySchema
from cdc.source import SourceDescription
from snowmelt import progress as progress_module
from snowmelt.cost import BootstrapCost, bootstrap_cost
from snowmelt.progress import progress
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.simulators.household import household
from tests.snowmelt.metrics_doc import EXAMPLE
from tests.snowmelt.places import place
from tests.snowmelt.test_metrics import samples

GIB = 2**30
TABLE = SourceDescription(
    table_name="pipelines",
    table_id="table-1",
    stream_arn="arn",
    view_type="NEW_IMAGE",
    keys=KeySchema(KeyAttribute("id", "S")),
    item_count=36_000_000,
    size_bytes=8 * GIB,
    retention_seconds=86_400.0,
)


def cost(*, max_rcu: float | None = None, free: int = 100 * GIB, held: int = 0) -> BootstrapCost:
    return bootstrap_cost(
        TABLE, max_rcu=max_rcu, disk_free_bytes=free, place="/data", disk_held_bytes=held
    )


def test_units_dollars_and_minutes_are_those_of_a_strongly_consistent_scan() -> None:
    found = cost()

    assert found.read_units == 2 * 1024 * 1024
    assert round(found.dollars, 2) == 0.26
    assert found.seconds == 1_800
    assert "about $0.26 on demand" in found.reads
    assert "30m 0s if the table does not throttle" in found.reads


def test_minutes_follow_the_configured_rate_where_that_is_slower() -> None:
    assert cost(max_rcu=100).seconds == 2 * 1024 * 1024 / 100
    assert "5h 49m at scan_max_rcu 100" in cost(max_rcu=100).reads
    assert cost(max_rcu=1e6).seconds == 1_800


def test_a_volume_that_is_too_small_is_refused_with_exit_12() -> None:
    cost(free=16 * GIB).check_fits()
    with pytest.raises(NoSpace, match=r"needs up to 16\.0 GiB, has 15\.0 GiB at /data") as refused:
        cost(free=15 * GIB).check_fits()
    assert refused.value.exit_code == 12
    cost(free=15 * GIB, held=GIB).check_fits()  # an unfinished file is gone on with


def test_a_table_that_was_not_counted_yet_says_so() -> None:
    young = bootstrap_cost(
        replace(TABLE, item_count=0, size_bytes=0), max_rcu=None, disk_free_bytes=0, place="/data"
    )
    assert "counts each six hours" in young.lines("pipelines")[0]


def test_dynamodb_local_the_cost_is_told_first_and_a_dry_run_does_nothing(
    dynamodb_local: DynamoDBLocal, tmp_path: Path
) -> None:
    table = dynamodb_local.table("pipelines")
    item = {"id": {"S": "one"}, "text": {"S": "x" * 50_000}}
    dynamodb_local.dynamodb().put_item(TableName=table.name, Item=item)
    home = place(tmp_path, table.name, dynamodb_local)

    dry = home.run("bootstrap", "--dry-run", "--json", "-c", "node.yaml")
    assert dry.code == 0, dry.errors
    told = json.loads(dry.output)
    assert told["items"] == 1
    assert told["size_bytes"] > 50_000
    assert told["disk_needed_bytes"] > 100_000
    assert told["fits"]
    assert not home.file.exists()

    loaded = home.run("bootstrap", "-c", "node.yaml")
    assert loaded.code == 0, loaded.errors
    first, reading, disk, *_ = loaded.errors
    assert first.startswith("pipelines: 1 items, ")
    assert "read units, about $" in reading
    assert "needs up to " in disk
    assert home.run("bootstrap", "--dry-run", "-c", "node.yaml").code == 3  # it is loaded


def test_a_node_logs_what_its_bootstrap_costs(tmp_path: Path) -> None:
    with household(tmp_path, rows=30) as house:
        house.node("node").start().live(60)

        (started,) = house.logged("cold_start")

    assert started["action"] == "bootstrap"
    assert started["bootstrap"]["items"] == 30
    assert started["bootstrap"]["disk_free_bytes"] > 0


# ---------------------------------------------------------------- while it runs


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "_PLAIN_INTERVAL_SECONDS", 0.0)


@pytest.mark.usefixtures("eager")
def test_progress_tells_rate_and_time_left_of_this_run(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("loading", "json", unit="items") as report:
        report(1_000_000, 2_000_000)  # by an earlier run
        report(1_000_500, 2_000_000)
    with progress("loading", "plain", unit="items") as report:
        report(0, 2_000_000)
        report(500_000, 2_000_000)

    *_, document, _, line = capsys.readouterr().err.splitlines()
    told = json.loads(document)
    assert (told["done"], told["total"]) == (1_000_500, 2_000_000)
    # 500 items took as long as 500 items at the told rate, and the rest will at that rate.
    assert told["eta_seconds"] == pytest.approx(999_500 / told["per_second"], rel=0.01)
    assert line.startswith("loading: 25 % 500000/2000000 items, ")
    assert line.endswith(" left")


def test_a_scan_under_way_has_metrics_and_one_that_ended_has_none() -> None:
    under_way = samples(EXAMPLE)
    ended = samples(replace(EXAMPLE, scan={**(EXAMPLE.scan or {}), "ended_at": 1_795_000_000.0}))

    names = [f"dataset_dynamodb_bootstrap_{name}" for name in ("rows", "eta_seconds")]
    assert [under_way[name]["pipelines"] for name in names] == [30_000, 2]
    assert not set(names) & set(ended)
