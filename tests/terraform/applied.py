"""examples/complete, applied to moto, planned again, and destroyed: in a process of its own.

The provider waits the better part of a minute until rules of a lifecycle have settled, and there is
no setting for it; so this is begun first and looked at last. All moto servers of a process have one
memory, which other tests fill and empty meanwhile.
"""

import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moto.s3.responses import S3Response

from tests.servers.moto import MotoServer, running_moto
from tests.terraform.rendering import ACCOUNT, DATASET, REGION
from tests.terraform.terraform import copied, initialised, run

_PROVIDER = """
provider "aws" {
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  s3_use_path_style           = true
}
"""


@dataclass(frozen=True)
class Applied:
    """What came of it. `replanned`: exit code of the second plan, 2 for a difference."""

    outputs: dict[str, Any]
    replanned: int
    difference: str
    buckets: tuple[str, ...]
    left: tuple[str, ...]


def begin(folder: Path) -> Future[Applied]:
    """Raises AssertionError with what terraform said, when its result is asked for."""
    pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    future = pool.submit(_apply, initialised(copied(folder) / "examples" / "complete"))
    pool.shutdown(wait=False)
    return future


@contextmanager
def _events_told() -> Iterator[None]:
    """moto keeps that a bucket's events go to EventBridge, and leaves it out of its answer."""
    before = S3Response.get_bucket_notification

    def told(response: Any) -> Any:
        status, headers, body = before(response)
        kept = response.backend.get_bucket_notification_configuration(response.bucket_name)
        if kept is None or kept.event_bridge is None:
            return status, headers, body
        text = str(body)
        assert "EventBridgeConfiguration" not in text, "moto tells it by itself now"
        opened = text.removesuffix("/>")  # nothing else was set
        assert opened != text
        return status, headers, f"{opened}><EventBridgeConfiguration/></NotificationConfiguration>"

    S3Response.get_bucket_notification = told  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        S3Response.get_bucket_notification = before  # type: ignore[method-assign]


def _apply(example: Path) -> Applied:
    with _events_told(), running_moto() as server:
        (example / "moto_override.tf").write_text(_PROVIDER)
        (example / "terraform.tfvars.json").write_text(json.dumps(_scenery(server)))
        _succeeded(example, server, "apply", "-auto-approve")
        outputs = json.loads(_succeeded(example, server, "output", "-json"))
        again = run(example, "plan", "-detailed-exitcode", "-no-color", **_cloud(server))
        buckets = _buckets(server)
        _succeeded(example, server, "destroy", "-auto-approve")
        return Applied(
            {name: each["value"] for name, each in outputs.items()},
            again.returncode,
            again.stdout + again.stderr,
            buckets,
            _buckets(server),
        )


def _scenery(server: MotoServer) -> dict[str, Any]:
    """What is there before: a table with a stream, a VPC, a topic. Returns the variables."""
    dynamodb, ec2 = server.client("dynamodb"), server.client("ec2")
    dynamodb.create_table(
        TableName=DATASET,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    issuer = f"oidc.eks.{REGION}.amazonaws.com/id/ABC"
    return {
        "region": REGION,
        "table_name": DATASET,
        "bucket_name": "snowmelt-complete",
        "force_destroy": True,  # moto delivers access logs, as S3 does
        "oidc_provider_arn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}",
        "people_arns": [f"arn:aws:iam::{ACCOUNT}:role/people"],
        "vpc_id": vpc,
        "route_table_ids": [table],
        "subnet_ids": [subnet],
        "client_cidr_blocks": ["10.0.0.0/16"],
        "alarm_topic_arns": [server.client("sns").create_topic(Name="alarms")["TopicArn"]],
    }


def _buckets(server: MotoServer) -> tuple[str, ...]:
    return tuple(each["Name"] for each in server.client("s3").list_buckets()["Buckets"])


def _cloud(server: MotoServer) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": server.endpoint_url,
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _succeeded(example: Path, server: MotoServer, *words: str) -> str:
    ended = run(example, *words, "-no-color", **_cloud(server))
    assert ended.returncode == 0, f"{words}:\n{ended.stdout[-4000:]}\n{ended.stderr}"
    return ended.stdout
