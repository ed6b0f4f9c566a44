"""Stores for tests of restoring: a directory, or a bucket of its own on SeaweedFS."""

from __future__ import annotations

from collections.abc import Callable

from restorer.line import Patience
from snapshotter.errors import StoreUnreachable
from snapshotter.file_store import FileStore
from snapshotter.location import StoreParams, parse_location
from snapshotter.store import ObjectStore, StoredObject
from snapshotter.stores import open_store
from tests.servers.seaweedfs import SeaweedFS

# No second tries, which a loaded machine would bring about, where reads or bytes are counted.
PATIENT = Patience(least_seconds=300.0, unknown_seconds=300.0)


def bucket_store(server: SeaweedFS, bucket: str, *, read_only: bool = False) -> ObjectStore:
    """The bucket with a prefix, as the administrator or as somebody who may only read."""
    params = StoreParams(
        auth="key",
        key=server.read_only_access_key if read_only else server.access_key,
        secret=server.read_only_secret_key if read_only else server.secret_key,
        region=server.region,
        endpoint=server.endpoint_url,
    )
    return open_store(f"s3://{bucket}/snapshots", params)


def flip(store: ObjectStore, key: str, offset: int) -> None:
    """Change one byte of an object; doing it twice changes nothing."""
    info = store.head(key)
    assert info is not None
    data = bytearray(store.get(key, max_bytes=info.size).data)
    data[offset] ^= 0x20
    store.put(key, bytes(data))


class LaterStore(FileStore):
    """A directory whose clock is ahead, and which notes what is read in ranges."""

    def __init__(self, store: ObjectStore, ahead_seconds: float) -> None:
        super().__init__(parse_location(store.url))
        self._ahead_seconds = ahead_seconds
        self.ranges: list[str] = []

    def now(self) -> float:
        return super().now() + self._ahead_seconds

    def get_range(self, key: str, offset: int, size: int) -> bytes:
        self.ranges.append(key)
        return super().get_range(key, offset, size)


class FlakyStore(FileStore):
    """A directory that goes away after so many ranged reads."""

    def __init__(self, store: ObjectStore, most_reads: int) -> None:
        super().__init__(parse_location(store.url))
        self._reads_left = most_reads
        self.bytes_read = 0

    def get_range(self, key: str, offset: int, size: int) -> bytes:
        if self._reads_left == 0:
            raise StoreUnreachable(f"{self.url} went away", hint="bring it back")
        self._reads_left -= 1
        self.bytes_read += size
        return super().get_range(key, offset, size)


class CountedStore(FileStore):
    """A directory that notes who was asked for what: the key and the bytes that were given."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(parse_location(store.url))
        self.reads: list[tuple[str, int]] = []

    def get(self, key: str, *, max_bytes: int) -> StoredObject:
        stored = super().get(key, max_bytes=max_bytes)
        self.reads.append((key, len(stored.data)))
        return stored

    def get_range(self, key: str, offset: int, size: int) -> bytes:
        data = super().get_range(key, offset, size)
        self.reads.append((key, len(data)))
        return data


class WatchedStore(FileStore):
    """A directory that asks somebody before each ranged read, who may wait or refuse."""

    def __init__(self, store: ObjectStore, before: Callable[[int], None]) -> None:
        super().__init__(parse_location(store.url))
        self._before = before

    def get_range(self, key: str, offset: int, size: int) -> bytes:
        self._before(offset)
        return super().get_range(key, offset, size)
