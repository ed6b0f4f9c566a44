"""The files of deploy/observability as values, and promtool, which knows what they mean."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.observability.cases import Case
from tests.servers.availability import missing

ROOT = Path(__file__).parents[2]
PACK = ROOT / "deploy" / "observability"
RULES = PACK / "alerts.yaml"
_FETCHED = ROOT / ".cache" / "promtool" / "promtool"

Rule = Mapping[str, Any]


@cache
def rules() -> dict[str, Rule]:
    """By the alert's name, in the order of the file."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    every = [rule for group in groups for rule in group["rules"]]
    named = {rule["alert"]: rule for rule in every}
    assert len(named) == len(every), "an alert is there twice"
    return named


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Its run, whatever came of it. Skips the test where there is no promtool."""
    return _ended(_promtool(), *arguments)


@cache
def _promtool() -> str:
    fetched = str(_FETCHED) if _FETCHED.exists() else None
    # Prometheus 3 takes one sample less into a window, which is a minute here.
    for path in filter(None, (fetched, shutil.which("promtool"))):
        if "version 2." in _ended(path, "--version").stdout:
            return path
    return missing("there is no promtool 2: `bash scripts/promtool.sh` fetches Debian's")


def _ended(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def judged(rule: Rule, cases: Sequence[Case], folder: Path) -> subprocess.CompletedProcess[str]:
    """What promtool says of one alert and its cases; they may not be all right."""
    file, tests = folder / "alert.yaml", folder / "cases.yaml"
    file.write_text(json.dumps({"groups": [{"name": "one", "rules": [rule]}]}))
    document = {
        "rule_files": [str(file)],
        # A case of two days would take seconds, if it were looked at each minute.
        "evaluation_interval": "1m" if max(case.at for case in cases) < 1000 else "10m",
        "tests": [_as_test(rule, case) for case in cases],
    }
    tests.write_text(json.dumps(document))
    return promtool("test", "rules", str(tests))


def _as_test(rule: Rule, case: Case) -> dict[str, Any]:
    expected = []
    if case.labels is not None:
        labels = {**case.labels, **rule["labels"]}
        expected.append({"exp_labels": labels, "exp_annotations": _printed(rule, case)})
    series = [{"series": name, "values": values} for name, values in case.series.items()]
    alerts = {"eval_time": f"{case.at}m", "alertname": rule["alert"], "exp_alerts": expected}
    return {"interval": "1m", "input_series": series, "alert_rule_test": [alerts]}


def _printed(rule: Rule, case: Case) -> dict[str, str]:
    def put_in(found: re.Match[str]) -> str:
        label = re.fullmatch(r"\$labels\.(\w+)", found[1])
        return (case.labels or {})[label[1]] if label else case.value

    return {
        name: re.sub(r"{{ ([^}]+) }}", put_in, text) for name, text in rule["annotations"].items()
    }
