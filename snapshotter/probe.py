"""Does a store do what publishing relies on? Tried on scratch keys, never believed from a name.

Some stores ignore conditional headers in silence, others check them without being atomic. The
first kind is found by a second writer that must lose, the second by writers that start together
(which can show a fault and cannot prove its absence).
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from snapshotter.errors import ObjectMissing, PreconditionFailed, SnapshotError
from snapshotter.store import ObjectStore

_RACERS = 4


@dataclass(frozen=True, slots=True)
class ProbeCheck:
    """One ability. `detail` is empty if it is there, else one line on what happened instead.

    `error`: what the store raised; None where it answered, but wrongly.
    """

    name: str
    passed: bool
    detail: str = ""
    error: SnapshotError | None = None


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """All abilities that were tried, in order; trying stops where nothing further can work."""

    url: str
    checks: tuple[ProbeCheck, ...]

    @property
    def ok(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def failures(self) -> tuple[ProbeCheck, ...]:
        return tuple(check for check in self.checks if not check.passed)

    def summary(self) -> str:
        """One line for people."""
        if self.ok:
            return f"{self.url}: all {len(self.checks)} checks passed"
        failed = "; ".join(f"{check.name}: {check.detail}" for check in self.failures)
        return f"{self.url}: {failed}"


class _Failed(Exception):
    """A check that went through and came out wrong."""


def probe(store: ObjectStore) -> ProbeResult:
    """Try every ability on keys `probe/<random>-*`, which are deleted afterwards. Never raises."""
    stem = f"probe/{secrets.token_hex(8)}"
    keys = [f"{stem}-plain", f"{stem}-absent", f"{stem}-race", f"{stem}-lease"]
    plain, absent, race, lease = keys
    keys.append(f"{lease}-deleted")  # only made where If-Match is ignored
    steps: list[tuple[str, Callable[[], None]]] = [
        ("write", lambda: _write(store, plain)),
        ("read", lambda: _read(store, plain)),
        ("list", lambda: _list(store, plain)),
        ("put-if-absent", lambda: _absent(store, absent)),
        ("put-if-match", lambda: _match(store, plain)),
        ("put-if-absent race", lambda: _race_absent(store, race)),
        ("put-if-match race", lambda: _race_match(store, race)),
        ("lease", lambda: _lease(store, lease)),
        ("delete", lambda: _delete(store, plain)),
    ]
    checks: list[ProbeCheck] = []
    try:
        for name, step in steps:
            check = _try(name, step)
            checks.append(check)
            if name in ("write", "read") and not check.passed:
                break
    finally:
        for key in keys:
            with contextlib.suppress(SnapshotError):
                store.delete(key)
    return ProbeResult(store.url, tuple(checks))


def _try(name: str, step: Callable[[], None]) -> ProbeCheck:
    try:
        step()
    except _Failed as error:
        return ProbeCheck(name, passed=False, detail=str(error))
    except SnapshotError as error:
        return ProbeCheck(name, passed=False, detail=str(error), error=error)
    return ProbeCheck(name, passed=True)


def _write(store: ObjectStore, key: str) -> None:
    store.put(key, b"0123456789")


def _read(store: ObjectStore, key: str) -> None:
    if store.get(key, max_bytes=100).data != b"0123456789":
        raise _Failed("other bytes came back than were written")
    if store.get_range(key, 3, 4) != b"3456":
        raise _Failed("a range came back wrong")


def _list(store: ObjectStore, key: str) -> None:
    if [info.key for info in store.list(key)] != [key]:
        raise _Failed("an object that was just written is not listed")


def _absent(store: ObjectStore, key: str) -> None:
    store.put_if_absent(key, b"first")
    with contextlib.suppress(PreconditionFailed):
        store.put_if_absent(key, b"second")
        raise _Failed("a second writer was not refused: If-None-Match is ignored")
    if store.get(key, max_bytes=100).data != b"first":
        raise _Failed("the refused writer replaced the object all the same")


def _match(store: ObjectStore, key: str) -> None:
    stale = store.get(key, max_bytes=100).etag
    store.put_if_match(key, b"first", stale)
    with contextlib.suppress(PreconditionFailed):
        store.put_if_match(key, b"second", stale)
        raise _Failed("a writer with an old etag was not refused: If-Match is ignored")
    if store.get(key, max_bytes=100).data != b"first":
        raise _Failed("the refused writer replaced the object all the same")


def _race_absent(store: ObjectStore, key: str) -> None:
    _race(lambda number: store.put_if_absent(key, b"%d" % number))


def _race_match(store: ObjectStore, key: str) -> None:
    etag = store.get(key, max_bytes=100).etag
    _race(lambda number: store.put_if_match(key, b"again %d" % number, etag))


def _race(write: Callable[[int], str]) -> None:
    def won(number: int) -> bool:
        try:
            write(number)
        except PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(_RACERS) as pool:
        winners = sum(pool.map(won, range(_RACERS)))
    if winners != 1:
        raise _Failed(f"{winners} of {_RACERS} simultaneous writers won, must be 1")


def _lease(store: ObjectStore, key: str) -> None:
    """A holder renews by the etag that its last write gave, and is refused once another took it."""
    mine = store.put_if_absent(key, b"taken")
    for number in range(3):
        mine = store.put_if_match(key, b"renewal %d" % number, mine)
    store.put_if_match(key, b"another's", store.get(key, max_bytes=100).etag)
    with contextlib.suppress(PreconditionFailed):
        store.put_if_match(key, b"renewal 3", mine)
        raise _Failed("who lost a lease could renew it: If-Match is ignored")
    with contextlib.suppress(PreconditionFailed):
        store.put_if_match(f"{key}-deleted", b"renewal 3", mine)
        raise _Failed("a renewal made a lease that was deleted")


def _delete(store: ObjectStore, key: str) -> None:
    store.delete(key)
    if store.head(key) is not None:
        raise _Failed("a deleted object is still there")
    with contextlib.suppress(ObjectMissing):
        store.get(key, max_bytes=100)
        raise _Failed("a deleted object can still be read")
