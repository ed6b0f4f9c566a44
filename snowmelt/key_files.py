"""Pairs of signing keys as files: PEM, as openssl writes and reads them."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from pathlib import Path

from snowmelt.errors import UsageError


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """A pair that was written."""

    key_id: str
    public_path: Path


def create_pair(path: Path) -> KeyFiles:
    """Write a new pair to `path` and `path`.pub. Raises UsageError if one is there already."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    from snapshotter.signature import Signer

    private = Ed25519PrivateKey.generate()
    public_path = path.with_name(f"{path.name}.pub")
    if public_path.exists():
        raise UsageError(f"{public_path} is there already", hint="name another file")
    _write_new(
        path, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600
    )
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _write_new(public_path, public, 0o644)
    return KeyFiles(Signer(private).key_id, public_path)


def read_public(path: Path) -> tuple[str, str]:
    """Id and one-line form of the public key in a file of either half. Raises UsageError."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from snapshotter.signature import Signer, key_id, public_key

    try:
        text = path.read_text(encoding="ascii")
        key = Signer.of(text).public_key if "PRIVATE" in text else public_key(text)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="name a key file") from error
    except ValueError as error:
        reason = "is not text" if isinstance(error, UnicodeDecodeError) else error
        raise UsageError(f"{path}: {reason}", hint="see `snowmelt keys create`") from error
    line = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return key_id(key.public_bytes_raw()), base64.b64encode(line).decode()


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError as error:
        raise UsageError(f"{path} is there already", hint="name another file") from error
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", hint="name another") from error
    try:
        os.write(file, data)
    finally:
        os.close(file)
