"""The newest pointer that a node has seen, in a file: a bucket that goes back is noticed.

    {"format":1,"location":…,"bucket_id":…,"generation":…,"sequence":…}       filled up with spaces

A pointer is older if its generation is, or, of one generation, the count of its writes. Whoever
takes a dataset over or rolls it back raises the generation, so that goes forward. The record is of
one location: in another one it begins anew. It is written in place by one call, in a directory that
exists already; where it cannot be kept, or was lost, a node is as careful as a new one.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import msgspec

from snapshotter.errors import SetBack
from snapshotter.format import Pointer

_FORMAT = 1
_LENGTH = 4096  # always as long as that, so that no end of a longer one is left


class Record(msgspec.Struct, forbid_unknown_fields=True):
    """What was seen."""

    format: int
    location: str
    bucket_id: str
    generation: int
    sequence: int

    def is_behind(self, pointer: Pointer) -> bool:
        """True if the pointer is newer, or of another bucket."""
        theirs = (pointer.generation, pointer.sequence)
        return self.bucket_id != pointer.bucket_id or (self.generation, self.sequence) < theirs


# Made while the module is loaded, for the reason that `snapshotter.sealed` gives.
_RECORD = msgspec.json.Decoder(Record)


class SeenFile:
    """A record at `path` of what was seen of one dataset at `location`. Thread-safe."""

    def __init__(self, path: Path, location: str) -> None:
        self._path = path
        self._location = location
        self._lock = threading.Lock()

    def record(self) -> Record | None:
        """What was seen so far, to be taken before a pointer is read: others read, too."""
        try:
            record = _RECORD.decode(self._path.read_bytes())
        except (OSError, msgspec.DecodeError):
            return None
        is_ours = record.format == _FORMAT and record.location == self._location
        return record if is_ours else None

    def check(self, before: Record | None, pointer: Pointer, *, strict: bool) -> None:
        """Keep a pointer that was read after the record `before`. Raises SetBack if it is older.

        `strict`: another bucket in the same place is a reason, too.
        """
        fault = None if before is None else _fault(before, pointer, strict=strict)
        if fault is not None:
            raise SetBack(
                f"{self._location}: {fault}",
                hint="was the bucket restored, or did somebody else write it? If that is wanted,"
                f" delete {self._path}",
            )
        with self._lock:
            seen = self.record()
            if seen is None or seen.is_behind(pointer):
                self._write(
                    Record(
                        _FORMAT,
                        self._location,
                        pointer.bucket_id,
                        pointer.generation,
                        pointer.sequence,
                    )
                )

    def _write(self, record: Record) -> None:
        # A node that cannot keep this goes on as one that has seen nothing.
        with contextlib.suppress(OSError):
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.pwrite(file, msgspec.json.encode(record).ljust(_LENGTH), 0)
            finally:
                os.close(file)


def _fault(seen: Record, pointer: Pointer, *, strict: bool) -> str | None:
    if seen.bucket_id != pointer.bucket_id:
        if not strict:
            return None
        return (
            f"the bucket was emptied or replaced: its identity was {seen.bucket_id},"
            f" and is {pointer.bucket_id}"
        )
    if (pointer.generation, pointer.sequence) >= (seen.generation, seen.sequence):
        return None  # the same, or newer
    return (
        f"the bucket was set back: this node has seen write {seen.sequence} of generation"
        f" {seen.generation}, and the pointer is of write {pointer.sequence} of generation"
        f" {pointer.generation}"
    )
