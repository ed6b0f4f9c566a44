"""The configuration of a node, as frozen values. `snowmelt.config_file` reads the YAML file.

Field names follow the peer's where the meaning is the same; durations are seconds once they are
here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from snowmelt import config_following
from snowmelt.config_acceleration import AccelerationSection
from snowmelt.config_columns import NO_INDEX, ColumnsSection
from snowmelt.config_snapshots import SnapshotsSection
from snowmelt.durations import Duration
from snowmelt.parameters import DynamoDbParameters

_DATASET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_KINDS = ("dynamodb", "kinesis", "snapshot")

MetricName = Literal["shards_active", "records_consumed_total", "lag_ms", "errors_transient_total"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MetricSwitch(_Section):
    """One metric that this dataset exports; without a list all are exported."""

    name: MetricName
    enabled: bool = True


class DatasetSection(_Section):
    """One table and its local copy."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    source: str = Field(alias="from")
    name: str
    params: DynamoDbParameters = DynamoDbParameters()
    acceleration: AccelerationSection = AccelerationSection()
    columns: ColumnsSection = ColumnsSection()
    metrics: tuple[MetricSwitch, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _takes_snapshots(cls, value: Any) -> Any:
        return config_following.with_mode(value)

    @field_validator("source")
    @classmethod
    def _is_table(cls, value: str) -> str:
        kind, _, table = value.partition(":")
        if kind not in _KINDS or not re.fullmatch(r"[A-Za-z0-9_.-]{3,255}", table):
            raise ValueError(
                "is nothing to follow; write dynamodb:TABLE, kinesis:TABLE or snapshot:DATASET"
            )
        return value

    @field_validator("name")
    @classmethod
    def _identifier(cls, value: str) -> str:
        if not _DATASET_NAME.fullmatch(value):
            raise ValueError("must be letters, digits, _ and -, beginning with a letter or _")
        if value.casefold().startswith(("sqlite_", "_snowmelt")):
            raise ValueError("must not begin with sqlite_ or _snowmelt, which the engines keep")
        return value

    @model_validator(mode="after")
    def _is_followed(self) -> DatasetSection:
        if self.by_kinesis and self.acceleration.refresh_seconds is not None:
            raise ValueError(
                "a table that is read anew needs no stream; write from: dynamodb:TABLE"
            )
        if self.source.startswith("snapshot:"):
            config_following.check(self.table, self.name, self.acceleration)
        return self

    @property
    def table(self) -> str:
        """The DynamoDB table's name; of snapshots, the dataset's."""
        return self.source.partition(":")[2]

    @property
    def follows_snapshots(self) -> bool:
        """True if it takes snapshots that another node publishes, whatever the node's role."""
        return self.acceleration.refresh_mode == "snapshot"

    @property
    def by_kinesis(self) -> bool:
        """True if its changes come through a Kinesis stream, not through its own."""
        return self.source.startswith("kinesis:")


class RuntimeSection(_Section):
    """What this node is and where it listens."""

    role: Literal["central", "edge"] = "central"
    query: str = "127.0.0.1:8090"
    admin: str = "127.0.0.1:9090"
    data_dir: Path = Path(".snowmelt/data")
    shutdown_timeout: Duration = 20.0
    standby: bool = False

    @field_validator("query")
    @classmethod
    def _query_is_local(cls, value: str) -> str:
        if value.startswith("unix:///"):
            return value
        host = _host(value)
        if host not in {"127.0.0.1", "localhost", "[::1]"}:
            raise ValueError("is not loopback; use 127.0.0.1:PORT or unix:///PATH")
        return value

    @field_validator("admin")
    @classmethod
    def _admin_is_address(cls, value: str) -> str:
        _host(value)
        return value


def _host(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("is not HOST:PORT")
    return host


class Config(_Section):
    """A whole node."""

    version: Literal["v1"]
    kind: Literal["Snowmelt", "Spicepod"] = "Snowmelt"
    name: str = "snowmelt"
    snapshots: SnapshotsSection | None = None
    datasets: tuple[DatasetSection, ...]
    runtime: RuntimeSection = RuntimeSection()

    @field_validator("datasets")
    @classmethod
    def _names_are_unique(cls, value: tuple[DatasetSection, ...]) -> tuple[DatasetSection, ...]:
        if not value:
            raise ValueError("holds no dataset for this node; name at least one DynamoDB table")
        names = [dataset.name for dataset in value]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name!r} is the name of two; give each its own")
        return value

    @model_validator(mode="after")
    def _edge_has_snapshots(self) -> Config:
        if self.runtime.role == "edge" and not self.has_snapshots:
            raise ValueError("runtime.role: an edge follows snapshots; set snapshots.location")
        following = [dataset.name for dataset in self.datasets if dataset.follows_snapshots]
        if following and not self.has_snapshots:
            raise ValueError(f"datasets: {following[0]} follows snapshots; set snapshots.location")
        return self

    @property
    def has_snapshots(self) -> bool:
        """True if there is a store for snapshots."""
        return self.snapshots is not None and self.snapshots.enabled

    def without_effect(self) -> list[tuple[tuple[str | int, ...], str]]:
        """Where something is asked for that nothing comes of, and why."""
        found: list[tuple[tuple[str | int, ...], str]] = []
        for number, dataset in enumerate(self.datasets):
            place = ("datasets", number)
            if dataset.follows_snapshots:
                given = dataset.model_fields_set
                found += config_following.without_effect(place, given, dataset.acceleration)
            else:
                found += self._in_vain_for_a_table(place, dataset)
        if self.runtime.standby and self.runtime.role == "edge":
            why = "has no effect: an edge publishes nothing"
            found.append((("runtime", "standby"), why))
        params = self.snapshots.params if self.snapshots is not None else None
        if params is not None and params.s3_auth == "iam_role" and params.s3_key is not None:
            why = "has no effect, because s3_auth is iam_role"
            found.append((("snapshots", "params", "s3_key"), why))
        return found

    def _in_vain_for_a_table(
        self, place: tuple[str | int, ...], dataset: DatasetSection
    ) -> list[tuple[tuple[str | int, ...], str]]:
        acceleration = dataset.acceleration
        found: list[tuple[tuple[str | int, ...], str]] = []
        if self.runtime.role == "central":
            found += _timed_in_vain(place, acceleration)
        if acceleration.snapshots != "disabled" and not self.has_snapshots:
            why = "there is no section snapshots that is enabled"
            found.append(((*place, "acceleration", "snapshots"), f"has no effect: {why}"))
        is_followed = acceleration.refresh_seconds is None
        if is_followed and acceleration.snapshots_trigger == "refresh_complete":
            why = "changes are followed, so only the first and the hourly snapshot are made"
            where = (*place, "acceleration", "snapshots_trigger")
            found.append((where, f"has no effect: {why}"))
        found += [
            ((*place, "acceleration", name), "has no effect on sqlite")
            for name in acceleration.without_effect
        ]
        if acceleration.indexes is not None and acceleration.engine == "duckdb":
            where = (*place, "acceleration", "indexes")
            found.append((where, f"has no effect on duckdb: {NO_INDEX}"))
        for name in ("kinesis_stream_arn", "kinesis_endpoint_url"):
            if not dataset.by_kinesis and getattr(dataset.params, name) is not None:
                where = (*place, "params", name)
                found.append((where, "has no effect: from is not kinesis:TABLE"))
        if dataset.params.auth == "iam_role" and dataset.params.access_key_id is not None:
            where = (*place, "params", "access_key_id")
            found.append((where, "has no effect, because the authentication is iam_role"))
        return found

    def path_of(self, dataset: DatasetSection) -> Path:
        """The dataset's file."""
        suffix = {"duckdb": "duckdb", "sqlite": "sqlite"}[dataset.acceleration.engine]
        given = dataset.acceleration.path
        return (given or self.runtime.data_dir / f"{dataset.name}.{suffix}").absolute()

    def dataset(self, name: str | None) -> DatasetSection:
        """The dataset of that name, or the only one. Raises LookupError with the names."""
        if name is None and len(self.datasets) == 1:
            return self.datasets[0]
        for dataset in self.datasets:
            if dataset.name == name:
                return dataset
        names = ", ".join(dataset.name for dataset in self.datasets)
        raise LookupError(f"choose one of the datasets {names}")


def _timed_in_vain(
    place: tuple[str | int, ...], acceleration: AccelerationSection
) -> list[tuple[tuple[str | int, ...], str]]:
    """Times that only a table that is read anew has, or a dataset that follows snapshots."""
    found: list[tuple[tuple[str | int, ...], str]] = []
    if acceleration.refresh_seconds is None and acceleration.refresh_check_interval is not None:
        where = (*place, "acceleration", "refresh_check_interval")
        found.append((where, "has no effect: changes are followed"))
    if acceleration.max_staleness is not None:
        where = (*place, "acceleration", "max_staleness")
        found.append((where, "has no effect: only a dataset that follows snapshots has it"))
    return found
