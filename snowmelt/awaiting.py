"""Waiting for a snapshot as long as somebody lives who will publish it.

Signs of life are what changes in the bucket: the pointer, which a bootstrap moves each five seconds
with its progress, and the lease, which whoever publishes renews. Time is counted here, from the
last change that was seen, so no clock is compared with another's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from snapshotter import layout, lease_json
from snapshotter.errors import ObjectMissing, SnapshotError
from snapshotter.format import Pointer
from snapshotter.reader import read_pointer
from snapshotter.store import ObjectStore


class _Signs(NamedTuple):
    """What a living writer changes. `lease`: None where it could not be read."""

    pointer: tuple[int, int] | None
    lease: tuple[str, int] | None


class WriterWatch:
    """Looks at one dataset's writer.

    `offered`: the current snapshot, None where there is none. `line`: what is waited for, for
    people. `is_answered`: the store answered the last look.
    """

    def __init__(
        self, store: ObjectStore, dataset: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._dataset = dataset
        self._monotonic = monotonic
        self._changed_at = monotonic()
        self._before: _Signs | None = None
        self._has_moved = False
        self.offered: str | None = None
        self.line = ""
        self.is_answered = False

    @property
    def silent_seconds(self) -> float:
        """Since the last sign of life, or since the watch began."""
        return self._monotonic() - self._changed_at

    def look(self) -> None:
        """Look once."""
        try:
            pointer = read_pointer(self._store, self._dataset)
        except ObjectMissing:
            pointer = None
        except SnapshotError as error:
            self.line = f"waiting: {' '.join(str(error).split())}"
            self.is_answered = False
            return
        at = None if pointer is None else (pointer.generation, pointer.sequence)
        signs = _Signs(at, self._lease())
        if self._before is not None and signs != self._before:
            self._changed_at, self._has_moved = self._monotonic(), True
        self._before = signs
        self.offered = None if pointer is None else pointer.current
        self.line = f"waiting: {self._told(pointer)}"
        self.is_answered = True

    def _lease(self) -> tuple[str, int] | None:
        key = layout.lease_key(self._dataset)
        try:
            stored = self._store.get(key, max_bytes=lease_json.LEASE_LIMIT)
            lease = lease_json.decode_lease(stored.data, self._dataset)
        except SnapshotError:
            return None  # it is of use to publishers alone
        return lease.session, lease.renewals

    def _told(self, pointer: Pointer | None) -> str:
        if pointer is None:
            return "nobody publishes here yet"
        if pointer.bootstrap_progress is not None:
            return f"writer bootstrapping {pointer.bootstrap_progress * 100:.0f} %"
        if self._has_moved:
            return "the writer lives, and has published nothing that can be taken"
        return "no sign of life of a writer"
