"""The expressions of the dashboard: series of the nodes and datasets that were chosen on it."""

from __future__ import annotations

HOUR, DAY = 3600, 86_400
OF_DATASET = 'namespace=~"$namespace",dataset=~"$dataset"'
OF_NODE = OF_DATASET + ',instance=~"$instance"'
BUILDS = 'snowmelt_build_info{namespace=~"$namespace",instance=~"$instance"}'
# How lines are called.
BY_NODE, BY_DATASET = "{{dataset}} {{instance}}", "{{dataset}}"


def dynamodb(name: str) -> str:
    """`dataset_dynamodb_` + `name`."""
    return f"dataset_dynamodb_{name}{{{OF_NODE}}}"


def snapshot(name: str) -> str:
    """`dataset_acceleration_snapshot_` + `name`."""
    return f"dataset_acceleration_snapshot_{name}{{{OF_NODE}}}"


def follow(name: str) -> str:
    """`dataset_follow_` + `name`."""
    return f"dataset_follow_{name}{{{OF_NODE}}}"


def stream(name: str) -> str:
    """`dynamodb_stream_` + `name`."""
    return f"dynamodb_stream_{name}{{{OF_NODE}}}"


def of_dataset(name: str) -> str:
    """Of a dataset, by what any of its nodes has seen."""
    return f"max by (dataset) (dataset_acceleration_snapshot_{name}{{{OF_DATASET}}})"


def with_a_stream(expression: str) -> str:
    """Without edges, which have nothing to resume."""
    return f'{expression} unless on (instance, dataset) dataset_dynamodb_info{{role="edge"}}'


def rate(series_of: str, per_seconds: int = 1) -> str:
    """Each second, or in so many."""
    each = f"rate({series_of}[$__rate_interval])"
    return each if per_seconds == 1 else f"{per_seconds} * {each}"


def hourly(series_of: str) -> str:
    """By how much it grew."""
    return f"increase({series_of}[1h])"


def fleet(series_of: str) -> str:
    """A rate, over all nodes."""
    return f"sum by (dataset) ({rate(series_of)})"
