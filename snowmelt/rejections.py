"""Snapshots that a follower tried in vain, kept over restarts, so that none is tried each minute.

    <path>.d/rejected.json    {"format":1,"rejected":[{"snapshot_id":…,"digest":…,"exit_code":…,
                              "reason":…,"at":…}, …]}

A snapshot is known by its id and the digest of its header: one that was repaired in its place by
another header is another one. What is damaged is tried again after an hour, because a repair of a
pack changes neither; what is missing after five minutes, because on a replica that is how a copy
begins. What this program cannot read it may read after its next start.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from restorer.facts import Rejection
from restorer.judging import DAMAGED, UNREADABLE
from snapshotter.format import Pointer

_FORMAT = 1
_DAMAGED_SECONDS = 3600.0
_MISSING_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Rejected:
    """One snapshot, and why. `at`: epoch seconds, by the store's clock."""

    snapshot_id: str
    digest: str
    exit_code: int
    reason: str
    at: float

    def counts(self, digests: Mapping[str, str], now: float) -> bool:
        """True while it need not be tried. `digests`: by snapshot, of those that are offered."""
        is_missing = self.exit_code not in (DAMAGED, UNREADABLE)
        seconds = _MISSING_SECONDS if is_missing else _DAMAGED_SECONDS
        is_offered = digests.get(self.snapshot_id) == self.digest
        return is_offered and abs(now - self.at) < seconds


class Rejections:
    """The record at `path`. By one thread; where it cannot be kept it lasts as long as this."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = _read(path)

    def offered(self, pointer: Pointer, now: float) -> tuple[Rejection, ...]:
        """Those of a pointer's snapshots that need not be tried; the others are forgotten."""
        digests = {entry.snapshot_id: entry.header_digest for entry in pointer.catalog}
        kept = [each for each in self._kept if each.counts(digests, now)]
        if kept != self._kept:
            self._keep(kept)
        return tuple(Rejection(each.snapshot_id, each.exit_code, each.reason) for each in kept)

    def add(self, pointer: Pointer, rejected: tuple[Rejection, ...], now: float) -> int:
        """Remember what was found; returns how many were new."""
        known = {each.snapshot_id for each in self._kept}
        entries = {entry.snapshot_id: entry for entry in pointer.catalog}
        new = [
            Rejected(
                each.snapshot_id,
                entries[each.snapshot_id].header_digest,
                each.exit_code,
                each.reason,
                now,
            )
            for each in rejected
            if each.snapshot_id not in known and each.snapshot_id in entries
        ]
        if new:
            self._keep([*self._kept, *new])
        return len(new)

    def _keep(self, kept: list[Rejected]) -> None:
        self._kept = kept
        lasting = [asdict(each) for each in kept if each.exit_code != UNREADABLE]
        unfinished = self._path.with_name(f"{self._path.name}.new")
        with contextlib.suppress(OSError):
            unfinished.write_text(json.dumps({"format": _FORMAT, "rejected": lasting}))
            os.replace(unfinished, self._path)  # noqa: PTH105 - says that there may be one


def _read(path: Path) -> list[Rejected]:
    try:
        raw = json.loads(path.read_bytes())
        if raw["format"] != _FORMAT:
            return []
        return [
            Rejected(
                str(each["snapshot_id"]),
                str(each["digest"]),
                int(each["exit_code"]),
                str(each["reason"]),
                float(each["at"]),
            )
            for each in raw["rejected"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []  # without it a damaged snapshot is fetched once more, and refused once more
