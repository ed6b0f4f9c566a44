"""What a node that follows snapshots says of that, as metrics; nothing for other datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from snowmelt.status import DatasetStatus

_PREFIX = "dataset_follow_"
_GAUGES = (
    ("age_ms", "Age of what is served", "data_age_seconds", 1000.0),
    ("newest_age_ms", "Age of the snapshot that followers should be at", "newest_age_seconds", 1e3),
    ("versions_behind", "Commits between the two", "versions_behind", 1.0),
    ("looked_timestamp", "When the pointer was last asked for, epoch seconds", "looked_at", 1.0),
    ("answered_timestamp", "When the store last answered that", "answered_at", 1.0),
    ("switched_timestamp", "When a newer file was last switched to", "switched_at", 1.0),
)
_COUNTERS = (
    ("looks_total", "Looks at the pointer"),
    ("unchanged_total", "Looks that found the same pointer as before"),
    ("failures_total", "Looks and fetches that came to nothing"),
    ("switches_total", "Newer files switched to"),
    ("rejected_total", "Snapshots that were found damaged, incomplete or unreadable"),
    ("bytes_fetched_total", "Bytes fetched of packs"),
    ("bytes_spared_total", "Stored bytes of blocks that were on the disk already"),
)


def of_following(statuses: Sequence[DatasetStatus]) -> Iterator[Metric]:
    """Gauges and counters; what is not known is left out."""
    following = [(status.name, status.follow) for status in statuses if status.follow is not None]
    for name, text, key, factor in _GAUGES:
        gauge = GaugeMetricFamily(_PREFIX + name, text, labels=["dataset"])
        for dataset, follow in following:
            if follow[key] is not None:
                gauge.add_metric([dataset], follow[key] * factor)
        yield gauge
    yield _held(following)
    for name, text in _COUNTERS:
        counter = CounterMetricFamily(_PREFIX + name, text, labels=["dataset"])
        for dataset, follow in following:
            counter.add_metric([dataset], follow[name])
        yield counter


def _held(following: Sequence[tuple[str, Mapping[str, Any]]]) -> Metric:
    text = "A person holds followers at the present snapshot"
    gauge = GaugeMetricFamily(_PREFIX + "held", text, labels=["dataset"])
    for dataset, follow in following:
        gauge.add_metric([dataset], float(follow["held_because"] is not None))
    return gauge
