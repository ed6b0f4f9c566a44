"""Which policy of ours grants an action on an object of the bucket. Pure.

Names are those of `terraform/modules/policies`; tests compare the two. Where several have it, the
one with the least besides is named.
"""

from __future__ import annotations

from snapshotter.bucket_settings import CALLS

_SCRATCH = "probe/"
_MARKED = ("/head.json", "/catalog/")
_OF_ACTION = {
    "GetObject": ("reader",),
    "ListBucket": ("reader",),
    "PutObject": ("writer",),
    "DeleteObject": ("janitor",),
    "GetObjectVersion": ("dr_operator",),
    "ListBucketVersions": ("dr_operator",),
    **dict.fromkeys(CALLS, ("doctor",)),
}


def policies_with(action: str, key: str) -> tuple[str, ...]:
    """Policies for `s3:<action>` on a key below the location; empty if none of ours has it."""
    if action == "PutObject" and key == f"{_SCRATCH}encryption":
        return ("writer",)  # who publishes tries encryption by a scratch object
    if key.startswith(_SCRATCH) and action in ("GetObject", "PutObject", "DeleteObject"):
        return ("doctor",)
    if action == "PutObject" and any(part in f"/{key}" for part in _MARKED):
        return ("writer", "auditor")
    return _OF_ACTION.get(action, ())


def policies_with_key_action(action: str) -> tuple[str, ...]:
    """Policies for an action of the key service."""
    return {"kms:Decrypt": ("reader",), "kms:GenerateDataKey": ("writer",)}.get(action, ())
