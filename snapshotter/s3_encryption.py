"""Encryption at rest, which S3 does when it is asked to: what is asked, and what was done.

The service tells in the headers of each answer. A store that knows nothing of it ignores the wish,
and many do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from snapshotter.errors import StoreRefused
from snapshotter.location import StoreParams


@dataclass(frozen=True, slots=True)
class Encryption:
    """`arguments`: what a write sends; empty if the bucket is left to its own."""

    arguments: Mapping[str, Any]

    @staticmethod
    def asked_by(params: StoreParams) -> Encryption:
        """What these parameters ask for."""
        asked = {
            "ServerSideEncryption": params.encryption,
            "SSEKMSKeyId": params.kms_key,
            "BucketKeyEnabled": params.bucket_key,
        }
        return Encryption({name: value for name, value in asked.items() if value is not None})

    @property
    def is_asked(self) -> bool:
        return bool(self.arguments)

    def check(self, answer: Mapping[str, Any], where: str) -> str:
        """How the object was encrypted, for people. Raises StoreRefused if not as asked."""
        done = str(answer.get("ServerSideEncryption") or "")
        key = str(answer.get("SSEKMSKeyId") or "")
        wanted = str(self.arguments.get("ServerSideEncryption", done))
        wanted_key = str(self.arguments.get("SSEKMSKeyId", ""))
        if done != wanted:
            raise StoreRefused(
                f"{where} was to be encrypted as {wanted}, and the store did {done or 'nothing'}",
                hint="this store does not do it: take out s3_server_side_encryption, or move",
            )
        if not _is_same_key(wanted_key, key):
            raise StoreRefused(
                f"{where} was to be encrypted with {wanted_key}, the store took {key or 'none'}",
                hint="check snapshots.params.s3_kms_key_id",
            )
        if self.arguments.get("BucketKeyEnabled") and not answer.get("BucketKeyEnabled"):
            raise StoreRefused(
                f"{where} was to be encrypted with a bucket key, and the store used none",
                hint="take out snapshots.params.s3_bucket_key_enabled",
            )
        return f"{done} with {key}" if done and key else done


def _is_same_key(wanted: str, found: str) -> bool:
    """True if they may be the same: the answer has the key's ARN, an alias cannot be compared."""
    if not wanted or "alias/" in wanted:
        return not wanted or bool(found)
    return wanted == found or found.endswith(f":key/{wanted}")
