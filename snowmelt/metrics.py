"""The Prometheus page, made at each scrape from the datasets' status; nothing is counted twice.

The first four names, and those beginning with `dynamodb_stream_`, are the ones users of the peer
and of its connector guide have in their dashboards; a dataset's `metrics:` list switches the first
four. An unknown value is left out, never shown as 0. docs/metrics.md is the golden page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from snowmelt import __version__
from snowmelt.config import MetricName
from snowmelt.metric_catalog import of_catalogs
from snowmelt.metric_condition import of_conditions
from snowmelt.metric_follow import of_following
from snowmelt.metric_prune import of_prunes
from snowmelt.metric_reasons import held_reasons
from snowmelt.metric_restore import of_restores
from snowmelt.metric_values import (
    Value,
    age_ms,
    data_age_ms,
    errors,
    last_duration_ms,
    lease_held,
    of_dropped,
    of_last,
    of_refresh,
    of_scan,
    of_snapshot,
    shards,
    transient,
)
from snowmelt.status import DatasetStatus

PREFIX = "dataset_dynamodb_"
# Each is a series that Prometheus keeps for ever, and a table may use data as names.
_ATTRIBUTES_TOLD = 20
SWITCHABLE: tuple[str, ...] = get_args(MetricName)


def described() -> list[tuple[str, str, str]]:
    """Name, type and help of every metric, in the order of the page."""
    families = _Collector(list, {}).collect()
    return [(_name(family), family.type, family.documentation) for family in families]


def _name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


# name, help, is it a counter, value
_METRICS: tuple[tuple[str, str, bool, Value], ...] = (
    (PREFIX + "shards_active", "Shards that are being read", False, shards),
    (
        PREFIX + "records_consumed_total",
        "Stream records committed",
        True,
        lambda s: float(s.records_total),
    ),
    (PREFIX + "lag_ms", "Age of the oldest change that may be missing", False, lambda s: s.lag_ms),
    (PREFIX + "errors_transient_total", "Errors that were retried", True, transient),
    (
        "dynamodb_stream_records_total",
        "Stream records committed",
        True,
        lambda s: float(s.records_total),
    ),
    ("dynamodb_stream_lag_ms", "As lag_ms", False, lambda s: s.lag_ms),
    ("dynamodb_stream_shard_count", "Shards that are being read", False, shards),
    ("dynamodb_stream_errors_total", "Errors of any kind", True, errors),
    (
        "dynamodb_stream_checkpoint_age_ms",
        "Age that is compared with 18 h and 24 h",
        False,
        age_ms,
    ),
    (
        PREFIX + "resumable_until_timestamp_seconds",
        "Until when the stream can be resumed from this file",
        False,
        lambda s: s.resumable_until,
    ),
    (PREFIX + "data_age_ms", "Without a stream: time since the scan began", False, data_age_ms),
    (PREFIX + "refreshes_total", "Newer files brought in", True, of_refresh("completed_total")),
    (
        PREFIX + "refresh_failures_total",
        "Refreshes that failed or were refused",
        True,
        of_refresh("failed_total"),
    ),
    (PREFIX + "ready", "Caught up once, and valid", False, lambda s: float(s.ready)),
    (PREFIX + "stale", "Older than promised", False, lambda s: float(s.stale)),
    (PREFIX + "rows", "Items in the dataset", False, lambda s: s.rows),
    (PREFIX + "bootstrap_rows", "Items that a scan has read so far", False, of_scan("rows")),
    (
        PREFIX + "bootstrap_rows_per_second",
        "Mean rate of the scan in this process",
        False,
        of_scan("rows_per_second"),
    ),
    (
        PREFIX + "bootstrap_eta_seconds",
        "Time until the scan ends, by the service's count of items",
        False,
        of_scan("eta_seconds"),
    ),
    (PREFIX + "version", "Commits of this lineage", False, lambda s: s.version),
    (PREFIX + "file_bytes", "The dataset's file", False, lambda s: s.file_bytes),
    (PREFIX + "disk_bytes", "What the file takes of the disk", False, lambda s: s.disk_bytes),
    (PREFIX + "wal_bytes", "The engine's log beside the file", False, lambda s: s.wal_bytes),
    (
        PREFIX + "ttl_deletes_total",
        "Deletes made by time to live",
        True,
        lambda s: float(s.ttl_deletes_total),
    ),
    (
        PREFIX + "duplicates_dropped_total",
        "Changes that came again through Kinesis",
        True,
        of_dropped("duplicates"),
    ),
    (
        PREFIX + "late_dropped_total",
        "Changes that came through Kinesis behind newer ones of their item",
        True,
        of_dropped("late"),
    ),
    (
        PREFIX + "ties_by_images_total",
        "Changes of the same time, ordered by their images",
        True,
        of_dropped("by_images"),
    ),
    (
        PREFIX + "ties_by_table_total",
        "Changes of the same time, for which the item was read from the table",
        True,
        of_dropped("by_table"),
    ),
    (
        PREFIX + "misfits_total",
        "Values kept in _rest because no typed cell holds them",
        True,
        lambda s: float(sum(s.misfits.values())),
    ),
    (
        PREFIX + "quarantined_records",
        "Records that could not be decoded",
        False,
        lambda s: s.quarantined,
    ),
    (
        "dataset_acceleration_snapshot_write_timestamp",
        "When the newest snapshot of this node was published, epoch seconds",
        False,
        of_snapshot("last_success_at"),
    ),
    (
        "dataset_acceleration_snapshot_write_bytes",
        "Bytes that the newest snapshot added to the store",
        False,
        of_last("last_new_bytes"),
    ),
    (
        "dataset_acceleration_snapshot_stored_bytes",
        "Bytes in the store that the newest snapshot needs",
        False,
        of_last("last_stored_bytes"),
    ),
    (
        "dataset_acceleration_snapshot_write_duration_ms",
        "Duration of the newest snapshot",
        False,
        last_duration_ms,
    ),
    (
        "dataset_acceleration_snapshot_write_total",
        "Snapshots published",
        True,
        of_snapshot("published_total"),
    ),
    (
        "dataset_acceleration_snapshot_failure_total",
        "Snapshots that failed",
        True,
        of_snapshot("failed_total"),
    ),
    (
        "dataset_acceleration_snapshot_generation",
        "Generation under which this node publishes",
        False,
        of_snapshot("generation"),
    ),
    (
        "dataset_acceleration_snapshot_lease_held",
        "This node holds the lease, and so publishes",
        False,
        lease_held,
    ),
    (
        "dataset_acceleration_snapshot_fenced",
        "Another node took the lease from this one",
        False,
        lambda s: None if s.snapshot is None else float(s.snapshot.fenced),
    ),
    (
        "dataset_acceleration_snapshot_held",
        "Nothing is published: a person holds the dataset, or the gate refused its state",
        False,
        lambda s: None if s.snapshot is None else float(bool(s.snapshot.held_because)),
    ),
)


class _Collector:
    def __init__(
        self,
        statuses: Callable[[], Sequence[DatasetStatus]],
        switches: Mapping[str, frozenset[str]],
    ) -> None:
        self._statuses = statuses
        self._switches = switches

    def collect(self) -> Iterable[Metric]:
        statuses = self._statuses()
        for name, text, is_counter, value in _METRICS:
            kind = CounterMetricFamily if is_counter else GaugeMetricFamily
            family = kind(name, text, labels=["dataset"])
            for status in statuses:
                number = value(status)
                if number is not None and self._is_on(status.name, name):
                    family.add_metric([status.name], number)
            yield family
        yield from of_conditions(statuses)
        yield held_reasons(statuses)
        yield from of_catalogs(statuses)
        yield from of_prunes(statuses)
        yield from of_following(statuses)
        yield _spilled(statuses)
        yield from of_restores(statuses)
        build = GaugeMetricFamily(
            "snowmelt_build_info", "The version of this node", labels=["version"]
        )
        build.add_metric([__version__], 1)
        yield build

    def _is_on(self, dataset: str, name: str) -> bool:
        short = name.removeprefix(PREFIX)
        if short not in SWITCHABLE or name == short:
            return True
        on = self._switches.get(dataset)
        return on is None or short in on


def _spilled(statuses: Sequence[DatasetStatus]) -> Metric:
    family = CounterMetricFamily(
        PREFIX + "attribute_misfits_total",
        f"As misfits_total, of the {_ATTRIBUTES_TOLD} attributes with most of them",
        labels=["dataset", "attribute"],
    )
    for status in statuses:
        most = sorted(status.misfits.items(), key=lambda entry: (-entry[1], entry[0]))
        for attribute, count in most[:_ATTRIBUTES_TOLD]:
            family.add_metric([status.name, attribute], count)
    return family


def page(
    statuses: Callable[[], Sequence[DatasetStatus]],
    switches: Mapping[str, frozenset[str]],
) -> Callable[[], bytes]:
    """A function that renders the page. `switches`: switchable names that are on, by dataset."""
    registry = CollectorRegistry()
    registry.register(_Collector(statuses, switches))
    return lambda: generate_latest(registry)
