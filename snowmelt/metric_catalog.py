"""What the catalog says of snapshots, as metrics: their ages are `time()` minus these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric

from snowmelt.status import DatasetStatus

_PREFIX = "dataset_acceleration_snapshot_"
_METRICS = (
    ("newest_timestamp", "When the newest good snapshot in the store was made, epoch seconds"),
    ("proven_timestamp", "When the newest snapshot that a drill has proven was made"),
    ("verified_timestamp", "When a snapshot was last verified or drilled"),
    ("verified_faults", "What that found: 0 is good"),
)


def of_catalogs(statuses: Sequence[DatasetStatus]) -> Iterator[Metric]:
    """Four gauges; what was never seen is left out."""
    for name, text in _METRICS:
        family = GaugeMetricFamily(_PREFIX + name, text, labels=["dataset"])
        for status in statuses:
            value = None if status.catalog is None else _values(status.catalog)[name]
            if value is not None:
                family.add_metric([status.name], value)
        yield family


def _values(catalog: Mapping[str, Any]) -> dict[str, float | None]:
    look = catalog["verified"]
    return {
        "newest_timestamp": catalog["newest_created_at"],
        "proven_timestamp": catalog["proven_created_at"],
        "verified_timestamp": None if look is None else look["at"],
        "verified_faults": None if look is None else look["faults"],
    }
