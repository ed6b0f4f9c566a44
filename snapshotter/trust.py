"""Whom a node believes: the keys with which it signs and checks, and what it has seen before.

This goes with the store: whoever reads or writes by a store with keys checks and signs, so that no
caller can forget to. A store without is as it was: signatures are carried and ignored.
"""

from __future__ import annotations

from snapshotter import seal
from snapshotter.errors import SigningKeyMissing
from snapshotter.format import Pointer
from snapshotter.seen import Record, SeenFile
from snapshotter.signature import Kind, Sign, Signer, Subject, TrustedKeys
from snapshotter.store import ObjectStore


class Trust:
    """`signer`: the key of who writes. `trusted`: keys that readers ask for, None for any or none.

    `seen`: what must not be gone back behind, None where nobody keeps that.
    """

    def __init__(
        self,
        signer: Signer | None = None,
        trusted: TrustedKeys | None = None,
        seen: SeenFile | None = None,
    ) -> None:
        self._signer = signer
        self._trusted = trusted
        self._seen = seen
        self._bucket_ids: dict[str, str] = {}

    def note_bucket(self, dataset: str, bucket_id: str) -> None:
        """What signatures have to be for, from the newest reading of `bucket.json`."""
        if self._signer is not None or self._trusted is not None:
            self._bucket_ids[dataset] = bucket_id

    def knows_bucket(self, dataset: str) -> bool:
        """False if `bucket.json` has to be read before a signature can be checked."""
        return self._trusted is None or dataset in self._bucket_ids

    def check_signed(
        self, kind: Kind, dataset: str, data: bytes, where: str, *, name: str = ""
    ) -> None:
        """Raise Untrusted unless a trusted key signed this, where there are trusted keys."""
        if self._trusted is not None:
            self._trusted.check(self._subject(kind, dataset, name), data, where)

    def seen_so_far(self) -> Record | None:
        """What `check_new` compares with; to be taken before the pointer is read."""
        return None if self._seen is None else self._seen.record()

    def check_new(self, before: Record | None, pointer: Pointer) -> None:
        """Raise SetBack if the pointer is older than what was seen before; else it is seen now."""
        if self._seen is not None:
            self._seen.check(before, pointer, strict=self._trusted is not None)

    def check_may_write(self, signed_by: str | None, where: str) -> None:
        """Raise SigningKeyMissing if a write would take a signature away."""
        if signed_by is not None and self._signer is None:
            raise SigningKeyMissing(
                f"{where} is signed by {signed_by}, and this node has no key: nothing was written"
            )

    def signing(self, kind: Kind, dataset: str, name: str = "") -> Sign | None:
        """What signs as this, None without a key. The bucket's identity was read before."""
        signer = self._signer
        return None if signer is None else signer.sign(self._subject(kind, dataset, name))

    def _subject(self, kind: Kind, dataset: str, name: str) -> Subject:
        return Subject(kind, dataset, self._bucket_ids[dataset], name)


class TrustingStore:
    """A store that carries a trust; its calls are those of the store within."""

    def __init__(self, store: ObjectStore, trust: Trust) -> None:
        self.trust = trust
        self.url = store.url
        self.get = store.get
        self.get_changed = store.get_changed
        self.get_range = store.get_range
        self.read_into = store.read_into
        self.head = store.head
        self.put = store.put
        self.put_if_absent = store.put_if_absent
        self.put_if_match = store.put_if_match
        self.delete = store.delete
        self.list = store.list
        self.now = store.now


_NONE = Trust()


def trust_of(store: ObjectStore) -> Trust:
    """The trust that a store carries."""
    return store.trust if isinstance(store, TrustingStore) else _NONE


def signed(store: ObjectStore, kind: Kind, dataset: str, data: bytes, name: str = "") -> bytes:
    """A sealed pointer or page as it is to be written to this store."""
    sign = trust_of(store).signing(kind, dataset, name)
    return data if sign is None else seal.signed(data, sign)
