"""S3 in trouble: refused identities, wrong addresses, answers that break off."""

import socket
import threading
import time

import pytest

from snapshotter.errors import (
    ObjectMissing,
    PreconditionFailed,
    SnapshotError,
    StoreAccessDenied,
    StoreRefused,
    StoreUnreachable,
)
from snapshotter.store import ObjectStore
from snapshotter.stores import StoreParams, open_store, probe
from tests.servers.process import free_ports
from tests.servers.s3_like import s3_like
from tests.servers.scripted import Answer, Request, scripted_server
from tests.servers.seaweedfs import SeaweedFS

SECRET = "very-secret-value"


def store_at(endpoint_url: str, *, bucket: str = "bucket", owner: str | None = None) -> ObjectStore:
    params = StoreParams(
        auth="key",
        key="AKIAEXAMPLE",
        secret=SECRET,
        region="eu-west-1",
        endpoint=endpoint_url,
        expected_bucket_owner=owner,
    )
    return open_store(f"s3://{bucket}/place", params)


def refusal(status: int, code: str, extra: str = "", **headers: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>No.</Message>{extra}</Error>".encode()
    return Answer(status, body, {"Content-Type": "application/xml", **headers})


def ask(store: ObjectStore, action: str) -> None:
    match action:
        case "get":
            store.get("key", max_bytes=100)
        case "put":
            store.put("key", b"data")
        case "put_if_absent":
            store.put_if_absent("key", b"data")
        case "put_if_match":
            store.put_if_match("key", b"data", '"etag"')


def error_after(answer: Answer, action: str = "get") -> SnapshotError:
    """What a call raises that is answered so."""
    with scripted_server(lambda _: answer) as server:
        store = store_at(server.endpoint_url)
        with pytest.raises(SnapshotError) as caught:
            ask(store, action)
    return caught.value


@pytest.fixture
def seaweed_params(seaweedfs: SeaweedFS) -> StoreParams:
    return StoreParams(
        auth="key",
        key=seaweedfs.access_key,
        secret=seaweedfs.secret_key,
        region=seaweedfs.region,
        endpoint=seaweedfs.endpoint_url,
    )


def test_a_wrong_secret_is_denied_and_not_repeated(seaweedfs: SeaweedFS) -> None:
    params = StoreParams(
        auth="key",
        key=seaweedfs.access_key,
        secret=SECRET,
        region=seaweedfs.region,
        endpoint=seaweedfs.endpoint_url,
    )
    store = open_store(f"s3://{seaweedfs.bucket()}/place", params)

    for call in (
        lambda: store.get("key", max_bytes=10),
        lambda: store.put("key", b""),
        lambda: store.put_if_absent("key", b""),
        lambda: store.head("key"),
        lambda: list(store.list("")),
        lambda: store.delete("key"),
    ):
        with pytest.raises(StoreAccessDenied, match=r"s3:\w+ on s3://") as caught:
            call()
        assert SECRET not in str(caught.value) + caught.value.hint + repr(params)


def test_an_identity_that_may_only_read_is_told_the_action_it_lacks(seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.bucket()
    seaweedfs.s3().put_object(Bucket=bucket, Key="place/key", Body=b"data")
    params = StoreParams(
        auth="key",
        key=seaweedfs.read_only_access_key,
        secret=seaweedfs.read_only_secret_key,
        region=seaweedfs.region,
        endpoint=seaweedfs.endpoint_url,
    )
    store = open_store(f"s3://{bucket}/place", params)

    assert store.get("key", max_bytes=10).data == b"data"
    with pytest.raises(StoreAccessDenied, match=r"s3:PutObject on s3://.*/place/other") as caught:
        store.put("other", b"")
    assert "s3:PutObject" in caught.value.hint
    assert [check.name for check in probe(store).failures] == ["write"]


def test_a_missing_bucket_is_no_missing_object(seaweed_params: StoreParams) -> None:
    store = open_store("s3://never-made/place", seaweed_params)

    with pytest.raises(StoreRefused, match="NoSuchBucket"):
        store.get("key", max_bytes=10)


def test_an_address_where_nobody_listens_is_unreachable_within_seconds() -> None:
    (port,) = free_ports(1)
    store = store_at(f"http://127.0.0.1:{port}")
    began = time.monotonic()

    with pytest.raises(StoreUnreachable, match=f"127.0.0.1:{port}"):
        store.get("key", max_bytes=10)
    with pytest.raises(StoreUnreachable):
        store.put_if_absent("key", b"")

    assert time.monotonic() - began < 60


@pytest.mark.parametrize("action", ["put_if_absent", "put_if_match"])
@pytest.mark.parametrize("trouble", [refusal(503, "SlowDown"), Answer(reset=True)])
def test_a_conditional_write_is_sent_once(action: str, trouble: Answer) -> None:
    with scripted_server(lambda _: trouble) as server:
        store = store_at(server.endpoint_url)
        with pytest.raises(StoreUnreachable):
            ask(store, action)

    assert len(server.requests) == 1


def test_a_plain_write_is_tried_again() -> None:
    answers = [refusal(503, "SlowDown"), Answer(200, b"", {"ETag": '"x"'})]
    with scripted_server(lambda _: answers.pop(0)) as server:
        assert store_at(server.endpoint_url).put("key", b"data") == '"x"'

    assert [request.body for request in server.requests] == [b"data", b"data"]


def test_a_body_that_breaks_off_is_asked_for_again() -> None:
    whole = Answer(200, b"0123456789", {"ETag": '"x"'})
    broken = Answer(200, b"01234", {"ETag": '"x"'}, announced=10)
    answers = [broken, whole]
    with scripted_server(lambda _: answers.pop(0)) as server:
        assert store_at(server.endpoint_url).get("key", max_bytes=10).data == b"0123456789"


def test_a_body_that_always_breaks_off_is_unreachable_and_no_data() -> None:
    broken = Answer(200, b"01234", {"ETag": '"x"'}, announced=10)

    assert type(error_after(broken)) is StoreUnreachable


def test_a_store_that_ignores_ranges_is_found_out() -> None:
    whole = Answer(200, b"0123456789", {"ETag": '"x"'})
    with scripted_server(lambda _: whole) as server:
        store = store_at(server.endpoint_url)

        with pytest.raises(SnapshotError, match="the whole object"):
            store.get_range("key", 2, 3)


@pytest.mark.parametrize(
    "answer, action, kind",
    [
        (refusal(404, "NoSuchKey"), "get", ObjectMissing),
        (refusal(404, "NoSuchBucket"), "get", StoreRefused),
        (refusal(403, "AccessDenied"), "get", StoreAccessDenied),
        (refusal(403, "InvalidAccessKeyId"), "get", StoreAccessDenied),
        (refusal(400, "ExpiredToken"), "get", StoreAccessDenied),
        (refusal(500, "InternalError"), "get", StoreUnreachable),
        (refusal(400, "RequestTimeout"), "put", StoreUnreachable),
        (refusal(412, "PreconditionFailed"), "put_if_absent", PreconditionFailed),
        (refusal(409, "ConditionalRequestConflict"), "put_if_absent", PreconditionFailed),
        (refusal(409, "ConditionalRequestConflict"), "put_if_match", PreconditionFailed),
        (refusal(404, "NoSuchKey"), "put_if_match", PreconditionFailed),
        (refusal(501, "NotImplemented"), "put_if_absent", StoreRefused),
        (refusal(400, "EntityTooLarge"), "put", StoreRefused),
    ],
)
def test_an_answer_becomes_one_error_of_the_contract(
    answer: Answer, action: str, kind: type[SnapshotError]
) -> None:
    error = error_after(answer, action)

    assert type(error) is kind
    assert "s3://bucket/place/key" in str(error)
    assert "\n" not in str(error)
    assert error.hint


def test_the_right_region_is_named_if_the_store_tells_it() -> None:
    moved = refusal(301, "PermanentRedirect", **{"x-amz-bucket-region": "ap-northeast-2"})

    error = error_after(moved)

    assert type(error) is StoreRefused
    assert "ap-northeast-2" in str(error)
    assert "ap-northeast-2" in error.hint


def test_a_missing_region_of_the_signature_is_named_too() -> None:
    wrong = refusal(400, "AuthorizationHeaderMalformed", "<Region>eu-central-1</Region>")

    assert "eu-central-1" in error_after(wrong).hint


def test_every_call_names_the_owner_that_the_bucket_must_have() -> None:
    with s3_like() as server:
        store = store_at(server.endpoint_url, owner="123456789012")
        assert probe(store).ok
        store.head("key")

    owners = {request.headers.get("x-amz-expected-bucket-owner") for request in server.requests}
    assert owners == {"123456789012"}
    assert {request.method for request in server.requests} >= {"GET", "PUT", "HEAD", "DELETE"}


def test_no_checksum_is_sent_that_another_store_could_stumble_over() -> None:
    with s3_like() as server:
        store_at(server.endpoint_url).put("key", b"data")

    (request,) = server.requests
    assert request.body == b"data"
    assert not [name for name in request.headers if "checksum" in name or "trailer" in name]


def test_keys_with_a_missing_half_are_refused_when_the_store_is_opened() -> None:
    with pytest.raises(StoreRefused, match="s3_secret"):
        open_store("s3://bucket/place", StoreParams(auth="key", key="AKIAEXAMPLE"))


def test_an_endpoint_that_is_no_url_is_refused_when_the_store_is_opened() -> None:
    with pytest.raises(StoreRefused, match="endpoint"):
        store_at("nowhere")


def test_credentials_that_come_later_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    with s3_like() as server:
        params = StoreParams(region="eu-west-1", endpoint=server.endpoint_url)
        store = open_store("s3://bucket/place", params)
        with pytest.raises(StoreAccessDenied):
            store.put("key", b"data")

        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)

        assert store.put("key", b"data")


def _read_slowly(listener: socket.socket, seconds: float) -> None:
    """Take one request and answer it after its body arrived in `seconds` at the least."""
    connection, _ = listener.accept()
    with connection:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        fields = head.lower().split(b"\r\n\r\n")[0].split(b"\r\n")
        length = next(int(f.split(b":")[1]) for f in fields if f.startswith(b"content-length"))
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        arrived = 0
        while arrived < length:
            piece = len(connection.recv(65_536))
            arrived += piece
            time.sleep(seconds * piece / length)
        connection.sendall(b'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 0\r\n\r\n')


def test_a_slow_upload_may_take_longer_than_the_time_out_for_connecting() -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=_read_slowly, args=(listener, 5.0), daemon=True)
        thread.start()
        store = store_at(f"http://127.0.0.1:{listener.getsockname()[1]}")

        assert store.put_if_absent("pack", bytes(16 << 20)) == '"x"'

        thread.join(timeout=60)


def test_a_request_carries_the_key_below_the_place() -> None:
    seen: list[Request] = []
    with s3_like() as server:
        store_at(server.endpoint_url).put("a/b", b"data")
        seen.extend(server.requests)

    assert [request.path for request in seen] == ["/bucket/place/a/b"]
