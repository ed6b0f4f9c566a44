"""Key pairs for tests, and stores that carry them."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from snapshotter.seen import SeenFile
from snapshotter.signature import Signer, TrustedKeys
from snapshotter.store import ObjectStore
from snapshotter.trust import Trust, TrustingStore


class KeyPair:
    """Both halves in PEM, made from a number."""

    def __init__(self, number: int) -> None:
        private = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
        self.private = private.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ).decode()
        self.public = (
            private.public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )
        self.key_id = Signer.of(self.private).key_id

    @property
    def signer(self) -> Signer:
        return Signer.of(self.private)


ANNA, BERT, EVE = KeyPair(1), KeyPair(2), KeyPair(3)


def carrying(
    store: ObjectStore,
    *,
    key: KeyPair | None = None,
    trusted: tuple[KeyPair, ...] | None = None,
    seen: SeenFile | None = None,
) -> TrustingStore:
    keys = None if trusted is None else TrustedKeys.of(each.public for each in trusted)
    return TrustingStore(store, Trust(None if key is None else key.signer, keys, seen))
