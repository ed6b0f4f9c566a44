"""Packs: frames back to back, about 64 MiB an object, uploaded beside the reading of the file.

Memory is bounded: one pack is being filled, two are under way, one is handed over. A pack's name
has the generation, which a take-over raises by a conditional write, and a time that only grows
within a publisher: it is never reused. So packs are written where nothing is yet, and a bucket may
refuse all else (`terraform/`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from snapshotter import layout
from snapshotter.store import ObjectStore
from snapshotter.swap import put_new

PACK_BYTES = 64 * 1024 * 1024
_UPLOADS = 2


class PackWriter:
    """Packs of one snapshot. Leave its context normally to have all of them in the store.

    `places` gives the positions in the header's list of packs that are free. `names` has the key
    of each pack by its place, `sizes` its bytes so far. Any call may raise a store's error.
    """

    def __init__(
        self,
        store: ObjectStore,
        dataset: str,
        snapshot_id: str,
        places: Iterator[int],
        *,
        pack_bytes: int = PACK_BYTES,
        on_stored: Callable[[int], None] | None = None,
    ) -> None:
        self.names: dict[int, str] = {}
        self.sizes: dict[int, int] = {}
        self._store = store
        self._dataset = dataset
        self._snapshot_id = snapshot_id
        self._places = places
        self._pack_bytes = pack_bytes
        self._on_stored = on_stored
        self._pool = ThreadPoolExecutor(_UPLOADS, thread_name_prefix="pack")
        self._room = threading.Semaphore(_UPLOADS)
        self._uploads: list[Future[None]] = []
        self._frames: list[bytes] = []
        self._size = 0
        self._place = -1

    def add(self, frame: bytes) -> tuple[int, int]:
        """Where the frame will lie: place in the list of packs, and offset."""
        if not self._frames:
            self._place = next(self._places)
            name = layout.pack_name(self._snapshot_id, len(self.names))
            self.names[self._place] = layout.pack_key(self._dataset, name)
        offset = self._size
        self._frames.append(frame)
        self._size += len(frame)
        self.sizes[self._place] = self._size
        if self._size >= self._pack_bytes:
            self._send()
        return self._place, offset

    def _send(self) -> None:
        key, data = self.names[self._place], b"".join(self._frames)
        self._frames, self._size = [], 0
        self._room.acquire()
        self._raise_failures()
        self._uploads.append(self._pool.submit(self._upload, key, data))

    def _upload(self, key: str, data: bytes) -> None:
        try:
            put_new(self._store, key, data)
        finally:
            self._room.release()
        if self._on_stored is not None:
            self._on_stored(len(data))

    def _raise_failures(self) -> None:
        for upload in [upload for upload in self._uploads if upload.done()]:
            self._uploads.remove(upload)
            upload.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                if self._frames:
                    self._send()
                for upload in self._uploads:
                    upload.result()
        finally:
            # A pack that is under way cannot be called back; without a manifest it is garbage.
            self._pool.shutdown(wait=True, cancel_futures=True)
