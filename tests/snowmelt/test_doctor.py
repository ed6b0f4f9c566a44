"""The preflight: every check by name, and nothing left behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cdc.aws import AwsParams
from snapshotter.location import StoreParams
from snowmelt.doctor import Finding, Subject, examine
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.s3_like import s3_like
from tests.servers.scripted import Answer, scripted_server
from tests.servers.seaweedfs import SeaweedFS
from tests.snowmelt.command import snowmelt
from tests.snowmelt.places import NOBODY
from tests.snowmelt.refusals import refusing

PERMISSIONS = (
    "dynamodb:DescribeStream",
    "dynamodb:GetShardIterator",
    "dynamodb:GetRecords",
    "dynamodb:Scan",
)
VERDICTS = ("ok         ", "warning    ", "failed     ", "not known  ")
ABILITIES = {
    f"store {name}"
    for name in ("write", "read", "list", "put-if-absent", "put-if-match", "lease", "delete")
}


def identity(server: DynamoDBLocal, endpoint_url: str | None = None) -> AwsParams:
    return AwsParams(
        region=server.region,
        auth="key",
        access_key_id=server.access_key,
        secret_access_key=server.secret_key,
        endpoint_url=endpoint_url or server.endpoint_url,
    )


def found(
    table: str,
    aws: AwsParams,
    path: Path,
    location: str | None = None,
    store: StoreParams | None = None,
) -> dict[str, Finding]:
    """Findings by name."""
    findings = list(examine(Subject(table, aws, location, store or StoreParams(), path)))
    assert len({finding.check for finding in findings}) == len(findings)
    for finding in findings:
        assert "\n" not in finding.detail + finding.hint
        assert finding.verdict != "failed" or (finding.hint and finding.exit_code)
    return {finding.check: finding for finding in findings}


# ---------------------------------------------------------------- the table


def test_dynamodb_local_a_table_that_is_read_anew_needs_no_stream_and_no_permission_for_one(
    dynamodb_local: DynamoDBLocal, tmp_path: Path
) -> None:
    table, aws = dynamodb_local.table(view=None), identity(dynamodb_local)

    findings = examine(
        Subject(table.name, aws, None, StoreParams(), tmp_path / "file", has_stream=False)
    )

    verdicts = {finding.check: finding.verdict for finding in findings}
    assert {name for name in verdicts if name.startswith("dynamodb:")} == {"dynamodb:Scan"}
    assert "failed" not in verdicts.values()
    assert found(table.name, aws, tmp_path / "file")["table"].verdict == "failed"


def test_dynamodb_local_a_table_that_can_be_followed(
    dynamodb_local: DynamoDBLocal, tmp_path: Path
) -> None:
    table = dynamodb_local.table("pipelines", keys=(("pk", "S"), ("sk", "N")))

    findings = found(table.name, identity(dynamodb_local), tmp_path / "a" / "pipelines.duckdb")

    assert [one.check for one in findings.values() if one.verdict == "failed"] == []
    assert "key pk (S) + sk (N)" in findings["table"].detail
    assert "stream NEW_AND_OLD_IMAGES" in findings["table"].detail
    for action in PERMISSIONS:
        assert findings[action].verdict == "ok"
    assert findings["bootstrap cost"].verdict == "not known"  # nothing is in it
    assert str(tmp_path) in findings["disk"].detail
    assert findings["store"].hint == "name it with --location"


def test_dynamodb_local_each_missing_action_is_named(
    dynamodb_local: DynamoDBLocal, tmp_path: Path
) -> None:
    table = dynamodb_local.table()
    denied = ("GetRecords", "Scan")

    with refusing(dynamodb_local, *denied, code="AccessDeniedException") as server:
        findings = found(table.name, identity(dynamodb_local, server.endpoint_url), tmp_path)

    failed = [one for one in findings.values() if one.verdict == "failed"]
    assert [one.check for one in failed] == ["dynamodb:GetRecords", "dynamodb:Scan"]
    assert {one.exit_code for one in failed} == {9}
    assert findings["dynamodb:GetShardIterator"].verdict == "ok"


def test_dynamodb_local_without_the_list_of_shards_reading_cannot_be_tried(
    dynamodb_local: DynamoDBLocal, tmp_path: Path
) -> None:
    table = dynamodb_local.table()

    with refusing(dynamodb_local, "DescribeStream", code="AccessDeniedException") as server:
        findings = found(table.name, identity(dynamodb_local, server.endpoint_url), tmp_path)

    assert findings["dynamodb:DescribeStream"].exit_code == 9
    assert findings["dynamodb:GetShardIterator"].verdict == "not known"
    assert findings["dynamodb:GetRecords"].verdict == "not known"
    assert findings["dynamodb:Scan"].verdict == "ok"


@pytest.mark.parametrize("view", [None, "KEYS_ONLY"])
def test_dynamodb_local_a_table_without_a_useful_stream(
    view: str | None, dynamodb_local: DynamoDBLocal, tmp_path: Path
) -> None:
    table = dynamodb_local.table(view=view)

    findings = found(table.name, identity(dynamodb_local), tmp_path)

    assert findings["table"].exit_code == 7
    assert "NEW_AND_OLD_IMAGES" in findings["table"].hint
    assert findings["dynamodb:Scan"].verdict == "ok"
    assert findings["dynamodb:DescribeStream"].verdict == "not known"


def test_dynamodb_local_an_old_image_is_paid_for_and_not_needed(
    dynamodb_local: DynamoDBLocal, tmp_path: Path
) -> None:
    table = dynamodb_local.table(view="NEW_IMAGE")

    assert found(table.name, identity(dynamodb_local), tmp_path)["table"].verdict == "ok"


def test_dynamodb_local_the_store_is_tried_although_the_table_is_missing(
    dynamodb_local: DynamoDBLocal, tmp_path: Path
) -> None:
    location = f"file://{tmp_path}/store"

    findings = found("nowhere", identity(dynamodb_local), tmp_path, location)

    assert findings["table"].exit_code == 7
    assert any(name.startswith("store ") for name in findings)


# ---------------------------------------------------------------- the store


def of_store(server: SeaweedFS, key: str, secret: str) -> StoreParams:
    return StoreParams(
        auth="key", key=key, secret=secret, region=server.region, endpoint=server.endpoint_url
    )


def store_findings(location: str, params: StoreParams, path: Path) -> dict[str, Finding]:
    aws = AwsParams(region="us-east-1", endpoint_url=f"http://{NOBODY}", auth="key")
    findings = found("pipelines", aws, path, location, params)
    return {name: one for name, one in findings.items() if name.startswith("store")}


def test_seaweedfs_a_bucket_that_can_be_published_to(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    bucket = seaweedfs.bucket()
    params = of_store(seaweedfs, seaweedfs.access_key, seaweedfs.secret_key)

    findings = store_findings(f"s3://{bucket}/nodes", params, tmp_path)

    tried = {name: one.verdict for name, one in findings.items() if name in ABILITIES}
    assert tried == dict.fromkeys(ABILITIES, "ok")
    assert "failed" not in {one.verdict for one in findings.values()}
    assert seaweedfs.s3().list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_seaweedfs_a_bucket_that_may_only_be_read(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    params = of_store(seaweedfs, seaweedfs.read_only_access_key, seaweedfs.read_only_secret_key)

    findings = store_findings(f"s3://{seaweedfs.bucket()}/nodes", params, tmp_path)

    failed = [one for one in findings.values() if one.verdict == "failed"]
    assert failed
    assert failed[0].exit_code == 9
    assert "s3:PutObject" in failed[0].detail


def test_a_bucket_that_is_not_there(tmp_path: Path) -> None:
    nothing = Answer(404, b"<Error><Code>NoSuchBucket</Code></Error>")
    with scripted_server(lambda _: nothing) as server:
        params = StoreParams(
            auth="key", key="a", secret="b", region="us-east-1", endpoint=server.endpoint_url
        )
        findings = store_findings("s3://no-such-bucket/nodes", params, tmp_path)

    (failed,) = findings.values()
    assert failed.exit_code == 2
    assert "create the bucket" in failed.hint


def test_seaweedfs_a_rule_that_would_delete_packs_is_named(
    seaweedfs: SeaweedFS, tmp_path: Path
) -> None:
    bucket = seaweedfs.bucket()
    rule = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 30}}
    seaweedfs.s3().put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration={"Rules": [rule]}
    )
    params = of_store(seaweedfs, seaweedfs.access_key, seaweedfs.secret_key)

    finding = store_findings(f"s3://{bucket}/nodes", params, tmp_path)["store lifecycle"]

    assert finding.verdict == "failed"
    assert "deletes objects after 30 days" in finding.detail


def test_seaweedfs_a_stranger(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    params = of_store(seaweedfs, "stranger", "hush")

    findings = store_findings(f"s3://{seaweedfs.bucket()}/nodes", params, tmp_path)

    failed = [one for one in findings.values() if one.verdict == "failed"]
    assert failed[0].exit_code == 9
    assert "hush" not in failed[0].detail


def test_a_store_that_ignores_conditions_is_refused(tmp_path: Path) -> None:
    with s3_like(honours=()) as server:
        params = StoreParams(
            auth="key", key="a", secret="b", region="us-east-1", endpoint=server.endpoint_url
        )
        findings = store_findings("s3://bucket/nodes", params, tmp_path)

    failed = [one for one in findings.values() if one.verdict == "failed"]
    assert failed
    assert all(one.hint for one in failed)


def test_a_location_that_is_none_is_a_finding(tmp_path: Path) -> None:
    assert store_findings("bucket/nodes", StoreParams(), tmp_path)["store"].exit_code == 2


# ---------------------------------------------------------------- the command


def test_dynamodb_local_and_seaweedfs_the_command_prints_one_line_for_each_check(
    dynamodb_local: DynamoDBLocal, seaweedfs: SeaweedFS, tmp_path: Path
) -> None:
    table = dynamodb_local.table()
    arguments = ["doctor", "--table", table.name, "--region", dynamodb_local.region]
    arguments += ["--endpoint-url", dynamodb_local.endpoint_url]
    arguments += ["--location", f"s3://{seaweedfs.bucket()}/nodes"]
    arguments += ["--s3-endpoint", seaweedfs.endpoint_url]
    keys = {"AWS_ACCESS_KEY_ID": dynamodb_local.access_key, "AWS_SECRET_ACCESS_KEY": "secret"}

    ended = snowmelt(*arguments, cwd=tmp_path, environment=keys)
    as_json = snowmelt(*arguments, "--json", cwd=tmp_path, environment=keys)

    assert ended.code == 9  # these keys are the table's, not the bucket's
    assert ended.errors == ()
    lines = ended.output.splitlines()
    assert all(line.startswith(VERDICTS) for line in lines)
    document = json.loads(as_json.output)
    assert document["ok"] is False
    assert len(document["findings"]) == len(lines)
    assert list(tmp_path.iterdir()) == []
