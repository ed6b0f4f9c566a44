"""`run`: a node; and `bootstrap`: load the table once, without a node."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
from typing import Annotated

import typer

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


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command(
        help="A node: cold start, then follow, snapshot on schedule, serve. SIGTERM ends it with 0."
        " One node of a dataset publishes, the others wait until it is gone."
        "\n\nExample: snowmelt run -c node.yaml --standby"
    )(run)
    app.command(
        help="Load the table into the file; an interrupted load goes on where it stopped."
        " What it costs is said first."
        "\n\nExample: snowmelt bootstrap -c node.yaml --dry-run"
    )(bootstrap)


def run(
    config: ConfigFile = DEFAULT_CONFIG,
    standby: Annotated[
        bool, typer.Option("--standby", help="Publish only once the node that does is gone.")
    ] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Publish at once, also where another node does.")
    ] = False,
) -> None:
    """Run until SIGTERM."""
    from snowmelt.errors import UsageError
    from snowmelt.node import Node
    from snowmelt.stopping import stop_on_signals

    settings = load(config).config
    if take_over and (standby or settings.runtime.standby):
        raise UsageError("--take-over of a standby", hint="a standby waits; say one of the two")
    if standby:
        runtime = settings.runtime.model_copy(update={"standby": True})
        settings = settings.model_copy(update={"runtime": runtime})
    with contextlib.suppress(OSError, RuntimeError):  # no stderr to write to
        faulthandler.enable()  # the engines are native code: a fault in them tells its place
    stop = stop_on_signals()
    code = Node(settings, takes_over=take_over).run(stop)
    # Threads that are late (a hanging request) must not keep the process beyond its grace time.
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(code)


def bootstrap(
    config: ConfigFile = DEFAULT_CONFIG,
    dataset: DatasetName = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Build an existing file again.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would cost, and do nothing.")
    ] = False,
    progress: Progress = "auto",
    as_json: AsJson = False,
) -> None:
    """Scan the table, read the stream until caught up, and end."""
    from cdc.errors import CdcError
    from snowmelt.load import cost_of_load, load_table
    from snowmelt.stopping import stop_on_signals
    from snowmelt.wiring import wire

    settings = load(config).config
    plan = wire(settings, choose(settings, dataset))
    mode = progress_mode(progress)
    if dry_run:
        cost = cost_of_load(plan, replace=replace)
        if as_json:
            print_json(cost.to_json())
        else:
            print(*cost.lines(plan.name), sep="\n")
        cost.check_fits()
        return
    stop = stop_on_signals()
    try:
        is_loaded = load_table(plan, replace=replace, stop=stop, progress_mode=mode)
    except CdcError:
        if not stop.is_set():
            raise
        is_loaded = False  # the call that the signal waited for failed; nobody asks for it now
    if not is_loaded:
        raise typer.Exit(128 + stop.signal)
    if as_json:
        print_json({"path": str(plan.path), "loaded": True})
    else:
        print(f"{plan.path}: loaded")
