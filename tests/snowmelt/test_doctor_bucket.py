"""What the preflight says of a bucket's settings."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from snapshotter.location import StoreParams, parse_location
from snapshotter.s3_store import S3Store
from snowmelt.preflight.bucket import of_settings
from snowmelt.preflight.finding import Finding
from tests.servers.moto import MotoServer
from tests.servers.scripted import Answer, scripted_server

_numbers = itertools.count()
Settle = Callable[[Any, str], object]


def store_at(endpoint_url: str, bucket: str) -> S3Store:
    params = StoreParams(
        auth="key", key="key", secret="hush", region="us-east-1", endpoint=endpoint_url
    )
    return S3Store(parse_location(f"s3://{bucket}/nodes"), params)


def findings_of(store: S3Store) -> dict[str, Finding]:
    return {one.check: one for one in of_settings(store.settings(), "nodes", "")}


@pytest.fixture
def examined(moto_server: MotoServer) -> Callable[..., dict[str, Finding]]:
    """Findings of a new bucket, after something was done to it."""

    def examine(*settle: Settle, **created: Any) -> dict[str, Finding]:
        s3, bucket = moto_server.client("s3"), f"settings-{next(_numbers)}"
        s3.create_bucket(Bucket=bucket, **created)
        for each in settle:
            each(s3, bucket)
        return findings_of(store_at(moto_server.endpoint_url, bucket))

    return examine


def versioned(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def ruled(**rule: Any) -> Settle:
    whole = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, **rule}

    def settle(s3: Any, bucket: str) -> None:
        rules = {"Rules": [whole]}
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=rules)

    return settle


def encrypted(*, bucket_key: bool) -> Settle:
    rule = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "k"},
        "BucketKeyEnabled": bucket_key,
    }

    def settle(s3: Any, bucket: str) -> None:
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})

    return settle


def blocked(s3: Any, bucket: str) -> None:
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    s3.put_public_access_block(
        Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(names, True)
    )


def locked(s3: Any, bucket: str) -> None:
    retention = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 3}}
    s3.put_object_lock_configuration(
        Bucket=bucket,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": retention},
    )


def test_a_bucket_as_it_comes_lacks_versions_and_a_block(
    examined: Callable[..., dict[str, Finding]],
) -> None:
    found = examined()

    assert {name: one.verdict for name, one in found.items()} == {
        "store versioning": "warning",
        "store lifecycle": "ok",
        "store encryption": "ok",
        "store object lock": "ok",
        "store public access": "warning",
    }
    assert "brought back" in found["store versioning"].hint
    assert "BlockPublicAcls" in found["store public access"].detail
    assert examined(blocked)["store public access"].verdict == "ok"


def test_versions_that_nobody_deletes_are_a_warning(
    examined: Callable[..., dict[str, Finding]],
) -> None:
    kept = examined(versioned)["store versioning"]
    expiring = {"NoncurrentVersionExpiration": {"NoncurrentDays": 30}}
    right = examined(versioned, ruled(**expiring))

    assert kept.verdict == "warning"
    assert "lease.json" in kept.hint
    assert right["store versioning"].verdict == "ok"
    assert right["store lifecycle"].verdict == "ok"


@pytest.mark.parametrize(
    "rule, told",
    [
        ({"Expiration": {"Days": 30}}, "deletes objects after 30 days in the whole bucket"),
        (
            {
                "Transitions": [{"Days": 90, "StorageClass": "GLACIER"}],
                "Filter": {"Prefix": "nodes/"},
            },
            "moves objects to GLACIER after 90 days below nodes/",
        ),
    ],
)
def test_a_rule_by_age_that_would_take_packs_fails_with_prefix_and_age(
    rule: dict[str, Any], told: str, examined: Callable[..., dict[str, Finding]]
) -> None:
    found = examined(ruled(**rule))["store lifecycle"]

    assert (found.verdict, found.exit_code) == ("failed", 2)
    assert told in found.detail
    elsewhere = ruled(**{**rule, "Filter": {"Prefix": "logs/"}})
    assert examined(elsewhere)["store lifecycle"].verdict == "ok"


def test_a_key_without_a_bucket_key_is_dear(examined: Callable[..., dict[str, Finding]]) -> None:
    without = examined(encrypted(bucket_key=False))["store encryption"]
    with_one = examined(encrypted(bucket_key=True))["store encryption"]

    assert without.verdict == "warning"
    assert "bucket key" in without.hint
    assert with_one.verdict == "ok"
    assert with_one.detail == "default aws:kms with k"


def test_locked_objects_are_told_with_mode_and_length(
    examined: Callable[..., dict[str, Finding]],
) -> None:
    found = examined(locked, ObjectLockEnabledForBucket=True)["store object lock"]

    assert found.detail == "GOVERNANCE for 3 days"
    assert "erased" in found.hint


def test_what_may_not_be_read_is_not_known_and_names_the_action() -> None:
    denied = Answer(403, b"<Error><Code>AccessDenied</Code></Error>")
    with scripted_server(lambda _: denied) as server:
        found = findings_of(store_at(server.endpoint_url, "bucket"))

    assert {one.verdict for one in found.values()} == {"not known"}
    assert "s3:GetBucketVersioning" in found["store versioning"].hint
    assert "policy doctor of terraform/modules/policies" in found["store lifecycle"].hint
    assert "see yourself" in found["store public access"].hint


def test_what_a_store_does_not_tell_is_not_known() -> None:
    nothing = Answer(501, b"<Error><Code>NotImplemented</Code></Error>")
    with scripted_server(lambda _: nothing) as server:
        found = findings_of(store_at(server.endpoint_url, "bucket"))

    assert {one.verdict for one in found.values()} == {"not known"}
    assert "does not tell" in found["store object lock"].detail


def test_a_policy_that_gives_everybody_access_fails() -> None:
    public = b"<PolicyStatus><IsPublic>true</IsPublic></PolicyStatus>"

    def respond(request: Any) -> Answer:
        if "policyStatus" in request.path:
            return Answer(200, public)
        return Answer(404, b"<Error><Code>NoSuchPublicAccessBlockConfiguration</Code></Error>")

    with scripted_server(respond) as server:
        found = findings_of(store_at(server.endpoint_url, "bucket"))["store public access"]

    assert (found.verdict, found.exit_code) == ("failed", 2)
