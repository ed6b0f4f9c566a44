"""The section `acceleration` of a dataset: its local file, how that is kept, and its snapshots."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cdc.storage_versions import STORAGE_VERSION, StorageVersion
from snowmelt.durations import Duration, parse_duration

_SHORTEST_REFRESH_SECONDS = 1.0  # two refreshes of one second could not be told apart
_SIZE = re.compile(r"[0-9]+(\.[0-9]+)? ?(KB|MB|GB|TB|KiB|MiB|GiB|TiB)")


def _threshold(value: Any) -> Any:
    return str(value) if isinstance(value, int) else value


def _enabled(value: Any) -> Any:
    if value is False:
        raise ValueError("must be true: Snowmelt serves a local file and nothing else")
    return value


class AccelerationSection(BaseModel):
    """The local file of a dataset and its snapshots.

    `refresh_check_interval`: how often the whole table is read, where its stream is not followed.
    `storage_version`: of a file that is made; a file keeps the one it has. `snapshots_compaction`:
    whether what is free in a file is given back to the disk.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: Annotated[bool, AfterValidator(_enabled)] = True
    refresh_mode: Literal["changes", "full"] = "changes"
    refresh_check_interval: Duration | None = None
    engine: Literal["duckdb", "sqlite"] = "duckdb"
    mode: Literal["file"] = "file"
    path: Path | None = None
    memory_limit: str | None = None
    storage_version: StorageVersion = STORAGE_VERSION
    indexes: Literal["from_table"] | None = None
    snapshots: Literal["disabled", "enabled", "bootstrap_only", "create_only"] = "disabled"
    snapshots_trigger: Literal["time_interval", "stream_batches", "refresh_complete"] = (
        "time_interval"
    )
    snapshots_trigger_threshold: Annotated[str, BeforeValidator(_threshold)] | None = None
    snapshots_creation_policy: Literal["on_change", "always"] = "on_change"
    snapshots_compaction: Literal["disabled", "enabled"] = "disabled"

    @model_validator(mode="before")
    @classmethod
    def _refreshes_are_published(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.get("refresh_mode") != "full":
            return value
        if {"snapshots_trigger", "snapshots_trigger_threshold"} & value.keys():
            return value
        return value | {"snapshots_trigger": "refresh_complete"}

    @field_validator("refresh_check_interval")
    @classmethod
    def _is_no_hurry(cls, value: float | None) -> float | None:
        if value is not None and value < _SHORTEST_REFRESH_SECONDS:
            raise ValueError("must be at least 1s; write e.g. 1h")
        return value

    @field_validator("memory_limit")
    @classmethod
    def _is_size(cls, value: str | None) -> str | None:
        if value is not None and not _SIZE.fullmatch(value):
            raise ValueError("is not a size; write e.g. 512MB or 2GB")
        return value

    @model_validator(mode="after")
    def _goes_with_refreshes(self) -> AccelerationSection:
        if self.refresh_mode == "full" and self.refresh_check_interval is None:
            raise ValueError(
                "refresh_mode is full, so refresh_check_interval is needed: how often the whole "
                "table is read; write e.g. 1h"
            )
        if self.refresh_mode == "full" and self.snapshots_trigger == "stream_batches":
            raise ValueError(
                "refresh_mode is full, so there are no stream_batches; "
                "set snapshots_trigger to refresh_complete"
            )
        return self

    @property
    def refresh_seconds(self) -> float | None:
        """How often the table is read anew; None where its stream is followed."""
        return self.refresh_check_interval if self.refresh_mode == "full" else None

    @property
    def without_effect(self) -> tuple[str, ...]:
        """What was given and is DuckDB's, where the engine is another one."""
        return tuple(
            name
            for name in ("memory_limit", "storage_version", "snapshots_compaction")
            if self.engine == "sqlite" and name in self.model_fields_set
        )

    @field_validator("snapshots_trigger_threshold")
    @classmethod
    def _fits_trigger(cls, value: str | None, info: ValidationInfo) -> str | None:
        kind = info.data.get("snapshots_trigger")
        if value is None or kind is None or kind == "refresh_complete":
            return value
        wanted = "2m" if kind == "time_interval" else "300"
        try:
            amount = parse_duration(value) if kind == "time_interval" else int(value)
        except ValueError as error:
            raise ValueError(f"does not fit {kind}; write e.g. {wanted}") from error
        if amount <= 0:
            raise ValueError(f"must be above 0; write e.g. {wanted}")
        return value
