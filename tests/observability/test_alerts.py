"""The alert rules: each fires when it should, is quiet just before, and says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.observability.cases_of_datasets import CASES as OF_DATASETS
from tests.observability.cases_of_nodes import CASES as OF_NODES
from tests.observability.rules import RULES, judged, promtool, rules

CASES = OF_NODES.all + OF_DATASETS.all


def test_promtool_takes_the_file() -> None:
    ended = promtool("check", "rules", str(RULES))

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{len(rules())} rules found" in ended.stdout


@pytest.mark.parametrize("alert", list(rules()))
def test_it_fires_and_is_quiet_by_its_cases(alert: str, tmp_path: Path) -> None:
    ended = judged(rules()[alert], [case for case in CASES if case.alert == alert], tmp_path)

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_each_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    fires = {case.alert for case in CASES if case.labels is not None}
    quiet = {case.alert for case in CASES if case.labels is None}

    assert fires == set(rules())
    assert quiet == set(rules())


def test_each_alert_says_how_bad_it_is_since_when_and_what_it_means() -> None:
    for alert, rule in rules().items():
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}, alert
        assert rule["labels"]["severity"] in {"critical", "warning"}, alert
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}, alert
        assert not rule["annotations"]["summary"].endswith("."), alert
        assert rule["annotations"]["description"].endswith("."), alert
