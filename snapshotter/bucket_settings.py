"""The settings of a bucket that matter to what lies in it, as the service tells them. Pure.

action of IAM                       what it reads
GetBucketVersioning                 versioning
GetLifecycleConfiguration           rules that delete or archive
GetEncryptionConfiguration          encryption at rest
GetBucketObjectLockConfiguration    retention that nobody can shorten
GetBucketPublicAccessBlock          whether anybody may be given access
GetBucketPolicyStatus               whether everybody has it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from snapshotter.errors import SnapshotError

# Action of IAM -> method of the client.
CALLS = {
    "GetBucketVersioning": "get_bucket_versioning",
    "GetLifecycleConfiguration": "get_bucket_lifecycle_configuration",
    "GetEncryptionConfiguration": "get_bucket_encryption",
    "GetBucketObjectLockConfiguration": "get_object_lock_configuration",
    "GetBucketPublicAccessBlock": "get_public_access_block",
    "GetBucketPolicyStatus": "get_bucket_policy_status",
}
# What the service says of a setting that was never made.
UNSET_CODES = (
    "NoSuchBucketPolicy",
    "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "ObjectLockConfigurationNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
)

Answer = Mapping[str, Any] | SnapshotError


@dataclass(frozen=True, slots=True)
class BucketSettings:
    """Answers by action: empty where nothing was set, an error where it could not be read."""

    answers: Mapping[str, Answer]

    def of(self, action: str) -> Answer:
        """The answer to one action."""
        return self.answers[action]

    def told(self, action: str) -> Mapping[str, Any]:
        """The same, empty where it could not be read."""
        answer = self.answers[action]
        return {} if isinstance(answer, SnapshotError) else answer

    @property
    def rules(self) -> tuple[Mapping[str, Any], ...]:
        """Lifecycle rules."""
        return tuple(self.told("GetLifecycleConfiguration").get("Rules", ()))

    @property
    def default_encryption(self) -> Mapping[str, Any]:
        """The rule for objects that say nothing themselves."""
        told = self.told("GetEncryptionConfiguration")
        rules = told.get("ServerSideEncryptionConfiguration", {}).get("Rules", ())
        return dict(rules[0]) if rules else {}
