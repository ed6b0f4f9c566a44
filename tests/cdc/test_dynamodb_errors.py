"""Refusals and broken connections as AWS sends them, by a server that says what it was told."""

import contextlib
import json
import time
import zlib
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from cdc.aws import AwsParams
from cdc.dynamodb import DynamoDbSource
from cdc.errors import (
    AccessDenied,
    CdcError,
    CredentialsRejected,
    IteratorExpired,
    Permanent,
    ShardNotFound,
    SourceUnreachable,
    StreamDisabled,
    Throttled,
    Trimmed,
)
from cdc.position import After, FromStart
from tests.servers.process import free_ports
from tests.servers.scripted import Answer, Request, ScriptedServer, scripted_server

ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/flights/stream/2026-01-01T00:00:00.000"
SECRET = "very-secret-key-value"


def params(endpoint_url: str) -> AwsParams:
    return AwsParams(
        region="eu-west-1",
        auth="key",
        access_key_id="AKIAEXAMPLE",
        secret_access_key=SECRET,
        endpoint_url=endpoint_url,
    )


def refusal(code: str, message: str = "No.", status: int = 400, **headers: str) -> Answer:
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message}
    return Answer(status, json.dumps(body).encode(), headers)


def described() -> Answer:
    return success(
        {
            "Table": {
                "TableName": "flights",
                "TableId": "id-1",
                "TableArn": ARN.partition("/stream")[0],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
                "LatestStreamArn": ARN,
            }
        }
    )


def success(answer: object, **headers: str) -> Answer:
    body = json.dumps(answer).encode()
    return Answer(200, body, {"x-amz-crc32": str(zlib.crc32(body)), **headers})


def action_of(request: Request) -> str:
    return request.headers["x-amz-target"].rpartition(".")[2]


@contextlib.contextmanager
def source_that_hears(
    answer: Answer, *more: Answer
) -> Iterator[tuple[DynamoDbSource, ScriptedServer]]:
    """A source whose table is described; other calls get the answers, the last one for ever."""
    script = [answer, *more]

    def respond(request: Request) -> Answer:
        if action_of(request) == "DescribeTable" and answer.headers.get("for") != "DescribeTable":
            return described()
        return script.pop(0) if len(script) > 1 else script[0]

    with scripted_server(respond) as server:
        yield DynamoDbSource("flights", params(server.endpoint_url)), server


@pytest.mark.parametrize(
    "code, status, kind",
    [
        ("ExpiredIteratorException", 400, IteratorExpired),
        ("TrimmedDataAccessException", 400, Trimmed),
        ("ResourceNotFoundException", 400, ShardNotFound),
        ("LimitExceededException", 400, Throttled),
        ("ThrottlingException", 400, Throttled),
        ("AccessDeniedException", 400, AccessDenied),
        ("UnrecognizedClientException", 400, CredentialsRejected),
        ("ExpiredTokenException", 400, CredentialsRejected),
        ("InvalidSignatureException", 400, CredentialsRejected),
        ("InternalServerError", 500, SourceUnreachable),
        ("ServiceUnavailable", 503, SourceUnreachable),
        ("ValidationException", 400, Permanent),
        ("SomethingNew", 400, Permanent),
        ("SomethingNew", 403, AccessDenied),
    ],
)
def test_a_refusal_of_get_records_becomes_one_error_of_the_contract(
    code: str, status: int, kind: type[CdcError]
) -> None:
    with (
        source_that_hears(refusal(code, status=status)) as (source, _),
        pytest.raises(CdcError) as caught,
    ):
        source.get_records("iterator")

    assert type(caught.value) is kind
    assert "dynamodb:GetRecords on stream of table flights in eu-west-1" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_a_denied_action_is_named_with_what_it_was_denied_on() -> None:
    said = "User: arn:aws:iam::1:user/x is not authorized to perform: dynamodb:DescribeStream"
    with (
        source_that_hears(refusal("AccessDeniedException", said)) as (source, _),
        pytest.raises(AccessDenied, match="dynamodb:DescribeStream") as caught,
    ):
        source.list_shards()

    assert caught.value.hint == (
        "allow dynamodb:DescribeStream on table/flights/stream/*; "
        "policy stream_reader of terraform/modules/policies has it"
    )


