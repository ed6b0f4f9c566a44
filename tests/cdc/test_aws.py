"""Parameters, endpoints and the service's clock."""

import timeit
from email.utils import formatdate

import pytest

from cdc.aws import AwsClients, AwsParams, ServiceClock, make_clients


def test_parameters_print_without_their_secrets() -> None:
    params = AwsParams(access_key_id="AKIA1", secret_access_key="s3cret", session_token="t0ken")

    assert not [word for word in ("AKIA1", "s3cret", "t0ken") if word in repr(params)]


@pytest.mark.parametrize(
    "endpoint, streams, expected",
    [
        (None, None, None),
        ("http://localhost:8000", None, "http://localhost:8000"),
        ("https://vpce-1.dynamodb.eu-west-1.vpce.amazonaws.com", None, None),
        ("http://localhost:8000", "http://localhost:9000", "http://localhost:9000"),
    ],
)
def test_streams_share_the_endpoint_of_an_emulator_and_not_one_of_aws(
    endpoint: str | None, streams: str | None, expected: str | None
) -> None:
    params = AwsParams(endpoint_url=endpoint, streams_endpoint_url=streams)

    assert params.endpoint_of("dynamodbstreams") == expected
    assert params.endpoint_of("dynamodb") == endpoint


def test_the_endpoint_variables_of_the_sdk_work_where_none_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", "http://localhost:7777")
    params = AwsParams(region="eu-west-1", auth="key", access_key_id="a", secret_access_key="b")

    (streams,) = make_clients("dynamodbstreams", params, {})
    (table,) = make_clients("dynamodb", params, {})

    assert streams.meta.endpoint_url == "http://localhost:7777"
    assert "amazonaws.com" in table.meta.endpoint_url


def test_clients_are_made_once_and_again_after_a_reset() -> None:
    params = AwsParams(region="eu-west-1", auth="key", access_key_id="a", secret_access_key="b")
    prepared: list[object] = []
    clients = AwsClients(params, ServiceClock(), prepare=prepared.append)

    first = clients.get("dynamodb")
    assert clients.get("dynamodb") is first
    clients.reset()

    assert clients.get("dynamodb") is not first
    assert len(prepared) == 2


def test_clients_are_made_quickly_once_the_models_are_read() -> None:
    params = AwsParams(region="eu-west-1", auth="key", access_key_id="a", secret_access_key="b")
    make_clients("dynamodb", params, {})

    # The quickest of some: a machine that is busy with other things slows any of them.
    taken = timeit.repeat(lambda: make_clients("dynamodb", params, {}), number=1, repeat=5)

    assert min(taken) < 0.35


def test_an_unset_clock_is_the_local_one() -> None:
    clock = ServiceClock(local=lambda: 1000.0)

    assert clock.now() == 1000.0


def test_one_slow_answer_does_not_move_the_clock() -> None:
    clock = ServiceClock(local=lambda: 1_000_000.0)
    for header in [*[formatdate(999_990, usegmt=True)] * 4, formatdate(999_000, usegmt=True)]:
        clock.observe(header)

    assert clock.offset_seconds == 10.0
    assert clock.now() == 999_990.0


def test_the_clock_follows_after_nine_answers() -> None:
    clock = ServiceClock(local=lambda: 1_000_000.0)
    for moment in [999_990] * 9 + [999_000] * 9:
        clock.observe(formatdate(moment, usegmt=True))

    assert clock.now() == 999_000.0


@pytest.mark.parametrize("header", [None, "", "yesterday", "Thu, 99 Jan 1970 00:00:00 GMT"])
def test_a_header_that_cannot_be_read_teaches_nothing(header: str | None) -> None:
    clock = ServiceClock(local=lambda: 5.0)

    clock.observe(header)

    assert clock.now() == 5.0
