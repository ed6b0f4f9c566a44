"""`demo`: everything on this machine, with an embedded AWS."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from snowmelt.cli.options import AsJson, print_json


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(
        help="A table, a central node, snapshots and two new nodes side by side, all on this "
        "machine.\n\nExample: snowmelt demo --rows 50000"
    )(demo)


def demo(
    rows: Annotated[int, typer.Option(min=100, max=5_000_000, help="Items in the table.")] = 50_000,
    changes: Annotated[int, typer.Option(min=1, help="Items changed while it runs.")] = 1_000,
    engine: Annotated[str, typer.Option(help="duckdb or sqlite.")] = "duckdb",
    inject_mismatch: Annotated[
        bool, typer.Option("--inject-mismatch", help="Write a stray item: the copies must differ.")
    ] = False,
    plot: Annotated[Path | None, typer.Option(help="Write a picture (SVG) to this file.")] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Keep files and logs in this directory.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Play the whole way once; ends with 1 if the copies differ."""
    from snowmelt.demo import extra

    extra.bring(sys.argv[1:])
    from snowmelt.demo import show
    from snowmelt.demo.flow import DemoPlan, run
    from snowmelt.errors import UsageError

    if engine not in {"duckdb", "sqlite"}:
        raise UsageError(f"--engine {engine} is not allowed", hint="use duckdb or sqlite")
    with tempfile.TemporaryDirectory(prefix="snowmelt-demo-") as scratch:
        directory = keep.absolute() if keep else Path(scratch)
        if keep and directory.exists() and any(directory.iterdir()):
            raise UsageError(f"--keep: {keep} is not empty", hint="name a new directory")
        result = run(
            DemoPlan(
                rows=rows,
                changes=changes,
                engine=engine,
                directory=directory,
                inject_mismatch=inject_mismatch,
                progress="none" if as_json else "auto",
                say=lambda line: None if as_json else print(f"· {line}", file=sys.stderr),
            )
        )
    if plot:
        show.plot(result, plot)
    if as_json:
        print_json(result.to_json())
    else:
        show.print_result(result)
    return 0 if result.equal else 1
