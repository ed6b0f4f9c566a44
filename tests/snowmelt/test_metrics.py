"""The page for Prometheus: its names are a promise, and so is what it leaves out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from snowmelt.metrics import SWITCHABLE, described, page
from snowmelt.status import DatasetStatus, SnapshotStatus
from tests.snowmelt.metrics_doc import EXAMPLE, example_page, render

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"

UNKNOWN = DatasetStatus(
    name="pipelines",
    source="dynamodb:pipelines",
    engine="duckdb",
    path="pipelines.duckdb",
    role="central",
    state="initializing",
    ready=False,
    stale=False,
)


def samples(*statuses: DatasetStatus, **switches: frozenset[str]) -> dict[str, dict[str, float]]:
    """Value by metric and dataset; names as on the page."""
    text = page(lambda: statuses, switches)().decode()
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            by_dataset = found.setdefault(sample.name, {})
            by_dataset[sample.labels.get("dataset", "")] = sample.value
    return found


def test_the_document_is_what_the_page_says() -> None:
    assert DOCUMENT.read_text() == render(), (
        "run: python -m tests.snowmelt.metrics_doc > docs/metrics.md"
    )


@pytest.mark.parametrize(
    "name",
    [
        "dataset_dynamodb_shards_active",
        "dataset_dynamodb_records_consumed_total",
        "dataset_dynamodb_lag_ms",
        "dataset_dynamodb_errors_transient_total",
        "dynamodb_stream_records_total",
        "dynamodb_stream_lag_ms",
        "dynamodb_stream_shard_count",
        "dynamodb_stream_errors_total",
        "dynamodb_stream_checkpoint_age_ms",
    ],
)
def test_the_names_in_peoples_dashboards_are_there(name: str) -> None:
    assert EXAMPLE.name in samples(EXAMPLE)[name]


def test_every_name_has_a_help_and_is_there_once() -> None:
    names = [name for name, _, _ in described()]

    assert len(set(names)) == len(names)
    assert all(text for _, _, text in described())
    assert set(samples(EXAMPLE)) == set(names)


def test_counters_end_in_total_and_gauges_do_not() -> None:
    for name, kind, _ in described():
        assert name.endswith("_total") == (kind == "counter"), name


def test_the_values_are_those_of_the_status() -> None:
    found = samples(EXAMPLE)

    assert found["dataset_dynamodb_shards_active"]["pipelines"] == 4
    assert found["dataset_dynamodb_errors_transient_total"]["pipelines"] == 3
    assert found["dynamodb_stream_errors_total"]["pipelines"] == 4
    assert found["dynamodb_stream_checkpoint_age_ms"]["pipelines"] == 12_500
    assert found["dataset_acceleration_snapshot_write_duration_ms"]["pipelines"] == 250
    assert found["dataset_acceleration_snapshot_write_timestamp"]["pipelines"] == 1795328115.5


def test_what_is_not_known_is_left_out() -> None:
    found = samples(UNKNOWN)

    for name in (
        "dataset_dynamodb_lag_ms",
        "dynamodb_stream_lag_ms",
        "dataset_dynamodb_shards_active",
        "dynamodb_stream_checkpoint_age_ms",
        "dataset_dynamodb_resumable_until_timestamp_seconds",
        "dataset_dynamodb_rows",
        "dataset_dynamodb_version",
        "dataset_dynamodb_file_bytes",
        "dataset_dynamodb_disk_bytes",
        "dataset_dynamodb_wal_bytes",
        "dataset_acceleration_snapshot_generation",
        "dataset_acceleration_snapshot_write_total",
        "dataset_acceleration_snapshot_bootstrap_bytes",
    ):
        assert name not in found
    assert found["dataset_dynamodb_ready"]["pipelines"] == 0


def test_before_the_first_snapshot_nothing_is_said_of_the_newest() -> None:
    found = samples(replace(UNKNOWN, snapshot=SnapshotStatus(enabled=True, generation=1)))

    assert found["dataset_acceleration_snapshot_write_total"]["pipelines"] == 0
    assert not any(
        name.startswith("dataset_acceleration_snapshot_write_") and not name.endswith("_total")
        for name in found
    )


def test_a_list_of_metrics_switches_the_others_off_for_that_dataset_alone() -> None:
    other = replace(EXAMPLE, name="routes")

    found = samples(EXAMPLE, other, pipelines=frozenset({"lag_ms"}))

    for short in SWITCHABLE:
        datasets = set(found[f"dataset_dynamodb_{short}"])
        assert datasets == ({"pipelines", "routes"} if short == "lag_ms" else {"routes"})
    assert set(found["dynamodb_stream_records_total"]) == {"pipelines", "routes"}


def test_the_phases_of_a_restore_are_told_apart() -> None:
    text = example_page()

    assert (
        "dataset_acceleration_snapshot_bootstrap_duration_ms"
        '{dataset="pipelines",phase="fetch"} 800.0'
    ) in text


def test_the_page_carries_the_version() -> None:
    assert 'snowmelt_build_info{version="' in example_page()


def test_values_that_do_not_fit_are_told_by_attribute_and_the_list_is_bounded() -> None:
    many = {f"name-{number}": number for number in range(1, 1_000)}

    text = page(lambda: [replace(EXAMPLE, misfits={'odd"name': 5_000, **many})], {})().decode()

    lines = [line for line in text.splitlines() if "attribute_misfits_total{" in line]
    start = 'dataset_dynamodb_attribute_misfits_total{attribute="odd\\"name",dataset="pipelines"}'
    assert lines[0] == f"{start} 5000.0"
    assert lines[-1].endswith(" 981.0")
    assert len(lines) == 20
    assert "dataset_dynamodb_misfits_total" in text


def test_the_present_state_and_the_code_of_the_trouble_are_labels_and_the_others_are_absent() -> (
    None
):
    calm, failing = replace(EXAMPLE, problem=None), replace(EXAMPLE, state="error")

    told = [page(lambda s=s: [s], {})().decode() for s in (calm, failing)]  # type: ignore[misc]

    assert 'dataset_dynamodb_state{dataset="pipelines",state="ready"} 1.0' in told[0]
    assert "dataset_dynamodb_problem{" not in told[0]
    assert 'dataset_dynamodb_state{dataset="pipelines",state="error"} 1.0' in told[1]
    assert 'state="ready"' not in told[1]
    assert 'dataset_dynamodb_problem{code="7",dataset="pipelines"} 1.0' in told[1]


def test_snapshots_that_a_cold_start_refused_are_counted_also_where_nothing_was_restored() -> None:
    restore = {"phases": {}, "bytes_fetched": 0, "rejected": [{"snapshot_id": "x"}]}

    found = samples(replace(EXAMPLE, restore=restore))

    assert found["dataset_acceleration_snapshot_bootstrap_rejected"]["pipelines"] == 1
    assert "dataset_acceleration_snapshot_bootstrap_bytes" not in found
