"""The demonstration's result for a person: a small table, and a picture on request."""

from __future__ import annotations

from pathlib import Path

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
    """Two bars: seconds to ready. Raises UsageError without matplotlib."""
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise UsageError("--plot needs matplotlib", hint="pip install 'snowmelt[plot]'") from error
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 2.4), layout="constrained")
    seconds = [result.cold_start_seconds, result.bootstrap_seconds]
    bars = axes.barh(["cold start", "bootstrap"], seconds, color=["#2a78b8", "#b8b8b8"])
    axes.bar_label(bars, fmt="%.1f s", padding=4)
    axes.set_xlabel("seconds from exec to ready")
    axes.set_title(f"A new node with {result.rows_source:,} items ({result.engine})")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12)
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--plot: cannot write {path}: {error}", hint="give a .png or .svg path"
        ) from error
