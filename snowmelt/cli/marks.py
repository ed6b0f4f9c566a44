"""`snapshots pin|unpin|quarantine|rollback|hold|release`: what a person says of snapshots."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from snowmelt.cli.bucket import plan_of, pointer_of, store_of
from snowmelt.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, DatasetName, print_json

if TYPE_CHECKING:
    from pathlib import Path

    from snapshotter.catalog_change import Change, Changed
    from snapshotter.format import Pointer

SnapshotId = Annotated[str, typer.Argument(help="A snapshot of `snapshots list`.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why, for those who read it later.")]

_LONGEST_REASON = 1000


def register(group: typer.Typer) -> None:
    """Add the verbs."""
    group.command(
        "pin", help='Keep one for good.\n\nExample: snowmelt snapshots pin ID --reason "audit"'
    )(pin)
    group.command(
        "unpin", help="Let retention decide again.\n\nExample: snowmelt snapshots unpin ID"
    )(unpin)
    group.command(
        "quarantine",
        help="Let nobody restore it.\n\n"
        'Example: snowmelt snapshots quarantine ID --reason "rows are missing"',
    )(quarantine)
    group.command(
        "rollback",
        help="Go back to an older one, and hold.\n\n"
        'Example: snowmelt snapshots rollback ID --reason "wrong prices"',
    )(rollback)
    group.command(
        "hold",
        help="Publish and prune nothing.\n\n"
        'Example: snowmelt snapshots hold --reason "until the table is repaired"',
    )(hold)
    group.command("release", help="End the hold.\n\nExample: snowmelt snapshots release")(release)


def pin(
    snapshot: SnapshotId,
    reason: Reason = None,
    config: ConfigFile = DEFAULT_CONFIG,
    dataset: DatasetName = None,
    as_json: AsJson = False,
) -> None:
    """Retention keeps it."""
    from snapshotter import marks

    reason = _because(reason)
    change = partial(marks.pin, snapshot_id=snapshot, reason=reason)
    changed = _change(config, dataset, change)
    _tell(changed, as_json, f"{snapshot}: pinned: {reason}", snapshot)


def unpin(
    snapshot: SnapshotId,
    config: ConfigFile = DEFAULT_CONFIG,
    dataset: DatasetName = None,
    as_json: AsJson = False,
) -> None:
    """Retention decides again."""
    from snapshotter import marks

    changed = _change(config, dataset, partial(marks.unpin, snapshot_id=snapshot))
    _tell(changed, as_json, f"{snapshot}: not pinned any more", snapshot)


def quarantine(
    snapshot: SnapshotId,
    reason: Reason = None,
    lift: Annotated[bool, typer.Option("--lift", help="It was a mistake: offer it again.")] = False,
    config: ConfigFile = DEFAULT_CONFIG,
    dataset: DatasetName = None,
    as_json: AsJson = False,
) -> None:
    """Of the current one: nodes take an older one until the next is published."""
    from snapshotter import marks

    if lift:
        changed = _change(config, dataset, partial(marks.lift, snapshot_id=snapshot))
        _tell(changed, as_json, f"{snapshot}: not quarantined any more", snapshot)
        return
    reason = _because(reason)
    change = partial(marks.quarantine, snapshot_id=snapshot, reason=reason)
    changed = _change(config, dataset, change)
    told = f"{snapshot}: quarantined: {reason}"
    if changed.after.current == snapshot:
        told += f"; it is the current one, so nodes take {_good(changed.after)} until the next"
    _tell(changed, as_json, told, snapshot)


def rollback(
    snapshot: SnapshotId,
    reason: Reason = None,
    no_hold: Annotated[
        bool, typer.Option("--no-hold", help="Let the next snapshot be published at once.")
    ] = False,
    config: ConfigFile = DEFAULT_CONFIG,
    dataset: DatasetName = None,
    as_json: AsJson = False,
) -> None:
    """Make an older snapshot the current one, quarantine what came behind it, and hold."""
    from snapshotter import marks

    because = _because(reason)
    change = partial(marks.roll_back, snapshot_id=snapshot, reason=because, holds=not no_hold)
    changed = _change(config, dataset, change)
    after, count = changed.after, len(_newly_quarantined(changed))
    told = f"{after.dataset}: back at {snapshot} as generation {after.generation}"
    told += f"; {count} snapshot{'' if count == 1 else 's'} behind it quarantined"
    if after.hold is not None:
        told += "; held until `snowmelt snapshots release`"
    _tell(changed, as_json, told, snapshot)


def hold(
    reason: Reason = None,
    config: ConfigFile = DEFAULT_CONFIG,
    dataset: DatasetName = None,
    as_json: AsJson = False,
) -> None:
    """Nothing is published or pruned until the release."""
    from snapshotter import marks

    reason = _because(reason)
    changed = _change(config, dataset, partial(marks.hold, reason=reason))
    after = changed.after
    _tell(changed, as_json, f"{after.dataset}: held at {after.current}: {reason}")


def release(
    config: ConfigFile = DEFAULT_CONFIG, dataset: DatasetName = None, as_json: AsJson = False
) -> None:
    """Publishing goes on."""
    from snapshotter import marks

    changed = _change(config, dataset, marks.release)
    _tell(changed, as_json, f"{changed.after.dataset}: released, it was held: {_held(changed)}")


def _because(reason: str | None) -> str:
    """The reason as it is kept. Raises UsageError."""
    from snapshotter.marks import NO_REASON
    from snowmelt.errors import UsageError

    text = " ".join((reason or "").split()) or NO_REASON
    if len(text) > _LONGEST_REASON:
        raise UsageError(f"--reason has {len(text)} characters", hint=f"use {_LONGEST_REASON}")
    return text


def _change(config: Path, dataset: str | None, change: Change) -> Changed:
    from snapshotter.catalog_change import change_catalog

    plan = plan_of(config, dataset)
    store = store_of(plan)
    pointer_of(store, plan.name)
    return change_catalog(store, plan.name, change)


def _tell(changed: Changed, as_json: bool, text: str, snapshot: str | None = None) -> None:
    after = changed.after
    if as_json:
        print_json(
            {
                "dataset": after.dataset,
                "snapshot_id": snapshot,
                "changed": changed.is_change,
                "current": after.current,
                "generation": after.generation,
                "hold": after.hold,
                "quarantined": _newly_quarantined(changed),
            }
        )
        return
    print(text if changed.is_change else f"{snapshot or after.dataset}: nothing to change")


def _newly_quarantined(changed: Changed) -> list[str]:
    before = {each.snapshot_id for each in changed.before.catalog if each.quarantined is not None}
    return [
        each.snapshot_id
        for each in changed.after.catalog
        if each.quarantined is not None and each.snapshot_id not in before
    ]


def _good(pointer: Pointer) -> str:
    from snapshotter.catalog import newest_good

    entry = newest_good(pointer)
    return "none" if entry is None else entry.snapshot_id


def _held(changed: Changed) -> str:
    return changed.before.hold or ""
