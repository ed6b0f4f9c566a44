"""The file that a user of the peer has today runs as it is."""

import dataclasses
from collections.abc import Callable

import yaml

from tests.e2e.nodes import Node, differences, table_items
from tests.flights import KEYS, flights, load
from tests.servers.dynamodb_local import DynamoDBLocal
from tests.servers.seaweedfs import SeaweedFS

SPICEPOD = """
version: v1
kind: Spicepod
name: dynamodb-streams-demo
snapshots:
  enabled: true
  location: s3://bucket/path
  bootstrap_on_failure_behavior: fallback
  params: { s3_auth: key, s3_key: "${secrets:AWS_ACCESS_KEY_ID}", s3_secret: "${secrets:AWS_SECRET_ACCESS_KEY}", s3_region: us-east-2 }
datasets:
  - from: dynamodb:pipelines
    name: pipelines
    params: { dynamodb_aws_region: ap-northeast-2, dynamodb_aws_auth: iam_role }
    acceleration: { enabled: true, refresh_mode: changes, engine: duckdb, mode: file, snapshots: enabled, snapshots_trigger: time_interval, snapshots_trigger_threshold: 2m }
    metrics: [ { name: shards_active }, { name: records_consumed_total }, { name: lag_ms }, { name: errors_transient_total } ]
"""  # noqa: E501 - as it stands in the design
ROWS = 500


def test_a_spicepod_runs_with_endpoints_from_the_environment_alone(
    dynamodb_local: DynamoDBLocal,
    seaweedfs: SeaweedFS,
    make_node: Callable[..., Node],
) -> None:
    server = dataclasses.replace(
        dynamodb_local,
        access_key=seaweedfs.access_key,
        secret_key=seaweedfs.secret_key,
        region="ap-northeast-2",
    )
    keys = [name for name, _ in KEYS]
    table = server.table("pipelines", keys=KEYS).name
    load(server, table, flights(0, ROWS))
    text = SPICEPOD.replace("dynamodb:pipelines", f"dynamodb:{table}")
    text = text.replace("s3://bucket/path", f"s3://{seaweedfs.bucket('spicepod')}/path")
    environment = {
        "AWS_ENDPOINT_URL_DYNAMODB": server.endpoint_url,
        "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": server.endpoint_url,
        "AWS_ENDPOINT_URL_S3": seaweedfs.endpoint_url,
        "AWS_ACCESS_KEY_ID": seaweedfs.access_key,
        "AWS_SECRET_ACCESS_KEY": seaweedfs.secret_key,
    }

    # The helper adds nothing but ports and a directory of the test's own.
    node = make_node("spicepod", yaml.safe_load(text), environment).start().wait_ready()

    node.wait_for_snapshot()
    assert node.sql("select count(*) as n from pipelines") == [{"n": ROWS}]
    assert node.stop() == 0
    assert differences(table_items(server, table, keys), node.items()) == ""
