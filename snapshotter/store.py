"""The contract of an object store, small enough that S3, a directory and memory all keep it.

Keys are relative to the store's location, use `/`, and come from `snapshotter.layout`, never from
user input. Durability: a write is durable when the call returns. Reads see the newest finished
write. Conditional writes are atomic among all writers; an implementation that cannot promise that
raises StoreRefused from them. They are sent once: no retry beneath, because a repeated conditional
write sees its own success as a defeat.
Errors: those of `snapshotter.errors`, and no others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object. `modified_at`: epoch seconds by the store's clock. `etag` is opaque.

    `expires`: what the store says of a rule by which it deletes the object; None if there is none,
    or if it was not asked (`list`).
    """

    key: str
    size: int
    etag: str
    modified_at: float
    expires: str | None = None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A whole object with the tag that a conditional write needs."""

    data: bytes
    etag: str


class ObjectStore(Protocol):
    """Objects under one location."""

    @property
    def url(self) -> str:
        """The location without credentials, for messages."""

    def get(self, key: str, *, max_bytes: int) -> StoredObject:
        """The whole object. Raises ObjectMissing; Corrupt if it is larger than `max_bytes`."""

    def get_changed(self, key: str, etag: str, *, max_bytes: int) -> StoredObject | None:
        """The whole object, as `get`; None, without its bytes, if it still has this etag."""

    def get_range(self, key: str, offset: int, size: int) -> bytes:
        """Exactly `size` bytes from `offset`. Raises ObjectMissing; Corrupt if it is shorter."""

    def read_into(self, key: str, offset: int, into: memoryview) -> None:
        """As `get_range`, as many bytes as `into` has room for: memory that is used again."""

    def head(self, key: str) -> ObjectInfo | None:
        """The object's facts, or None if it does not exist."""

    def put(self, key: str, data: bytes) -> str:
        """Write unconditionally; retried on trouble. Returns the etag."""

    def put_if_absent(self, key: str, data: bytes) -> str:
        """Write if the key is free. Raises PreconditionFailed. Returns the etag."""

    def put_if_match(self, key: str, data: bytes, etag: str) -> str:
        """Replace exactly the object that has this etag. Raises PreconditionFailed."""

    def delete(self, key: str) -> None:
        """Delete; a missing key is no error."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Objects whose key starts with `prefix`, in key order."""

    def now(self) -> float:
        """The store's time: epoch seconds, corrected by its Date headers where it has them."""