def test_a_key_that_may_not_be_used_is_not_taken_for_a_missing_action_of_the_table() -> None:
    refused = refusal("KMSAccessDeniedException", "The ciphertext refers to a key")
    with (
        source_that_hears(refused) as (source, _),
        pytest.raises(AccessDenied) as caught,
    ):
        source.get_records("iterator")

    assert "allow kms:Decrypt on the key that table flights is encrypted with" in caught.value.hint
    assert "dynamodb:" not in caught.value.hint


def test_a_signature_error_repeats_neither_the_request_nor_the_secret() -> None:
    said = f"The signature does not match.\n\nThe canonical string was\n'x-amz-token:{SECRET}'"
    with (
        source_that_hears(refusal("InvalidSignatureException", said)) as (source, _),
        pytest.raises(CredentialsRejected) as caught,
    ):
        source.get_records("iterator")

    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_clock_that_is_wrong_is_the_hint_of_an_expired_signature() -> None:
    said = "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z"
    with (
        source_that_hears(refusal("InvalidSignatureException", said)) as (source, _),
        pytest.raises(CredentialsRejected) as caught,
    ):
        source.get_records("iterator")

    assert "clock" in caught.value.hint


def test_a_stream_that_is_gone_is_not_a_shard_that_is_gone() -> None:
    gone = refusal("ResourceNotFoundException", f"Requested resource not found: Stream: {ARN}")
    with source_that_hears(gone) as (source, _):
        with pytest.raises(StreamDisabled):
            source.list_shards()
        with pytest.raises(StreamDisabled):
            source.open_iterator("shardId-1", FromStart())


def test_a_shard_that_is_gone_is_named() -> None:
    gone = refusal("ResourceNotFoundException", "Requested resource not found: Shard")
    with (
        source_that_hears(gone) as (source, _),
        pytest.raises(ShardNotFound, match="shardId-7 of table flights"),
    ):
        source.open_iterator("shardId-7", After("100"))


def test_a_body_that_was_cut_short_is_an_error_and_no_data() -> None:
    whole = success({"Records": [], "NextShardIterator": "next"})
    cut = Answer(200, whole.body[:20], announced=len(whole.body))
    with (
        source_that_hears(cut) as (source, _),
        pytest.raises(SourceUnreachable, match=r"20 of \d+ bytes"),
    ):
        source.get_records("iterator")


def test_a_description_that_was_cut_short_is_an_error_too() -> None:
    whole = described()
    cut = Answer(200, whole.body[:40], {"for": "DescribeTable"}, announced=len(whole.body))
    with (
        source_that_hears(cut) as (source, _),
        pytest.raises(SourceUnreachable, match=r"40 of \d+ bytes"),
    ):
        source.describe()


def test_a_body_that_was_changed_on_its_way_is_an_error() -> None:
    answer = success({"Records": []})
    changed = Answer(200, answer.body.replace(b"[]", b"{}"), answer.headers)
    with (
        source_that_hears(changed) as (source, _),
        pytest.raises(SourceUnreachable, match="checksum"),
    ):
        source.get_records("iterator")


def test_a_page_of_some_proxy_is_an_error() -> None:
    with (
        source_that_hears(Answer(200, b"<html>Log in</html>")) as (source, _),
        pytest.raises(SourceUnreachable, match="JSON"),
    ):
        source.get_records("iterator")


def test_a_short_trouble_is_retried_beneath_the_contract() -> None:
    trouble = refusal("InternalServerError", status=500)
    page = success({"Records": []})
    with source_that_hears(trouble, Answer(reset=True), page) as (source, server):
        assert source.get_records("iterator").body == page.body

    assert [action_of(request) for request in server.requests] == ["GetRecords"] * 3


