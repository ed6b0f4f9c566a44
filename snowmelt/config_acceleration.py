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
_SHORTEST_LOOK_SECONDS = 0.1
LOOK_SECONDS = 60.0
# An idle table is published again after an hour, and takes a while to get here.
MAX_STALENESS_SECONDS = 2 * 3600.0
_SIZE = re.compile(r"[0-9]+(\.[0-9]+)? ?(KB|MB|GB|TB|KiB|MiB|GiB|TiB)")


def _threshold(value: Any) -> Any:
    return str(value) if isinstance(value, int) else value


def _enabled(value: Any) -> Any:
    if value is False:
        raise ValueError("must be true: Snowmelt serves a local file and nothing else")
    return value


class AccelerationSection(BaseModel):
    """The local file of a dataset and its snapshots.

    `refresh_check_interval`: how often the whole table is read, where its stream is not followed;
    how often the bucket is asked, where snapshots are. `max_staleness`: the age from which followed
    data is labelled stale. `storage_version`: of a file that is made; a file keeps the one it has.
    `snapshots_compaction`: whether what is free in a file is given back to the disk.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: Annotated[bool, AfterValidator(_enabled)] = True
    refresh_mode: Literal["changes", "full", "snapshot"] = "changes"
    refresh_check_interval: Duration | None = None
    max_staleness: Duration | None = None
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
    def _is_no_hurry(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is None:
            return None
        if info.data.get("refresh_mode") == "snapshot":
            if value < _SHORTEST_LOOK_SECONDS:
                raise ValueError("must be at least 100ms; write e.g. 60s")
        elif value < _SHORTEST_REFRESH_SECONDS:
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

    @model_validator(mode="after")
    def _goes_with_following(self) -> AccelerationSection:
        mode = self.snapshots
        if self.refresh_mode != "snapshot" or "snapshots" not in self.model_fields_set:
            return self
        if mode in ("create_only", "disabled"):
            raise ValueError(
                f"refresh_mode is snapshot, so snapshots are read and none is made; {mode} "
                "contradicts that: leave snapshots out, or write bootstrap_only"
            )
        return self

    @property
    def look_seconds(self) -> float:
        """How often a follower of snapshots asks for a newer one."""
        given = None if self.refresh_mode == "full" else self.refresh_check_interval
        return LOOK_SECONDS if given is None else given

    @property
    def stale_seconds(self) -> float:
        """The age from which followed data is labelled."""
        return MAX_STALENESS_SECONDS if self.max_staleness is None else self.max_staleness

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
