"""Objects through fsspec: `memory://` for tests and demos, `gs://` and `abfs://` where installed.

Memory objects belong to this process. One lock makes their conditional writes atomic, and guards
every read, because fsspec's memory files share one read position. Other fsspec stores read and
write, but fsspec has no write that an etag could guard, so those are refused, not imitated.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from blake3 import blake3

from snapshotter.errors import (
    Corrupt,
    ObjectMissing,
    PreconditionFailed,
    SnapshotError,
    StoreAccessDenied,
    StoreRefused,
    StoreUnreachable,
)
from snapshotter.location import Location
from snapshotter.store import ObjectInfo, StoredObject

PACKAGES = {"memory": "fsspec", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "abfss": "adlfs"}

_memory_lock = threading.RLock()
_TAG_FIELDS = ("etag", "ETag", "generation", "md5Hash", "last_modified", "updated", "mtime")
_TIME_FIELDS = ("created", "last_modified", "updated", "mtime")


class FsspecStore:
    """An ObjectStore on an fsspec filesystem. Raises StoreRefused if its package is missing."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._in_memory = location.scheme == "memory"
        self._lock = _memory_lock if self._in_memory else contextlib.nullcontext()
        self._filesystem, self._base = _open_filesystem(location)

    @property
    def url(self) -> str:
        return self._location.url

    def get(self, key: str, *, max_bytes: int) -> StoredObject:
        with self._translated("read", key):
            facts = self._facts(key)
            if facts is None:
                raise ObjectMissing(f"{self.url}/{key} does not exist")
            if facts.size > max_bytes:
                raise Corrupt(
                    f"{self.url}/{key} has {facts.size} bytes, more than the {max_bytes} allowed"
                )
            # The end keeps an object that grew since within the bound.
            data = bytes(self._filesystem.cat_file(self._path(key), start=0, end=facts.size))
            return StoredObject(data, facts.etag)

    def get_changed(self, key: str, etag: str, *, max_bytes: int) -> StoredObject | None:
        with self._translated("look at", key):
            facts = self._facts(key)
        if facts is not None and facts.etag == etag:
            return None
        return self.get(key, max_bytes=max_bytes)

    def get_range(self, key: str, offset: int, size: int) -> bytes:
        if size == 0:
            return b""
        with self._translated("read", key):
            end = offset + size
            data = bytes(self._filesystem.cat_file(self._path(key), start=offset, end=end))
        if len(data) != size:
            raise Corrupt(f"{self.url}/{key} gave {len(data)} of {size} bytes from {offset}")
        return data

    def read_into(self, key: str, offset: int, into: memoryview) -> None:
        into[:] = self.get_range(key, offset, len(into))

    def head(self, key: str) -> ObjectInfo | None:
        with self._translated("look at", key):
            return self._facts(key)

    def put(self, key: str, data: bytes) -> str:
        with self._translated("write", key):
            self._filesystem.pipe_file(self._path(key), data)
            facts = self._facts(key)
            return facts.etag if facts else ""

    def put_if_absent(self, key: str, data: bytes) -> str:
        self._refuse_conditions()
        with self._translated("write", key):
            if self._facts(key) is not None:
                raise PreconditionFailed(f"{self.url}/{key} exists already")
            return self.put(key, data)

    def put_if_match(self, key: str, data: bytes, etag: str) -> str:
        self._refuse_conditions()
        with self._translated("write", key):
            facts = self._facts(key)
            if facts is None or facts.etag != etag:
                raise PreconditionFailed(f"{self.url}/{key} was replaced by somebody else")
            return self.put(key, data)

    def delete(self, key: str) -> None:
        with self._translated("delete", key), contextlib.suppress(FileNotFoundError):
            self._filesystem.rm_file(self._path(key))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self._location.full_prefix(prefix)
        folder = prefix.rpartition("/")[0]
        with self._translated("list", prefix):
            self._filesystem.invalidate_cache()
            place = f"{self._base}/{folder}" if folder else self._base
            try:
                found = self._filesystem.find(place, detail=True)
            except FileNotFoundError:
                return
            length = len(self._base) + 1
            named = {name[length:]: facts for name, facts in found.items()}
            objects = [
                self._info(key, facts) for key, facts in named.items() if key.startswith(prefix)
            ]
        yield from sorted(objects, key=lambda info: info.key)

    def now(self) -> float:
        return time.time()

    def _path(self, key: str) -> str:
        self._location.full_key(key)
        return f"{self._base}/{key}"

    def _facts(self, key: str) -> ObjectInfo | None:
        self._filesystem.invalidate_cache()
        try:
            facts = self._filesystem.info(self._path(key))
        except FileNotFoundError:
            return None
        return self._info(key, facts) if facts["type"] == "file" else None

    def _info(self, key: str, facts: dict[str, Any]) -> ObjectInfo:
        if self._in_memory:
            tag = blake3(self._filesystem.cat_file(facts["name"])).hexdigest(length=16)
        else:
            tag = next((str(facts[name]) for name in _TAG_FIELDS if facts.get(name)), "")
        changed = next((facts[name] for name in _TIME_FIELDS if facts.get(name)), 0.0)
        return ObjectInfo(key, int(facts["size"]), tag, _epoch_seconds(changed))

    def _refuse_conditions(self) -> None:
        if not self._in_memory:
            raise StoreRefused(
                f"this store's conditional writes are not supported: {self.url}",
                hint="publish to s3:// (or a store with its S3 interface); reading works here",
            )

    @contextlib.contextmanager
    def _translated(self, action: str, key: str) -> Iterator[None]:
        what = f"cannot {action} {self.url}/{key}"
        try:
            with self._lock:
                yield
        except SnapshotError:
            raise
        except FileNotFoundError as error:
            raise ObjectMissing(f"{self.url}/{key} does not exist") from error
        except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
            raise StoreRefused(f"{what}: a part of the key is an object itself") from error
        except Exception as error:  # each filesystem has error classes of its own
            status = getattr(error, "status_code", None) or getattr(error, "code", None)
            if isinstance(error, PermissionError) or str(status) in ("401", "403"):
                raise StoreAccessDenied(f"{what}: access denied") from error
            raise StoreUnreachable(f"{what}: {type(error).__name__}") from error


def _open_filesystem(location: Location) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    try:
        filesystem, base = url_to_fs(location.url)
    except ImportError as error:
        package = PACKAGES[location.scheme]
        raise StoreRefused(
            f"{location.scheme}:// needs the package {package}, which is not installed",
            hint=f"pip install {package}",
        ) from error
    except Exception as error:  # what a filesystem raises without credentials is its own affair
        raise StoreRefused(f"cannot open {location.url}: {type(error).__name__}") from error
    return filesystem, base.rstrip("/")


def _epoch_seconds(value: object) -> float:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value.timestamp()
    return float(value) if isinstance(value, int | float) else 0.0
