"""`restore`: a cold start alone, for an init container or disaster recovery."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

if TYPE_CHECKING:
    from restorer.facts import Selection
    from restorer.restore import RestoreReport

Location = Annotated[str | None, typer.Option(help="A bucket, without a configuration file.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="The file to write.")]
SnapshotId = Annotated[str | None, typer.Option("--snapshot", help="This snapshot.")]
At = Annotated[str | None, typer.Option(help="The newest not after this RFC 3339 time.")]
DataVersion = Annotated[int | None, typer.Option(help="The newest not after this version.")]
IfNotExists = Annotated[bool, typer.Option("--if-not-exists", help="Leave an existing file alone.")]
IfSnapshotExists = Annotated[
    bool, typer.Option("--if-snapshot-exists", help="End with 0 if there is no snapshot.")
]
WaitForSnapshot = Annotated[str | None, typer.Option(help="Wait so long for one, e.g. 10m.")]
NoBootstrap = Annotated[
    bool, typer.Option("--no-bootstrap", help="Never say that a bootstrap should follow.")
]
Replace = Annotated[bool, typer.Option("--replace", help="Overwrite any file.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Decide, and do nothing.")]
S3Endpoint = Annotated[str | None, typer.Option(help="S3 endpoint, with --location.")]
S3Region = Annotated[str | None, typer.Option(help="S3 region, with --location.")]
TrustedKey = Annotated[
    list[str] | None, typer.Option(help="A public key; take only what is signed by one.")
]
Command = Annotated[list[str] | None, typer.Argument(help="-- CMD: run it once the file is there.")]

_WAIT_POLL_SECONDS = 2.0


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(
        help="Fetch the newest good snapshot into the file, verified, or say why not.\n\n"
        "Example: snowmelt restore -c node.yaml\n\n"
        "Example: snowmelt restore --location s3://bucket/prefix --dataset pipelines "
        "--output pipelines.duckdb"
    )(restore)


def restore(
    config: ConfigFile = DEFAULT_CONFIG,
    dataset: DatasetName = None,
    location: Location = None,
    output: Output = None,
    snapshot: SnapshotId = None,
    at: At = None,
    data_version: DataVersion = None,
    if_not_exists: IfNotExists = False,
    if_snapshot_exists: IfSnapshotExists = False,
    wait_for_snapshot: WaitForSnapshot = None,
    no_bootstrap: NoBootstrap = False,
    replace: Replace = False,
    dry_run: DryRun = False,
    progress: Progress = "auto",
    s3_endpoint: S3Endpoint = None,
    s3_region: S3Region = None,
    trusted_key: TrustedKey = None,
    as_json: AsJson = False,
    command: Command = None,
) -> int:
    """Ends with 0 if the file can be used, or with the code that says why not."""
    from snowmelt.operator import Wanted, target_of_config, target_of_location

    patience = _patience(wait_for_snapshot)
    wanted = Wanted(
        selection=selection(snapshot, at, data_version),
        allow_bootstrap=not no_bootstrap,
        replace=replace,
        dry_run=dry_run,
    )
    if location is not None:
        target = target_of_location(
            location, s3_endpoint, s3_region, trusted_key or [], dataset, output, wanted
        )
    else:
        settings = load(config).config
        target = target_of_config(settings, choose(settings, dataset), output, wanted)
    if if_not_exists and target.path.exists():
        print(f"{target.path}: exists, left alone", file=sys.stderr)
        return _end(command, 0)
    report = _restore(target, patience, if_snapshot_exists, progress)
    if report is None:
        return _end(command, 0)
    _show(target.dataset, target.path, report, dry_run, as_json)
    return _end(command, 0 if dry_run else _exit_code(report))


def _restore(
    target: Any, patience: float | None, if_snapshot_exists: bool, mode: str
) -> RestoreReport | None:
    from restorer.errors import NothingToRestore
    from restorer.restore import restore as run
    from snowmelt.durations import format_duration
    from snowmelt.errors import WaitTimedOut
    from snowmelt.progress import progress

    deadline = time.monotonic() + (patience or 0.0)
    while True:
        try:
            with progress(f"restoring {target.dataset}", progress_mode(mode)) as report:
                return run(
                    target.store, target.dataset, target.path, target.request, progress=report
                )
        except NothingToRestore as error:
            if if_snapshot_exists:
                print(f"{target.dataset}: no snapshot, nothing to do", file=sys.stderr)
                return None
            if patience is None:
                raise
            if time.monotonic() >= deadline:
                what = f"{target.dataset} in {target.store.url}"
                raise WaitTimedOut(
                    f"no snapshot of {what} after {format_duration(patience)}"
                ) from error
        time.sleep(_WAIT_POLL_SECONDS)


def _patience(wait: str | None) -> float | None:
    from snowmelt.durations import parse_duration
    from snowmelt.errors import UsageError

    try:
        return None if wait is None else parse_duration(wait)
    except ValueError as error:
        what = f"--wait-for-snapshot {wait} is not a duration"
        raise UsageError(what, hint="write e.g. 10m") from error


def selection(snapshot: str | None, at: str | None, data_version: int | None) -> Selection:
    """What was asked for. Raises UsageError."""
    from restorer.facts import Selection
    from snowmelt.errors import UsageError

    if sum(value is not None for value in (snapshot, at, data_version)) > 1:
        raise UsageError(
            "--snapshot, --at and --data-version exclude each other", hint="give only one of them"
        )
    moment = None
    if at is not None:
        try:
            parsed = datetime.fromisoformat(at)
        except ValueError as error:
            hint = "write e.g. 2026-11-22T10:00:00Z"
            raise UsageError(f"--at {at} is not an RFC 3339 time", hint=hint) from error
        if parsed.tzinfo is None:
            raise UsageError(f"--at {at} has no time zone", hint="append Z for UTC")
        moment = parsed.timestamp()
    return Selection(snapshot_id=snapshot, at=moment, data_version=data_version)


def _exit_code(report: RestoreReport) -> int:
    from restorer.verdict import Action

    if report.failure is not None:
        raise report.failure
    usable = report.snapshot_id is not None or report.decision.action is Action.KEEP_LOCAL
    # A bootstrap is for the long-running node; an init container ends well and lets it begin.
    return 0 if usable or report.decision.action is Action.BOOTSTRAP else 4


def _show(dataset: str, path: Path, report: RestoreReport, dry_run: bool, as_json: bool) -> None:
    from snowmelt.cli.tables import print_decision
    from snowmelt.coldstart import describe_decision, describe_report
    from snowmelt.durations import format_duration
    from snowmelt.progress import format_bytes

    decision = describe_decision(dataset, report.decision)
    if as_json:
        done = {} if dry_run else describe_report(report)
        print_json({"planned": dry_run, "path": str(path), **decision, **done})
        return
    if dry_run:
        print_decision(decision)
        return
    for rejection in report.rejected:
        line = json.dumps({"rejected": rejection.snapshot_id, "reason": rejection.reason})
        print(f"snowmelt: warning: {line}", file=sys.stderr)
    if report.snapshot_id is None:
        print(f"{path}: {report.decision.action.value.replace('_', ' ')}")
        return
    size = format_bytes(report.bytes_fetched)
    if report.bytes_kept:
        size += f" and {format_bytes(report.bytes_kept)} of an interrupted restore"
    print(
        f"{path}: restored {report.row_count:,} items from snapshot {report.snapshot_id} "
        f"({size} in {format_duration(sum(report.seconds.values()))})"
    )


def _end(command: list[str] | None, code: int) -> int:
    if command and code == 0:
        sys.stdout.flush()
        os.execvp(command[0], command)  # noqa: S606 - the user's own command, without a shell
    return code
