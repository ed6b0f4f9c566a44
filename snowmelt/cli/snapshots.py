"""`snapshots create|list|show`, and `snapshot` for create; the others have own modules."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from snowmelt.cli import difference, marks, proof, prune
from snowmelt.cli.bucket import find, plan_of, pointer_of, store_of
from snowmelt.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigFile,
    DatasetName,
    choose,
    load,
    print_json,
)

if TYPE_CHECKING:
    from snapshotter.format import CatalogEntry, Pointer
    from snowmelt.wiring import DatasetPlan

SnapshotId = Annotated[str | None, typer.Argument(help="A snapshot (default: the newest).")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(help="Snapshots: create, look at, mark, go back.", no_args_is_help=True)
    group.command(
        "create", help="Publish one now.\n\nExample: snowmelt snapshots create -c node.yaml"
    )(create)
    group.command("list", help="The catalog.\n\nExample: snowmelt snapshots list --json")(listing)
    group.command("show", help="One snapshot.\n\nExample: snowmelt snapshots show ID")(show)
    proof.register(group)
    difference.register(group)
    marks.register(group)
    prune.register(group)
    app.add_typer(group, name="snapshots")
    app.command("snapshot", help="The same as `snapshots create`.")(create)


def create(
    config: ConfigFile = DEFAULT_CONFIG,
    dataset: DatasetName = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overrule the publish gate, this once; needs --reason.")
    ] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why it is overruled.")] = None,
    as_json: AsJson = False,
) -> None:
    """By the running node; where none answers, from the file itself."""
    from snowmelt import client
    from snowmelt.errors import NodeUnreachable
    from snowmelt.progress import format_bytes

    why = _why(force, reason)
    settings = load(config).config
    section = choose(settings, dataset)
    target = f"/v1/datasets/{quote(section.name)}/acceleration/snapshots"
    body = b"" if why is None else json.dumps({"force": why}).encode()
    try:
        report = client.call(settings.runtime.query, "POST", target, body)
    except NodeUnreachable:
        report = _create_from_file(plan_of(config, dataset), why)
    if as_json:
        print_json(report)
        return
    print(
        f"{report['snapshot_id']}: {format_bytes(report['new_bytes'])} new of "
        f"{format_bytes(report['stored_bytes'])} in {report['duration_seconds']:.2f} s"
    )
    if report["overruled"]:
        print(f"{section.name}: published against {', '.join(report['overruled'])}")


def _why(force: bool, reason: str | None) -> str | None:
    """Why the gate is overruled; None if it is not. Raises UsageError."""
    from snowmelt.errors import UsageError

    text = " ".join((reason or "").split())
    if force != bool(text):
        raise UsageError("--force and --reason go together", hint="say why: --reason WHY")
    return text or None


def listing(
    config: ConfigFile = DEFAULT_CONFIG, dataset: DatasetName = None, as_json: AsJson = False
) -> None:
    """Newest first."""
    from snapshotter.reader import read_catalog
    from snowmelt.cli.tables import console, instant, table
    from snowmelt.progress import format_bytes

    plan = plan_of(config, dataset)
    store = store_of(plan)
    pointer = pointer_of(store, plan.name)
    entries = list(read_catalog(store, pointer))
    if as_json:
        print_json([_entry(entry, pointer) for entry in entries])
        return
    rows = [
        (
            entry.snapshot_id,
            instant(entry.created_at),
            instant(entry.resumable_until),
            f"{entry.row_count:,}",
            format_bytes(entry.stored_bytes),
            format_bytes(entry.new_bytes),
            _marks(entry, pointer),
        )
        for entry in entries
    ]
    names = ("snapshot", "created", "resumable until", "rows", "size", "new", "marks")
    console().print(table(names, rows))
    if pointer.hold is not None:
        console().print(f"held: {pointer.hold}", markup=False)


def show(
    snapshot: SnapshotId = None,
    config: ConfigFile = DEFAULT_CONFIG,
    dataset: DatasetName = None,
    as_json: AsJson = False,
) -> None:
    """The header: identity, checkpoint, parts, packs."""
    from cdc.checkpoint import to_json
    from snapshotter.reader import read_header
    from snowmelt.cli.tables import console, instant, table
    from snowmelt.progress import format_bytes

    plan = plan_of(config, dataset)
    store = store_of(plan)
    pointer = pointer_of(store, plan.name)
    entry = find(store, pointer, snapshot)
    header = read_header(store, entry)
    if as_json:
        document = asdict(header) | {"checkpoint": to_json(header.checkpoint)}
        print_json(document | proof.seen(entry))
        return
    checkpoint = header.checkpoint
    facts = [
        ("snapshot", header.snapshot_id),
        ("table", checkpoint.lineage.table_name),
        ("lineage", checkpoint.lineage.id),
        ("version", checkpoint.version),
        ("created", instant(header.created_at)),
        ("watermark", instant(checkpoint.watermark)),
        ("resumable until", instant(header.resumable_until)),
        ("engine", f"{header.engine} {header.engine_version}, storage {header.storage_version}"),
        ("rows", f"{header.row_count:,}"),
        ("file", format_bytes(header.file_bytes)),
        ("stored", f"{format_bytes(header.stored_bytes)} in {len(header.packs)} packs"),
        ("shards", len(checkpoint.shards)),
        ("producer", header.producer),
        ("seen", ", ".join(proof.seen_marks(entry)) or None),
        ("content", entry.content_digest),
    ]
    console().print(table(("", ""), facts))
    parts = [
        (part.name, format_bytes(part.length), part.block_count, part.block_size, part.root[:16])
        for part in header.parts
    ]
    console().print(table(("part", "size", "blocks", "block size", "root"), parts))


def _create_from_file(plan: DatasetPlan, force: str | None) -> dict[str, Any]:
    from cdc.engines import open_accelerator
    from snapshotter import gate
    from snapshotter.errors import NothingToSnapshot, ObjectMissing
    from snapshotter.gatekeeper import Circumstances
    from snapshotter.publish import Publisher
    from snapshotter.reader import read_pointer
    from snowmelt import __version__, logs
    from snowmelt.errors import UsageError
    from snowmelt.leasing_once import leased

    if plan.role == "edge":
        hint = "ask the node that publishes"
        raise NothingToSnapshot(f"{plan.name}: this node follows snapshots", hint=hint)
    if not plan.path.exists():
        raise UsageError(
            f"dataset {plan.name}: no node runs and {plan.path} does not exist",
            hint="start `snowmelt run`",
        )
    store = store_of(plan)
    with contextlib.suppress(ObjectMissing):  # the first snapshot
        gate.check_not_held(read_pointer(store, plan.name))
    publisher = Publisher(store, plan.name, holder=plan.holder, producer=f"snowmelt {__version__}")
    given = Circumstances(
        plan.gate.bounds, allow_empty=plan.section.params.allow_empty, force=force
    )
    logs.configure(level="warning")
    file = open_accelerator(plan.section.acceleration.engine, plan.path, plan.name)
    try:
        with leased(plan) as lease, file.freeze() as image:
            publisher.take_over(lease.terms(None))
            return asdict(publisher.publish(image, reason="asked for", given=given))
    finally:
        file.close()


def _entry(entry: CatalogEntry, pointer: Pointer) -> dict[str, Any]:
    return asdict(entry) | proof.seen(entry) | {"current": entry.snapshot_id == pointer.current}


def _marks(entry: CatalogEntry, pointer: Pointer) -> str:
    marks = []
    if entry.snapshot_id == pointer.current:
        marks.append("current")
    if entry.pinned is not None:
        marks.append(f"pinned: {entry.pinned}")
    if entry.quarantined is not None:
        marks.append(f"quarantined: {entry.quarantined}")
    return ", ".join(marks + proof.seen_marks(entry))
