"""The dashboard and the rules ask for metrics that there are; the dashboard is one for Grafana."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.manifests import tool
from tests.observability.dashboard import FILE, render
from tests.observability.expressions import grouped, known, named
from tests.observability.rules import PACK, ROOT, promtool, rules

DASHBOARD = json.loads(FILE.read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
QUERIES = [
    (panel["title"], query["expr"]) for panel in PANELS for query in panel.get("targets", [])
]
VARIABLES = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
METRICS = ROOT / "docs" / "metrics.md"
ALARMS = ROOT / "terraform" / "modules" / "alarms" / "main.tf"
UNITS = {"short", "s", "ms", "bytes", "ops", "percentunit"}
# Said twice on the page, in two vocabularies; the dashboard asks for the one that is always there.
SAID_TWICE = {
    "dataset_dynamodb_shards_active",
    "dataset_dynamodb_records_consumed_total",
    "dataset_dynamodb_lag_ms",
}


def asked() -> list[tuple[str, str]]:
    """Every expression, with what it is for."""
    alerts = [(alert, rule["expr"]) for alert, rule in rules().items()]
    annotations = [(one["name"], one["expr"]) for one in DASHBOARD["annotations"]["list"]]
    manual = re.findall(r"^\| (.+\?) \| `([^`]+)`", METRICS.read_text(), re.MULTILINE)
    return [*QUERIES, *alerts, *annotations, *manual]


@pytest.mark.parametrize("place, expression", asked(), ids=[place for place, _ in asked()])
def test_an_expression_names_metrics_and_labels_that_there_are(place: str, expression: str) -> None:
    metrics = named(expression)

    assert metrics or expression == "vector(0)", place
    for metric, labels in metrics:
        assert metric in known(), (place, metric)
        assert labels <= known()[metric], (place, metric, labels - known()[metric])
    assert grouped(expression) <= {label for metric, _ in metrics for label in known()[metric]}


def test_variables_list_values_of_labels_that_there_are() -> None:
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
            assert found, variable["name"]
            ((metric, labels),) = named(found[1])
            assert {found[2], *labels} <= known()[metric]


def test_alarms_of_terraform_name_metrics_that_there_are() -> None:
    asked_for = set(re.findall(r'"((?:dataset|dynamodb|snowmelt)_\w+)"', ALARMS.read_text()))

    assert asked_for
    assert asked_for <= set(known())


def test_alerts_ask_for_nothing_that_a_configuration_can_switch_off() -> None:
    switched = SAID_TWICE | {"dataset_dynamodb_errors_transient_total"}
    used = {metric for rule in rules().values() for metric, _ in named(rule["expr"])}

    assert used & switched == set()


def test_what_a_node_tells_is_shown() -> None:
    shown = {metric for _, expression in QUERIES for metric, _ in named(expression)}
    unseen = set(known()) - shown - SAID_TWICE - {"up", "ALERTS"}

    assert unseen == set(), "add a panel in tests/observability/panels_of_*.py"


def test_the_file_is_what_is_written_here() -> None:
    assert FILE.read_text() == render(), "run: python -m tests.observability.dashboard"


def test_panels_have_what_grafana_needs() -> None:
    assert DASHBOARD["uid"] == "snowmelt"
    assert DASHBOARD["schemaVersion"] >= 36
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for panel in PANELS:
        if panel["type"] == "row":
            continue
        title = panel["title"]
        references = [query["refId"] for query in panel["targets"]]
        assert references == list("ABCDEFGH"[: len(references)]), title
        assert panel["description"].endswith("."), title
        unit = panel["fieldConfig"]["defaults"].get("unit")
        assert unit in UNITS or panel["type"] == "table", title
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, title


def test_panels_lie_within_the_page_and_none_on_another() -> None:
    def fields(panel: dict[str, Any]) -> set[tuple[int, int]]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        across, down = range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])
        return {(x, y) for x in across for y in down}

    for one, other in combinations(PANELS, 2):
        assert not fields(one) & fields(other), (one["title"], other["title"])


def test_queries_use_variables_that_are_defined() -> None:
    for title, expression in QUERIES:
        used = set(re.findall(r"\$(\w+)", expression)) - {"__rate_interval"}
        assert used <= VARIABLES, title


def test_promtool_takes_every_query(tmp_path: Path) -> None:
    file = tmp_path / "queries.yaml"
    records = [
        {"record": f"query:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, (_, expression) in enumerate(QUERIES)
    ]
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": records}]}))

    ended = promtool("check", "rules", str(file))

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_object_for_the_operator_has_the_same_rules() -> None:
    wanted = yaml.safe_load((PACK / "alerts.yaml").read_text())
    there = yaml.safe_load((PACK / "prometheus-rule.yaml").read_text())

    assert there["kind"] == "PrometheusRule"
    assert there["spec"] == wanted, "run: python -m tests.observability.operator_rule"


def test_the_pack_renders_for_a_cluster() -> None:
    ended = tool("kubectl", "kustomize", str(PACK))
    config, rule = sorted(yaml.safe_load_all(ended.stdout), key=lambda one: str(one["kind"]))

    assert json.loads(config["data"]["dashboard.json"]) == DASHBOARD
    assert config["metadata"]["labels"] == {"grafana_dashboard": "1"}
    assert rule["kind"] == "PrometheusRule"


@pytest.mark.parametrize(
    "expression, metrics",
    [
        ('sum by (a, b) (x{c="d{e"}[5m]) / 60 > 1e3', [("x", {"c"})]),
        ("time() - max by (dataset) (x) > 2 * 3600", [("x", set())]),
        ("a offset 1h unless on (instance) b == 1", [("a", set()), ("b", set())]),
        ('absent(a{b!~"c|d", e="f"})', [("a", {"b", "e"})]),
        ("vector(0)", []),
    ],
)
def test_metrics_are_told_from_words(expression: str, metrics: list[tuple[str, set[str]]]) -> None:
    assert [(metric, set(labels)) for metric, labels in named(expression)] == metrics
