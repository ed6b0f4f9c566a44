"""How the last cold start went, as metrics: its phases, what it fetched and what it refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric

from snowmelt.status import DatasetStatus

_PREFIX = "dataset_acceleration_snapshot_bootstrap_"


def of_restores(statuses: Sequence[DatasetStatus]) -> Iterator[Metric]:
    """Three gauges; durations and bytes are left out where nothing was restored."""
    phases = GaugeMetricFamily(
        _PREFIX + "duration_ms",
        "Duration of each phase of the last restore",
        labels=["dataset", "phase"],
    )
    fetched = GaugeMetricFamily(
        _PREFIX + "bytes", "Bytes that the last restore fetched", labels=["dataset"]
    )
    rejected = GaugeMetricFamily(
        _PREFIX + "rejected",
        "Snapshots that the last cold start met and had to refuse",
        labels=["dataset"],
    )
    for status in statuses:
        restore = status.restore or {}
        if restore.get("phases"):
            for phase, seconds in restore["phases"].items():
                phases.add_metric([status.name, phase], seconds * 1000)
            fetched.add_metric([status.name], restore["bytes_fetched"])
        if "rejected" in restore:
            rejected.add_metric([status.name], len(restore["rejected"]))
    yield from (phases, fetched, rejected)
