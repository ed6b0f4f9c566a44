"""The configuration of a node, as frozen values. `snowmelt.config_file` reads the YAML file.

Field names follow the peer's where the meaning is the same; durations are seconds once they are
here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from snowmelt.durations import Duration
from snowmelt.parameters import DynamoDbParameters

_DATASET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_LOCATION_SCHEMES = ("s3://", "file://", "memory://", "gs://", "abfs://")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SnapshotParameters(_Section):
    """Access to the object store."""

    s3_auth: Literal["iam_role", "key"] = "iam_role"
    s3_key: SecretStr | None = None
    s3_secret: SecretStr | None = None
    s3_session_token: SecretStr | None = None
    s3_region: str | None = None
    s3_endpoint: str | None = None
    s3_expected_bucket_owner: str | None = None


class SnapshotsSection(_Section):
    """Where snapshots lie and what happens when none can be restored."""

    enabled: bool = True
    location: str | None = None
    bootstrap_on_failure_behavior: Literal["warn", "retry", "fallback"] = "fallback"
    params: SnapshotParameters = SnapshotParameters()

    @field_validator("location")
    @classmethod
    def _known_scheme(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(_LOCATION_SCHEMES):
            raise ValueError(f"needs a URL; start with one of {', '.join(_LOCATION_SCHEMES)}")
        return value

    @model_validator(mode="after")
    def _location_when_enabled(self) -> SnapshotsSection:
        if self.enabled and self.location is None:
            raise ValueError("location is missing; set it, or set enabled: false")
        return self


def _threshold(value: Any) -> Any:
    return str(value) if isinstance(value, int) else value


class AccelerationSection(_Section):
    """The local file of a dataset and its snapshots."""

    enabled: bool = True
    refresh_mode: Literal["changes"] = "changes"
    engine: Literal["duckdb", "sqlite"] = "duckdb"
    mode: Literal["file"] = "file"
    path: Path | None = None
    memory_limit: str | None = None
    snapshots: Literal["disabled", "enabled", "bootstrap_only", "create_only"] = "disabled"
    snapshots_trigger: Literal["time_interval", "stream_batches", "refresh_complete"] = (
        "time_interval"
    )
    snapshots_trigger_threshold: Annotated[str, BeforeValidator(_threshold)] | None = None
    snapshots_creation_policy: Literal["on_change", "always"] = "on_change"


class MetricSwitch(_Section):
    """One metric that this dataset exports; without a list all are exported."""

    name: str
    enabled: bool = True


class DatasetSection(_Section):
    """One table and its local copy."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    source: str = Field(alias="from")
    name: str
    params: DynamoDbParameters = DynamoDbParameters()
    acceleration: AccelerationSection = AccelerationSection()
    metrics: tuple[MetricSwitch, ...] | None = None

    @field_validator("source")
    @classmethod
    def _dynamodb_only(cls, value: str) -> str:
        kind, _, table = value.partition(":")
        if kind != "dynamodb" or not re.fullmatch(r"[A-Za-z0-9_.-]{3,255}", table):
            raise ValueError(f"{value!r} is not supported; write dynamodb:TABLE")
        return value

    @field_validator("name")
    @classmethod
    def _identifier(cls, value: str) -> str:
        if not _DATASET_NAME.fullmatch(value):
            raise ValueError("must be letters, digits, _ and -, beginning with a letter or _")
        return value

    @property
    def table(self) -> str:
        """The DynamoDB table's name."""
        return self.source.partition(":")[2]


class RuntimeSection(_Section):
    """What this node is and where it listens."""

    role: Literal["central", "edge"] = "central"
    query: str = "127.0.0.1:8090"
    admin: str = "127.0.0.1:9090"
    data_dir: Path = Path(".snowmelt/data")
    shutdown_timeout: Duration = 20.0

    @field_validator("query")
    @classmethod
    def _query_is_local(cls, value: str) -> str:
        if value.startswith("unix:///"):
            return value
        host = _host(value)
        if host not in {"127.0.0.1", "localhost", "[::1]"}:
            raise ValueError(f"{value!r} is not loopback; use 127.0.0.1:PORT or unix:///PATH")
        return value

    @field_validator("admin")
    @classmethod
    def _admin_is_address(cls, value: str) -> str:
        _host(value)
        return value


def _host(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{value!r} is not HOST:PORT")
    return host


class Config(_Section):
    """A whole node."""

    version: Literal["v1"]
    kind: Literal["Snowmelt", "Spicepod"] = "Snowmelt"
    name: str = "snowmelt"
    snapshots: SnapshotsSection | None = None
    datasets: tuple[DatasetSection, ...] = Field(min_length=1)
    runtime: RuntimeSection = RuntimeSection()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Config:
        names = [dataset.name for dataset in self.datasets]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"dataset {name!r} is named twice")
        return self

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
