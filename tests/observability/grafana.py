"""Panels of a dashboard in Grafana's form, laid out in lines of equal parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]
# An expression, and how its series are called; `{{label}}` stands for a label's value.
Query = tuple[str, str]
Step = tuple[float | None, str]

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_ACROSS = 24
_CALM: Sequence[Step] = ((None, "green"),)
_LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
_LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}


class Page:
    """Panels in the order of the page, each with its number and place."""

    def __init__(self) -> None:
        self.panels: list[Json] = []
        self._down = 0

    def row(self, title: str) -> None:
        """A heading."""
        made: Json = {"type": "row", "title": title, "collapsed": False, "panels": []}
        self._place(made, 0, _ACROSS, 1)
        self._down += 1

    def line(self, height: int, *panels: Json) -> None:
        """Panels beside each other."""
        width = _ACROSS // len(panels)
        for number, panel in enumerate(panels):
            self._place(panel, number * width, width, height)
        self._down += height

    def _place(self, panel: Json, across: int, width: int, height: int) -> None:
        at = {"h": height, "w": width, "x": across, "y": self._down}
        self.panels.append({"id": len(self.panels) + 1, **panel, "gridPos": at})


def stat(title: str, text: str, expression: str, unit: str, steps: Sequence[Step]) -> Json:
    """One number now, coloured by its steps."""
    options = {
        "reduceOptions": _LAST,
        "colorMode": "background",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "auto",
    }
    defaults = {"unit": unit, "color": {"mode": "thresholds"}, "noValue": "-"}
    defaults["thresholds"] = _thresholds(steps)
    return _panel("stat", title, text, _now((expression, "")), defaults, options)


def series(
    title: str,
    text: str,
    unit: str,
    *queries: Query,
    steps: Sequence[Step] = (),
    stacked: bool = False,
) -> Json:
    """Lines over time; `steps` are drawn as lines, too."""
    custom = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 30 if stacked else 0,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "line" if steps else "off"},
    }
    defaults = {"unit": unit, "min": 0, "color": {"mode": "palette-classic"}, "custom": custom}
    defaults["thresholds"] = _thresholds(steps or _CALM)
    options = {"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}}
    return _panel("timeseries", title, text, _over_time(*queries), defaults, options)


def bars(title: str, text: str, unit: str, query: Query) -> Json:
    """One bar for each series, now."""
    defaults = {"unit": unit, "min": 0, "color": {"mode": "palette-classic"}}
    defaults["thresholds"] = _thresholds(_CALM)
    options = {
        "displayMode": "basic",
        "orientation": "horizontal",
        "reduceOptions": _LAST,
        "showUnfilled": True,
    }
    return _panel("bargauge", title, text, _now(query), defaults, options)


def histogram(title: str, text: str, unit: str, query: Query) -> Json:
    """How values are spread over a fleet, now."""
    custom = {"fillOpacity": 80, "lineWidth": 1}
    defaults = {"unit": unit, "color": {"mode": "palette-classic"}, "custom": custom}
    options = {"combine": True, "legend": {**_LEGEND, "showLegend": False}}
    return _panel("histogram", title, text, _now(query), defaults, options)


def table(title: str, text: str, expression: str, hidden: Sequence[str]) -> Json:
    """The labels of series that are there now."""
    organized = {"excludeByName": dict.fromkeys(hidden, True), "indexByName": {}}
    defaults: Json = {"custom": {"align": "auto"}}
    made = _panel(
        "table", title, text, _now((expression, ""), form="table"), defaults, {"showHeader": True}
    )
    made["transformations"] = [
        {"id": "organize", "options": {**organized, "renameByName": {}}},
    ]
    return made


def variable(name: str, label: str, expression: str) -> Json:
    """Values to choose by, all of them at first."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": expression, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "hide": 0,
        "regex": "",
        "options": [],
    }


def _panel(
    kind: str, title: str, text: str, targets: list[Json], defaults: Json, options: Json
) -> Json:
    return {
        "type": kind,
        "title": title,
        "description": text,
        "datasource": SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
    }


def _thresholds(steps: Sequence[Step]) -> Json:
    told = [{"color": color, "value": value} for value, color in steps]
    return {"mode": "absolute", "steps": told}


def _over_time(*queries: Query) -> list[Json]:
    return [
        _target(number, query, {"instant": False, "range": True})
        for number, query in enumerate(queries)
    ]


def _now(query: Query, form: str = "time_series") -> list[Json]:
    return [_target(0, query, {"instant": True, "range": False, "format": form})]


def _target(number: int, query: Query, kind: Json) -> Json:
    expression, legend = query
    return {
        "refId": "ABCDEFGH"[number],
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": expression,
        "legendFormat": legend,
        **kind,
    }
