"""What the metrics page reads from a dataset's status. None is unknown, and left out."""

from __future__ import annotations

from collections.abc import Callable

from snowmelt.status import DatasetStatus

Value = Callable[[DatasetStatus], float | None]


def age_ms(status: DatasetStatus) -> float | None:
    """Of the checkpoint."""
    age = status.checkpoint_age_seconds
    return None if age is None else age * 1000


def transient(status: DatasetStatus) -> float:
    """Errors that were retried."""
    return float(status.errors_transient_total)


def errors(status: DatasetStatus) -> float:
    """Errors of any kind."""
    return float(sum(status.errors_total.values()))


def shards(status: DatasetStatus) -> float | None:
    """Shards that are being read."""
    if not status.shards:
        return None
    return float(sum(count for state, count in status.shards.items() if state != "finished"))


def of_refresh(name: str) -> Value:
    """Facts of a table that is read anew, without its stream."""

    def read(status: DatasetStatus) -> float | None:
        value = None if status.refresh is None else status.refresh[name]
        return None if value is None else float(value)

    return read


def data_age_ms(status: DatasetStatus) -> float | None:
    """Of a table that is read anew."""
    seconds = of_refresh("data_age_seconds")(status)
    return None if seconds is None else seconds * 1000


def of_dropped(name: str) -> Value:
    """What a stream without order brought for nothing; unknown for one with order."""

    def read(status: DatasetStatus) -> float | None:
        value = status.dropped.get(name)
        return None if value is None else float(value)

    return read


def of_snapshot(name: str) -> Value:
    """Facts of the producing side."""

    def read(status: DatasetStatus) -> float | None:
        value = None if status.snapshot is None else getattr(status.snapshot, name)
        return None if value is None else float(value)

    return read


def lease_held(status: DatasetStatus) -> float | None:
    """1 if this node publishes, 0 if another one does; unknown before the first look."""
    lease = None if status.snapshot is None else status.snapshot.lease
    return None if lease is None else float(lease == "held")


def of_last(name: str) -> Value:
    """Facts of the newest snapshot, where there is one."""
    read = of_snapshot(name)
    return lambda s: None if s.snapshot is None or s.snapshot.last_id is None else read(s)


def last_duration_ms(status: DatasetStatus) -> float | None:
    """Of the newest snapshot."""
    seconds = of_last("last_duration_seconds")(status)
    return None if seconds is None else seconds * 1000


def of_scan(name: str) -> Value:
    """Progress of a bootstrap's scan, while it is under way."""

    def read(status: DatasetStatus) -> float | None:
        if status.scan is None or status.scan["ended_at"] is not None:
            return None
        value = status.scan[name]
        return None if value is None else float(value)

    return read
