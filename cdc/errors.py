"""Every error of capture, grouped by what the caller does about it.

CdcError
├── Retryable        try again after a back-off
│   ├── Throttled            the service asked for fewer calls
│   ├── SourceUnreachable    time-out or connection trouble
│   ├── StreamEnabling       it is being made
│   └── IteratorExpired      ask for a new iterator from the last position
├── Degraded         try again for ever while running, loudly; permanent only at the first start
│   ├── AccessDenied
│   └── CredentialsRejected
├── PositionLost     the stream no longer holds the checkpoint's position: policy decides
│   ├── Trimmed
│   └── ShardNotFound
└── Permanent        a person has to change something
    ├── TableNotFound, StreamDisabled (DestinationDisabled), ViewTypeUnsupported
    ├── LineageChanged, ColumnsRefused
    └── FileUnusable, FileBusy, NoSpace, FormatUnknown

A message says what happened and where, on one line; `hint` says what to do. SDK and driver errors
are translated in the module that made the call and nowhere else.
"""

from __future__ import annotations

from typing import ClassVar


class CdcError(Exception):
    """Base of all errors of capture; raise a leaf."""

    exit_code: ClassVar[int] = 1
    hint: str = "report this as a bug"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint


class Retryable(CdcError):
    """A later try may succeed without anybody doing anything."""

    exit_code = 7
    hint = "retry later"


class Throttled(Retryable):
    """The service refused a call because of its rate."""

    hint = "lower scan_max_rcu or scan_segments, or raise the table's read capacity"


class SourceUnreachable(Retryable):
    """No answer from DynamoDB or DynamoDB Streams."""

    hint = "check the region, the endpoint and the network route (Streams needs its own endpoint)"


class StreamEnabling(Retryable):
    """The table's stream is being enabled: it will be there in a minute."""

    hint = "nothing to do: it is waited for"


class IteratorExpired(Retryable):
    """An iterator lived longer than the service grants."""

    hint = "nothing to do: reading goes on from the last position"


class Degraded(CdcError):
    """A person can repair this while the node runs, so a running node keeps trying."""

    exit_code = 9


class AccessDenied(Degraded):
    """The identity lacks a permission; the message names the action."""

    hint = "add the action to the role's policy"


class CredentialsRejected(Degraded):
    """Credentials are missing, expired or unknown to the service."""

    hint = "check the credential chain of this process (environment, profile, role)"


class PositionLost(CdcError):
    """The stream cannot be read from the checkpoint any more."""

    exit_code = 6
    hint = (
        "shard_not_found_behavior decides: error waits for a person (a start with a newer "
        "snapshot, or `snowmelt bootstrap --replace`), ready_before_load serves this file, "
        "labelled stale, while a new one is loaded, ready_after_load loads first"
    )


class Trimmed(PositionLost):
    """The position is older than the stream's retention."""


class ShardNotFound(PositionLost):
    """The service does not know the shard any more."""


class Permanent(CdcError):
    """Trying again does not help until something is changed."""

    exit_code = 7


class TableNotFound(Permanent):
    """No such table in this account and region."""

    hint = "check the table's name, the region and the account"


class StreamDisabled(Permanent):
    """The table has no enabled stream."""

    hint = "enable the stream with view type NEW_AND_OLD_IMAGES (or NEW_IMAGE)"


class DestinationDisabled(StreamDisabled):
    """The table's changes go to no Kinesis stream; those made meanwhile are in none, ever."""

    hint = (
        "run `aws dynamodb enable-kinesis-streaming-destination` for the table; a file that was "
        "followed before has a gap then, and shard_not_found_behavior decides"
    )


class ViewTypeUnsupported(Permanent):
    """The stream does not carry new images, so rows cannot be rebuilt from it."""

    hint = "disable the stream and enable it again with NEW_AND_OLD_IMAGES (or NEW_IMAGE)"


class LineageChanged(Permanent):
    """The table or its stream is not the one that the file was built from."""

    exit_code = 3
    hint = "if the change was intended, run `snowmelt bootstrap --replace`"


class ColumnsRefused(Permanent):
    """The configured columns do not fit the table's key or the file."""

    exit_code = 2
    hint = "correct the dataset's columns, or run `snowmelt bootstrap --replace`"


class FileUnusable(Permanent):
    """The accelerator file cannot be created, opened or written."""

    exit_code = 2
    hint = "check acceleration.path and its permissions"


class FileEmpty(FileUnusable):
    """A database without a table: its maker ended before the first commit. Nothing is lost."""

    hint = "bootstrap or restore: the file will be filled"


class FileBusy(Permanent):
    """Another process holds the accelerator file."""

    exit_code = 3
    hint = "stop the other process, or give this node a path of its own"


class NoSpace(Permanent):
    """The file system is full."""

    exit_code = 12
    hint = "free space or enlarge the volume; nothing was lost"


class FormatUnknown(Permanent):
    """The file was written by a newer or foreign program."""

    exit_code = 11
    hint = "upgrade snowmelt, or remove the file to build it again"
