"""The preflight of an account: who asks, what each missing action is, who else reads the stream."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from moto.core.authorization import enable_iam_authentication

from cdc.aws import AwsParams
from cdc.credential_chain import IRSA_ROLE, IRSA_TOKEN, POD_URI
from cdc.dynamodb_errors import Call
from cdc.preflight_calls import Readers, may_be_asked
from cdc.roles import POLICY_OF
from snapshotter.bucket_settings import CALLS
from snapshotter.location import StoreParams
from snapshotter.roles import policies_with, policies_with_key_action
from snowmelt.doctor import Finding, Subject, examine
from snowmelt.preflight.table import judged
from tests.servers.moto import MotoServer
from tests.snowmelt.command import ROOT

ROLES = ROOT / "terraform" / "modules" / "policies" / "roles.tf"
TRIED = (
    "dynamodb:DescribeTable",
    "dynamodb:DescribeStream",
    "dynamodb:GetShardIterator",
    "dynamodb:GetRecords",
    "dynamodb:Scan",
)


@dataclass
class Account:
    """An account on moto with a table and users, whose policies count while it is examined."""

    server: MotoServer
    table: str
    users: list[str] = field(default_factory=list)

    def findings(self, *actions: str, path: Path, is_enforced: bool = True) -> dict[str, Finding]:
        """What a new user finds who may do this and nothing else."""
        iam, name = self.server.client("iam"), f"user-{self.table}-{len(self.users)}"
        self.users.append(name)
        iam.create_user(UserName=name)
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        aws = AwsParams(
            region=self.server.region,
            auth="key",
            access_key_id=key["AccessKeyId"],
            secret_access_key=key["SecretAccessKey"],
        )
        subject = Subject(self.table, aws, None, StoreParams(), path)
        with enable_iam_authentication() if is_enforced else nullcontext():
            return {one.check: one for one in examine(subject)}


@pytest.fixture
def account(
    moto_server: MotoServer, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Account]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.endpoint_url)
    name = f"t{abs(hash(request.node.name)) % 10**9}"
    dynamodb = moto_server.client("dynamodb")
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    yield Account(moto_server, name)
    dynamodb.delete_table(TableName=name)


def test_the_identity_and_its_way_to_credentials_are_told(account: Account, tmp_path: Path) -> None:
    found = account.findings("*", path=tmp_path)

    assert found["identity"].verdict == "ok"
    assert found["identity"].data["arn"].endswith(f"user/{account.users[0]}")
    assert found["identity"].data["account"] == "123456789012"
    assert "keys of the configuration" in found["identity"].detail
    assert [one.check for one in found.values() if one.verdict == "failed"] == []
    assert "TableId" in found["table"].detail


@pytest.mark.parametrize("missing", TRIED)
def test_each_missing_action_is_named_with_the_policy_that_has_it(
    missing: str, account: Account, tmp_path: Path
) -> None:
    granted = [action for action in TRIED if action != missing]

    found = account.findings(*granted, "lambda:ListEventSourceMappings", path=tmp_path)

    (failed,) = [one for one in found.values() if one.verdict == "failed"]
    assert failed.check == ("table" if missing == TRIED[0] else missing)
    assert failed.exit_code == 9
    assert f"allow {missing} on table/{account.table}" in failed.hint
    assert "stream_reader" in failed.hint
    assert "terraform/modules/policies" in failed.hint


def test_what_cannot_be_tried_without_the_table_is_not_known_and_scan_is_tried(
    account: Account, tmp_path: Path
) -> None:
    (scan,) = TRIED[4:]
    nothing = account.findings("iam:GetUser", path=tmp_path)
    only_scan = account.findings(scan, path=tmp_path)

    assert nothing["table"].exit_code == nothing[scan].exit_code == 9
    assert only_scan[scan].verdict == "ok"
    assert {only_scan[action].verdict for action in TRIED[1:4]} == {"not known"}


def test_functions_that_read_the_stream_are_counted(account: Account, tmp_path: Path) -> None:
    functions, iam = account.server.client("lambda"), account.server.client("iam")
    described = account.server.client("dynamodb").describe_table(TableName=account.table)
    arn = described["Table"]["LatestStreamArn"]
    role = iam.create_role(RoleName=account.table, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("code.py", "")
    # moto denies calls of Lambda to everybody.
    alone = account.findings("*", path=tmp_path, is_enforced=False)["stream readers"]
    for number in range(2):
        name = f"{account.table}-{number}"
        functions.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Role=role,
            Handler="code.handle",
            Code={"ZipFile": archive.getvalue()},
        )
        functions.create_event_source_mapping(
            FunctionName=name, EventSourceArn=arn, StartingPosition="LATEST"
        )

    crowded = account.findings("*", path=tmp_path, is_enforced=False)["stream readers"]

    assert (alone.verdict, alone.data["readers"]) == ("ok", 1)
    assert (crowded.verdict, crowded.data["readers"]) == ("warning", 3)
    assert f"{account.table}-0, {account.table}-1" in crowded.detail
    assert "two readers" in crowded.hint


def test_readers_that_may_not_be_listed_are_not_known(account: Account, tmp_path: Path) -> None:
    found = account.findings(*TRIED, path=tmp_path)["stream readers"]

    assert found.verdict == "not known"
    assert "lambda:ListEventSourceMappings is denied" in found.detail
    assert "KCL" in found.hint


@pytest.mark.parametrize("said_by", ["variable", "setting"])
def test_keys_of_an_emulator_are_not_sent_to_aws(
    said_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "http://127.0.0.1:8000"
    for service in ("", "_STS", "_LAMBDA", "_DYNAMODB"):
        monkeypatch.delenv(f"AWS_ENDPOINT_URL{service}", raising=False)
    if said_by == "variable":
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
    local = AwsParams(endpoint_url=url if said_by == "setting" else None)

    assert not may_be_asked("sts", local)
    assert not may_be_asked("lambda", local)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
    assert may_be_asked("sts", local)
    assert not may_be_asked("lambda", local)
    monkeypatch.delenv("AWS_ENDPOINT_URL_DYNAMODB", raising=False)
    assert may_be_asked("lambda", AwsParams())


def test_replicas_read_too_and_destinations_do_not() -> None:
    two = judged(Readers(functions=("f",), destinations=("changes",), replicas=()))
    three = judged(Readers(functions=("f",), destinations=(), replicas=("eu-west-1", "us-west-2")))

    assert (two.verdict, two.data["readers"]) == ("ok", 2)
    assert "Kinesis destinations: changes" in two.detail
    assert (three.verdict, three.data["readers"]) == ("warning", 3)


def test_two_ways_to_credentials_are_a_warning_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text("token")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(IRSA_TOKEN, str(token))
    monkeypatch.setenv(IRSA_ROLE, "arn:aws:iam::123456789012:role/edge")
    monkeypatch.setenv(POD_URI, "http://169.254.170.23/v1/credentials")

    subject = Subject(None, AwsParams(), f"file://{tmp_path}/store", StoreParams(), tmp_path)
    found = {one.check: one for one in examine(subject)}

    assert found["credentials"].verdict == "warning"
    assert "are both set" in found["credentials"].detail


# ---------------------------------------------------------------- the policies themselves


def granted_in_terraform() -> dict[str, set[str]]:
    """Actions of each policy, as the module's text has them."""
    text = ROLES.read_text()
    statement = re.compile(r"^  (\w+) = [{[]\n(.*?)^  [}\]]", re.DOTALL | re.MULTILINE)
    blocks = dict(statement.findall(text))
    role = re.compile(r"^    (\w+) = \[([^\n]+\]$|\n.*?^    \])", re.DOTALL | re.MULTILINE)

    def actions(body: str) -> set[str]:
        return set(re.findall(r'"((?:dynamodb|kinesis|s3|kms):\w+)"', body))

    def of_role(body: str) -> set[str]:
        named = [name for name in re.findall(r"local\.(\w+)", body) if name in blocks]
        return actions(body).union(*(actions(blocks[name]) for name in named))

    return {name: of_role(body) for name, body in role.findall(blocks["statements"])}


