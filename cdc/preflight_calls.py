"""Calls that only a preflight makes: who am I, and who else reads this stream.

They ask services that capture never needs. Where an endpoint of the table is configured, the others
are asked at endpoints of their own (AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL_LAMBDA) or not at all:
the keys of an emulator or of another place are not sent to AWS.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cdc.aws import AwsParams, Service, make_clients, region_of, way_of_credentials
from cdc.credential_chain import way_of
from cdc.dynamodb_errors import Call, translate
from cdc.errors import CdcError

_ONCE = {"retries": {"mode": "standard", "total_max_attempts": 1}}
_READS = {"Enabled", "Enabling", "Updating", "Creating"}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks. `way`: how its credentials were found, for people."""

    arn: str
    account: str
    way: str


@dataclass(frozen=True, slots=True)
class Readers:
    """Who else reads a table's stream. `functions`: Lambda functions with an enabled mapping.

    `destinations`: Kinesis streams that the table's changes go to, which takes no reader of a
    shard. `replicas`: regions of a global table, whose replication reads, too. Each is an error
    where it could not be asked, or None where that was not tried.
    """

    functions: tuple[str, ...] | CdcError | None
    destinations: tuple[str, ...] | CdcError | None
    replicas: tuple[str, ...] | CdcError | None


def may_be_asked(service: Service, params: AwsParams) -> bool:
    """False if only AWS itself could answer, while the table is somewhere else."""
    of_table = params.endpoint_url or os.environ.get("AWS_ENDPOINT_URL_DYNAMODB")
    names = (f"AWS_ENDPOINT_URL_{service.upper()}", "AWS_ENDPOINT_URL")
    return not of_table or any(os.environ.get(name) for name in names)


def identity(params: AwsParams) -> Identity:
    """Ask STS. Raises the errors of `cdc.errors`."""
    answer = _ask("sts", params, "GetCallerIdentity", "this identity", {})
    return Identity(str(answer["Arn"]), str(answer["Account"]), way_of(way_of_credentials(params)))


def readers(params: AwsParams, table: str, stream_arn: str) -> Readers:
    """Ask Lambda and DynamoDB. Never raises an error of ours."""

    def functions() -> tuple[str, ...]:
        answer = _ask(
            "lambda",
            params,
            "ListEventSourceMappings",
            f"the stream of table {table}",
            {"EventSourceArn": stream_arn},
        )
        found = answer.get("EventSourceMappings") or ()
        reading = [each for each in found if each.get("State") in _READS]
        return tuple(str(each.get("FunctionArn", "")).rpartition(":")[2] for each in reading)

    def destinations() -> tuple[str, ...]:
        action = "DescribeKinesisStreamingDestination"
        answer = _ask("dynamodb", params, action, f"table {table}", {"TableName": table})
        found = answer.get("KinesisDataStreamDestinations") or ()
        return tuple(
            str(each["StreamArn"]).rpartition("/")[2]
            for each in found
            if each.get("DestinationStatus") in ("ACTIVE", "ENABLING", "UPDATING")
        )

    def replicas() -> tuple[str, ...]:
        answer = _ask("dynamodb", params, "DescribeTable", f"table {table}", {"TableName": table})
        found = answer["Table"].get("Replicas") or ()
        return tuple(str(each.get("RegionName")) for each in found)

    asks_lambda = may_be_asked("lambda", params)
    return Readers(
        _or_error(functions) if asks_lambda else None,
        _or_error(destinations),
        _or_error(replicas),
    )


def endpoint_of(service: Service, params: AwsParams) -> str:
    """The URL that a client of this service calls. Raises the errors of `cdc.errors`."""
    call = Call("endpoint", service, region_of(params)[0] or "", "AWS", service)
    try:
        (client,) = make_clients(service, params, _ONCE)
    except Exception as error:
        raise translate(error, call) from error
    return str(client.meta.endpoint_url)


def _ask(
    service: Service, params: AwsParams, action: str, resource: str, arguments: Mapping[str, Any]
) -> Mapping[str, Any]:
    """One request that is not repeated. Raises the errors of `cdc.errors`."""
    from botocore import xform_name

    region, said_by = region_of(params)
    call = Call(action, resource, region or "", "AWS", service, said_by)
    try:
        (client,) = make_clients(service, params, _ONCE)
        answer: Mapping[str, Any] = getattr(client, xform_name(action))(**arguments)
    except Exception as error:
        raise translate(error, call) from error
    return answer


def _or_error(ask: Callable[[], tuple[str, ...]]) -> tuple[str, ...] | CdcError:
    try:
        return ask()
    except CdcError as error:
        return error
