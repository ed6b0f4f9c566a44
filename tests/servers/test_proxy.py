"""The fault proxy passes everything on unharmed, and does each fault as it is named."""

import http.client
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest
from botocore.exceptions import ClientError

from tests.servers import faults
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.faults import Fault
from tests.servers.proxy import FaultProxy, fault_proxy
from tests.servers.scripted import Answer, Request, ScriptedServer, scripted_server
from tests.servers.seaweedfs import SeaweedFS

BODY = bytes(range(256)) * 400


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server(lambda _: Answer(200, BODY)) as made:
        yield made


@pytest.fixture
def proxy(server: ScriptedServer) -> Iterator[FaultProxy]:
    with fault_proxy(server.endpoint_url) as made:
        yield made


def ask(proxy: FaultProxy, path: str = "/") -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def test_signed_requests_of_s3_hold_with_ranges_conditions_and_large_bodies(
    seaweedfs: SeaweedFS,
) -> None:
    bucket = seaweedfs.bucket()
    body = BODY * 60
    with fault_proxy(seaweedfs.endpoint_url) as proxy:
        s3 = SeaweedFS(endpoint_url=proxy.endpoint_url).s3()
        etag = s3.put_object(Bucket=bucket, Key="a b/ü", Body=body, IfNoneMatch="*")["ETag"]
        with pytest.raises(ClientError, match="PreconditionFailed"):
            s3.put_object(Bucket=bucket, Key="a b/ü", Body=b"", IfNoneMatch="*")
        whole = s3.get_object(Bucket=bucket, Key="a b/ü")["Body"].read()
        part = s3.get_object(Bucket=bucket, Key="a b/ü", Range="bytes=5-8")["Body"].read()
        head = s3.head_object(Bucket=bucket, Key="a b/ü")

    assert whole == body
    assert part == body[5:9]
    assert (head["ETag"], head["ContentLength"]) == (etag, len(body))
    assert [(each.method, each.status, each.range) for each in proxy.exchanges] == [
        ("PUT", 200, ""),
        ("PUT", 412, ""),
        ("GET", 200, ""),
        ("GET", 206, "bytes=5-8"),
        ("HEAD", 200, ""),
    ]
    assert [each.sent_bytes for each in proxy.exchanges[2:4]] == [len(body), 4]


def test_a_table_is_written_and_read_and_its_calls_have_names(
    dynamodb_local: DynamoDBLocal,
) -> None:
    table = dynamodb_local.table()
    item = {"id": {"S": "x"}}
    with fault_proxy(dynamodb_local.endpoint_url) as proxy:
        client = DynamoDBLocal(proxy.endpoint_url, access_key=dynamodb_local.access_key).dynamodb()
        client.put_item(TableName=table.name, Item=item)
        found = client.scan(TableName=table.name)["Items"]

    assert found == [item]
    assert [each.action for each in proxy.exchanges] == ["PutItem", "Scan"]


def test_a_client_s_connection_is_kept_for_its_next_request(
    seaweedfs: SeaweedFS,
) -> None:
    with fault_proxy(seaweedfs.endpoint_url) as proxy:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
        connection.request("GET", "/")
        connection.getresponse().read()
        first = connection.sock
        connection.request("GET", "/")
        assert connection.getresponse().status == 403
        assert connection.sock is first is not None
        connection.close()


def test_the_host_that_the_client_named_reaches_the_server(
    proxy: FaultProxy, server: ScriptedServer
) -> None:
    ask(proxy)

    assert server.requests[0].headers["host"] == f"127.0.0.1:{proxy.port}"


