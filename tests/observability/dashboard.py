"""Writes dashboard.json, where all that a node tells is shown.

python -m tests.observability.dashboard
"""

from __future__ import annotations

import json

from tests.observability import panels_of_datasets, panels_of_nodes
from tests.observability.grafana import SOURCE, Json, Page, variable
from tests.observability.rules import PACK
from tests.observability.selecting import OF_DATASET

FILE = PACK / "dashboard.json"


def _page() -> Page:
    page = Page()
    panels_of_nodes.now(page)
    panels_of_nodes.nodes(page)
    panels_of_nodes.streams(page)
    panels_of_datasets.snapshots(page)
    panels_of_datasets.starts(page)
    panels_of_datasets.edges(page)
    panels_of_nodes.disks(page)
    panels_of_nodes.others(page)
    return page


def _variables() -> list[Json]:
    ready = "dataset_dynamodb_ready"
    chosen: Json = {"name": "datasource", "label": "Data source", "type": "datasource"}
    chosen |= {"query": "prometheus", "refresh": 1, "hide": 0, "regex": "", "options": []}
    chosen |= {"includeAll": False, "multi": False, "current": {}}
    return [
        chosen,
        variable("namespace", "Namespace", f"label_values({ready}, namespace)"),
        variable(
            "dataset", "Dataset", f'label_values({ready}{{namespace=~"$namespace"}}, dataset)'
        ),
        variable("instance", "Node", f"label_values({ready}{{{OF_DATASET}}}, instance)"),
    ]


def render() -> str:
    """The whole document."""
    firing = 'ALERTS{alertname=~"Snowmelt.*",alertstate="firing",severity="critical"}'
    alerts: Json = {"name": "Alerts", "datasource": SOURCE, "enable": True, "hide": False}
    alerts |= {"iconColor": "red", "expr": firing, "titleFormat": "{{alertname}}", "step": "60s"}
    document = {
        "uid": "snowmelt",
        "title": "Snowmelt",
        "description": "Local copies of DynamoDB tables: how old, how safe, how fast they start.",
        "tags": ["snowmelt", "dynamodb"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timepicker": {},
        "annotations": {"list": [alerts]},
        "links": [],
        "templating": {"list": _variables()},
        "panels": _page().panels,
    }
    return json.dumps(document, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(render())
