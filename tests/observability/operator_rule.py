"""Writes prometheus-rule.yaml: `python -m tests.observability.operator_rule`."""

from __future__ import annotations

import textwrap

from tests.observability.rules import PACK, RULES

_HEAD = """\
# Made from alerts.yaml by `python -m tests.observability.operator_rule`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: snowmelt
  labels: { app.kubernetes.io/name: snowmelt }
spec:
"""


def render() -> str:
    """The object, with the rules as they are written."""
    text = RULES.read_text()
    groups = text[text.index("groups:\n") :]
    return _HEAD + textwrap.indent(groups, "  ")


if __name__ == "__main__":
    (PACK / "prometheus-rule.yaml").write_text(render())
