"""What each rendered role may not do, and what the bucket itself refuses to everybody.

Every call is made under every role; those that are not in the role's list are denied, by the code
that S3 has for it. The control is an identity with an empty policy: it is denied all of them.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatch
from typing import Any
from urllib.parse import unquote

import pytest
from botocore.exceptions import ClientError

from tests.restorer.accelerators import DATASET
from tests.servers.faults import S3_DENIED
from tests.servers.proxy import fault_proxy
from tests.servers.scripted import Request
from tests.servers.seaweedfs import SeaweedFS
from tests.snowmelt.command import snowmelt
from tests.terraform.conftest import NOBODY
from tests.terraform.rendering import BUCKET, PREFIX, Policy, rendered
from tests.terraform.stories import HOME, STORIES, Scene, published

PACK = f"{HOME}/packs/0/a.pack"
FOREIGN = f"{PREFIX}/another/head.json"
SCRATCH = f"{PREFIX}/probe/x"

Call = Callable[[Any, str], Any]
CALLS: dict[str, Call] = {
    "read a pack": lambda s3, b: s3.get_object(Bucket=b, Key=PACK),
    "read the pointer": lambda s3, b: s3.get_object(Bucket=b, Key=f"{HOME}/head.json"),
    "list": lambda s3, b: s3.list_objects_v2(Bucket=b, Prefix=f"{HOME}/"),
    "write a pack": lambda s3, b: s3.put_object(Bucket=b, Key=f"{PACK}.new", Body=b""),
    "write a manifest": lambda s3, b: s3.put_object(Bucket=b, Key=f"{HOME}/snapshots/i/manifest"),
    "write a page": lambda s3, b: s3.put_object(Bucket=b, Key=f"{HOME}/catalog/p.json"),
    "write the pointer": lambda s3, b: s3.put_object(Bucket=b, Key=f"{HOME}/head.json"),
    "write the lease": lambda s3, b: s3.put_object(Bucket=b, Key=f"{HOME}/lease.json"),
    "write the name": lambda s3, b: s3.put_object(Bucket=b, Key=f"{HOME}/bucket.json"),
    "use scratch": lambda s3, b: s3.put_object(Bucket=b, Key=SCRATCH),
    "list versions": lambda s3, b: s3.list_object_versions(Bucket=b, Prefix=f"{HOME}/head.json"),
    "read settings": lambda s3, b: s3.get_bucket_versioning(Bucket=b),
    # What nobody may, but who administers the bucket.
    "read another dataset": lambda s3, b: s3.get_object(Bucket=b, Key=FOREIGN),
    "write another dataset": lambda s3, b: s3.put_object(Bucket=b, Key=FOREIGN, Body=b""),
    "list the whole bucket": lambda s3, b: s3.list_objects_v2(Bucket=b),
    "change the policy": lambda s3, b: s3.put_bucket_policy(Bucket=b, Policy=_nothing(b)),
    "change versioning": lambda s3, b: s3.put_bucket_versioning(
        Bucket=b, VersioningConfiguration={"Status": "Suspended"}
    ),
    "change the rules": lambda s3, b: s3.put_bucket_lifecycle_configuration(
        Bucket=b, LifecycleConfiguration={"Rules": []}
    ),
    "delete the bucket": lambda s3, b: s3.delete_bucket(Bucket=b),
    # Deletions last, so that nothing else misses what they took.
    "delete the pointer": lambda s3, b: s3.delete_object(Bucket=b, Key=f"{HOME}/head.json"),
    "delete the lease": lambda s3, b: s3.delete_object(Bucket=b, Key=f"{HOME}/lease.json"),
    "delete a version": lambda s3, b: s3.delete_object(Bucket=b, Key=PACK, VersionId="null"),
    "delete a pack": lambda s3, b: s3.delete_object(Bucket=b, Key=PACK),
}
_READS = {"read a pack", "read the pointer", "list"}
_MARKS = {"write a page", "write the pointer"}
ALLOWED: dict[str, set[str]] = {
    "writer": _READS
    | _MARKS
    | {"write a pack", "write a manifest", "write the lease", "write the name"},
    "reader": _READS,
    "auditor": _READS | _MARKS,
    "dr_operator": _READS | _MARKS | {"write the lease", "write the name", "list versions"},
    "janitor": {"read the pointer", "list", "delete a pack"},
    "doctor": {"use scratch", "read settings"},
    NOBODY: set(),
}


def _nothing(bucket: str) -> str:
    arn = f"arn:aws:s3:::{bucket}/*"
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObjectAcl", "Resource": arn}
    return json.dumps({"Version": "2012-10-17", "Statement": [deny]})


def refusal(call: Call, s3: Any, bucket: str) -> str | None:
    """The code by which the call was refused, None if it was done."""
    try:
        call(s3, bucket)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


@pytest.mark.parametrize("role", [*STORIES, NOBODY])
def test_a_role_may_do_nothing_else(role: str, scene: Callable[[str], Scene]) -> None:
    here = scene(role.replace("_", "-"))
    admin, s3 = here.server.s3(), here.s3()
    for key in (PACK, f"{HOME}/head.json", FOREIGN):
        admin.put_object(Bucket=here.bucket, Key=key, Body=b"")

    refused = {what: refusal(call, s3, here.bucket) for what, call in CALLS.items()}

    assert {what for what, code in refused.items() if code is None} == ALLOWED[role]
    assert set(refused.values()) <= {None, "AccessDenied"}


def test_who_has_an_empty_policy_cannot_restore(scene: Callable[[str], Scene]) -> None:
    here = scene(NOBODY)
    published(here)
    ended = snowmelt(*_restore(here), cwd=here.home, environment=_environment(here))

    assert ended.code == 9
    assert "403 AccessDenied" in ended.errors[-1]


def test_the_reader_restores(scene: Callable[[str], Scene]) -> None:
    here = scene("reader")
    published(here)
    ended = snowmelt(*_restore(here), cwd=here.home, environment=_environment(here))

    assert ended.code == 0, ended.errors
    assert (here.home / "copy.sqlite").stat().st_size > 0


def test_the_reader_can_tell_an_empty_bucket_from_a_refusal(scene: Callable[[str], Scene]) -> None:
    here = scene("reader")

    assert snowmelt(*_restore(here), cwd=here.home, environment=_environment(here)).code == 4


def _restore(here: Scene) -> list[str]:
    where = ["--location", here.location, "--dataset", DATASET]
    return ["restore", *where, "--output", str(here.home / "copy.sqlite")]


def _environment(here: Scene) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": here.key,
        "AWS_SECRET_ACCESS_KEY": here.secret,
        "AWS_REGION": here.server.region,
        "AWS_ENDPOINT_URL_S3": here.server.endpoint_url,
    }


# ---------------------------------------------------------------- the bucket's own policy


def bucket_policy(bucket: str, *sids: str) -> str:
    """The rendered one, or those statements of it, for this bucket."""
    policy: Policy = rendered()["bucket_policy"]
    kept = [each for each in policy["Statement"] if not sids or each["Sid"] in sids]
    return json.dumps({**policy, "Statement": kept}).replace(f":::{BUCKET}", f":::{bucket}")


def test_who_publishes_writes_only_where_nothing_is_yet(scene: Callable[[str], Scene]) -> None:
    """SeaweedFS does not know s3:if-none-match, so a front before it refuses what S3 would."""
    here = scene("writer")
    (deny,) = json.loads(bucket_policy(here.bucket, "DenyOverwriting"))["Statement"]
    immutable = [resource.partition(":::")[2] for resource in deny["Resource"]]
    assert set(deny["Condition"]["Null"]) == {"s3:if-none-match"}

    def is_immutable(request: Request) -> bool:
        key = unquote(request.path.partition("?")[0]).lstrip("/")
        return request.method == "PUT" and any(fnmatch(key, each) for each in immutable)

    with fault_proxy(here.server.endpoint_url) as proxy:
        front = replace(here, server=replace(here.server, endpoint_url=proxy.endpoint_url))
        proxy.fail(
            S3_DENIED,
            lambda request: is_immutable(request) and "if-none-match" not in request.headers,
        )
        with pytest.raises(ClientError, match="AccessDenied"):
            front.s3().put_object(Bucket=here.bucket, Key=PACK, Body=b"")
        before = len(proxy.exchanges)
        STORIES["writer"](front)
        asked = [each.path for each in proxy.exchanges[before:] if each.method == "PUT"]

    for folder in ("packs", "snapshots", "catalog"):
        assert any(f"/{folder}/" in path for path in asked)


def test_without_tls_nobody_gets_anything(
    guarded: SeaweedFS, scene: Callable[[str], Scene]
) -> None:
    here = scene("reader")
    published(here)
    s3 = here.server.s3()
    s3.put_bucket_policy(Bucket=here.bucket, Policy=bucket_policy(here.bucket, "DenyWithoutTls"))

    for client in (here.s3(), s3):
        with pytest.raises(ClientError, match="AccessDenied"):
            client.get_object(Bucket=here.bucket, Key=f"{HOME}/head.json")
