"""`doctor`: a preflight on a table, a bucket, or a node's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from snowmelt.cli.options import DEFAULT_CONFIG, AsJson, DatasetName, choose, load, print_json
from snowmelt.errors import UsageError

if TYPE_CHECKING:
    from snowmelt.preflight.subject import PlannedFleet, Subject

Route = Literal["gateway", "interface", "nat"]

Table = Annotated[str | None, typer.Option(help="The DynamoDB table.")]
Region = Annotated[str | None, typer.Option(help="Its region.")]
Location = Annotated[str | None, typer.Option(help="Where snapshots will lie.")]
Configuration = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="SNOWMELT_CONFIG",
        help="A node's YAML file, where neither --table nor --location is said.",
    ),
]
Nodes = Annotated[int | None, typer.Option(min=1, help="So many nodes will follow the snapshots.")]
Poll = Annotated[str, typer.Option(help="How often each looks.")]
Way = Annotated[Route, typer.Option(help="Which way they reach the bucket.")]
Endpoint = Annotated[str | None, typer.Option(help="DynamoDB endpoint.")]
StreamsEndpoint = Annotated[str | None, typer.Option(help="Streams endpoint.")]
ByKinesis = Annotated[
    bool, typer.Option("--kinesis", help="It is followed by its Kinesis destination.")
]
KinesisArn = Annotated[str | None, typer.Option(help="That stream.")]
KinesisEndpoint = Annotated[str | None, typer.Option(help="Kinesis endpoint.")]
S3Endpoint = Annotated[str | None, typer.Option(help="S3 endpoint.")]
Place = Annotated[Path, typer.Option(help="Where the file will lie.")]
Refreshed = Annotated[
    Literal["changes", "full"], typer.Option(help="How it will be kept; full needs no stream.")
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(
        help="Check a table and a bucket before anything is installed; nothing is written to the "
        "table.\n\nExample: snowmelt doctor --table pipelines --region eu-west-1 "
        "--location s3://bucket/prefix --fleet 500"
    )(doctor)


def doctor(
    table: Table = None,
    region: Region = None,
    location: Location = None,
    config: Configuration = None,
    dataset: DatasetName = None,
    fleet: Nodes = None,
    poll: Poll = "60s",
    route: Way = "gateway",
    endpoint_url: Endpoint = None,
    streams_endpoint_url: StreamsEndpoint = None,
    kinesis: ByKinesis = False,
    kinesis_stream_arn: KinesisArn = None,
    kinesis_endpoint_url: KinesisEndpoint = None,
    s3_endpoint: S3Endpoint = None,
    path: Place = Path(),
    refresh_mode: Refreshed = "changes",
    as_json: AsJson = False,
) -> int:
    """Print one line per check; ends with the exit code of the first failure."""
    if kinesis and refresh_mode == "full":
        raise UsageError("--kinesis follows changes", hint="leave out --refresh-mode full")
    planned = _planned(fleet, poll, route)
    if table is None and location is None:
        return _print(_of_config(config or DEFAULT_CONFIG, dataset, planned), as_json=as_json)
    from cdc.aws import AwsParams
    from snapshotter.location import StoreParams
    from snowmelt.preflight.subject import Subject

    subject = Subject(
        table=table,
        aws=AwsParams(
            region=region,
            endpoint_url=endpoint_url,
            streams_endpoint_url=streams_endpoint_url,
            kinesis_endpoint_url=kinesis_endpoint_url,
        ),
        location=location,
        store=StoreParams(region=region, endpoint=s3_endpoint),
        path=path.absolute(),
        has_stream=refresh_mode == "changes",
        by_kinesis=kinesis,
        stream_arn=kinesis_stream_arn,
        dataset=dataset,
        fleet=planned,
    )
    return _print(subject, as_json=as_json)


def _planned(nodes: int | None, poll: str, route: Route) -> PlannedFleet | None:
    from snowmelt.durations import parse_duration
    from snowmelt.preflight.subject import PlannedFleet

    try:
        seconds = parse_duration(poll)
    except ValueError as error:
        raise UsageError(f"--poll {poll} {error}", hint="e.g. --poll 60s") from error
    if seconds < 1:
        raise UsageError(f"--poll {poll} is too often", hint="say 1s or more")
    return None if nodes is None else PlannedFleet(nodes, seconds, route)


def _of_config(path: Path, dataset: str | None, planned: PlannedFleet | None) -> Subject:
    """What a node with this file will use: its table unless it is an edge, its location."""
    from snapshotter.location import StoreParams
    from snowmelt.preflight.subject import Subject
    from snowmelt.wiring import store_params, wire

    if not path.exists():
        raise UsageError(
            f"nothing to examine: neither --table nor --location, and no {path}",
            hint="say at least one of them, or name a configuration file with -c",
        )
    config = load(path).config
    plan = wire(config, choose(config, dataset))
    snapshots, section = plan.snapshots, plan.section
    return Subject(
        table=None if plan.role == "edge" else section.table,
        aws=plan.aws,
        location=None if snapshots is None else snapshots.location,
        store=StoreParams() if snapshots is None else store_params(snapshots),
        path=plan.path.absolute(),
        has_stream=plan.refresh_seconds is None,
        by_kinesis=section.by_kinesis,
        stream_arn=section.params.kinesis_stream_arn,
        dataset=section.name,
        max_rcu=section.params.scan_max_rcu,
        fleet=planned,
    )


def _print(subject: Subject, *, as_json: bool) -> int:
    from snowmelt.doctor import examine

    findings = []
    for finding in examine(subject):
        findings.append(finding)
        if not as_json:
            print(finding.line, flush=True)
    failed = [finding for finding in findings if finding.verdict == "failed"]
    if as_json:
        print_json({"ok": not failed, "findings": [finding.to_json() for finding in findings]})
    return failed[0].exit_code if failed else 0
