"""The preflight: can this identity use this table and this bucket, what does it cost, what is near.

Nothing is written to the table; each permission is tried by the call that needs it. In the store
only scratch keys under `probe/` are written and deleted again. What cannot be told from here is
said to be not known. The subjects are in `snowmelt.preflight`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from cdc.aws import AwsParams, Service, chain_faults, region_of
from cdc.errors import (
    AccessDenied,
    CdcError,
    NoSpace,
    SourceUnreachable,
    StreamDisabled,
    ViewTypeUnsupported,
)
from cdc.preflight_calls import endpoint_of
from cdc.source import SourceDescription
from snapshotter.errors import SnapshotError, StoreUnreachable
from snapshotter.location import parse_location
from snowmelt.cost import BootstrapCost, bootstrap_cost
from snowmelt.preflight import fleet, routes, table
from snowmelt.preflight.finding import Finding, failed
from snowmelt.preflight.store import StoreLook
from snowmelt.preflight.subject import PlannedFleet, Subject
from snowmelt.progress import format_bytes

__all__ = ["Finding", "PlannedFleet", "Subject", "examine"]

# A restored file, and the one before it until the new one is open.
_FILES_OF_A_RESTORE = 2


def examine(subject: Subject) -> Iterator[Finding]:
    """All findings, as they are made. Never raises an error of ours."""
    yield from _identity(subject)
    description: SourceDescription | None = None
    if subject.table is not None:
        source = subject.source()
        try:
            description = source.describe()
        except CdcError as error:
            yield failed("table", error)
            if isinstance(error, AccessDenied | StreamDisabled | ViewTypeUnsupported):
                wants_stream = subject.has_stream and not subject.by_kinesis
                yield from table.permissions_unseen(source, has_stream=wants_stream)
        else:
            yield table.described(description, region_of(subject.aws)[0] or "the default region")
            has_stream = subject.has_stream
            yield from table.permissions(source, description, has_stream=has_stream)
            if has_stream and description.is_ordered:
                yield table.other_readers(subject, description)
            estimate = _estimate(description, subject)
            yield table.cost(estimate)
            yield table.clock("clock", source.clock.offset_seconds)
            yield _disk_of_table(estimate)
    look = StoreLook(subject)
    yield from look.findings()
    if description is None and look.entries:
        yield _disk_of_restore(look.entries[0].file_bytes, subject.path)
    yield from _routes(subject)
    if subject.fleet is not None:
        size = None if description is None else description.size_bytes
        found = fleet.sized(subject.fleet, look.entries, size, look.encrypted_as)
        yield from fleet.bill(subject.fleet, found)


def _identity(subject: Subject) -> Iterator[Finding]:
    """Who asks: of the table, or where there is none, of the store."""
    aws, store = subject.aws, subject.store
    if subject.table is None:
        aws = AwsParams(
            region=store.region,
            auth=store.auth,
            access_key_id=store.key,
            secret_access_key=store.secret,
            session_token=store.session_token,
            endpoint_url=store.endpoint,
        )
    if subject.table is not None or (subject.location or "").startswith("s3://"):
        yield table.whoami(aws)
    if faults := chain_faults(aws):
        yield Finding("credentials", "warning", "; ".join(faults))


def _free_at(path: Path) -> tuple[int, str]:
    place = next(parent for parent in (path, *path.parents) if parent.exists())
    return shutil.disk_usage(place).free, str(place)


def _estimate(description: SourceDescription, subject: Subject) -> BootstrapCost:
    free, place = _free_at(subject.path)
    return bootstrap_cost(description, max_rcu=subject.max_rcu, disk_free_bytes=free, place=place)


def _disk_of_table(estimate: BootstrapCost) -> Finding:
    data = {"needed": estimate.disk_needed_bytes, "free": estimate.disk_free_bytes}
    return _disk(estimate.disk, fits=estimate.fits, data=data)


def _disk_of_restore(file_bytes: int, path: Path) -> Finding:
    free, place = _free_at(path)
    needed = file_bytes * _FILES_OF_A_RESTORE
    detail = f"needs up to {format_bytes(needed)}, has {format_bytes(free)} at {place}"
    return _disk(detail, fits=free >= needed, data={"needed": needed, "free": free})


def _disk(detail: str, *, fits: bool, data: dict[str, int]) -> Finding:
    if fits:
        return Finding("disk", "ok", detail, data=data)
    return Finding("disk", "failed", detail, "use a larger volume", NoSpace.exit_code, data)


def _routes(subject: Subject) -> Iterator[Finding]:
    """Which way requests to each endpoint take."""
    wanted: list[Service] = []
    if subject.table is not None:
        wanted.append("dynamodb")
        if subject.has_stream:
            wanted.append("kinesis" if subject.by_kinesis else "dynamodbstreams")
    for service in wanted:
        try:
            yield routes.look(
                service, endpoint_of(service, subject.aws), SourceUnreachable.exit_code
            )
        except CdcError as error:
            yield failed(f"route {service}", error)
    if subject.location is None or not subject.location.startswith("s3://"):
        return
    url = subject.store.endpoint
    if url is None:
        region = AwsParams(region=subject.store.region)
        try:
            bucket = parse_location(subject.location).root
            url = endpoint_of("s3", region)
            if ".amazonaws.com" in url:  # where a bucket is a part of the host's name
                url = url.replace("://", f"://{bucket}.", 1)
        except (CdcError, SnapshotError) as error:
            yield failed("route s3", error)
            return
    yield routes.look("s3", url, StoreUnreachable.exit_code)
