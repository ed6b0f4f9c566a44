"""Replacing the pointer: the one write that makes anything live, and that two producers race for.

    read · change · put if it is still what was read · after any doubt read again

A conditional write whose answer is lost may have happened, and repeating it meets its own success.
So each call carries a random attempt id in the pointer: who reads its own id back has won. Only the
number of tries is bounded here; the change itself says when it is no longer allowed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from snapshotter import gate, layout, sealed
from snapshotter.catalog import with_generation
from snapshotter.errors import (
    Corrupt,
    ObjectMissing,
    PreconditionFailed,
    StoreRefused,
    StoreUnreachable,
)
from snapshotter.format import DigestAlgorithm, Fork, Pointer
from snapshotter.reader import StoredPointer, read_bucket_id, read_stored_pointer
from snapshotter.signature import signer_of
from snapshotter.store import ObjectStore
from snapshotter.trust import signed, trust_of

_TRIES = 5


def swap_pointer(
    store: ObjectStore,
    dataset: str,
    change: Callable[[Pointer], Pointer],
    *,
    attempt_id: str,
    algorithm: DigestAlgorithm,
    seen: StoredPointer | None = None,
) -> StoredPointer:
    """Replace the pointer by `change(pointer)`, which may be called again with a newer one.

    `seen`: a pointer that was read before; the first try builds on it instead of reading.
    Raises what `change` raises, SigningKeyMissing, PreconditionFailed if others kept winning, or
    the store's errors; after StoreUnreachable the outcome is unknown.
    """
    trouble: PreconditionFailed | StoreUnreachable | None = None
    for _ in range(_TRIES):
        stored = seen or read_stored_pointer(store, dataset)
        seen = None
        if stored.pointer.attempt_id == attempt_id:
            return stored
        trust_of(store).check_may_write(stored.signed_by, layout.pointer_key(dataset))
        sequence = stored.pointer.sequence + 1
        new = replace(change(stored.pointer), attempt_id=attempt_id, sequence=sequence)
        data = signed(store, "pointer", dataset, sealed.encode_pointer(new, algorithm))
        try:
            etag = store.put_if_match(layout.pointer_key(dataset), data, stored.etag)
            return StoredPointer(new, etag, signer_of(data))
        except (PreconditionFailed, StoreUnreachable) as error:
            trouble = error
    stored = read_stored_pointer(store, dataset)
    if stored.pointer.attempt_id == attempt_id or trouble is None:
        return stored
    raise trouble


@dataclass(frozen=True, slots=True)
class Terms:
    """On which a dataset is taken over.

    `confirm` is called between each reading of the pointer and its write, and raises if somebody
    else holds the lease: so who holds it later has raised the generation later, too. `progress`: of
    a bootstrap that begins with it.
    """

    confirm: Callable[[], None] = lambda: None
    progress: float | None = None


def raise_generation(
    store: ObjectStore, dataset: str, terms: Terms, *, holder: str, algorithm: DigestAlgorithm
) -> StoredPointer:
    """Take the dataset over: the pointer with a generation that nobody else has.

    Creates bucket.json and head.json where there are none. Raises Corrupt if one of them is missing
    beside the other.
    """
    attempt_id = new_attempt_id()

    def mine(pointer: Pointer) -> Pointer:
        at, progress = store.now(), terms.progress
        return replace(pointer, holder=holder, heartbeat_at=at, bootstrap_progress=progress)

    created = _create(store, dataset, mine, attempt_id, algorithm)
    if created is not None:
        return created

    def change(pointer: Pointer) -> Pointer:
        terms.confirm()
        return mine(with_generation(pointer, pointer.generation + 1))

    return swap_pointer(store, dataset, change, attempt_id=attempt_id, algorithm=algorithm)


def regain(
    store: ObjectStore, dataset: str, generation: int, *, algorithm: DigestAlgorithm
) -> StoredPointer:
    """The pointer for a publish of this generation, raised once more if a person went back since.

    Not before the dataset is released: until then nobody publishes, and a node that begins anew is
    to find that its file lies behind the rollback. Raises Fenced, Held.
    """
    stored = read_stored_pointer(store, dataset)
    gate.check_not_held(stored.pointer)
    gate.check_owner(stored.pointer, generation)
    if stored.pointer.generation == generation:
        return stored

    def change(pointer: Pointer) -> Pointer:
        gate.check_not_held(pointer)
        gate.check_owner(pointer, generation)
        return with_generation(pointer, pointer.generation + 1)

    attempt_id = new_attempt_id()
    return swap_pointer(
        store, dataset, change, attempt_id=attempt_id, algorithm=algorithm, seen=stored
    )


def new_attempt_id() -> str:
    """16 random hex characters."""
    return secrets.token_hex(8)


def put_once(store: ObjectStore, key: str, data: bytes) -> bool:
    """Write an object that nobody has; True if it now holds `data`, False if something else.

    A refusal alone says neither: a 409 may have met a write that came to nothing. Raises
    StoreUnreachable if even the outcome cannot be read, PreconditionFailed if conflicts go on.
    """
    trouble: PreconditionFailed | StoreUnreachable | None = None
    for _ in range(_TRIES):
        try:
            store.put_if_absent(key, data)
        except (PreconditionFailed, StoreUnreachable) as error:
            trouble = error
            held = _holds(store, key, data)
            if held is not None:
                return held
        else:
            return True
    raise trouble or StoreUnreachable(f"{key} could not be written to {store.url}")


def put_new(store: ObjectStore, key: str, data: bytes) -> None:
    """Write an object whose name nobody else uses.

    Raises StoreRefused if somebody did, and what `put_once` raises.
    """
    if not put_once(store, key, data):
        raise StoreRefused(
            f"{key} in {store.url} is there already and not ours",
            hint="another process publishes with this generation: was head.json restored?",
        )


def _holds(store: ObjectStore, key: str, data: bytes) -> bool | None:
    """None if there is nothing."""
    try:
        return store.get(key, max_bytes=len(data)).data == data
    except ObjectMissing:
        return None
    except Corrupt:  # longer than what was written
        return False


def _create(
    store: ObjectStore,
    dataset: str,
    mine: Callable[[Pointer], Pointer],
    attempt_id: str,
    algorithm: DigestAlgorithm,
) -> StoredPointer | None:
    """The first pointer if this call made it and it still stands; None: there is one already."""
    key = layout.pointer_key(dataset)
    if store.head(key) is not None:
        return None
    try:
        bucket_id = read_bucket_id(store, dataset)
    except ObjectMissing:
        fresh = sealed.encode_bucket(dataset, secrets.token_hex(16), algorithm)
        put_once(store, layout.bucket_key(dataset), fresh)
        bucket_id = read_bucket_id(store, dataset)
    first = Pointer(
        bucket_id=bucket_id,
        dataset=dataset,
        generation=1,
        holder="",
        attempt_id=attempt_id,
        lineage_id=None,
        current=None,
        catalog=(),
        forks=(Fork(1, 0),),
        heartbeat_at=0.0,
        sequence=1,
    )
    data = signed(store, "pointer", dataset, sealed.encode_pointer(mine(first), algorithm))
    if not put_once(store, key, data):
        return None
    stored = read_stored_pointer(store, dataset)
    # Another's generation would be taken for our own, if it took over in between.
    return stored if stored.pointer.attempt_id == attempt_id else None
