"""`snapshots diff`: what lies between two snapshots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snowmelt.cli.bucket import find, plan_of, pointer_of, store_of
from snowmelt.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, DatasetName, print_json

if TYPE_CHECKING:
    from snapshotter.difference import Blocks, Difference


def register(group: typer.Typer) -> None:
    """Add the verb."""
    group.command("diff", help="Compare two.\n\nExample: snowmelt snapshots diff OLD NEW")(diff)


def diff(
    old: Annotated[str, typer.Argument(help="A snapshot.")],
    new: Annotated[str | None, typer.Argument(help="Another one (default: the current).")] = None,
    config: ConfigFile = DEFAULT_CONFIG,
    dataset: DatasetName = None,
    as_json: AsJson = False,
) -> None:
    """From headers and maps: no data is fetched."""
    from snapshotter.difference import difference

    plan = plan_of(config, dataset)
    store = store_of(plan)
    pointer = pointer_of(store, plan.name)
    found = difference(store, find(store, pointer, old), find(store, pointer, new))
    if as_json:
        print_json(asdict(found))
        return
    print(f"{found.old} -> {found.new}")
    for name, text in _facts(found):
        print(f"  {name:<10} {text}")


def _facts(found: Difference) -> list[tuple[str, str]]:
    from snowmelt.durations import format_duration
    from snowmelt.progress import format_bytes

    blocks = found.blocks
    facts = [
        ("lineage", "the same" if found.same_lineage else "another bootstrap"),
        ("version", f"{found.versions:+,}" + ("" if found.same_generation else ", another writer")),
        ("shards", f"{found.shards_moved} moved"),
        ("created", _signed(found.created_seconds, format_duration)),
        ("rows", f"{found.rows:+,}"),
        ("file", _signed(found.file_bytes, format_bytes)),
        ("blocks", f"{_counts(blocks)}, {blocks.unchanged:,} unchanged"),
        ("to fetch", format_bytes(blocks.fetch_bytes)),
        ("columns", _columns(found)),
    ]
    if found.seconds is not None:
        facts.insert(3, ("data", _signed(found.seconds, format_duration)))
    if found.keys_changed:
        facts.append(("keys", "changed"))
    return facts


def _signed(amount: float, text: Callable[[Any], str]) -> str:
    return f"{'-' if amount < 0 else '+'}{text(abs(amount))}"


def _counts(blocks: Blocks) -> str:
    return f"{blocks.changed:,} changed, {blocks.added:,} added, {blocks.removed:,} removed"


def _columns(found: Difference) -> str:
    changes = [
        *(f"+{name}" for name in found.columns_added),
        *(f"-{name}" for name in found.columns_removed),
        *(f"{name}: {before} -> {after}" for name, before, after in found.columns_retyped),
    ]
    return ", ".join(changes) or "the same"
