"""The preflight of a table: who asks, what it is, each permission, other readers, cost, clock.

Permissions are tried by the call that needs them. Nothing is written to the table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from cdc.aws import AwsParams
from cdc.errors import AccessDenied, CdcError, PositionLost
from cdc.position import FromStart
from cdc.preflight_calls import Readers, identity, may_be_asked, readers
from cdc.source import SourceDescription
from snowmelt.cost import BootstrapCost
from snowmelt.preflight.finding import Finding, Verdict, failed, not_known, one_line
from snowmelt.preflight.subject import Examined, Subject
from snowmelt.progress import format_bytes

CLOCK_WARNING_SECONDS = 2.0
READERS_OF_A_SHARD = 2
_OF_STREAM = ("dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords")
_AGAIN = "repair what is said above, and run doctor again"
# Any key of the type will do: what is asked is whether one may ask.
_NO_KEYS = {"S": {"S": "snowmelt doctor"}, "N": {"N": "0"}, "B": {"B": "AA=="}}


def whoami(aws: AwsParams) -> Finding:
    """Which identity asks, and how its credentials were found."""
    if not may_be_asked("sts", aws):
        hint = "AWS_ENDPOINT_URL_STS names one that can be asked"
        return not_known("identity", "not asked for where an endpoint is configured", hint)
    try:
        found = identity(aws)
    except CdcError as error:
        if error.exit_code == 9:
            return failed("identity", error)
        hint = "STS needs a route of its own: an interface endpoint, or one to the internet"
        return not_known("identity", one_line(error), hint)
    data = {"arn": found.arn, "account": found.account, "credentials": found.way}
    return Finding("identity", "ok", f"{found.arn}, by {found.way}", data=data)


def described(description: SourceDescription, region: str) -> Finding:
    """The table itself."""
    keys = " + ".join(f"{key.name} ({key.type})" for key in description.keys.attributes)
    detail = (
        f"{description.table_name}, key {keys}, {description.item_count:,} items, "
        f"{format_bytes(description.size_bytes)}, stream {description.view_type or 'not read'}, "
        f"TableId {description.table_id}, in {region}"
    )
    hint = ""
    if description.view_type == "NEW_AND_OLD_IMAGES" and description.is_ordered:
        hint = "NEW_IMAGE would do and halves the bytes that are read"
    data = {
        "table_id": description.table_id,
        "stream_arn": description.stream_arn,
        "view_type": description.view_type,
        "items": description.item_count,
        "size_bytes": description.size_bytes,
        "region": region,
    }
    return Finding("table", "ok", detail, hint, data=data)


def permissions(
    source: Examined, description: SourceDescription, *, has_stream: bool
) -> Iterator[Finding]:
    """Each action, tried by the call that needs it."""
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
            yield not_known(action, "could not be tried: there is no open shard to read", _AGAIN)
        except PositionLost as error:
            yield Finding(action, "ok", f"granted ({error})")
        except CdcError as error:
            yield failed(action, error)


def permissions_unseen(source: Examined, *, has_stream: bool) -> Iterator[Finding]:
    """The same of a table that could not be described, or has no stream to read."""
    for action in _OF_STREAM if has_stream else ():
        yield not_known(action, "could not be tried: no stream is known", _AGAIN)
    try:
        source.scan(0, 1_000_000, None)
    except CdcError as error:
        yield failed("dynamodb:Scan", error)
    else:
        yield Finding("dynamodb:Scan", "ok", "granted")


def other_readers(subject: Subject, description: SourceDescription) -> Finding:
    """Who reads the stream besides: a shard serves two readers, this one included."""
    found = readers(subject.aws, description.table_name, description.stream_arn)
    return judged(found)


def judged(found: Readers) -> Finding:
    """What is known of other readers, as a finding."""
    told: list[str] = []
    unknown: list[str] = []
    count = 1
    for what, value in (
        ("Lambda functions", found.functions),
        ("replicas of a global table", found.replicas),
        ("Kinesis destinations", found.destinations),
    ):
        if isinstance(value, tuple):
            told += [f"{what}: {', '.join(sorted(value))}"] if value else []
        elif isinstance(value, AccessDenied):
            unknown.append(f"{what}: {_action(value)} is denied")
        elif value is not found.destinations:  # they are told of, and read no shard
            unknown.append(f"{what} were not asked for" if value is None else one_line(value))
    count += len(found.functions) if isinstance(found.functions, tuple) else 0
    # Replication is one reader, however many regions there are. A destination reads no shard.
    count += bool(found.replicas) if isinstance(found.replicas, tuple) else 0
    seen = "; ".join(told) or "none is seen"
    detail = f"{count} of a shard with this one; besides: {seen}"
    data = {"readers": count, "unknown": unknown}
    if count > READERS_OF_A_SHARD:
        hint = "a shard serves two readers; follow the table by Kinesis instead, or remove one"
        return Finding("stream readers", "warning", detail, hint, data=data)
    if unknown:
        detail = f"{detail}; {'; '.join(unknown)}"
        return Finding("stream readers", "not known", detail, _ASK_THEM, data=data)
    return Finding("stream readers", "ok", detail, _ASK_THEM, data=data)


_ASK_THEM = "KCL applications and other nodes are listed nowhere: ask who reads this stream"


def _action(error: AccessDenied) -> str:
    return one_line(error).partition(" on ")[0]


def cost(estimate: BootstrapCost) -> Finding:
    """What reading the whole table costs once."""
    if not estimate.items:
        why = "no items are counted; the service counts a table each six hours"
        return not_known("bootstrap cost", why, "ask again later, if the table is not empty")
    return Finding("bootstrap cost", "ok", estimate.reads, data=estimate.to_json())


def clock(check: str, offset_seconds: float) -> Finding:
    """This machine's clock against the service's Date header."""
    verdict: Verdict = "ok" if abs(offset_seconds) < CLOCK_WARNING_SECONDS else "warning"
    hint = "" if verdict == "ok" else "ages are corrected for it; run a time service all the same"
    detail = f"{offset_seconds:+.1f} s against the service"
    return Finding(check, verdict, detail, hint, data={"offset_seconds": round(offset_seconds, 3)})
