"""Every object name of a dataset, built and read back here and nowhere else.

    <dataset>/bucket.json
    <dataset>/head.json
    <dataset>/lease.json
    <dataset>/catalog/<snapshot id>-<8 hex>.json
    <dataset>/snapshots/<snapshot id>/manifest
    <dataset>/packs/<h>/<pack name>.pack            h: one hex character of the name's hash

    snapshot id := <generation, 6>-<version, 12>-<yyyymmddThhmmssmmmZ>
    pack name   := <snapshot id>-<number, 5>

Widths are fixed, so ids sort as text. Documents in the bucket hold ids and pack names, never keys:
a name that does not parse is refused, so no document can lead a reader to a foreign prefix or out
of a directory. Pure.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

_DATASET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_SNAPSHOT = re.compile(
    r"([0-9]{6})-([0-9]{12})"
    r"-([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{3})Z"
)
_PACK = re.compile(r"([0-9]{6}-[0-9]{12}-[0-9]{8}T[0-9]{9}Z)-([0-9]{5})")
_PAGE = re.compile(r"([0-9]{6}-[0-9]{12}-[0-9]{8}T[0-9]{9}Z)-[0-9a-f]{8}")
_SECONDS = "%Y%m%dT%H%M%S"


@dataclass(frozen=True, slots=True, order=True)
class SnapshotId:
    """Publisher's generation, checkpoint's version, epoch milliseconds; sorts as it prints."""

    generation: int
    version: int
    created_ms: int

    def __str__(self) -> str:
        if not (0 <= self.generation < 10**6 and 0 <= self.version < 10**12):
            raise ValueError(f"no snapshot id for {self.generation}, {self.version}")
        seconds, ms = divmod(self.created_ms, 1000)
        moment = datetime.fromtimestamp(seconds, UTC).strftime(_SECONDS)
        return f"{self.generation:06d}-{self.version:012d}-{moment}{ms:03d}Z"

    @staticmethod
    def parse(text: str) -> SnapshotId:
        """The id that prints as `text`. Raises ValueError."""
        match = _SNAPSHOT.fullmatch(text)
        if match is None:
            raise ValueError(f"not a snapshot id: {text[:80]!r}")
        generation, version, *moment, ms = map(int, match.groups())
        year, month, day, hour, minute, second = moment
        seconds = datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
        return SnapshotId(generation, version, int(seconds) * 1000 + ms)


def check_dataset(name: str) -> str:
    """`name` itself. Raises ValueError unless it can be one part of a key and of a file name."""
    if _DATASET.fullmatch(name) is None:
        raise ValueError(
            f"not a dataset name: {name[:80]!r} (letters, digits, `_`, `.`, `-`; 128 at most)"
        )
    return name


def dataset_prefix(dataset: str) -> str:
    """What every key of the dataset starts with."""
    return f"{check_dataset(dataset)}/"


def bucket_key(dataset: str) -> str:
    """The random identity of bucket and prefix."""
    return f"{check_dataset(dataset)}/bucket.json"


def pointer_key(dataset: str) -> str:
    """The pointer."""
    return f"{check_dataset(dataset)}/head.json"


def lease_key(dataset: str) -> str:
    """Who may publish."""
    return f"{check_dataset(dataset)}/lease.json"


def manifest_key(dataset: str, snapshot_id: str) -> str:
    """The manifest of a snapshot. Raises ValueError if the id does not parse."""
    SnapshotId.parse(snapshot_id)
    return f"{check_dataset(dataset)}/snapshots/{snapshot_id}/manifest"


def manifest_snapshot(dataset: str, key: str) -> str:
    """The id in a manifest's key. Raises ValueError."""
    snapshot_id = key.removeprefix(f"{dataset}/snapshots/").removesuffix("/manifest")
    if manifest_key(dataset, snapshot_id) != key:
        raise ValueError(f"not a manifest of {dataset}: {key[:200]!r}")
    return snapshot_id


def pack_name(snapshot_id: str, number: int) -> str:
    """The name of the snapshot's pack with this number (0 …)."""
    name = f"{snapshot_id}-{number:05d}"
    return check_pack_name(name)


def check_pack_name(name: str) -> str:
    """`name` itself. Raises ValueError if it does not parse."""
    match = _PACK.fullmatch(name)
    if match is None:
        raise ValueError(f"not a pack name: {name[:80]!r}")
    SnapshotId.parse(match[1])
    return name


def pack_key(dataset: str, name: str) -> str:
    """The key of a pack; the hash character spreads packs over prefixes, which S3 scales by."""
    spread = hashlib.sha256(check_pack_name(name).encode()).hexdigest()[0]
    return f"{check_dataset(dataset)}/packs/{spread}/{name}.pack"


def pack_of_key(dataset: str, key: str) -> str:
    """The name in a pack's key. Raises ValueError."""
    name = key.rpartition("/")[2].removesuffix(".pack")
    if pack_key(dataset, name) != key:
        raise ValueError(f"not a pack of {dataset}: {key[:200]!r}")
    return name


def page_name(first_snapshot_id: str, attempt_id: str) -> str:
    """The name of a catalog page that begins with this snapshot, written by this attempt."""
    return check_page_name(f"{first_snapshot_id}-{attempt_id[:8]}")


def check_page_name(name: str) -> str:
    """`name` itself. Raises ValueError if it does not parse."""
    match = _PAGE.fullmatch(name)
    if match is None:
        raise ValueError(f"not a catalog page: {name[:80]!r}")
    SnapshotId.parse(match[1])
    return name


def page_key(dataset: str, name: str) -> str:
    """The key of a catalog page."""
    return f"{check_dataset(dataset)}/catalog/{check_page_name(name)}.json"


def page_of_key(dataset: str, key: str) -> str:
    """The name in a catalog page's key. Raises ValueError."""
    name = key.removeprefix(f"{dataset}/catalog/").removesuffix(".json")
    if page_key(dataset, name) != key:
        raise ValueError(f"not a catalog page of {dataset}: {key[:200]!r}")
    return name


def key_of_name(dataset: str, name: str) -> str:
    """The key of a pack, manifest or catalog page; the three kinds of names differ in shape."""
    if _PACK.fullmatch(name):
        return pack_key(dataset, name)
    return page_key(dataset, name) if _PAGE.fullmatch(name) else manifest_key(dataset, name)


def name_of_key(dataset: str, key: str) -> str:
    """The name in the key of a pack, manifest or catalog page. Raises ValueError for others."""
    folder = key.removeprefix(f"{dataset}/").partition("/")[0]
    if folder == "packs":
        return pack_of_key(dataset, key)
    return page_of_key(dataset, key) if folder == "catalog" else manifest_snapshot(dataset, key)


def snapshot_of_name(name: str) -> str:
    """The snapshot id that a pack's, manifest's or page's name begins with."""
    return name[: len("000000-000000000000-00000000T000000000Z")]
