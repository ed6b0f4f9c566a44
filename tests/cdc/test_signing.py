"""Signatures as botocore makes them for the same request."""

from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from cdc.signing import CONTENT_TYPE, Keys, Place, signed_headers

MOMENT = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
TARGET = "DynamoDBStreams_20120810.GetRecords"
BODY = b'{"ShardIterator": "arn|\xc3\xa4", "Limit": 1000}'
KEYS = Keys("AKIAEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


def as_botocore_signs(place: Place, keys: Keys) -> dict[str, Any]:
    headers = {"Content-Type": CONTENT_TYPE, "X-Amz-Target": TARGET}
    request = AWSRequest("POST", place.url, headers=headers, data=BODY)
    credentials = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
    with patch("botocore.auth.get_current_datetime", lambda **_: MOMENT.replace(tzinfo=None)):
        SigV4Auth(credentials, place.service, place.region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@pytest.mark.parametrize(
    "url",
    [
        "https://streams.dynamodb.eu-west-1.amazonaws.com/",
        "https://streams.dynamodb.eu-west-1.amazonaws.com",
        "https://vpce-1.example.com:443/",
        "http://127.0.0.1:8000/",
        "http://[::1]:8000/",
        "https://gateway.example.com:8443/base/a b",
    ],
)
@pytest.mark.parametrize("token", [None, "FwoGZXIvYXdzE/token=="])
def test_a_request_is_signed_as_botocore_signs_it(url: str, token: str | None) -> None:
    place = Place(url, "eu-west-1", "dynamodb")
    keys = Keys(KEYS.access_key_id, KEYS.secret_access_key, token)

    signed = signed_headers(place, TARGET, BODY, keys, "20260131T235959Z")

    theirs = as_botocore_signs(place, keys)
    assert signed["authorization"] == theirs["authorization"]
    assert {name: signed[name] for name in theirs} == theirs
    assert ("x-amz-security-token" in signed) is (token is not None)


def test_each_day_region_and_secret_has_a_key_of_its_own() -> None:
    here, there = (Place("http://h/", region, "dynamodb") for region in ("eu-west-1", "us-east-1"))
    other = Keys(KEYS.access_key_id, "another secret")
    signatures = {
        signed_headers(place, TARGET, BODY, keys, at)["authorization"].rpartition("=")[2]
        for place in (here, there)
        for keys in (KEYS, other)
        for at in ("20260131T235959Z", "20260201T000000Z")
    }

    assert len(signatures) == 8


def test_keys_print_without_their_secrets() -> None:
    printed = repr(Keys("AKIAEXAMPLE", "s3cret", "t0ken"))

    assert not [word for word in ("s3cret", "t0ken") if word in printed]
