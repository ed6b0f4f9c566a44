"""What a dataset that follows snapshots may say, and what it says in vain. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from snowmelt.config_acceleration import AccelerationSection

_Place = tuple[str | int, ...]

# What another node decides, which makes the snapshots.
_OF_THE_PUBLISHER = (
    "indexes",
    "storage_version",
    "snapshots_trigger",
    "snapshots_trigger_threshold",
    "snapshots_creation_policy",
    "snapshots_compaction",
)


def with_mode(dataset: Any) -> Any:
    """A dataset as it was written, with the mode that `from: snapshot:…` means if none is named."""
    source = dataset.get("from") if isinstance(dataset, dict) else None
    if not isinstance(source, str) or not source.startswith("snapshot:"):
        return dataset
    acceleration = dataset.get("acceleration", {})
    if not isinstance(acceleration, dict):
        return dataset
    return dataset | {"acceleration": {"refresh_mode": "snapshot"} | acceleration}


def check(published: str, name: str, acceleration: AccelerationSection) -> None:
    """Raise ValueError where a dataset from snapshots contradicts itself."""
    if acceleration.refresh_mode != "snapshot":
        raise ValueError(
            f"from is snapshot:{published} and refresh_mode is {acceleration.refresh_mode}; "
            "write snapshot or leave refresh_mode out"
        )
    if published != name:
        raise ValueError(
            f"from is snapshot:{published}, so the name is {published} too: it is in the file"
        )


def without_effect(
    place: _Place, given: Iterable[str], acceleration: AccelerationSection
) -> list[tuple[_Place, str]]:
    """Where something is asked for that nothing comes of, and why. `given`: keys of the dataset."""
    why = "has no effect: snapshots are followed, and no table is read"
    found: list[tuple[_Place, str]] = [
        ((*place, name), why) for name in ("params", "columns") if name in given
    ]
    why = "has no effect: it is for the node that publishes the snapshots"
    named = acceleration.model_fields_set
    found += [((*place, "acceleration", name), why) for name in _OF_THE_PUBLISHER if name in named]
    if acceleration.engine == "sqlite" and "memory_limit" in named:
        found.append(((*place, "acceleration", "memory_limit"), "has no effect on sqlite"))
    return found
