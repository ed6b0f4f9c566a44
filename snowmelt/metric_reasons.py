"""Why nothing is published, as a metric: one series for each reason of the closed list."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client.core import GaugeMetricFamily, Metric

from snapshotter.objections import REASONS
from snowmelt.status import DatasetStatus


def held_reasons(statuses: Sequence[DatasetStatus]) -> Metric:
    """1 for each reason that speaks against the state of a dataset; those that do not are 0."""
    family = GaugeMetricFamily(
        "dataset_acceleration_snapshot_held_reason",
        "Why nothing is published, by the reasons of docs/operating.md",
        labels=["dataset", "reason"],
    )
    for status in statuses:
        if status.snapshot is not None:
            for reason in REASONS:
                value = float(reason in status.snapshot.held_reasons)
                family.add_metric([status.name, reason], value)
    return family
