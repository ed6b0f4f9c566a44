"""Taking, renewing and giving back the lease of a dataset, in the store.

    look      read · what is known of it (`snapshotter.lease`) · write, where it may be taken
    renew     If-Match of what was written last
    release   the same, with the mark that others need not wait

Each write is conditional and sent once. After any doubt the lease is read: one of this session is
ours, however old the write was that made it so; an unchanged one says that nothing is known yet.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from snapshotter import layout, lease_json
from snapshotter import lease as rules
from snapshotter.errors import Fenced, ObjectMissing, PreconditionFailed, StoreUnreachable
from snapshotter.format import DigestAlgorithm
from snapshotter.lease import Claim, Claimant, Lease, Watch
from snapshotter.store import ObjectStore

_TRIES = 3


class LeaseLost(Fenced):
    """Another one holds the lease, or nobody."""

    hint = "this node follows and serves; it publishes again once the lease is free or expires"


@dataclass(frozen=True, slots=True)
class _Stored:
    lease: Lease
    etag: str


@dataclass(frozen=True, slots=True)
class Taken:
    """That the lease was taken: by which right, and from which lease, if there was one."""

    claim: Claim
    before: Lease | None

    @property
    def succeeds(self) -> bool:
        """True if it was another node's."""
        return self.before is not None and self.claim != "own"


class LeaseKeeper:
    """One process's part in the lease of a dataset. Thread-safe.

    `holder`: for people. `who`: as what it asks. `monotonic`: seconds of this process's own clock.
    Raises Corrupt or FormatTooNew for a lease that cannot be read, and the store's errors.
    """

    def __init__(
        self,
        store: ObjectStore,
        dataset: str,
        who: Claimant,
        *,
        holder: str,
        monotonic: Callable[[], float],
        digest: DigestAlgorithm = "blake3",
    ) -> None:
        self._store = store
        self._dataset = dataset
        self._who = who
        self._holder = holder
        self._monotonic = monotonic
        self._algorithm: DigestAlgorithm = digest
        self._session = secrets.token_hex(8)
        self._lock = threading.RLock()
        self._watch: Watch | None = None
        self._mine: _Stored | None = None
        self.last_taken: Taken | None = None

    @property
    def is_ours(self) -> bool:
        """True as far as this process knows."""
        return self._mine is not None

    @property
    def term(self) -> str:
        """Changes with each loss: what was written for an earlier one holds no more."""
        return self._session

    @property
    def seen(self) -> Lease | None:
        """The lease as it was written or read last."""
        if self._mine is not None:
            return self._mine.lease
        return None if self._watch is None else self._watch.lease

    def next_look_seconds(self) -> float:
        """How long to rest before the next look."""
        watch = self._watch
        return 0.0 if watch is None else rules.next_look_seconds(watch, self._who)

    def look(self) -> bool:
        """Read the lease, and take it if that is allowed; True if it is ours."""
        with self._lock:
            if self._mine is not None:
                return True
            asked_at = self._monotonic()
            found = self._read()
            lease = None if found is None else found.lease
            watch = self._watch = rules.watched(
                self._watch,
                lease,
                asked_at=asked_at,
                answered_at=self._monotonic(),
                lease_seconds=self._who.lease_seconds,
            )
            if found is not None and self._is_mine(found.lease):
                self._mine = found  # by a write of ours whose answer never came
                return True
            right = rules.claim(watch, self._who)
            if right is None:
                self._who = replace(self._who, resumes=False)
                return False
            return self._take(watch, right, None if found is None else found.etag)

    def renew(self, generation: int | None = None) -> None:
        """Write that we are there, and the generation, if it is said. Raises LeaseLost."""
        with self._lock:
            self._rewrite(generation, is_released=False)

    def release(self) -> None:
        """Give it back, so that another one need not wait. Nothing happens if it is not ours."""
        with self._lock:
            try:
                if self._mine is not None:
                    self._rewrite(None, is_released=True)
            finally:
                self.forget()

    def forget(self) -> bool:
        """Hold it no more, and leave it as it is: whoever wants it waits until it expires.

        True if it was ours.
        """
        with self._lock:
            was_ours = self._mine is not None
            self._mine = self._watch = None
            self._session = secrets.token_hex(8)
            return was_ours

    # ------------------------------------------------------------ inside

    @property
    def _key(self) -> str:
        return layout.lease_key(self._dataset)

    def _encoded(self, lease: Lease) -> bytes:
        return lease_json.encode_lease(lease, self._algorithm)

    def _is_mine(self, lease: Lease) -> bool:
        return lease.session == self._session and not lease.is_released

    def _read(self) -> _Stored | None:
        try:
            stored = self._store.get(self._key, max_bytes=lease_json.LEASE_LIMIT)
        except ObjectMissing:
            return None
        return _Stored(lease_json.decode_lease(stored.data, self._dataset), stored.etag)

    def _rewrite(self, generation: int | None, *, is_released: bool) -> None:
        for _ in range(_TRIES):
            mine = self._mine
            if mine is None:
                raise LeaseLost(f"{self._dataset}: this process does not hold the lease")
            wanted = replace(
                mine.lease,
                generation=mine.lease.generation if generation is None else generation,
                renewals=mine.lease.renewals + 1,
                is_released=is_released,
            )
            # Refused by an older write of ours that came late: again, over that.
            with contextlib.suppress(PreconditionFailed):
                self._mine = self._write(wanted, mine.etag)
                return
        raise StoreUnreachable(f"{self._dataset}: the lease kept changing under its renewals")

    def _take(self, watch: Watch, right: Claim, etag: str | None) -> bool:
        wanted = rules.taken(
            watch,
            self._who,
            dataset=self._dataset,
            holder=self._holder,
            session=self._session,
        )
        self.last_taken = Taken(right, watch.lease)  # also if the answer to the write never comes
        try:
            self._mine = self._write(wanted, etag)
        except PreconditionFailed:
            return False  # somebody was faster; the next look tells who
        self._who = replace(self._who, resumes=False, forces=False)
        return True

    def _write(self, lease: Lease, etag: str | None) -> _Stored:
        """Put it once, and read after any doubt. Raises PreconditionFailed if another is there.

        If it is another one's, it is not ours any more; if it is an older one of ours, that holds.
        """
        data = self._encoded(lease)
        try:
            if etag is None:
                return _Stored(lease, self._store.put_if_absent(self._key, data))
            return _Stored(lease, self._store.put_if_match(self._key, data, etag))
        except (PreconditionFailed, StoreUnreachable) as error:
            found = self._read()
            if found is not None and found.lease == lease:
                return found
            if found is not None and found.etag == etag:
                raise StoreUnreachable(
                    f"{self._dataset}: whether the lease was written is not known yet"
                ) from error
            self._found_instead(found)
            raise PreconditionFailed(
                f"{self._dataset}: the lease was written by another"
            ) from error

    def _found_instead(self, found: _Stored | None) -> None:
        if found is not None and self._is_mine(found.lease):
            self._mine = found
            return
        was_ours = self._mine is not None
        self._mine = self._watch = None
        if was_ours:
            self._session = secrets.token_hex(8)
            holder = "nobody" if found is None else repr(found.lease.holder)
            raise LeaseLost(f"{self._dataset} is published by {holder} now, who took the lease")
