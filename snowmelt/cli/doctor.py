"""`doctor`: a preflight on a table and a bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from snowmelt.cli.options import AsJson, print_json
from snowmelt.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(
        help="Check a table and a bucket before anything is installed; nothing is written to the "
        "table.\n\nExample: snowmelt doctor --table pipelines --region eu-west-1 "
        "--location s3://bucket/prefix"
    )(doctor)


def doctor(
    table: Annotated[str, typer.Option(help="The DynamoDB table.")],
    region: Annotated[str | None, typer.Option(help="Its region.")] = None,
    location: Annotated[str | None, typer.Option(help="Where snapshots will lie.")] = None,
    endpoint_url: Annotated[str | None, typer.Option(help="DynamoDB endpoint.")] = None,
    streams_endpoint_url: Annotated[str | None, typer.Option(help="Streams endpoint.")] = None,
    kinesis: Annotated[
        bool, typer.Option("--kinesis", help="It is followed by its Kinesis destination.")
    ] = False,
    kinesis_stream_arn: Annotated[str | None, typer.Option(help="That stream.")] = None,
    kinesis_endpoint_url: Annotated[str | None, typer.Option(help="Kinesis endpoint.")] = None,
    s3_endpoint: Annotated[str | None, typer.Option(help="S3 endpoint.")] = None,
    path: Annotated[Path, typer.Option(help="Where the file will lie.")] = Path(),
    refresh_mode: Annotated[
        Literal["changes", "full"], typer.Option(help="How it will be kept; full needs no stream.")
    ] = "changes",
    as_json: AsJson = False,
) -> int:
    """Print one line per check; ends with the exit code of the first failure."""
    if kinesis and refresh_mode == "full":
        raise UsageError("--kinesis follows changes", hint="leave out --refresh-mode full")
    from cdc.aws import AwsParams
    from snapshotter.location import StoreParams
    from snowmelt.doctor import Subject, examine

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
    )
    findings = []
    for finding in examine(subject):
        findings.append(finding)
        if not as_json:
            hint = f"; {finding.hint}" if finding.hint else ""
            print(f"{finding.verdict:<4}  {finding.check}: {finding.detail}{hint}", flush=True)
    failed = [finding for finding in findings if finding.verdict == "fail"]
    if as_json:
        print_json({"ok": not failed, "findings": [finding.to_json() for finding in findings]})
    return failed[0].exit_code if failed else 0