def test_a_connection_that_is_reset_again_and_again_is_unreachable() -> None:
    with (
        source_that_hears(Answer(reset=True)) as (source, server),
        pytest.raises(SourceUnreachable, match=server.endpoint_url),
    ):
        source.get_records("iterator")


def test_an_endpoint_where_nobody_listens_is_unreachable_within_seconds() -> None:
    (port,) = free_ports(1)
    began = time.monotonic()

    with pytest.raises(SourceUnreachable, match=f"127.0.0.1:{port}"):
        DynamoDbSource("flights", params(f"http://127.0.0.1:{port}")).describe()

    assert time.monotonic() - began < 50


def test_a_missing_region_is_permanent_with_the_setting_to_make(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    source = DynamoDbSource(
        "flights", AwsParams(auth="key", access_key_id="a", secret_access_key="b")
    )

    with pytest.raises(Permanent, match="region") as caught:
        source.describe()

    assert "dynamodb_region" in caught.value.hint


def test_an_endpoint_that_is_no_url_is_permanent() -> None:
    with pytest.raises(Permanent, match="endpoint"):
        DynamoDbSource("flights", params("not a url")).describe()


def test_missing_credentials_are_found_once_they_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    with scripted_server(lambda _: described()) as server:
        source = DynamoDbSource(
            "flights",
            AwsParams(region="eu-west-1", iam_role_source="env", endpoint_url=server.endpoint_url),
        )
        with pytest.raises(CredentialsRejected):
            source.describe()

        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)

        assert source.describe().table_id == "id-1"


def test_auth_by_key_without_keys_takes_no_identity_from_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASOMEBODY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)

    with pytest.raises(CredentialsRejected):
        DynamoDbSource("flights", AwsParams(region="eu-west-1", auth="key")).describe()


def test_a_listing_follows_its_pages_to_the_end() -> None:
    def page(number: int, last: str | None) -> Answer:
        shard = {
            "ShardId": f"shardId-{number}",
            "ParentShardId": f"shardId-{number - 1}",
            "SequenceNumberRange": {"StartingSequenceNumber": "1", "EndingSequenceNumber": "2"},
        }
        stream = {"StreamStatus": "DISABLED", "Shards": [shard], "LastEvaluatedShardId": last}
        return success({"StreamDescription": {k: v for k, v in stream.items() if v}})

    pages = [page(1, "shardId-1"), page(2, "shardId-2"), page(3, None)]
    with source_that_hears(*pages) as (source, server):
        listing = source.list_shards()

    assert [shard.shard_id for shard in listing.shards] == ["shardId-1", "shardId-2", "shardId-3"]
    assert all(shard.is_closed for shard in listing.shards)
    assert not listing.stream_is_enabled
    starts = [json.loads(request.body).get("ExclusiveStartShardId") for request in server.requests]
    assert starts[1:] == [None, "shardId-1", "shardId-2"]


def test_a_service_that_knows_no_filter_for_children_is_asked_for_all() -> None:
    shards = [
        {"ShardId": "child", "ParentShardId": "parent", "SequenceNumberRange": {}},
        {"ShardId": "stranger", "ParentShardId": "other", "SequenceNumberRange": {}},
    ]
    listing = success({"StreamDescription": {"StreamStatus": "ENABLED", "Shards": shards}})
    with source_that_hears(refusal("ValidationException"), listing) as (source, server):
        children = source.list_children("parent")

    assert [shard.shard_id for shard in children.shards] == ["child"]
    asked = [json.loads(request.body).get("ShardFilter") for request in server.requests[1:]]
    assert asked == [{"Type": "CHILD_SHARDS", "ShardId": "parent"}, None]


def test_the_clock_of_the_service_counts_where_the_two_differ() -> None:
    an_hour_ahead = formatdate(time.time() + 3600, usegmt=True)
    with source_that_hears(success({"Records": []}, Date=an_hour_ahead)) as (source, _):
        for _attempt in range(3):
            source.get_records("iterator")

        assert source.now() == pytest.approx(time.time() + 3600, abs=300)
        assert source.get_records("iterator").requested_at == pytest.approx(source.now(), abs=300)
