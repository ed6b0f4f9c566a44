"""What the verbs of `snapshots` begin with: the dataset, its store, its pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snowmelt.cli.options import choose, load

if TYPE_CHECKING:
    from snapshotter.format import CatalogEntry, Pointer
    from snapshotter.store import ObjectStore
    from snowmelt.wiring import DatasetPlan


def plan_of(config: Any, dataset: str | None) -> DatasetPlan:
    """The dataset that was asked for. Raises UsageError, ConfigError."""
    from snowmelt.wiring import wire

    settings = load(config).config
    return wire(settings, choose(settings, dataset))


def store_of(plan: DatasetPlan) -> ObjectStore:
    """The dataset's store. Raises UsageError."""
    from snowmelt.errors import UsageError

    if plan.store is None:
        raise UsageError(
            f"dataset {plan.name}: no snapshots are configured", hint="set snapshots.location"
        )
    return plan.store


def pointer_of(store: ObjectStore, dataset: str) -> Pointer:
    """The pointer. Raises ObjectMissing."""
    from snapshotter.errors import ObjectMissing
    from snapshotter.reader import read_pointer

    try:
        return read_pointer(store, dataset)
    except ObjectMissing as error:
        raise ObjectMissing(f"there is no snapshot of {dataset} in {store.url}") from error


def find(store: ObjectStore, pointer: Pointer, snapshot: str | None) -> CatalogEntry:
    """The catalog's entry, by default the current one. Raises NoSuchSnapshot."""
    from snapshotter.catalog import by_id
    from snapshotter.errors import NoSuchSnapshot
    from snapshotter.reader import read_catalog

    wanted = snapshot or pointer.current
    entry = None if wanted is None else by_id(read_catalog(store, pointer), wanted)
    if entry is None:
        what = f"snapshot {wanted}" if wanted else "snapshot"
        raise NoSuchSnapshot(f"{pointer.dataset} in {store.url} has no {what}")
    return entry
