"""`snapshots create|list|show|verify`, and `snapshot` for create; the others have own modules."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from snowmelt.cli import difference, marks, prune
from snowmelt.cli.bucket import find, plan_of, pointer_of, store_of
from snowmelt.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigFile,
    DatasetName,
    Progress,
    choose,
    load,
    print_json,
    progress_mode,
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
    group.command(
        "verify",
        help="Check a snapshot in the store.\n\nExample: snowmelt snapshots verify --level full",
    )(verify)
    difference.register(group)
    marks.register(group)
    prune.register(group)
    app.add_typer(group, name="snapshots")
    app.command("snapshot", help="The same as `snapshots create`.")(create)


def create(
    config: ConfigFile = DEFAULT_CONFIG, dataset: DatasetName = None, as_json: AsJson = False
) -> None:
    """By the running node; where none answers, from the file itself."""
    from snowmelt import client
    from snowmelt.errors import NodeUnreachable
    from snowmelt.progress import format_bytes

    settings = load(config).config
    section = choose(settings, dataset)
    target = f"/v1/datasets/{quote(section.name)}/acceleration/snapshots"
    try:
        report = client.call(settings.runtime.query, "POST", target, b"")
    except NodeUnreachable:
        report = _create_from_file(plan_of(config, dataset))
    if as_json:
        print_json(report)
        return
    print(
        f"{report['snapshot_id']}: {format_bytes(report['new_bytes'])} new of "
        f"{format_bytes(report['stored_bytes'])} in {report['duration_seconds']:.2f} s"
    )


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
    header = read_header(store, find(store, pointer, snapshot))
    if as_json:
        document = asdict(header) | {"checkpoint": to_json(header.checkpoint)}
        print_json(document)
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
    ]
    console().print(table(("", ""), facts))
    parts = [
        (part.name, format_bytes(part.length), part.block_count, part.block_size, part.root[:16])
        for part in header.parts
    ]
    console().print(table(("part", "size", "blocks", "block size", "root"), parts))


def verify(
    snapshot: SnapshotId = None,
    config: ConfigFile = DEFAULT_CONFIG,
    dataset: DatasetName = None,
    level: Annotated[str, typer.Option(help="fast, sample or full.")] = "fast",
    progress: Progress = "auto",
    as_json: AsJson = False,
) -> int:
    """Ends with 5 and one line per fault if the snapshot is damaged."""
    from snapshotter.verify import verify as run
    from snowmelt.errors import UsageError
    from snowmelt.progress import format_bytes
    from snowmelt.progress import progress as shown

    if level not in {"fast", "sample", "full"}:
        raise UsageError(f"--level {level} is not allowed", hint="use fast, sample or full")
    plan = plan_of(config, dataset)
    with shown(f"verifying {plan.name}", progress_mode(progress)) as report_progress:
        report = run(
            store_of(plan),
            plan.name,
            snapshot,
            level=level,  # type: ignore[arg-type]  # one of three, checked above
            progress=report_progress,
        )
    if as_json:
        print_json(asdict(report) | {"ok": not report.failures})
    elif not report.failures:
        print(
            f"{report.snapshot_id}: good ({level}: {report.packs} packs, {report.blocks:,} blocks, "
            f"{format_bytes(report.bytes_read)} read)"
        )
    else:
        for failure in report.failures:
            print(f"{failure.object}: {failure.what}")
    return 5 if report.failures else 0


def _create_from_file(plan: DatasetPlan) -> dict[str, Any]:
    from cdc.engines import open_accelerator
    from snapshotter import gate
    from snapshotter.errors import ObjectMissing
    from snapshotter.publish import Publisher
    from snapshotter.reader import read_pointer
    from snowmelt import __version__
    from snowmelt.errors import UsageError

    if not plan.path.exists():
        raise UsageError(
            f"dataset {plan.name}: no node runs and {plan.path} does not exist",
            hint="start `snowmelt run`",
        )
    store = store_of(plan)
    with contextlib.suppress(ObjectMissing):  # the first snapshot
        gate.check_not_held(read_pointer(store, plan.name))
    publisher = Publisher(store, plan.name, holder=plan.holder, producer=f"snowmelt {__version__}")
    file = open_accelerator(plan.section.acceleration.engine, plan.path, plan.name)
    try:
        publisher.take_over()
        with file.freeze() as image:
            return asdict(publisher.publish(image, reason="asked for"))
    finally:
        file.close()


def _entry(entry: CatalogEntry, pointer: Pointer) -> dict[str, Any]:
    return asdict(entry) | {"current": entry.snapshot_id == pointer.current}


def _marks(entry: CatalogEntry, pointer: Pointer) -> str:
    marks = []
    if entry.snapshot_id == pointer.current:
        marks.append("current")
    if entry.pinned is not None:
        marks.append(f"pinned: {entry.pinned}")
    if entry.quarantined is not None:
        marks.append(f"quarantined: {entry.quarantined}")
    if entry.proven_at is not None:
        marks.append("proven")
    return ", ".join(marks)
