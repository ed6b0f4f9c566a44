"""`restore`: a cold start alone, for an init container or disaster recovery.

It ends with 0 if the file can be used, or with the code that says why not.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snowmelt.cli.asked import duration, instant, selection
from snowmelt.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigFile,
    DatasetName,
    Progress,
    chosen,
    print_json,
    progress_mode,
)

if TYPE_CHECKING:
    from restorer.restore import RestoreReport
    from restorer.verdict import Decision
    from snowmelt.operator import Target

Location = Annotated[str | None, typer.Option(help="A bucket, without a configuration file.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="The file to write.")]
SnapshotId = Annotated[str | None, typer.Option("--snapshot", help="This snapshot.")]
At = Annotated[str | None, typer.Option(help="The newest not after this RFC 3339 time.")]
DataVersion = Annotated[int | None, typer.Option(help="The newest not after this version.")]
AsOf = Annotated[
    str | None,
    typer.Option(help="Read a versioned bucket as it was at this RFC 3339 time."),
]
IfNotExists = Annotated[bool, typer.Option("--if-not-exists", help="Leave an existing file alone.")]
IfSnapshotExists = Annotated[
    bool, typer.Option("--if-snapshot-exists", help="End with 0 if there is no snapshot.")
]
WaitForSnapshot = Annotated[
    str | None,
    typer.Option(help="Wait for one, until no writer gave a sign of life for so long, e.g. 2m."),
]
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
MostMegabytes = Annotated[
    float | None,
    typer.Option(
        "--bandwidth", min=0.001, help="MB a second for all restores of this user and host."
    ),
]
Seed = Annotated[
    list[Path] | None,
    typer.Option(help="A file that may have some of it: only the rest is fetched."),
]
Report = Annotated[Path | None, typer.Option(help="Write what was done to this file, as JSON.")]
Command = Annotated[list[str] | None, typer.Argument(help="-- CMD: run it once the file is there.")]


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
    as_of: AsOf = None,
    if_not_exists: IfNotExists = False,
    if_snapshot_exists: IfSnapshotExists = False,
    wait_for_snapshot: WaitForSnapshot = None,
    no_bootstrap: NoBootstrap = False,
    replace: Replace = False,
    dry_run: DryRun = False,
    seed: Seed = None,
    bandwidth: MostMegabytes = None,
    progress: Progress = "auto",
    report: Report = None,
    s3_endpoint: S3Endpoint = None,
    s3_region: S3Region = None,
    trusted_key: TrustedKey = None,
    as_json: AsJson = False,
    command: Command = None,
) -> int:
    from snowmelt import init_container, operator

    told = init_container.InitContainer(report)
    told.end_on_sigterm()
    with told.failures():
        patience = duration("--wait-for-snapshot", wait_for_snapshot)
        wanted = operator.Wanted(
            selection=selection(snapshot, at, data_version),
            as_of=None if as_of is None else instant("--as-of", as_of),
            allow_bootstrap=not no_bootstrap,
            waits=patience is not None,
            replace=replace,
            dry_run=dry_run,
            seeds=tuple(seed or ()),
            megabytes_per_second=bandwidth,
        )
        bucket = operator.Bucket.of(location, s3_endpoint, s3_region, trusted_key)
        goal = operator.target(lambda: chosen(config, dataset), bucket, dataset, output, wanted)
        told.about(goal.dataset, goal.path)
        if if_not_exists and goal.path.exists():
            told.ended(_left_alone(goal))
        else:
            done = _restored(goal, patience, if_snapshot_exists, progress)
            told.ended(_told(goal, done, as_json))
    return _end(command)


def _left_alone(goal: Target) -> dict[str, Any]:
    print(f"{goal.path}: exists, left alone", file=sys.stderr)
    return {"decision": "left_alone"}


def _restored(
    goal: Target, patience: float | None, if_snapshot_exists: bool, mode: str
) -> RestoreReport | None:
    """What was done; None if there is no snapshot, and that is well."""
    from restorer.errors import NothingToRestore
    from snowmelt.restoring import restore_target

    try:
        return restore_target(goal, patience, progress_mode(mode))
    except NothingToRestore:
        if not if_snapshot_exists:
            raise
        print(f"{goal.dataset}: no snapshot, nothing to do", file=sys.stderr)
        return None


def _told(goal: Target, done: RestoreReport | None, as_json: bool) -> dict[str, Any]:
    """Show it; returns the document of the report."""
    from snowmelt.coldstart import describe_report

    if done is None:
        return {"decision": "no_snapshot"}
    _show(goal, done, as_json)
    return describe_report(done)


def _show(goal: Target, report: RestoreReport, as_json: bool) -> None:
    from snowmelt.cli.decision_table import print_decision
    from snowmelt.coldstart import describe_decision, describe_report
    from snowmelt.durations import format_duration
    from snowmelt.progress import format_bytes

    path, dry_run = goal.path, goal.request.dry_run
    decision = describe_decision(goal.dataset, report.decision, report.foreseen)
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
        print(f"{path}: {_left(report.decision)}")
        return
    size = format_bytes(report.bytes_fetched)
    if report.bytes_kept:
        size += f" and {format_bytes(report.bytes_kept)} of an interrupted restore"
    if report.bytes_seeded:
        size += f" and {format_bytes(report.bytes_seeded)} that files here had"
    print(
        f"{path}: restored {report.row_count:,} items from snapshot {report.snapshot_id} "
        f"({size} in {format_duration(sum(report.seconds.values()))})"
    )


def _left(decision: Decision) -> str:
    """What comes of a decision by which nothing was fetched."""
    from restorer.verdict import Action

    outcome = {
        Action.KEEP_LOCAL: "kept",
        Action.BOOTSTRAP: "nothing was restored, `snowmelt run` will bootstrap",
        Action.SERVE_STALE_AND_BOOTSTRAP: "kept, `snowmelt run` will serve it and bootstrap",
    }
    done = outcome.get(decision.action, decision.action.value)
    return f"{done}, because {decision.reasons[0]}"


def _end(command: list[str] | None) -> int:
    if command:
        sys.stdout.flush()
        os.execvp(command[0], command)  # noqa: S606 - the user's own command, without a shell
    return 0
