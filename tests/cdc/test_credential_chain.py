"""A pod with several ways to credentials: which wins, and what it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdc.aws import AwsParams
from cdc.credential_chain import IRSA_ROLE, IRSA_TOKEN, KEYS, POD_TOKEN, POD_URI, faults, way_of
from cdc.dynamodb import DynamoDbSource
from cdc.errors import AccessDenied, CredentialsRejected
from tests.cdc.test_dynamodb_errors import params, refusal
from tests.servers.process import free_ports
from tests.servers.scripted import scripted_server

IRSA = {IRSA_TOKEN: "/token", IRSA_ROLE: "arn:aws:iam::123456789012:role/edge"}
POD = {POD_URI: "http://169.254.170.23/v1/credentials", POD_TOKEN: "/pod-token"}


def readable(_: str) -> None:
    """Every file can be read."""


@pytest.mark.parametrize("source", ["auto", "metadata"])
def test_irsa_wins_over_pod_identity_and_the_annotation_is_named(source: str) -> None:
    (fault,) = faults({**IRSA, **POD}, readable, source)

    assert IRSA_TOKEN in fault
    assert POD_URI in fault
    assert "the first wins" in fault
    assert "eks.amazonaws.com/role-arn" in fault


def test_keys_of_the_environment_win_over_both() -> None:
    (fault,) = faults({KEYS: "AKIA", **IRSA, **POD}, readable)

    assert fault.startswith(f"keys of the environment ({KEYS}) and IRSA")
    assert f"take {KEYS} out of the environment" in fault
    assert faults({KEYS: "AKIA", **IRSA, **POD}, readable, "env") == ()


@pytest.mark.parametrize("environ", [{}, IRSA, POD, {KEYS: "AKIA"}])
def test_one_way_that_works_is_no_fault(environ: dict[str, str]) -> None:
    assert faults(environ, readable) == ()


def test_a_way_is_called_by_a_name_that_people_know() -> None:
    assert way_of("assume-role-with-web-identity").startswith("IRSA")
    assert "Pod Identity" in way_of("container-role")
    assert way_of("something-new") == "something-new"
    assert way_of(None) == "nothing"


# ---------------------------------------------------------------- in the SDK


@pytest.fixture
def pod(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any way."""
    for name in (KEYS, "AWS_SECRET_ACCESS_KEY", *IRSA, *POD):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def source() -> DynamoDbSource:
    aws = AwsParams(region="eu-west-1", endpoint_url="http://127.0.0.1:9")
    return DynamoDbSource("flights", aws)


@pytest.mark.parametrize("ways", [IRSA, POD])
def test_a_token_file_that_is_missing_is_named_with_its_variable(
    ways: dict[str, str], pod: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    variable = IRSA_TOKEN if ways is IRSA else POD_TOKEN
    for name, value in {**ways, variable: str(tmp_path / "none")}.items():
        pod.setenv(name, value)

    with pytest.raises(CredentialsRejected) as caught:
        source().describe()

    assert f"{variable} names {tmp_path / 'none'}, which does not exist" in caught.value.hint
    assert "volume" in caught.value.hint


def test_a_token_file_that_may_not_be_read_says_so(pod: pytest.MonkeyPatch, tmp_path: Path) -> None:
    directory = tmp_path / "token"  # root may read everything, but no directory
    directory.mkdir()
    for name, value in {**IRSA, IRSA_TOKEN: str(directory)}.items():
        pod.setenv(name, value)

    with pytest.raises(CredentialsRejected) as caught:
        source().describe()

    assert f"{IRSA_TOKEN} names {directory}, which cannot be read" in caught.value.hint


def test_a_role_that_is_missing_for_a_token_is_named(pod: pytest.MonkeyPatch) -> None:
    pod.setenv(IRSA_TOKEN, __file__)

    with pytest.raises(CredentialsRejected) as caught:
        source().describe()

    assert f"{IRSA_ROLE} is not" in caught.value.hint


def test_an_agent_of_pod_identity_that_does_not_answer_is_named(pod: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    pod.setenv(POD_URI, f"http://127.0.0.1:{port}/v1/credentials")

    with pytest.raises(CredentialsRejected) as caught:
        source().describe()

    assert f"127.0.0.1:{port}" in str(caught.value)
    assert "eks-pod-identity-agent" in caught.value.hint


def test_a_denied_call_says_whose_role_was_taken_where_two_are_set(
    pod: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("token")
    for name, value in {**IRSA, **POD, IRSA_TOKEN: str(token)}.items():
        pod.setenv(name, value)
    with scripted_server(lambda _: refusal("AccessDeniedException")) as server:
        by_key = params(server.endpoint_url)
        with pytest.raises(AccessDenied) as of_keys:
            DynamoDbSource("flights", by_key).describe()
        pod.setenv(KEYS, "AKIAEXAMPLE")
        pod.setenv("AWS_SECRET_ACCESS_KEY", "hush")
        of_chain = AwsParams(region="eu-west-1", endpoint_url=server.endpoint_url)
        with pytest.raises(AccessDenied) as of_pod:
            DynamoDbSource("flights", of_chain).describe()

    assert "are all set" in of_pod.value.hint
    assert "set" not in of_keys.value.hint.partition("has it")[2]
