"""Writes docs/metrics.md: `python -m tests.snowmelt.metrics_doc > docs/metrics.md`."""

from __future__ import annotations

import sys

from snowmelt.metrics import SWITCHABLE, described, page
from snowmelt.status import DatasetStatus, Problem, SnapshotStatus

EXAMPLE = DatasetStatus(
    name="pipelines",
    source="dynamodb:pipelines",
    engine="duckdb",
    path="/var/lib/snowmelt/pipelines.duckdb",
    role="central",
    state="ready",
    ready=True,
    stale=False,
    lag_ms=850,
    version=4711,
    checkpoint_age_seconds=12.5,
    resumable_until=1795414205.0,
    rows=50_000,
    shards={"reading": 4, "finished": 2},
    records_total=123_456,
    errors_total={"Throttled": 2, "IteratorExpired": 1, "AccessDenied": 1},
    errors_transient_total=3,
    ttl_deletes_total=7,
    misfits={"weight": 5},
    dropped={"duplicates": 12, "late": 4, "by_images": 2, "by_table": 1},
    scan={"rows": 30_000, "rows_per_second": 10_000.0, "eta_seconds": 2.0, "ended_at": None},
    file_bytes=10_498_048,
    disk_bytes=6_303_744,
    disk_free_bytes=42_949_672_960,
    wal_bytes=65_536,
    snapshot=SnapshotStatus(
        enabled=True,
        lease="held",
        generation=3,
        last_id="000003-000000004711-20261122T061515506Z",
        last_success_at=1795328115.5,
        last_new_bytes=81_920,
        last_stored_bytes=5_242_880,
        last_duration_seconds=0.25,
        published_total=9,
        prune={"last_at": 1795327200.0, "deleted_total": 12},
    ),
    catalog={
        "newest_created_at": 1795328115.5,
        "proven_created_at": 1795251600.25,
        "verified": {"at": 1795255200.0, "level": "drill", "faults": 0},
    },
    refresh={"data_age_seconds": 1260.5, "completed_total": 4, "failed_total": 1},
    follow={
        "interval_seconds": 60.0,
        "snapshot_id": "000003-000000004711-20261122T061515506Z",
        "data_age_seconds": 75.5,
        "newest_age_seconds": 15.5,
        "versions_behind": 120,
        "held_because": None,
        "looked_at": 1795328150.5,
        "answered_at": 1795328150.75,
        "switched_at": 1795328090.25,
        "looks_total": 1440,
        "unchanged_total": 720,
        "failures_total": 2,
        "switches_total": 718,
        "rejected_total": 1,
        "rejected": ["000003-000000004600-20261122T061415506Z"],
        "bytes_fetched_total": 52_428_800,
        "bytes_spared_total": 3_774_873_600,
    },
    restore={
        "phases": {"pointer": 0.012, "fetch": 0.8, "switch": 0.003},
        "bytes_fetched": 5_242_880,
        "rejected": [],
    },
    problem=Problem(
        "the service answers too slowly", "the node goes on meanwhile", 7, 1795328100.0
    ),
)

_HEAD = """\
# Metrics

`GET /metrics` on the admin listener is a page for Prometheus. It is made from the status at each
scrape; nothing is counted twice. Every name carries the label `dataset`, except
`snowmelt_build_info`. A value that is not known is left out, never shown as 0; counters begin anew
with each process, and when a dataset begins anew after an error.

The first four names are switched per dataset by its list `metrics:` in the configuration (without a
list, all four are there); those that begin with `dynamodb_stream_` say the same in the words of the
connector guide.

"""

_WATCH = """
## What to watch

[deploy/observability](../deploy/observability/README.md) has alert rules and a dashboard, the [runbook](runbook.md) what
to do. These are the questions behind them:

| Question | Expression |
|---|---|
| Does a node not serve? | `dataset_dynamodb_ready == 0` |
| Is what it serves older than promised? | `dataset_dynamodb_stale == 1` |
| Does it fall behind? | `dataset_dynamodb_lag_ms > 10000` |
| Does an edge not get newer data, though there is some? | `dataset_follow_versions_behind > 0 and time() - dataset_follow_switched_timestamp > 900` |
| Does an edge not reach the bucket? | `time() - dataset_follow_answered_timestamp > 900` |
| Does an edge meet damaged snapshots? | `increase(dataset_follow_rejected_total[1h]) > 0` |
| Does a table without a stream stay unread? | `dataset_dynamodb_data_age_ms > 2 * 3600 * 1000` (with `refresh_check_interval: 1h`) |
| Will the stream soon not be resumable? | `dataset_dynamodb_resumable_until_timestamp_seconds - time() < 6 * 3600` |
| Are snapshots missing? | `time() - dataset_acceleration_snapshot_write_timestamp > 2 * 3600` |
| Do snapshots fail? | `increase(dataset_acceleration_snapshot_failure_total[15m]) > 0` |
| Did nobody prove one for two days? | `time() - dataset_acceleration_snapshot_proven_timestamp > 2 * 86400` |
| Is a snapshot damaged? | `dataset_acceleration_snapshot_verified_faults > 0` |
| Is nothing pruned where retention is set? | `time() - dataset_acceleration_snapshot_prune_timestamp > 6 * 3600` |
| Is publishing held? | `dataset_acceleration_snapshot_held == 1` |
| Did another node take over from this one? | `dataset_acceleration_snapshot_fenced == 1` |
| Does nobody publish? | `max by (dataset) (dataset_acceleration_snapshot_lease_held) == 0` |
| Which attribute does not fit its column? | `topk(5, increase(dataset_dynamodb_attribute_misfits_total[1h]))` |
| Are there records that no one can read? | `dataset_dynamodb_quarantined_records > 0` |

"""  # noqa: E501 - rows of a table


def example_page() -> str:
    """The page of one dataset that has a value for everything."""
    return page(lambda: [EXAMPLE], {})().decode()


def render() -> str:
    """The whole document."""
    lines = ["| Name | Type | Meaning |", "|---|---|---|"]
    for name, kind, text in described():
        switch = " (switchable)" if name.removeprefix("dataset_dynamodb_") in SWITCHABLE else ""
        lines.append(f"| `{name}` | {kind} | {text}{switch} |")
    example = ["## A page", "", "```", example_page().rstrip("\n"), "```"]
    return _HEAD + "\n".join(lines) + "\n" + _WATCH + "\n".join(example) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
