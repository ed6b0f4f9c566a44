"""How a dataset is, as metrics: what it is doing, what is wrong, what it has room for.

State and trouble are one series each, with the value 1 and the present word as a label: thousands
of nodes have them, and whoever asks names the word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric

from snowmelt.status import DatasetStatus

_PREFIX = "dataset_dynamodb_"


def of_conditions(statuses: Sequence[DatasetStatus]) -> Iterator[Metric]:
    """Four gauges; trouble is left out while there is none."""
    info = _gauge(_PREFIX + "info", "What this dataset is here", "role", "engine", "source")
    state = _gauge(_PREFIX + "state", "1 for the present state, as in the status", "state")
    text = "1 while something is wrong, by the exit code that says what"
    problem = _gauge(_PREFIX + "problem", text, "code")
    free = _gauge(_PREFIX + "disk_free_bytes", "What is free on the volume of the file")
    for status in statuses:
        info.add_metric([status.name, status.role, status.engine, status.source], 1)
        state.add_metric([status.name, status.state], 1)
        if status.problem is not None:
            problem.add_metric([status.name, str(status.problem.exit_code)], 1)
        if status.disk_free_bytes is not None:
            free.add_metric([status.name], status.disk_free_bytes)
    yield from (info, state, problem, free)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=["dataset", *labels])
