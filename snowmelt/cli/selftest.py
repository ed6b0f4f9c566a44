"""`selftest`: a change goes all of the way, and one line says how long that took."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from snowmelt.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigFile,
    DatasetName,
    choose,
    load,
    print_json,
)


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(
        help="Write a canary into the table, see it at the node of this configuration and in a"
        " snapshot that is restored, and take it back.\n\nExample: snowmelt selftest -c edge.yaml"
        " --timeout 15m"
    )(selftest)


def selftest(
    config: ConfigFile = DEFAULT_CONFIG,
    dataset: DatasetName = None,
    timeout: Annotated[str, typer.Option(help="How long the way may take.")] = "15m",
    without_node: Annotated[
        bool, typer.Option("--without-node", help="Ask no node: table, snapshot, restore.")
    ] = False,
    scratch: Annotated[
        Path | None, typer.Option(help="Where there is room meanwhile (default: TMPDIR or /tmp).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ends with 13 if it takes longer, with 5 if a snapshot lacks what it says it has."""
    from snowmelt.durations import parse_duration
    from snowmelt.errors import UsageError
    from snowmelt.selftest import Interrupted, Selftest
    from snowmelt.stopping import stop_on_signals
    from snowmelt.wiring import wire

    try:
        patience = parse_duration(timeout)
    except ValueError as error:
        raise UsageError(f"--timeout {timeout} is no duration", hint="write e.g. 15m") from error
    settings = load(config).config
    stop = stop_on_signals()
    test = Selftest(
        plan=wire(settings, choose(settings, dataset)),
        node=None if without_node else settings.runtime.query,
        patience_seconds=patience,
        stop=stop,
        say=lambda line: print(f"· {line}", file=sys.stderr, flush=True),
        scratch=scratch,
    )
    try:
        report = test.run()
    except Interrupted:
        raise typer.Exit(128 + stop.signal) from None
    print_json(asdict(report)) if as_json else print(report.line)
