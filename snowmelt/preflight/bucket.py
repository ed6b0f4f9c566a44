"""What a bucket's settings mean for snapshots, as findings. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from snapshotter.bucket_settings import BucketSettings
from snapshotter.errors import SnapshotError, StoreAccessDenied, StoreRefused
from snapshotter.lifecycle import expires_versions, takers
from snowmelt.preflight.finding import Finding, not_known, one_line

_VERSIONING = "GetBucketVersioning"
_RULES = "GetLifecycleConfiguration"
_ENCRYPTION = "GetEncryptionConfiguration"
_LOCK = "GetBucketObjectLockConfiguration"
_PUBLIC = "GetBucketPublicAccessBlock"
_POLICY = "GetBucketPolicyStatus"
_SEE_YOURSELF = {
    _VERSIONING: "see yourself that versioning is enabled",
    _RULES: "see yourself that no rule deletes or archives below the location",
    _ENCRYPTION: "see yourself what the bucket encrypts with",
    _LOCK: "see yourself how long objects are locked",
    _PUBLIC: "see yourself that public access is blocked",
}


def of_settings(settings: BucketSettings, prefix: str, encrypted_as: str) -> Iterator[Finding]:
    """Versioning, lifecycle, encryption, locks, public access, for objects below `prefix`.

    `encrypted_as`: how the last object was, by the answer to its write.
    """
    yield _versioning(settings, prefix)
    yield _lifecycle(settings, prefix)
    yield _encryption(settings, encrypted_as)
    yield _lock(settings)
    yield _public(settings)


def _unread(check: str, settings: BucketSettings, action: str) -> Finding | None:
    answer = settings.of(action)
    if not isinstance(answer, SnapshotError):
        return None
    if isinstance(answer, StoreAccessDenied):
        return not_known(check, one_line(answer), f"{answer.hint}; or {_SEE_YOURSELF[action]}")
    return not_known(check, f"the store does not tell: {one_line(answer)}", _SEE_YOURSELF[action])


def _versioning(settings: BucketSettings, prefix: str) -> Finding:
    check = "store versioning"
    if (unread := _unread(check, settings, _VERSIONING)) is not None:
        return unread
    status = settings.told(_VERSIONING).get("Status")
    if status != "Enabled":
        hint = "enable it: a pointer that somebody overwrites or deletes can be brought back then"
        return Finding(check, "warning", str(status or "never enabled").lower(), hint)
    if isinstance(settings.of(_RULES), SnapshotError):
        return Finding(check, "ok", "enabled")
    if expires_versions(settings.rules, prefix):
        return Finding(check, "ok", "enabled, and a rule deletes noncurrent versions")
    hint = (
        "let noncurrent versions of head.json and lease.json expire: one comes with each snapshot "
        "and each renewal, and what was pruned stays readable in versions"
    )
    return Finding(check, "warning", "enabled, and no rule deletes noncurrent versions", hint)


def _lifecycle(settings: BucketSettings, prefix: str) -> Finding:
    check = "store lifecycle"
    if (unread := _unread(check, settings, _RULES)) is not None:
        return unread
    found = takers(settings.rules, prefix)
    if not found:
        return Finding(check, "ok", "no rule deletes or archives below the location")
    hint = "take the location out of the rule; `snowmelt snapshots prune` deletes what may go"
    return Finding(check, "failed", "; ".join(found), hint, StoreRefused.exit_code)


def _encryption(settings: BucketSettings, encrypted_as: str) -> Finding:
    check = "store encryption"
    rule = settings.default_encryption
    default = rule.get("ApplyServerSideEncryptionByDefault", {})
    algorithm, key = default.get("SSEAlgorithm", ""), default.get("KMSMasterKeyID", "")
    by_default = f"{algorithm}{f' with {key}' if key else ''}"
    data = {"default": by_default or None, "written_as": encrypted_as or None}
    done = f"an object was written as {encrypted_as}" if encrypted_as else ""
    told = ", ".join(part for part in (by_default and f"default {by_default}", done) if part)
    if "kms" in algorithm and not rule.get("BucketKeyEnabled"):
        hint = "enable the bucket key: without one each read and write is a paid call of KMS"
        return Finding(check, "warning", f"{told}, no bucket key", hint, data=data)
    if told:
        return Finding(check, "ok", told, data=data)
    unread = _unread(check, settings, _ENCRYPTION)
    return unread or Finding(check, "ok", "the store tells of none", data=data)


def _lock(settings: BucketSettings) -> Finding:
    check = "store object lock"
    if (unread := _unread(check, settings, _LOCK)) is not None:
        return unread
    lock: Mapping[str, Any] = settings.told(_LOCK).get("ObjectLockConfiguration", {})
    kept = lock.get("Rule", {}).get("DefaultRetention", {})
    if not kept:
        return Finding(check, "ok", "none by default")
    length = f"{kept['Days']} days" if "Days" in kept else f"{kept.get('Years')} years"
    hint = (
        "deleted objects stay as versions until then, so what was erased in the table stays as "
        "long, and storage grows"
    )
    return Finding(check, "ok", f"{kept.get('Mode', '')} for {length}", hint)


def _public(settings: BucketSettings) -> Finding:
    check = "store public access"
    if settings.told(_POLICY).get("PolicyStatus", {}).get("IsPublic"):
        hint = "take the public statement out of the bucket's policy: it shows the whole table"
        detail = "the bucket's policy gives everybody access"
        return Finding(check, "failed", detail, hint, StoreRefused.exit_code)
    if (unread := _unread(check, settings, _PUBLIC)) is not None:
        return unread
    blocks = settings.told(_PUBLIC).get("PublicAccessBlockConfiguration", {})
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    missing = [name for name in names if not blocks.get(name)]
    if missing:
        hint = "block it, for this bucket or for the account"
        return Finding(check, "warning", f"not blocked: {', '.join(missing)}", hint)
    return Finding(check, "ok", "blocked")