def test_the_policies_that_are_named_have_the_action() -> None:
    granted = granted_in_terraform()

    assert {"stream_reader", "kinesis_reader", "writer", "reader", "janitor"} < granted.keys()
    for action, policies in POLICY_OF.items():
        assert [name for name in policies if action not in granted[name]] == []
    for action in ("GetObject", "ListBucket", "PutObject", "DeleteObject", "GetObjectVersion"):
        for key in ("a/head.json", "a/packs/1/x.pack", "probe/x", "probe/encryption"):
            named = policies_with(action, key)
            assert [name for name in named if f"s3:{action}" not in granted[name]] == []
    for action in CALLS:
        assert policies_with(action, "") == ("doctor",)
        assert f"s3:{action}" in granted["doctor"]
    for action in ("kms:Decrypt", "kms:GenerateDataKey"):
        (policy,) = policies_with_key_action(action)
        assert action in granted[policy]


def test_the_policy_with_the_least_besides_is_named() -> None:
    assert policies_with("GetObject", "a/packs/1/x.pack") == ("reader",)
    assert policies_with("DeleteObject", "a/packs/1/x.pack") == ("janitor",)
    assert policies_with("PutObject", "a/lease.json") == ("writer",)
    assert policies_with("PutObject", "a/head.json") == ("writer", "auditor")
    assert policies_with("DeleteObject", "probe/1") == ("doctor",)
    assert policies_with("PutBucketPolicy", "") == ()


def test_what_is_asked_of_other_services_is_allowed_on_everything() -> None:
    call = Call("ListEventSourceMappings", "the stream of table t", "us-east-1", "AWS", "lambda")

    assert call.as_in_policies == "*"
