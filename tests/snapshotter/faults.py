"""A store that fails on request: before a call has an effect, or after it had one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from snapshotter.errors import StoreUnreachable
from snapshotter.store import ObjectInfo, ObjectStore, StoredObject


class Crash(BaseException):
    """The process ends here; nothing of ours may catch it."""


class FaultyStore:
    """Passes calls on. `before` and `after` get the call's number, name and key, and may raise."""

    def __init__(
        self,
        inner: ObjectStore,
        *,
        before: Callable[[int, str, str], None] = lambda *_: None,
        after: Callable[[int, str, str], None] = lambda *_: None,
    ) -> None:
        self._inner = inner
        self._before = before
        self._after = after
        self.calls: list[tuple[str, str]] = []
        self._numbering = threading.Lock()

    @property
    def url(self) -> str:
        return self._inner.url

    def _called(self, name: str, key: str) -> int:
        with self._numbering:  # packs are written by several threads
            self.calls.append((name, key))
            number = len(self.calls) - 1
        self._before(number, name, key)
        return number

    def get(self, key: str, *, max_bytes: int) -> StoredObject:
        number = self._called("get", key)
        result = self._inner.get(key, max_bytes=max_bytes)
        self._after(number, "get", key)
        return result

    def get_changed(self, key: str, etag: str, *, max_bytes: int) -> StoredObject | None:
        number = self._called("get_changed", key)
        result = self._inner.get_changed(key, etag, max_bytes=max_bytes)
        self._after(number, "get_changed", key)
        return result

    def get_range(self, key: str, offset: int, size: int) -> bytes:
        number = self._called("get_range", key)
        result = self._inner.get_range(key, offset, size)
        self._after(number, "get_range", key)
        return result

    def read_into(self, key: str, offset: int, into: memoryview) -> None:
        number = self._called("read_into", key)
        self._inner.read_into(key, offset, into)
        self._after(number, "read_into", key)

    def head(self, key: str) -> ObjectInfo | None:
        number = self._called("head", key)
        result = self._inner.head(key)
        self._after(number, "head", key)
        return result

    def put(self, key: str, data: bytes) -> str:
        number = self._called("put", key)
        result = self._inner.put(key, data)
        self._after(number, "put", key)
        return result

    def put_if_absent(self, key: str, data: bytes) -> str:
        number = self._called("put_if_absent", key)
        result = self._inner.put_if_absent(key, data)
        self._after(number, "put_if_absent", key)
        return result

    def put_if_match(self, key: str, data: bytes, etag: str) -> str:
        number = self._called("put_if_match", key)
        result = self._inner.put_if_match(key, data, etag)
        self._after(number, "put_if_match", key)
        return result

    def delete(self, key: str) -> None:
        self._called("delete", key)
        self._inner.delete(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self._inner.list(prefix)

    def now(self) -> float:
        return self._inner.now()


def lose_answer_of(name: str, key: str, times: int = 1) -> Callable[[int, str, str], None]:
    """For `after`: the call happened, and its answer is lost."""
    left = [times]

    def after(_: int, called: str, at: str) -> None:
        if (called, at) == (name, key) and left[0] > 0:
            left[0] -= 1
            raise StoreUnreachable(f"{called} {at}: no answer")

    return after
