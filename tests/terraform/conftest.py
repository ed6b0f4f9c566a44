"""A SeaweedFS that knows each role, and each role with one thing less than it was given."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.servers.seaweedfs import SeaweedFS, start_seaweedfs
from tests.terraform.grants import EMPTY, lacking, of_service
from tests.terraform.rendering import BUCKET, Policy, role_policies
from tests.terraform.stories import STORIES, Scene

# Access key -> bucket -> policy: each has a bucket of its own, whose name stands in its policy.
NOBODY = "nobody"


def _identities() -> dict[str, Policy]:
    found = {NOBODY: EMPTY}
    for role in STORIES:
        policy = of_service(role_policies()[role], "s3")
        found[role.replace("_", "-")] = policy
        for number, less in enumerate(lacking(policy)):
            found[f"{role.replace('_', '-')}-{number}"] = less.policy
    return found


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """Enforces the rendered policies; nothing else may do anything."""
    policies = {
        key: json.dumps(policy).replace(f":::{BUCKET}", f":::{BUCKET}-{key}")
        for key, policy in _identities().items()
    }
    server = start_seaweedfs(tmp_path_factory.mktemp("guarded"), policies)
    yield server
    if server.process:
        server.process.stop()


@pytest.fixture
def scene(guarded: SeaweedFS, tmp_path: Path) -> Callable[[str], Scene]:
    """The bucket of an identity, versioned, empty."""

    def made(key: str) -> Scene:
        bucket = f"{BUCKET}-{key}"
        admin = guarded.s3()
        try:
            admin.create_bucket(Bucket=bucket)
        except admin.exceptions.BucketAlreadyOwnedByYou:
            with suppress(ClientError):  # there is none
                admin.delete_bucket_policy(Bucket=bucket)
            listed = admin.list_object_versions(Bucket=bucket)
            for each in [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]:
                admin.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])
        else:
            versioned = {"Status": "Enabled"}
            admin.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=versioned)
        home = tmp_path / key
        home.mkdir()
        return Scene(guarded, bucket, key, f"secret of {key}", home)

    return made
