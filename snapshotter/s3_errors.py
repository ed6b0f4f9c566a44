"""What botocore raises for S3, told in the words of `snapshotter.errors`; used by `s3_store` only.

A message is one line: action, URL and the code. What the service said is left out for refused
identities, because those answers repeat the request that was signed; of a refusal by the key
service only action and key are taken over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from botocore import exceptions as boto

from cdc.roles import granted_by
from snapshotter.bucket_settings import UNSET_CODES
from snapshotter.errors import (
    Corrupt,
    ObjectMissing,
    PreconditionFailed,
    SnapshotError,
    StoreAccessDenied,
    StoreRefused,
    StoreUnreachable,
)
from snapshotter.location import Location
from snapshotter.roles import policies_with, policies_with_key_action

_IDENTITY_HINT = "check snapshots.params (s3_key, s3_secret) or the role of this process"
_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.MetadataRetrievalError,
    boto.SSOError,
    boto.LoginError,
    boto.InvalidConfigError,
)
_NETWORK = (
    boto.HTTPClientError,
    boto.ConnectionError,
    boto.IncompleteReadError,
    boto.ResponseStreamingError,
    boto.ChecksumError,
    boto.FlexibleChecksumError,
    OSError,
)
_KINDS: dict[type[SnapshotError], tuple[str, ...]] = {
    ObjectMissing: ("NoSuchKey", "NotFound", "404", *UNSET_CODES),
    PreconditionFailed: ("PreconditionFailed", "ConditionalRequestConflict", "409", "412"),
    Corrupt: ("InvalidRange", "416"),
    StoreUnreachable: (
        "BadDigest",
        "IncompleteBody",
        "InternalError",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
    ),
    StoreRefused: ("NoSuchBucket", "NotImplemented", "InvalidBucketName", "501"),
}
_KIND_OF_CODE = {code: kind for kind, codes in _KINDS.items() for code in codes}
_BAD_IDENTITY = {
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
}
_KMS_REFUSAL = re.compile(r"perform: (kms:[A-Za-z*]+)(?: on resource: (arn:[\w:/.-]+))?")
_MOST_CHARACTERS = 300
OPEN = "open"  # making the clients, which is no action of S3


def translate(error: Exception, action: str, location: Location, key: str) -> SnapshotError:
    """The error of the contract for anything that making or using an S3 client raises."""
    what = f"s3:{action} on {location.url}{'/' if key else ''}{key}"
    if action == OPEN:
        what = f"cannot use {location.url}"
    if isinstance(error, boto.ClientError):
        return _of_service(error, what, action, key)
    said = _first_line(str(error))
    # A file is asked for by the credential chain alone: the token of a pod.
    is_of_file = isinstance(error, OSError) and error.filename is not None
    if isinstance(error, _CREDENTIALS) or is_of_file:
        return StoreAccessDenied(f"{what}: {said}", hint=_IDENTITY_HINT)
    if isinstance(error, _NETWORK):
        return StoreUnreachable(f"{what}: {said}")
    if isinstance(error, boto.NoRegionError):
        return StoreRefused(f"{what}: no region", hint="set snapshots.params.s3_region")
    return StoreRefused(f"{what}: {type(error).__name__}: {said}")


def is_unchanged(error: BaseException | None) -> bool:
    """True for the answer to a conditional read that there is nothing newer."""
    if not isinstance(error, boto.ClientError):
        return False
    facts: Mapping[str, Any] = error.response.get("ResponseMetadata", {})
    return facts.get("HTTPStatusCode") == 304


def _of_service(error: boto.ClientError, what: str, action: str, key: str) -> SnapshotError:
    said: Mapping[str, Any] = error.response.get("Error", {})
    facts: Mapping[str, Any] = error.response.get("ResponseMetadata", {})
    code = str(said.get("Code", ""))
    status = int(facts.get("HTTPStatusCode", 0))
    region = said.get("Region") or facts.get("HTTPHeaders", {}).get("x-amz-bucket-region")
    if status in (301, 307) or (region and status == 400):
        return StoreRefused(
            f"{what}: the bucket is in {region or 'another region'}",
            hint=f"set snapshots.params.s3_region to {region or 'the region of the bucket'}",
        )
    if (of_key := _of_key_service(what, code, str(said.get("Message", "")))) is not None:
        return of_key
    if code in _BAD_IDENTITY:
        return StoreAccessDenied(f"{what}: {code}", hint=_IDENTITY_HINT)
    kind = _KIND_OF_CODE.get(code) or _kind_of_status(status)
    hint = None
    if kind is StoreAccessDenied:
        policy = granted_by(action, policies_with(action, key))
        hint = (
            f"allow s3:{action} there (without s3:ListBucket a missing key looks denied)"
            f"{'; ' if policy else ''}{policy}; check expected_bucket_owner where it is set"
        )
    if code == "NoSuchBucket":
        hint = "create the bucket, or check its name in snapshots.location"
    return kind(f"{what}: {code if code.isdigit() else f'{status} {code}'}", hint=hint)


def _of_key_service(what: str, code: str, message: str) -> StoreAccessDenied | None:
    """The error if it was the key that could not be used."""
    if code.startswith("KMS."):
        state = code.removeprefix("KMS.")
        return StoreAccessDenied(
            f"{what}: the KMS key cannot be used: {state}",
            hint="check the key of snapshots.params.s3_kms_key_id, or the bucket's: is it enabled?",
        )
    refusal = _KMS_REFUSAL.search(message)
    if refusal is None:
        return None
    action, key = refusal[1], refusal[2] or "the bucket's key"
    policy = granted_by(action, policies_with_key_action(action))
    hint = f"allow {action} on that key, in the policy of this role and in that of the key"
    return StoreAccessDenied(
        f"{what}: {action} on {key} is denied", hint=f"{hint}{'; ' if policy else ''}{policy}"
    )


def _kind_of_status(status: int) -> type[SnapshotError]:
    if status in (401, 403):
        return StoreAccessDenied
    if status in (409, 412):
        return PreconditionFailed
    return StoreUnreachable if status >= 500 or status in (408, 429) else StoreRefused


def _first_line(text: str) -> str:
    lines = text.strip().splitlines() or ["no message"]
    return lines[0][:_MOST_CHARACTERS]