@pytest.mark.parametrize(
    "fault, times_asked",
    [(faults.RESET, 0), (faults.LOST_ANSWER, 1)],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_connection_is_reset_before_the_server_is_asked_or_after_it_has_acted(
    proxy: FaultProxy, server: ScriptedServer, fault: Fault, times_asked: int
) -> None:
    proxy.fail(fault, times=1)

    with pytest.raises(ConnectionResetError):
        ask(proxy)

    assert len(server.requests) == times_asked
    assert (proxy.exchanges[0].done, proxy.exchanges[0].status) == (
        200 if times_asked else None,
        None,
    )
    assert ask(proxy) == BODY


def test_a_body_is_cut_short_beneath_its_announced_length(proxy: FaultProxy) -> None:
    proxy.fail(faults.CUT_SHORT, times=1)

    with pytest.raises(http.client.IncompleteRead) as broken:
        ask(proxy)

    assert broken.value.partial == BODY[: len(BODY) // 2]
    assert proxy.exchanges[0].sent_bytes == len(BODY) // 2


def test_a_connection_is_reset_in_the_middle_of_a_body(proxy: FaultProxy) -> None:
    proxy.fail(faults.RESET_WITHIN, times=1)

    with pytest.raises(ConnectionResetError):
        ask(proxy)

    assert proxy.exchanges[0].status == 200


def test_one_bit_of_a_body_is_wrong(proxy: FaultProxy) -> None:
    proxy.fail(faults.WRONG_BYTE, times=1)

    given = ask(proxy)

    (wrong,) = [(one, other) for one, other in zip(given, BODY, strict=True) if one != other]
    assert wrong[0] ^ wrong[1] == 0x01


def test_answers_come_late_or_slowly_and_whole(proxy: FaultProxy) -> None:
    proxy.fail(faults.late(0.2), times=1)
    proxy.fail(faults.trickle(len(BODY) * 4), times=1)

    for _ in range(2):
        began = time.monotonic()
        assert ask(proxy) == BODY
        assert time.monotonic() - began >= 0.2


def test_a_refusal_is_said_without_asking_the_server(
    proxy: FaultProxy, server: ScriptedServer
) -> None:
    proxy.fail(faults.SLOW_DOWN, times=1)

    assert b"<Code>SlowDown</Code>" in ask(proxy)
    assert server.requests == []


def test_only_matching_requests_fail_and_all_are_healed_at_once(proxy: FaultProxy) -> None:
    rule = proxy.fail(faults.SLOW_DOWN, faults.on("GET", "/head.json"))

    assert ask(proxy, "/pack") == BODY
    for _ in range(2):
        assert ask(proxy, "/d/head.json") != BODY
    proxy.heal()
    assert ask(proxy, "/d/head.json") == BODY
    assert rule.hits == 2
    assert [each.fault for each in proxy.exchanges] == ["", "SlowDown", "SlowDown", ""]


def test_a_closed_proxy_refuses_connections_until_it_opens_on_the_same_port(
    proxy: FaultProxy,
) -> None:
    held = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
    held.request("GET", "/")
    held.getresponse().read()
    proxy.close()

    with pytest.raises(ConnectionRefusedError):
        ask(proxy)
    assert held.sock.recv(1) == b""
    held.close()

    proxy.open()
    assert ask(proxy) == BODY


def test_the_clock_of_answers_and_refusals_can_be_ahead(proxy: FaultProxy) -> None:
    proxy.clock_ahead_seconds = 3600

    for _ in range(2):
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
        connection.request("GET", "/")
        date = connection.getresponse().headers["Date"]
        connection.close()
        ahead = parsedate_to_datetime(date).timestamp() - time.time()
        assert ahead == pytest.approx(3600, abs=30)
        proxy.fail(faults.SLOW_DOWN)


def test_a_request_that_was_held_arrives_when_it_is_delivered(
    proxy: FaultProxy, server: ScriptedServer
) -> None:
    proxy.fail(faults.OVERTAKEN, times=1)
    with pytest.raises(ConnectionResetError):
        ask(proxy, "/first")
    ask(proxy, "/second")

    assert proxy.deliver() == [200]
    assert [each.path for each in server.requests] == ["/second", "/first"]
    assert proxy.deliver() == []


def test_rules_that_share_a_turn_take_it_one_after_the_other(proxy: FaultProxy) -> None:
    third = faults.every_nth(3)
    for fault in (faults.SLOW_DOWN, faults.S3_ERROR):
        proxy.fail(fault, third, 1)

    for _ in range(7):
        ask(proxy)

    wanted = ["SlowDown", "", "", "InternalError", "", "", ""]
    assert [each.fault for each in proxy.exchanges] == wanted


def test_a_request_s_body_reaches_the_server_and_only_its_digest_is_noted(
    proxy: FaultProxy, server: ScriptedServer
) -> None:
    def is_large(request: Request) -> bool:
        return len(request.body) > 3

    rule = proxy.fail(faults.late(0), is_large)
    for body in (b"abc", b"abcd", b"abc"):
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
        connection.request("PUT", "/", body)
        connection.getresponse().read()
        connection.close()

    assert [each.body for each in server.requests] == [b"abc", b"abcd", b"abc"]
    assert rule.hits == 1
    first, second, third = (each.body_digest for each in proxy.exchanges)
    assert first == third != second
