"""The preflight: can this identity use this table and this bucket, and what does a bootstrap cost.

Nothing is written to the table; each permission is tried by the call that needs it. In the store
only scratch keys under `probe/` are written and deleted again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from cdc.aws import AwsParams, make_clients
from cdc.dynamodb import DynamoDbSource
from cdc.errors import CdcError, Degraded, NoSpace, PositionLost
from cdc.kinesis import KinesisSource
from cdc.position import FromStart
from cdc.source import SourceDescription
from cdc.table_only import TableSource
from restorer.errors import RestoreError
from snapshotter.errors import SnapshotError, StoreRefused
from snapshotter.location import StoreParams
from snapshotter.store import ObjectStore
from snapshotter.stores import open_store, probe
from snowmelt.cost import BootstrapCost, bootstrap_cost
from snowmelt.progress import format_bytes

CLOCK_WARNING_SECONDS = 2.0

Verdict = Literal["ok", "warn", "fail"]
Examined = DynamoDbSource | KinesisSource
# Any key of the type will do: what is asked is whether one may ask.
_NO_KEYS = {"S": {"S": "snowmelt doctor"}, "N": {"N": "0"}, "B": {"B": "AA=="}}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. `hint` says what to do, empty if nothing has to be done."""

    check: str
    verdict: Verdict
    detail: str
    hint: str = ""
    exit_code: int = 0

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is examined. `path`: where the dataset's file would lie.

    `has_stream`: the table's stream is to be followed; else the table is read anew by Scan alone.
    `by_kinesis`: that stream is its Kinesis destination, or the one of `stream_arn`.
    """

    table: str
    aws: AwsParams
    location: str | None
    store: StoreParams
    path: Path
    has_stream: bool = True
    by_kinesis: bool = False
    stream_arn: str | None = None

    def source(self) -> Examined:
        """What is tried; no request is sent yet."""
        if self.by_kinesis:
            return KinesisSource(self.table, self.aws, stream_arn=self.stream_arn)
        return (DynamoDbSource if self.has_stream else TableSource)(self.table, self.aws)


def examine(subject: Subject) -> Iterator[Finding]:
    """All findings, as they are made. Never raises an error of ours."""
    yield _identity(subject.aws)
    source = subject.source()
    try:
        description = source.describe()
    except CdcError as error:
        yield _failed("table", error)
        yield from _store(subject)
        return
    yield _table(description)
    yield from _permissions(source, description, has_stream=subject.has_stream)
    cost = _estimate(description, subject.path)
    yield _cost(cost)
    yield _clock(source)
    yield _disk(cost)
    yield from _store(subject)


def _identity(params: AwsParams) -> Finding:
    # Custom endpoints are emulators or private links; STS is often not reachable beside them.
    if params.endpoint_url:
        return Finding("identity", "ok", "not asked for with a custom endpoint")
    try:
        (client,) = make_clients("sts", params, {})
        return Finding("identity", "ok", str(client.get_caller_identity()["Arn"]))
    except Exception as error:  # noqa: BLE001 - botocore raises many families; any of them is the finding
        reason = " ".join(str(error).split())[:300]
        return Finding("identity", "warn", reason, "check the credential chain of this process")


def _table(description: SourceDescription) -> Finding:
    keys = " + ".join(f"{key.name} ({key.type})" for key in description.keys.attributes)
    detail = (
        f"{description.table_name}, key {keys}, {description.item_count:,} items, "
        f"{format_bytes(description.size_bytes)}, stream {description.view_type or 'not read'}"
    )
    hint = ""
    if description.view_type == "NEW_AND_OLD_IMAGES" and description.is_ordered:
        hint = "NEW_IMAGE would do and halves the bytes that are read"
    return Finding("table", "ok", detail, hint)


def _permissions(
    source: Examined, description: SourceDescription, *, has_stream: bool
) -> Iterator[Finding]:
    shard: list[str] = []
    iterator: list[str] = []

    def list_shards() -> str:
        listing = source.list_shards()
        shard.extend(s.shard_id for s in listing.shards if not s.is_closed)
        return f"{len(listing.shards)} shards, {len(shard)} open"

    def open_iterator() -> str:
        iterator.append(source.open_iterator(shard[-1], FromStart()))
        return "granted"

    def get_records() -> str:
        source.get_records(iterator[0])
        return "granted"

    def scan() -> str:
        source.scan(0, 1_000_000, None)
        return "granted"

    def get_item() -> str:
        source.get_item(json.dumps({key.name: _NO_KEYS[key.type] for key in keys}))
        return "granted"

    keys = description.keys.attributes
    by_kinesis = not description.is_ordered
    service = "kinesis" if by_kinesis else "dynamodb"
    steps: list[tuple[str, Callable[[], str]]] = []
    if has_stream:
        steps += [("kinesis:ListShards" if by_kinesis else "dynamodb:DescribeStream", list_shards)]
        steps += [(f"{service}:GetShardIterator", open_iterator)]
        steps += [(f"{service}:GetRecords", get_records)]
    steps += [("dynamodb:GetItem", get_item)] if by_kinesis else []
    steps += [("dynamodb:Scan", scan)]
    for action, step in steps:
        try:
            yield Finding(action, "ok", step())
        except IndexError:
            yield Finding(action, "warn", "could not be tried: there is no open shard to read")
        except PositionLost as error:
            yield Finding(action, "ok", f"granted ({error})")
        except CdcError as error:
            yield _failed(action, error)


def _estimate(description: SourceDescription, path: Path) -> BootstrapCost:
    place = next(parent for parent in (path, *path.parents) if parent.exists())
    free = shutil.disk_usage(place).free
    return bootstrap_cost(description, max_rcu=None, disk_free_bytes=free, place=str(place))


def _cost(cost: BootstrapCost) -> Finding:
    return Finding("bootstrap cost", "ok", cost.reads)


def _clock(source: Examined) -> Finding:
    offset = source.clock.offset_seconds
    verdict: Verdict = "ok" if abs(offset) < CLOCK_WARNING_SECONDS else "warn"
    hint = "" if verdict == "ok" else "ages are corrected for it; run a time service all the same"
    return Finding("clock", verdict, f"{offset:+.1f} s against the service", hint)


def _disk(cost: BootstrapCost) -> Finding:
    if cost.fits:
        return Finding("disk", "ok", cost.disk)
    return Finding("disk", "fail", cost.disk, "use a larger volume", NoSpace.exit_code)


def _store(subject: Subject) -> Iterator[Finding]:
    if subject.location is None:
        yield Finding("store", "warn", "not tried", "name it with --location")
        return
    try:
        store = open_store(subject.location, subject.store)
        result = probe(store)
    except SnapshotError as error:
        yield _failed("store", error)
        return
    for check in result.checks:
        name = f"store {check.name}"
        if check.passed:
            yield Finding(name, "ok", "works")
        elif check.error is not None:
            yield _failed(name, check.error)
        else:
            hint = "use a store that does this; two producers would overwrite each other here"
            yield Finding(name, "fail", check.detail, hint, StoreRefused.exit_code)
    if subject.location.startswith("s3://") and result.checks[0].passed:
        done = getattr(store, "encrypted_as", "")
        yield Finding("store encryption", "ok", done or "the store tells of none")
        yield from _lifecycle(store)


def _lifecycle(store: ObjectStore) -> Iterator[Finding]:
    ask = getattr(store, "takers", None)
    if ask is None:
        return
    name = "store lifecycle"
    try:
        found = ask()
    except SnapshotError as error:
        hint = "see yourself that no rule deletes or archives below the location"
        yield Finding(name, "warn", f"could not be read: {error}", hint)
        return
    if not found:
        yield Finding(name, "ok", "no rule deletes or archives below the location")
    for rule in found:
        hint = "take the location out of the rule; `snowmelt snapshots prune` deletes what may go"
        yield Finding(name, "fail", rule, hint, StoreRefused.exit_code)


def _failed(check: str, error: CdcError | SnapshotError | RestoreError) -> Finding:
    # A degraded error in a preflight is as final as any other: nobody is going to wait for it.
    code = 9 if isinstance(error, Degraded) else error.exit_code
    return Finding(check, "fail", str(error), error.hint, code)
