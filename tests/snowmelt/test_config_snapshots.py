"""The section `snapshots` of a configuration."""

import pytest

from snowmelt.wiring import store_params
from tests.snowmelt.files import SMALLEST, problems, read

KEY = "arn:aws:kms:eu-west-1:123456789012:key/1"


def with_snapshots(params: str, location: str = "s3://bucket/place") -> str:
    return f"{SMALLEST}snapshots:\n  location: {location}\n  params: {{ {params} }}\n"


def test_encryption_at_rest_reaches_the_store() -> None:
    text = with_snapshots(
        f"s3_server_side_encryption: aws:kms:dsse, s3_kms_key_id: {KEY},"
        " s3_bucket_key_enabled: true"
    )
    snapshots = read(text).config.snapshots

    assert snapshots is not None
    params = store_params(snapshots)
    assert (params.encryption, params.kms_key, params.bucket_key) == ("aws:kms:dsse", KEY, True)


@pytest.mark.parametrize(
    "params, location, problem",
    [
        (
            f"s3_kms_key_id: {KEY}",
            "s3://bucket/place",
            "snapshots.params: s3_kms_key_id needs s3_server_side_encryption: aws:kms",
        ),
        (
            "s3_server_side_encryption: AES256, s3_bucket_key_enabled: true",
            "s3://bucket/place",
            "snapshots.params: s3_bucket_key_enabled needs s3_server_side_encryption: aws:kms",
        ),
        (
            "s3_server_side_encryption: AES256",
            "file:///srv/snapshots",
            "snapshots: params.s3_server_side_encryption needs a location s3://…",
        ),
    ],
)
def test_a_wish_that_cannot_be_met_is_one_line(params: str, location: str, problem: str) -> None:
    assert problems(with_snapshots(params, location)) == [problem]
