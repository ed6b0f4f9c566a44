"""An object store that counts what is asked of it and how many bytes it is given."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from snapshotter.store import ObjectInfo, ObjectStore, StoredObject


class Counted:
    """See `snapshotter.store.ObjectStore`. Counts calls, not what a client repeats beneath."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._requests = self._uploaded = self._map = 0

    def taken(self) -> dict[str, int]:
        """Requests, uploaded bytes and those of manifests among them, since the last call."""
        with self._lock:
            counts = self._requests, self._uploaded, self._map
            self._requests = self._uploaded = self._map = 0
        return dict(zip(("requests", "uploaded_bytes", "map_bytes"), counts, strict=True))

    def _asked(self, key: str = "", data: bytes = b"") -> ObjectStore:
        with self._lock:
            self._requests += 1
            self._uploaded += len(data)
            self._map += len(data) if key.endswith("/manifest") else 0
        return self._store

    @property
    def url(self) -> str:
        return self._store.url

    def get(self, key: str, *, max_bytes: int) -> StoredObject:
        return self._asked().get(key, max_bytes=max_bytes)

    def get_changed(self, key: str, etag: str, *, max_bytes: int) -> StoredObject | None:
        return self._asked().get_changed(key, etag, max_bytes=max_bytes)

    def get_range(self, key: str, offset: int, size: int) -> bytes:
        return self._asked().get_range(key, offset, size)

    def read_into(self, key: str, offset: int, into: memoryview) -> None:
        self._asked().read_into(key, offset, into)

    def head(self, key: str) -> ObjectInfo | None:
        return self._asked().head(key)

    def put(self, key: str, data: bytes) -> str:
        return self._asked(key, data).put(key, data)

    def put_if_absent(self, key: str, data: bytes) -> str:
        return self._asked(key, data).put_if_absent(key, data)

    def put_if_match(self, key: str, data: bytes, etag: str) -> str:
        return self._asked(key, data).put_if_match(key, data, etag)

    def delete(self, key: str) -> None:
        self._asked().delete(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self._asked().list(prefix)

    def now(self) -> float:
        return self._store.now()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
