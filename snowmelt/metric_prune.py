"""How a node's own pruning goes, as metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from snowmelt.status import DatasetStatus

_PREFIX = "dataset_acceleration_snapshot_"


def of_prunes(statuses: Sequence[DatasetStatus]) -> Iterator[Metric]:
    """Left out where nothing is ever deleted; the time also until the first prune."""
    last = GaugeMetricFamily(
        _PREFIX + "prune_timestamp",
        "When this node last pruned, epoch seconds",
        labels=["dataset"],
    )
    deleted = CounterMetricFamily(
        _PREFIX + "prune_deleted_total",
        "Objects that this node deleted",
        labels=["dataset"],
    )
    for status in statuses:
        prune = None if status.snapshot is None else status.snapshot.prune
        if prune is not None:
            deleted.add_metric([status.name], prune["deleted_total"])
            if prune["last_at"] is not None:
                last.add_metric([status.name], prune["last_at"])
    yield last
    yield deleted
