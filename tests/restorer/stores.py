"""Stores for tests of restoring: a directory, or a bucket of its own on SeaweedFS."""

from __future__ import annotations

from snapshotter.location import StoreParams
from snapshotter.store import ObjectStore
from snapshotter.stores import open_store
from tests.servers.seaweedfs import SeaweedFS


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
