"""Every error of restoring, grouped by what the caller does about it.

RestoreError
├── NothingToRestore     wait for a snapshot, or bootstrap
├── NoFallbackLeft       every snapshot that would do is damaged: bootstrap, or call a person
├── CheckpointExpired    what is there cannot be resumed, and the policy says to stop
├── Unreadable           written by another engine or a newer program: change this node
│   └── JournalUnreadable    a begun switch cannot be understood
├── Refused              a person has to say more
│   ├── WouldOverwrite       the target holds something that is not an older state of this dataset
│   ├── ForeignLineage       the snapshots were taken from another table or stream
│   └── Held                 an operator holds the followers at a version
└── NoSpace              free disk space, then start again

Snapshots found damaged on the way are not errors: the next older one is tried, and the report names
them. Errors of the store and of the engines pass through as they are.
"""

from __future__ import annotations

from typing import ClassVar


class RestoreError(Exception):
    """Base of all errors of restoring; raise a leaf."""

    exit_code: ClassVar[int] = 1
    hint: str = "report this as a bug"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint


class NothingToRestore(RestoreError):
    """No snapshot that could be taken, and no bootstrap allowed."""

    exit_code = 4
    hint = "check snapshots.location and the dataset's name, or wait with --wait-for-snapshot"


class NoFallbackLeft(RestoreError):
    """Snapshots exist, and each that could be taken is damaged."""

    exit_code = 5
    hint = "run `snowmelt snapshots verify --level full`, or allow a bootstrap"


class CheckpointExpired(RestoreError):
    """The stream no longer holds, or soon will not hold, what follows the newest state."""

    exit_code = 6
    hint = (
        "publish a newer snapshot, or set shard_not_found_behavior to ready_before_load (serves "
        "this file meanwhile) or ready_after_load, or run `snowmelt bootstrap --replace`"
    )


class Unreadable(RestoreError):
    """Only snapshots of another engine or of a newer storage version are there."""

    exit_code = 11
    hint = "upgrade snowmelt on this node, or set acceleration.engine to that of the snapshots"


class JournalUnreadable(Unreadable):
    """The journal of a begun switch is of another version, or names a file that is gone."""

    hint = "upgrade snowmelt on this node; the old file is in the directory `previous` beside it"


class Refused(RestoreError):
    """Going on could lose something that only a person can judge."""

    exit_code = 3


class WouldOverwrite(Refused):
    """The target exists and is not an older state of the same dataset."""

    hint = "give another path, or say --replace if the file may go"


class ForeignLineage(Refused):
    """The snapshots belong to another table or stream than the configured one."""

    hint = "if the table was re-created on purpose, run `snowmelt bootstrap --replace`"


class Held(Refused):
    """Followers are held at a version until an operator releases them."""

    exit_code = 14
    hint = "run `snowmelt snapshots release` when the held version is no longer wanted"


class NoSpace(RestoreError):
    """The volume is too small for the restored file."""

    exit_code = 12
    hint = "free space or enlarge the volume; the target is untouched"


_BY_EXIT_CODE: dict[int, type[RestoreError]] = {
    leaf.exit_code: leaf
    for leaf in (
        WouldOverwrite,
        NothingToRestore,
        NoFallbackLeft,
        CheckpointExpired,
        Unreadable,
        NoSpace,
        Held,
    )
}


def refusal(exit_code: int, message: str, hint: str | None = None) -> RestoreError:
    """The leaf that belongs to a decision's exit code."""
    return _BY_EXIT_CODE[exit_code](message, hint=hint)
