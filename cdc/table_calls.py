"""Calls that every source of a table makes: who asks, DescribeTable, Scan, GetItem.

Calls that are made often are signed by us and their bodies go out as bytes (`cdc.raw_calls`);
botocore's own way takes 1 ms for each, and 170 ms to parse a full page. All others are botocore's.
It parses whatever arrives, so a hook checks every answer's length and CRC32 before: a truncated
body is an error. Streams lie in `cdc.dynamodb` and `cdc.kinesis`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from cdc.aws import AwsClients, AwsParams, Service, ServiceClock, chain_faults, region_of
from cdc.errors import CredentialsRejected, Degraded, SourceUnreachable
from cdc.keys import KeyAttribute, KeySchema
from cdc.listing import keep_to_budget
from cdc.source import RawPage
from cdc.whole import DamagedAnswer, fault_of

_FAULT = "SnowmeltFault"
_Result = TypeVar("_Result")


class TableCalls:
    """A table through AWS's API. Thread-safe. No request before the first call.

    `clock` may be shared by several sources of one service.
    """

    def __init__(self, table: str, params: AwsParams, clock: ServiceClock | None = None) -> None:
        self._table = table
        self._params = params
        self._clock = clock or ServiceClock()
        self._clients = AwsClients(params, self._clock, prepare=_prepare)

    @property
    def clock(self) -> ServiceClock:
        """The service's time; its offset is worth a metric."""
        return self._clock

    def now(self) -> float:
        return self._clock.now()

    def scan(
        self, segment: int, total_segments: int, start_key: str | None, limit: int | None = None
    ) -> RawPage:
        asked = {
            "TableName": self._table,
            "Segment": segment,
            "TotalSegments": total_segments,
            "ConsistentRead": True,
            "ReturnConsumedCapacity": "TOTAL",
        }
        if start_key is not None:  # as the service wrote it
            asked["ExclusiveStartKey"] = json.loads(start_key)
        if limit is not None:
            asked["Limit"] = limit
        requested_at = self._clock.now()
        return RawPage(self._raw("dynamodb", "Scan", self._table_name, asked), requested_at)

    def get_item(self, key: str) -> RawPage:
        asked = {"TableName": self._table, "Key": json.loads(key), "ConsistentRead": True}
        requested_at = self._clock.now()
        return RawPage(self._raw("dynamodb", "GetItem", self._table_name, asked), requested_at)

    # ------------------------------------------------------------ for the streams

    @property
    def _table_name(self) -> str:
        return f"table {self._table}"

    def _describe_table(self) -> Mapping[str, Any]:
        answer = self._call("dynamodb", "DescribeTable", self._table_name, TableName=self._table)
        table: Mapping[str, Any] = required(answer, "Table", self._table_name)
        return table

    def _iterator(self, service: Service, shard_id: str, asked: Mapping[str, Any]) -> str:
        resource = f"{shard_id} of {self._table_name}"
        body = self._raw(service, "GetShardIterator", resource, asked)
        try:
            answer = json.loads(body)
        except ValueError as error:
            raise SourceUnreachable(f"{resource}: an answer that is no JSON: {error}") from error
        return str(required(answer, "ShardIterator", shard_id))

    def _raw(self, service: Service, action: str, resource: str, asked: Mapping[str, Any]) -> bytes:
        """The body of one request that is signed here. Raises the errors of `cdc.errors` only."""
        body = json.dumps(asked).encode()
        return self._translated(
            service, action, resource, lambda: self._clients.raw(service).call(action, body)
        )

    def _call(
        self, service: Service, action: str, resource: str, **arguments: Any
    ) -> dict[str, Any]:
        """One request of botocore, with its retries. Raises the errors of `cdc.errors` only."""
        from botocore import xform_name

        def ask() -> dict[str, Any]:
            call = getattr(self._clients.get(service), xform_name(action))
            answer: dict[str, Any] = call(**arguments)
            if _FAULT in answer:
                raise DamagedAnswer(answer[_FAULT])
            return answer

        return self._translated(service, action, resource, ask)

    def _translated(
        self, service: Service, action: str, resource: str, ask: Callable[[], _Result]
    ) -> _Result:
        """What `ask` gives. Raises the errors of `cdc.errors` only."""
        from cdc.dynamodb_errors import Call, translate

        prefix = "kinesis" if service == "kinesis" else "dynamodb"
        region, said_by = region_of(self._params)
        call = Call(action, resource, region or "", self._endpoint(service), prefix, said_by)
        try:
            client = self._clients.get(service)
            region, endpoint = client.meta.region_name or "", client.meta.endpoint_url
            call = Call(action, resource, region, endpoint, prefix, said_by)
            return ask()
        except DamagedAnswer as error:
            raise SourceUnreachable(f"{call.where}: {call.endpoint} sent {error}") from error
        except Exception as error:
            translated = translate(error, call)
            if isinstance(translated, CredentialsRejected):
                self._clients.reset()  # credentials that were renewed since must be found
            if isinstance(translated, Degraded):
                hints = (translated.hint, *chain_faults(self._params))
                translated.hint = "; ".join(hints)
            raise translated from error

    def _endpoint(self, service: Service) -> str:
        return self._params.endpoint_of(service) or "AWS"


def _prepare(client: Any) -> None:
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"before-parse.{service}", _check_body)
    keep_to_budget(client)


def _check_body(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Keep a damaged body out of botocore's parser, and say so in the answer."""
    if response_dict["status_code"] != 200:
        return
    fault = fault_of(response_dict["body"], response_dict["headers"])
    if fault:
        customized_response_dict[_FAULT] = fault
        response_dict["body"] = b"{}"


def required(answer: Mapping[str, Any], name: str, resource: str) -> Any:
    """A member of an answer. Raises SourceUnreachable if it is missing."""
    if not answer.get(name):
        raise SourceUnreachable(f"the answer for {resource} lacks {name}")
    return answer[name]


def key_schema(table: Mapping[str, Any]) -> KeySchema:
    """The primary key of a table as DescribeTable has it."""
    types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
    names = {each["KeyType"]: each["AttributeName"] for each in table["KeySchema"]}
    sort = names.get("RANGE")
    return KeySchema(
        KeyAttribute(names["HASH"], types[names["HASH"]]),
        KeyAttribute(sort, types[sort]) if sort else None,
    )


def table_id(table: Mapping[str, Any]) -> str:
    """The table's id; the ARN with the creation time where an emulator has none."""
    return str(table.get("TableId") or _substitute_id(table))


def _substitute_id(table: Mapping[str, Any]) -> str:
    return f"{table['TableArn']}@{table['CreationDateTime'].timestamp():.3f}"
