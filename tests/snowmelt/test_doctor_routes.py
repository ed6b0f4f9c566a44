"""What addresses say of the way that requests take."""

from __future__ import annotations

import pytest

from snowmelt.preflight.routes import judge, look
from tests.servers.process import free_ports

DYNAMODB = "dynamodb.eu-west-1.amazonaws.com"
STREAMS = "streams.dynamodb.eu-west-1.amazonaws.com"
PUBLIC = ["52.94.24.1"]


def test_public_addresses_of_aws_are_reached_nobody_knows_how() -> None:
    found = judge("dynamodb", DYNAMODB, PUBLIC)

    assert found.verdict == "not known"
    assert "gateway endpoint" in found.hint
    assert "NAT gateway" in found.hint
    assert "$0.045" in found.hint


def test_streams_have_no_gateway_endpoint() -> None:
    found = judge("dynamodbstreams", STREAMS, PUBLIC)

    assert found.verdict == "not known"
    assert "interface endpoints only" in found.hint
    assert "dynamodb_streams_endpoint_url" in found.hint
    assert "dynamodb_streams_endpoint_url" not in judge("kinesis", STREAMS, PUBLIC).hint


def test_private_addresses_are_an_interface_endpoint_which_costs_where_a_gateway_does_not() -> None:
    endpoint = "vpce-1.streams.dynamodb.eu-west-1.vpce.amazonaws.com"
    by_name = judge("dynamodbstreams", endpoint, PUBLIC)
    by_address = judge("s3", "bucket.s3.eu-west-1.amazonaws.com", ["10.0.3.7", "10.0.4.7"])

    assert by_address.verdict == "ok"
    assert "a gateway endpoint nothing" in by_address.hint
    assert judge("dynamodbstreams", STREAMS, ["10.0.3.7"]).hint == ""
    assert by_name.verdict == "ok"
    assert "private addresses" in by_name.detail


def test_a_store_of_ones_own_is_neither() -> None:
    assert judge("s3", "minio.example.org", PUBLIC).verdict == "ok"
    assert judge("s3", "minio.example.org", ["10.1.1.1"]).hint == ""


def test_this_machine_is_resolved_and_told() -> None:
    (port,) = free_ports(1)

    found = look("dynamodb", f"http://localhost:{port}", 7)

    assert (found.check, found.verdict) == ("route dynamodb", "ok")
    assert "this machine" in found.detail


def test_a_host_that_is_not_there_fails() -> None:
    found = look("s3", "http://nobody.invalid", 8)

    assert (found.verdict, found.exit_code) == ("failed", 8)
    assert "nobody.invalid" in found.detail


def test_a_proxy_hides_the_way_and_its_password_is_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", "http://me:hush@proxy.example.org:3128")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hush@proxy.example.org:3128")

    found = look("dynamodb", f"https://{DYNAMODB}", 7)

    assert found.verdict == "not known"
    assert "proxy.example.org:3128" in found.detail
    assert "hush" not in found.detail
