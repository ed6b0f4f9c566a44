"""What nodes tell, given to all rules at once: who is well wakes nobody, trouble has one alert."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from snowmelt.metrics import page
from snowmelt.status import DatasetStatus, Problem, SnapshotStatus
from tests.observability.rules import RULES, promtool
from tests.snowmelt.metrics_doc import EXAMPLE

NOW = 1_795_328_160.0
MINUTES = 45
assert EXAMPLE.snapshot is not None
assert EXAMPLE.follow is not None

CENTRE = replace(
    EXAMPLE,
    problem=None,
    scan=None,
    refresh=None,
    follow=None,
    resumable_until=NOW + 86_000,
    catalog={
        "newest_created_at": NOW - 60,
        "proven_created_at": NOW - 40_000,
        "verified": {"at": NOW - 30_000, "level": "drill", "faults": 0},
    },
)
STANDBY = replace(CENTRE, snapshot=SnapshotStatus(enabled=True, lease="waiting"))
EDGE = replace(
    CENTRE,
    role="edge",
    snapshot=None,
    lag_ms=3_000_000,
    resumable_until=NOW + 600,
    follow={**EXAMPLE.follow, "answered_at": NOW - 30, "switched_at": NOW - 90},
)
READ_ANEW = replace(
    CENTRE, lag_ms=None, resumable_until=None, shards={}, refresh=EXAMPLE.refresh, records_total=0
)
BEGINNING = replace(
    CENTRE, state="bootstrapping", ready=False, scan=EXAMPLE.scan, lag_ms=9e6, snapshot=None
)


def in_error(code: int) -> DatasetStatus:
    trouble = Problem("it is so", "do this", code, NOW)
    return replace(CENTRE, state="error", ready=False, problem=trouble)


def serving_with(code: int) -> DatasetStatus:
    return replace(CENTRE, problem=Problem("it is so", "do this", code, NOW))


def not_publishing(*reasons: str) -> DatasetStatus:
    assert CENTRE.snapshot is not None
    held = replace(CENTRE.snapshot, held_because=("it is so",), held_reasons=reasons)
    return replace(CENTRE, snapshot=held)


def series(statuses: Mapping[str, DatasetStatus]) -> list[dict[str, str]]:
    """The page of each node, the same for three quarters of an hour; instants go with the clock."""
    found = []
    for instance, status in statuses.items():
        text = page(lambda status=status: [status], {})().decode()  # type: ignore[misc]
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = {**sample.labels, "instance": instance, "job": "snowmelt"}
                told = ",".join(f'{name}="{value}"' for name, value in labels.items())
                is_instant = "timestamp" in sample.name
                value = sample.value - NOW if is_instant else sample.value
                step = 60 if is_instant else 0
                values = f"{value:f}+{step}x{MINUTES}"
                found.append({"series": f"{sample.name}{{{told}}}", "values": values})
    return found


SCENES: dict[str, tuple[Mapping[str, DatasetStatus], set[str]]] = {
    "a centre, a standby and an edge": ({"a": CENTRE, "b": STANDBY, "c": EDGE}, set()),
    "a table that is read anew": ({"a": READ_ANEW}, set()),
    "a load that stands still": ({"a": BEGINNING}, {"SnowmeltBootstrapStalled"}),
    "another table": ({"a": in_error(3)}, {"SnowmeltDatasetInError"}),
    "no stream at the first start": ({"a": in_error(7)}, {"SnowmeltDatasetInError"}),
    "denied at the start": ({"a": in_error(9)}, {"SnowmeltAccessDenied"}),
    "denied later": ({"a": serving_with(9)}, {"SnowmeltAccessDenied"}),
    "the stream away": ({"a": serving_with(7)}, {"SnowmeltSourceFailing"}),
    "too old": ({"a": in_error(6)}, {"SnowmeltPositionLost"}),
    "damaged": ({"a": in_error(5)}, {"SnowmeltRestoreFailing"}),
    "a full disk": ({"a": serving_with(12)}, {"SnowmeltDiskFull"}),
    "a person's hold": ({"a": not_publishing("held")}, set()),
    "a mass delete": ({"a": not_publishing("mass_delete")}, {"SnowmeltMassDelete"}),
    "lost rows": ({"a": not_publishing("shrunk", "lagging")}, {"SnowmeltGateHolds"}),
    "only standbys": ({"a": STANDBY}, {"SnowmeltNobodyPublishes"}),
    "an old edge": ({"a": CENTRE, "c": replace(EDGE, stale=True)}, {"SnowmeltEdgeOld"}),
    "an edge that serves without its store": (
        {"a": CENTRE, "c": replace(EDGE, problem=serving_with(8).problem)},
        set(),
    ),
    "an edge that waits": (
        {"a": CENTRE, "c": replace(EDGE, state="waiting", ready=False)},
        {"SnowmeltNotReady"},
    ),
}


@pytest.mark.parametrize("scene", SCENES)
def test_what_is_wrong_wakes_by_its_own_alert_and_by_no_other(scene: str, tmp_path: Path) -> None:
    nodes, expected = SCENES[scene]
    asked = {
        "expr": 'group by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": f"{MINUTES}m",
        "exp_samples": [
            {"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(expected)
        ],
    }
    test = {"interval": "1m", "input_series": series(nodes), "promql_expr_test": [asked]}
    file = tmp_path / "scene.yaml"
    file.write_text(
        json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]})
    )

    ended = promtool("test", "rules", str(file))

    assert ended.returncode == 0, ended.stdout + ended.stderr
