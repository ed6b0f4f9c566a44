"""GetRecords and Scan beside botocore: sent to the same place in the same way, and as patiently."""

import contextlib
import json
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.credentials import RefreshableCredentials

from cdc.aws import AwsClients, AwsParams, ServiceClock
from cdc.dynamodb import DynamoDbSource
from cdc.errors import CredentialsRejected, SourceUnreachable, Throttled
from cdc.raw_calls import RawCalls
from tests.servers.certificates import self_signed
from tests.servers.scripted import Answer, Request, ScriptedServer, scripted_server

PAGE = Answer(body=b'{"Records":[]}')
UNSIGNED = ("user-agent", "authorization", "x-amz-date", "amz-sdk-invocation-id", "amz-sdk-request")


def params(endpoint_url: str | None, token: str | None = None) -> AwsParams:
    return AwsParams(
        region="eu-west-1",
        auth="key",
        access_key_id="AKIAEXAMPLE",
        secret_access_key="secret",
        session_token=token,
        endpoint_url=endpoint_url,
    )


def clients_of(server: ScriptedServer, token: str | None = None) -> AwsClients:
    return AwsClients(params(server.endpoint_url, token), ServiceClock(), lambda _client: None)


def told(request: Request) -> dict[str, object]:
    """What a request says to the service, without what differs each time."""
    kept = {name: value for name, value in request.headers.items() if name not in UNSIGNED}
    del kept["content-length"]  # JSON may be spelled with or without blanks
    return {**kept, "path": request.path, "body": json.loads(request.body)}


def test_a_poll_says_what_botocore_says() -> None:
    with scripted_server(lambda _: PAGE) as server:
        clients = clients_of(server, token="a session's token")
        clients.get("dynamodbstreams").get_records(ShardIterator="i", Limit=1000)
        clients.raw("dynamodbstreams").call("GetRecords", b'{"ShardIterator":"i","Limit":1000}')

    theirs, ours = server.requests
    assert told(ours) == told(theirs)
    assert ours.headers["user-agent"].split()[0] == theirs.headers["user-agent"].split()[0]
    scopes = [each.headers["authorization"].partition(", Signature")[0] for each in (ours, theirs)]
    assert scopes[0] == scopes[1]


def test_a_page_of_a_scan_goes_on_behind_the_key_that_the_service_gave() -> None:
    with scripted_server(lambda _: Answer(body=b'{"Items":[]}')) as server:
        source = DynamoDbSource("flights", params(server.endpoint_url))
        source.scan(3, 8, '{"id":{"B":"//79"},"at":{"N":"1.50"}}')

    (asked,) = server.requests
    assert asked.headers["x-amz-target"] == "DynamoDB_20120810.Scan"
    assert json.loads(asked.body) == {
        "TableName": "flights",
        "Segment": 3,
        "TotalSegments": 8,
        "ConsistentRead": True,
        "ReturnConsumedCapacity": "TOTAL",
        "ExclusiveStartKey": {"id": {"B": "//79"}, "at": {"N": "1.50"}},
    }


def test_credentials_are_refreshed_between_two_polls() -> None:
    issued: list[str] = []

    def refresh() -> dict[str, str]:
        issued.append(f"ASIA{len(issued)}")
        return {
            "access_key": issued[-1],
            "secret_key": "secret",
            "token": f"token-{issued[-1]}",
            "expiry_time": (datetime.now(UTC) + timedelta(minutes=5)).isoformat(),  # soon
        }

    credentials = RefreshableCredentials.create_from_metadata(refresh(), refresh, "test")
    with scripted_server(lambda _: PAGE) as server:
        client = clients_of(server).get("dynamodbstreams")
        raw = RawCalls(client, credentials, lambda _date: None)
        for _ in range(2):
            raw.call("GetRecords", b"{}")

    tokens = [request.headers["x-amz-security-token"] for request in server.requests]
    assert len(set(tokens)) == 2
    assert all(
        f"Credential={token.removeprefix('token-')}/" in request.headers["authorization"]
        for token, request in zip(tokens, server.requests, strict=True)
    )


def test_a_poll_without_credentials_finds_them_once_they_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    with scripted_server(lambda _: PAGE) as server:
        found = AwsParams(
            region="eu-west-1", iam_role_source="env", endpoint_url=server.endpoint_url
        )
        source = DynamoDbSource("flights", found)
        with pytest.raises(CredentialsRejected):
            source.get_records("iterator")

        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

        assert source.get_records("iterator").body == PAGE.body


def test_a_refused_poll_is_repeated_as_often_as_botocore_does() -> None:
    refusal = Answer(400, b'{"__type":"x#LimitExceededException","message":"Rate"}')
    with scripted_server(lambda _: refusal) as server, no_pauses():
        with pytest.raises(Throttled):
            DynamoDbSource("flights", params(server.endpoint_url)).get_records("iterator")
        ours = len(server.requests)
        client = clients_of(server).get("dynamodbstreams")
        with pytest.raises(client.exceptions.LimitExceededException):
            client.get_records(ShardIterator="iterator")

    assert ours == len(server.requests) - ours == 3


def test_each_repetition_is_signed_anew_and_gives_back_its_share_of_the_quota() -> None:
    """botocore's quota lets a hundred repetitions through; successes fill it again."""
    turns = [Answer(500, b"{}"), PAGE] * 120
    with scripted_server(lambda _: turns.pop(0)) as server:
        raw = clients_of(server).raw("dynamodbstreams")
        with no_pauses():
            for _ in range(120):
                raw.call("GetRecords", b"{}")

    assert len(server.requests) == 240


def test_a_proxy_of_the_environment_is_gone_through(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted_server(lambda _: PAGE) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.endpoint_url)
        monkeypatch.delenv("NO_PROXY")
        monkeypatch.delenv("no_proxy")
        source = DynamoDbSource("flights", params("http://dynamodb.example.test"))

        source.get_records("iterator")

    (request,) = proxy.requests
    assert request.path == "http://dynamodb.example.test/"
    assert request.headers["host"] == "dynamodb.example.test"


def test_a_certificate_is_trusted_by_the_bundle_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with scripted_server(lambda _: PAGE, tls=context) as server:
        with no_pauses(), pytest.raises(SourceUnreachable) as caught:
            DynamoDbSource("flights", params(server.endpoint_url)).get_records("iterator")
        assert "AWS_CA_BUNDLE" in caught.value.hint

        monkeypatch.setenv("AWS_CA_BUNDLE", str(pem))
        page = DynamoDbSource("flights", params(server.endpoint_url)).get_records("iterator")

    assert page.body == PAGE.body


@contextlib.contextmanager
def no_pauses() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patching:
        sleep: Callable[[float], None] = lambda _seconds: None  # noqa: E731 - one word of a module
        patching.setattr("time.sleep", sleep)
        yield
