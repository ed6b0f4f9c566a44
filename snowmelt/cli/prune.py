"""`snapshots prune`: what retention does not keep goes, and what nothing needs is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from snowmelt.cli.bucket import plan_of, pointer_of, store_of
from snowmelt.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, DatasetName, print_json

if TYPE_CHECKING:
    from snapshotter.prune import Look, Pruner
    from snowmelt.wiring import DatasetPlan


def register(group: typer.Typer) -> None:
    """Add the verb."""
    group.command(
        "prune", help="Delete what is kept no longer.\n\nExample: snowmelt snapshots prune --yes"
    )(prune)


def prune(
    yes: Annotated[bool, typer.Option("--yes", help="Do it (else it is only said).")] = False,
    only: Annotated[
        str | None,
        typer.Option(help="condemn (needs no permission to delete) or sweep (none to write)."),
    ] = None,
    config: ConfigFile = DEFAULT_CONFIG,
    dataset: DatasetName = None,
    as_json: AsJson = False,
) -> None:
    """Twice, with the grace between: the first time condemns, the second deletes."""
    from snowmelt.errors import UsageError

    if only not in {None, "condemn", "sweep"}:
        raise UsageError(f"--only {only} is not allowed", hint="use condemn or sweep")
    plan = plan_of(config, dataset)
    pointer_of(store_of(plan), plan.name)
    pruner = _pruner(plan)
    if only == "sweep":
        document = _document(plan, pruner.sweep() if yes else pruner.due(), done=yes)
    else:
        look = pruner.record(sweeps=only is None) if yes else pruner.look()
        document = _document_of(plan, look, done=yes)
    if as_json:
        print_json(document)
    else:
        _print(document)


def _pruner(plan: DatasetPlan) -> Pruner:
    from snapshotter.prune import Pruner

    section = plan.snapshots
    if section is None:
        raise AssertionError("a dataset with a store has the section")
    return Pruner(store_of(plan), plan.name, section.retention, grace=section.prune_grace)


def _document(plan: DatasetPlan, due: Any, *, done: bool) -> dict[str, Any]:
    """What a sweep alone knows: it lists nothing."""
    return {
        "dataset": plan.name,
        "done": done,
        "hold": None,
        "going": [],
        "condemned": {"objects": 0, "bytes": 0},
        "deleted": {"objects": len(due), "bytes": None},
        "waiting": {"objects": 0, "until": None},
    }


def _document_of(plan: DatasetPlan, look: Look, *, done: bool) -> dict[str, Any]:
    found, section = look.plan, plan.snapshots
    first = min((each.since for each in found.waiting), default=None)
    grace = 0.0 if section is None else section.prune_grace
    return {
        "dataset": plan.name,
        "done": done,
        "hold": look.whole.hold,
        "going": [entry.snapshot_id for entry in found.going],
        "condemned": {"objects": len(found.dead), "bytes": look.bytes_of(found.dead)},
        "deleted": {"objects": len(found.due), "bytes": look.bytes_of(found.due)},
        "waiting": {
            "objects": len(found.waiting),
            "until": None if first is None else first + grace,
        },
    }


def _print(document: dict[str, Any]) -> None:
    from snowmelt.cli.tables import instant

    done, going, waiting = document["done"], document["going"], document["waiting"]
    for snapshot_id in going:
        print(f"{snapshot_id}: {'gone' if done else 'would go'}")
    verb = "" if done else "would be "
    print(
        f"{document['dataset']}: {_count(len(going), 'snapshot')} {'gone' if done else 'to go'}"
        f"; {verb}condemned: {_amount(document['condemned'])}"
        f"; {verb}deleted: {_amount(document['deleted'])}"
    )
    if waiting["objects"]:
        until = instant(waiting["until"])
        print(f"condemned before: {_count(waiting['objects'], 'object')}, until {until} or later")
    if document["hold"] is not None and not done:
        print(f"held: {document['hold']}")
    if not done:
        print("nothing was changed; --yes does it")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _amount(amount: dict[str, Any]) -> str:
    from snowmelt.progress import format_bytes

    size = "" if amount["bytes"] is None else f" ({format_bytes(amount['bytes'])})"
    return _count(amount["objects"], "object") + size
