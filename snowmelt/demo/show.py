"""The demonstration's result for a person: a small table, and a picture on request."""

from __future__ import annotations

import io
from pathlib import Path

from rich.bar import Bar
from rich.console import Console
from rich.table import Table

from snowmelt.cli.tables import console, table
from snowmelt.demo.flow import DemoResult
from snowmelt.errors import UsageError
from snowmelt.progress import format_bytes

_NEXT = """
Now with a table of your own (read-only; nothing is written to it):

  snowmelt doctor --table YOUR_TABLE --region YOUR_REGION --location s3://YOUR_BUCKET/PREFIX"""


def print_result(result: DemoResult) -> None:
    """The table, the verdict and the next command."""
    out = console()
    rows = [
        ("the table, by Scan", f"{result.rows_source:,}", "", result.digest_source[:16]),
        (
            "new node by bootstrap",
            f"{result.rows_bootstrap:,}",
            f"{result.bootstrap_seconds:.1f} s",
            result.digest_bootstrap[:16],
        ),
        (
            "new node by cold start",
            f"{result.rows_restored:,}",
            f"{result.cold_start_seconds:.1f} s",
            result.digest_cold_start[:16],
        ),
    ]
    out.print()
    out.print(table(("", "items", "exec to ready", "digest"), rows))
    out.print()
    verdict = "all three are equal" if result.equal else "NOT EQUAL"
    out.print(f"{verdict}; cold start is {result.cold_start_speedup:.1f} times faster")
    out.print(
        f"first snapshot {format_bytes(result.snapshot_bytes_full)}, after "
        f"{result.changes_applied:,} changes {format_bytes(result.snapshot_bytes_incremental)} more"
    )
    out.print(_NEXT)


def plot(result: DemoResult, path: Path) -> None:
    """A picture (SVG): seconds to ready as bars. Raises UsageError if it cannot be written."""
    picture = Console(record=True, file=io.StringIO(), width=78, force_terminal=True)
    slowest = max(result.bootstrap_seconds, result.cold_start_seconds)
    bars = Table(box=None, show_header=False, pad_edge=False)
    for name, seconds, color in (
        ("cold start", result.cold_start_seconds, "bright_cyan"),
        ("bootstrap", result.bootstrap_seconds, "bright_black"),
    ):
        bars.add_row(name, Bar(slowest, 0, seconds, width=50, color=color), f"{seconds:.1f} s")
    picture.print(
        f"A new node with {result.rows_source:,} items ({result.engine}), exec to ready\n"
    )
    picture.print(bars)
    try:
        picture.save_svg(str(path), title="snowmelt demo")
    except OSError as error:
        raise UsageError(
            f"--plot: cannot write {path}: {error.strerror}", hint="give a path like demo.svg"
        ) from error
