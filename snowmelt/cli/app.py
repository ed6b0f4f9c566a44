"""The tree of verbs. Each verb lives in its own module and says there what it prints."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from snowmelt import __version__
from snowmelt.cli import (
    config,
    demo,
    doctor,
    inspect,
    restore,
    run,
    selftest,
    signing_keys,
    snapshots,
)

_EPILOG = """Exit codes: 0 done, 1 bug, 2 usage or config, 3 would overwrite, 4 nothing to restore,
5 corrupt, 6 expired, 7 source error, 8 store unreachable, 9 access denied, 10 fenced, 11 unreadable
version, 12 no space, 13 wait timed out, 14 held."""

app = typer.Typer(
    name="snowmelt",
    help="A full local copy of a DynamoDB table on every node that needs it.",
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={
        "auto_envvar_prefix": "SNOWMELT",
        "help_option_names": ["-h", "--help"],
    },
)


_LOGGING = {"bootstrap", "demo", "run"}  # the others print, and start 0.2 s earlier


def _version(wanted: bool) -> None:
    if wanted:
        print(f"snowmelt {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    log_level: Annotated[
        str | None,
        typer.Option(help="debug, info, warning or error (default: info for run, else warning)."),
    ] = None,
) -> None:
    level = log_level or ("info" if context.invoked_subcommand == "run" else "warning")
    if level not in {"debug", "info", "warning", "error"}:
        raise typer.BadParameter("use debug, info, warning or error", param_hint="--log-level")
    if context.invoked_subcommand in _LOGGING:
        from snowmelt import logs

        logs.configure(level=level, json_lines=None if sys.stderr.isatty() else True)


for module in (demo, doctor, run, restore, snapshots, signing_keys, inspect, selftest, config):
    module.register(app)
