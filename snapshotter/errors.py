"""Every error of snapshots and of the object store, grouped by what the caller does about it.

SnapshotError
├── StoreUnreachable       retryable: time-out, connection trouble, 5xx after the client's own tries
├── StoreAccessDenied      a permission or a key is missing
├── StoreRefused           bucket missing, URL wrong, a store without conditional writes
├── ObjectMissing          no such key
├── PreconditionFailed     a conditional write lost; never retried blindly
├── SigningKeyMissing      the pointer is signed, and who wants to write it has no key
├── Corrupt                bytes that do not match their digest, length or format
│   └── IdentityMissing    a pointer without the bucket's identity: a replica that is being copied?
│   ├── Untrusted              not signed by a trusted key
│   └── SetBack                older than what this node has seen
├── FormatTooNew           written by a newer format than this reader knows
├── Fenced                 another producer owns the dataset
├── Held                   a person holds the dataset where it is
├── NoSuchSnapshot         the catalog does not list it
├── NotOffered             the catalog lists it, and it may not be used like that
├── NothingToSnapshot      the file holds no finished bootstrap yet
└── GateRefused            the state of the file may not become the newest snapshot
"""

from __future__ import annotations

from typing import ClassVar


class SnapshotError(Exception):
    """Base of all errors of snapshots; raise a leaf.

    `reasons`: where nothing is published on purpose, why, in words of
    `snapshotter.objections.REASONS`.
    """

    exit_code: ClassVar[int] = 1
    hint: str = "report this as a bug"
    reasons: tuple[str, ...] = ()

    def __init__(
        self, message: str, *, hint: str | None = None, reasons: tuple[str, ...] | None = None
    ) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint
        if reasons is not None:
            self.reasons = reasons


class StoreUnreachable(SnapshotError):
    """The object store gave no usable answer; a later try may succeed."""

    exit_code = 8
    hint = "check snapshots.location, s3_endpoint, the region and the network route"


class StoreAccessDenied(SnapshotError):
    """The store answered 401 or 403; the message names the action and the key."""

    exit_code = 9
    hint = "add the action to the role's policy (without s3:ListBucket a missing key looks denied)"


class StoreRefused(SnapshotError):
    """The store cannot be used as configured."""

    exit_code = 2
    hint = "check snapshots.location and snapshots.params"


class ObjectMissing(SnapshotError):
    """No object has this key."""

    exit_code = 4
    hint = "check snapshots.location and the dataset's name"


class PreconditionFailed(SnapshotError):
    """A conditional write found another object than it expected."""

    exit_code = 10
    hint = "another producer writes to this location"


class Corrupt(SnapshotError):
    """Stored bytes are not what was written."""

    exit_code = 5
    hint = "use an older snapshot (--snapshot), and run `snowmelt snapshots verify --level full`"


class Untrusted(Corrupt):
    """Stored bytes that nobody signed whom this node trusts."""

    hint = "if its key may publish, add it to snapshots.signing.trusted_keys; else see who wrote it"


class SetBack(Corrupt):
    """A pointer that is older than one that this node has seen in the same place."""


class SigningKeyMissing(SnapshotError):
    """A write would leave a signed pointer unsigned; nothing was written."""

    exit_code = 2
    hint = "set snapshots.signing.key here, or do it where the key is"


class IdentityMissing(Corrupt):
    """A pointer without the identity of its bucket: objects of a replica arrive in any order."""

    exit_code = 8
    hint = "if this is a replica, wait until it is copied; else copy bucket.json back"


class FormatTooNew(SnapshotError):
    """The format version is not one that this reader knows."""

    exit_code = 11
    hint = "upgrade snowmelt on this node"


class Fenced(SnapshotError):
    """A newer generation publishes this dataset, or its published state is ahead of this file."""

    exit_code = 10
    hint = "stop one of the two producers; this one must not publish any more"
    reasons = ("behind",)


class Held(SnapshotError):
    """A person holds the dataset: nothing is published, and nothing deleted."""

    exit_code = 14
    hint = "`snowmelt snapshots release` ends it"
    reasons = ("held",)


class NoSuchSnapshot(SnapshotError):
    """No entry of the catalog has this id."""

    exit_code = 4
    hint = "see `snowmelt snapshots list`"


class NotOffered(SnapshotError):
    """A snapshot that is listed and may not be used for this; the message says why."""

    exit_code = 4
    hint = "take another one: `snowmelt snapshots list`"


class NothingToSnapshot(SnapshotError):
    """The file has no completed bootstrap, so a snapshot of it would be incomplete."""

    exit_code = 4
    hint = "wait until the bootstrap has finished"


class GateRefused(SnapshotError):
    """The publish gate found reasons against this state; the message names them all."""

    exit_code = 4
    hint = "the newest good snapshot stays; see why the stream or the table is in this state"
