"""moto with its policies enforced, and told which resource each request of DynamoDB is about.

moto judges by action and resource, but hands its judge `*` for DynamoDB. Here the resource is read
from the request, as AWS does: a table by its name, a stream by its ARN or by the iterator that
carries it. Conditions are nothing that moto knows, so policies of tables have none.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from moto import settings
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.exceptions import JsonRESTError
from moto.dynamodb.responses import DynamoHandler
from moto.dynamodbstreams.responses import DynamoDBStreamsHandler
from moto.iam.access_control import IAMRequest

from cdc.aws import AwsParams
from tests.servers.moto import MotoServer
from tests.terraform.rendering import ACCOUNT, DATASET, REGION, TABLE_ARN, Policy

_UNENFORCED = float("inf")


@dataclass(frozen=True)
class Identity:
    """A user with one policy."""

    key: str
    secret: str

    def params(self, server: MotoServer) -> AwsParams:
        return AwsParams(
            region=REGION,
            auth="key",
            access_key_id=self.key,
            secret_access_key=self.secret,
            endpoint_url=server.endpoint_url,
        )


def identity(server: MotoServer, name: str, policy: Policy) -> Identity:
    """Made while nothing is enforced."""
    iam = server.client("iam")
    iam.create_user(UserName=name)
    if policy["Statement"]:  # moto knows no policy that says nothing
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return Identity(made["AccessKeyId"], made["SecretAccessKey"])


@contextmanager
def enforced() -> Iterator[None]:
    """Within, every request is judged by the policies of who makes it."""
    _count(0)
    try:
        yield
    finally:
        _count(_UNENFORCED)


def _count(requests: float) -> None:
    """How many requests pass unjudged from now on."""
    settings.INITIAL_NO_AUTH_ACTION_COUNT = requests
    ActionAuthenticatorMixin.request_count = 0


def _asked(handler: Any) -> dict[str, Any]:
    asked: dict[str, Any] = json.loads(handler.raw_body or b"{}")
    return asked


def _table(handler: Any) -> str:
    name = _asked(handler).get("TableName", "")
    return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"


def _stream(handler: Any) -> str:
    asked = _asked(handler)
    named = asked.get("StreamArn") or asked.get("ShardIterator", "")
    return str(named).partition("|")[0] or "*"


def _denies(request: Any) -> None:
    text = f"User: {request._access_key.arn} is not authorized to perform: {request._action}"
    raise JsonRESTError("AccessDeniedException", text)


@contextmanager
def as_dynamodb_does() -> Iterator[None]:
    """moto's own hooks for the resource, and for the words of a refusal, which are XML else."""
    handlers: list[tuple[Any, Callable[[Any], str]]]
    handlers = [(DynamoHandler, _table), (DynamoDBStreamsHandler, _stream)]
    before = IAMRequest._raise_access_denied
    for handler, resource in handlers:
        assert not hasattr(handler, "_determine_resource"), "moto knows it by itself now"
        handler._determine_resource = resource
    IAMRequest._raise_access_denied = _denies  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        IAMRequest._raise_access_denied = before  # type: ignore[method-assign]
        for handler, _ in handlers:
            del handler._determine_resource


def make_table(server: MotoServer, name: str = DATASET, rows: int = 20) -> str:
    """A table with rows and a stream; returns the stream's ARN."""
    dynamodb = server.client("dynamodb")
    made = dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]
    put_rows(server, name, 0, rows)
    assert made["TableArn"] == TABLE_ARN.replace(DATASET, name)
    return str(made["LatestStreamArn"])


def put_rows(server: MotoServer, name: str, first: int, count: int) -> None:
    dynamodb = server.client("dynamodb")
    for number in range(first, first + count):
        dynamodb.put_item(TableName=name, Item={"id": {"S": f"item {number}"}})
