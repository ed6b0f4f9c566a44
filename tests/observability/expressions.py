"""Which metrics an expression of PromQL names, and which of their labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from prometheus_client.parser import text_string_to_metric_families

from tests.snowmelt.metrics_doc import example_page

# What a scrape puts on each series, and the two series that Prometheus makes itself.
OF_A_SCRAPE = frozenset({"instance", "job", "namespace"})
OF_PROMETHEUS = {
    "up": OF_A_SCRAPE,
    "ALERTS": OF_A_SCRAPE | {"alertname", "alertstate", "severity"},
}
_WORDS = {"and", "or", "unless", "bool", "offset"}
_GROUPING = r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)"


@cache
def known() -> Mapping[str, frozenset[str]]:
    """Labels by the name of the metric, of all that a node may tell."""
    found = dict(OF_PROMETHEUS)
    for family in text_string_to_metric_families(example_page()):
        for sample in family.samples:
            found[sample.name] = OF_A_SCRAPE | set(sample.labels)
    return found


def named(expression: str) -> list[tuple[str, frozenset[str]]]:
    """Each metric with the labels that are chosen by; words of the language left out."""
    bare = re.sub(r"\[[^\]]*\]|\$\w+", " ", re.sub(_GROUPING, " ", expression))
    bare = re.sub(r"\b\d[\w.]*", " ", bare)
    found = []
    for match in re.finditer(r"\b([a-zA-Z_]\w*)\s*({[^}]*})?", _without_texts(bare)):
        is_function = bare[match.end() :].lstrip().startswith("(") and match[2] is None
        if match[1] not in _WORDS and not is_function:
            labels = re.findall(r"(\w+)\s*[=!]", match[2] or "")
            found.append((match[1], frozenset(labels)))
    return found


def grouped(expression: str) -> set[str]:
    """Labels that series are grouped or matched by."""
    inner = re.findall(_GROUPING, expression)
    return {label.strip() for one in inner for label in one.split(",") if label.strip()}


def _without_texts(expression: str) -> str:
    """The same, at the same places, with nothing in its quotes."""
    return re.sub(r'"[^"]*"', lambda found: '"' + " " * (len(found[0]) - 2) + '"', expression)
