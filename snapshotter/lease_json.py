"""`lease.json` as bytes: a JSON object with its own digest, like the pointer. Pure."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from snapshotter import layout
from snapshotter.errors import Corrupt
from snapshotter.format import FORMAT_VERSION, DigestAlgorithm
from snapshotter.lease import Lease
from snapshotter.seal import seal, unseal

LEASE_LIMIT = 4096

_Count = Annotated[int, Meta(ge=0, le=2**62)]
_Name = Annotated[str, Meta(max_length=256)]
_Seconds = Annotated[float, Meta(gt=0, le=86400.0)]


class _Lease(msgspec.Struct, forbid_unknown_fields=True):
    format: int
    dataset: _Name
    holder: _Name
    holder_id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    session: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
    generation: _Count
    renewals: _Count
    lease_seconds: _Seconds
    is_released: bool = False


_DECODER = msgspec.json.Decoder(_Lease)


def encode_lease(lease: Lease, algorithm: DigestAlgorithm = "blake3") -> bytes:
    """`lease.json`."""
    raw = _Lease(
        FORMAT_VERSION,
        lease.dataset,
        lease.holder[:256],
        lease.holder_id,
        lease.session,
        lease.generation,
        lease.renewals,
        lease.lease_seconds,
        lease.is_released,
    )
    return seal(raw, algorithm)


def decode_lease(data: bytes, dataset: str) -> Lease:
    """The lease in `lease.json`. Raises Corrupt or FormatTooNew."""
    where = layout.lease_key(dataset)
    raw = unseal(data, _DECODER, where, limit=LEASE_LIMIT)
    if raw.dataset != dataset:
        raise Corrupt(f"{where}: written for dataset {raw.dataset!r}")
    return Lease(
        raw.dataset,
        raw.holder,
        raw.holder_id,
        raw.session,
        raw.generation,
        raw.renewals,
        raw.lease_seconds,
        raw.is_released,
    )
