"""Encryption at rest by the service: asked for with each write, believed by its answer alone."""

import itertools
from dataclasses import replace

import pytest

from snapshotter.errors import SnapshotError, StoreAccessDenied, StoreRefused
from snapshotter.s3_encryption import Encryption
from snapshotter.s3_store import S3Store
from snapshotter.stores import StoreParams, open_store
from tests.servers.moto import MotoServer
from tests.servers.s3_like import s3_like
from tests.servers.scripted import Answer, Request, scripted_server
from tests.servers.seaweedfs import SeaweedFS

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BY_KMS = StoreParams(encryption="aws:kms", kms_key=KEY, bucket_key=True)

_buckets = itertools.count()


def at(endpoint_url: str, params: StoreParams, bucket: str = "bucket") -> S3Store:
    params = replace(
        params,
        auth="key",
        key="snowmelt",
        secret="secret",
        region="us-east-1",
        endpoint=endpoint_url,
    )
    store = open_store(f"s3://{bucket}/place", params)
    assert isinstance(store, S3Store)
    return store


@pytest.fixture
def bucket(moto_server: MotoServer) -> str:
    name = f"encrypted-{next(_buckets)}"
    moto_server.client("s3").create_bucket(Bucket=name)
    return name


@pytest.mark.parametrize("encryption", ["AES256", "aws:kms"])
def test_every_kind_of_write_is_encrypted_as_asked(
    moto_server: MotoServer, bucket: str, encryption: str
) -> None:
    params = BY_KMS if encryption == "aws:kms" else StoreParams(encryption="AES256")
    store = at(moto_server.endpoint_url, params, bucket)

    store.put("plain", b"1")
    etag = store.put_if_absent("absent", b"1")
    store.put_if_match("absent", b"2", etag)

    s3 = moto_server.client("s3")
    for key in ("plain", "absent"):
        found = s3.head_object(Bucket=bucket, Key=f"place/{key}")
        assert found["ServerSideEncryption"] == encryption
        assert found.get("SSEKMSKeyId") == params.kms_key


def test_the_default_of_the_bucket_is_told(moto_server: MotoServer, bucket: str) -> None:
    rule = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}
    }
    moto_server.client("s3").put_bucket_encryption(
        Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]}
    )
    store = at(moto_server.endpoint_url, StoreParams(), bucket)

    store.put("plain", b"1")

    assert store.encrypted_as == f"aws:kms with {KEY}"


def test_a_store_that_ignores_the_wish_is_given_nothing_but_a_scratch_object() -> None:
    with s3_like() as server:
        store = at(server.endpoint_url, StoreParams(encryption="AES256"))
        for write in (store.put, store.put_if_absent):
            with pytest.raises(StoreRefused) as caught:
                write("pipelines/head.json", b"secret rows")
            assert "as AES256, and the store did nothing" in str(caught.value)
            assert "s3_server_side_encryption" in caught.value.hint

        written = {request.path for request in server.requests if request.method == "PUT"}
        assert written == {"/bucket/place/probe/encryption"}
        assert store.head("pipelines/head.json") is None


def test_seaweedfs_encrypts_as_asked_or_is_refused_before_anything_is_written(
    seaweedfs: SeaweedFS,
) -> None:
    bucket = seaweedfs.bucket()
    params = StoreParams(
        auth="key",
        key=seaweedfs.access_key,
        secret=seaweedfs.secret_key,
        region=seaweedfs.region,
        endpoint=seaweedfs.endpoint_url,
        encryption="AES256",
    )
    store = open_store(f"s3://{bucket}/place", params)

    try:
        store.put("key", b"data")
    except SnapshotError:
        assert store.head("key") is None
    else:
        found = seaweedfs.s3().head_object(Bucket=bucket, Key="place/key")
        assert found["ServerSideEncryption"] == "AES256"


@pytest.mark.parametrize(
    "asked, answered",
    [
        (KEY, KEY),
        ("1234abcd-12ab-34cd-56ef-1234567890ab", KEY),
        ("alias/snapshots", KEY),
        ("arn:aws:kms:us-east-1:123456789012:alias/snapshots", KEY),
    ],
)
def test_a_key_may_be_named_by_id_arn_or_alias(asked: str, answered: str) -> None:
    wish = Encryption.asked_by(StoreParams(encryption="aws:kms", kms_key=asked))

    assert wish.check({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": answered}, "here")


@pytest.mark.parametrize(
    "answered, told",
    [
        ({"ServerSideEncryption": "AES256"}, "as aws:kms, and the store did AES256"),
        ({"ServerSideEncryption": "aws:kms"}, f"with {KEY}, the store took none"),
        (
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": f"{KEY[:-1]}c"},
            f"with {KEY}, the store took {KEY[:-1]}c",
        ),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY}, "with a bucket key"),
    ],
)
def test_what_was_done_otherwise_is_refused(answered: dict[str, str], told: str) -> None:
    with pytest.raises(StoreRefused) as caught:
        Encryption.asked_by(BY_KMS).check(answered, "here")

    assert told in str(caught.value)
    assert caught.value.exit_code == 2


def refused(code: str, message: str, status: int = 403) -> StoreAccessDenied:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()

    def respond(_: Request) -> Answer:
        return Answer(status, body, {"Content-Type": "application/xml"})

    with scripted_server(respond) as server:
        store = at(server.endpoint_url, BY_KMS)
        with pytest.raises(StoreAccessDenied) as caught:
            store.put("key", b"data")
        return caught.value


@pytest.mark.parametrize("action", ["kms:GenerateDataKey", "kms:Decrypt"])
def test_a_refusal_of_the_key_names_action_and_key(action: str) -> None:
    user = "User: arn:aws:sts::123456789012:assumed-role/node/i-0 is not authorized to"
    error = refused(
        "AccessDenied",
        f"{user} perform: {action} on resource: {KEY} because no identity-based policy allows the"
        f" {action} action",
    )

    assert f"{action} on {KEY} is denied" in str(error)
    assert action in error.hint
    assert error.exit_code == 9


def test_a_key_that_is_disabled_is_named_as_the_reason() -> None:
    error = refused("KMS.DisabledException", f"{KEY} is disabled.", status=400)

    assert "the KMS key cannot be used: DisabledException" in str(error)
    assert error.exit_code == 9
