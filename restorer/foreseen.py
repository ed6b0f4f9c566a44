"""What a restore of a snapshot would still fetch, said beforehand, by what files here have of it.

    files here (without any: all of it, and nobody is asked) -> header -> some segments of the map
    -> some frames, spread over all -> which of them the files have, each block by its digest

For people only. The decision and its times count all of a snapshot: whether it can be resumed on
arrival must not hang on a sample of files that another process writes to. Nothing is made or
changed here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cdc import live_files, sqlite_slack
from restorer.at_hand import fetched_mark, logs_for, part_files, seeds_for, staged_for
from restorer.plan import BlockRun, Frame, frames_of
from restorer.sample import Part, Share, margin_bytes, segments_to_read, shares
from restorer.seed import has_pages
from restorer.switch import staging_directory
from snapshotter.digest import digest
from snapshotter.errors import SnapshotError
from snapshotter.format import CatalogEntry, Header
from snapshotter.reader import fetch_segments, read_header
from snapshotter.store import ObjectStore


@dataclass(frozen=True, slots=True)
class SeedFile:
    """A file here. `blocks_found`: of the sample, which no file before it had; None if not read."""

    path: Path
    blocks_found: int | None = None


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a restore of one snapshot would fetch, and what it would find here: stored bytes.

    The three of `bytes_` add up to the snapshot's; None is not known, and `unknown_because` says
    why. `is_estimate`: files here were counted on; else there is none, and all is fetched.
    `bytes_to_fetch` is right within `margin_bytes` nineteen times in twenty, if changes lie at
    random; 0 where all was looked at. `sampled_blocks`: how many were looked for. `seeds`: where.
    """

    bytes_to_fetch: int | None = None
    bytes_seeded: int | None = None
    bytes_kept: int | None = None
    margin_bytes: int | None = None
    is_estimate: bool = True
    sampled_blocks: int = 0
    seeds: tuple[SeedFile, ...] = ()
    unknown_because: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As a JSON-ready document."""
        seeds = [{**asdict(seed), "path": str(seed.path)} for seed in self.seeds]
        return {**asdict(self), "seeds": seeds}


def foresee(
    store: ObjectStore, entry: CatalogEntry, target: Path, named: Sequence[Path] = ()
) -> Foreseen:
    """What a restore of `entry` to `target` would fetch, with `named` files as further seeds.

    Without a file that could have some of it the store is not asked. Else for the header, once, and
    for the map in at most 64 ranged reads of at most 5 MiB together (`restorer.sample`). Raises
    nothing for files, and nothing for a store: what it cannot say is None.
    """
    local = _Local()
    try:
        local = _look_around(target, entry.snapshot_id, named)
        if local.is_empty:
            return Foreseen(entry.stored_bytes, 0, 0, 0, is_estimate=False)
        if local.is_fetched:
            return Foreseen(0, 0, entry.stored_bytes, 0, seeds=local.files)
        return _estimated(store, entry, local)
    except (SnapshotError, OSError) as error:
        return Foreseen(seeds=local.files, unknown_because=str(error))


@dataclass(frozen=True, slots=True)
class _Local:
    """What is here. `staged`: main file of an interrupted restore, `is_fetched` to its end."""

    staged: Path | None = None
    is_fetched: bool = False
    seeds: tuple[Path, ...] = ()
    logs: tuple[Path, ...] = ()

    @property
    def is_empty(self) -> bool:
        has_main = self.staged is not None and self.staged.exists()
        return not self.seeds and not has_main

    @property
    def files(self) -> tuple[SeedFile, ...]:
        staged = [] if self.staged is None else [self.staged]
        return tuple(SeedFile(path) for path in (*staged, *self.seeds, *self.logs))

    def of(self, header: Header, ordinal: int) -> list[tuple[Path, bool]]:
        """Files for a part, in a restore's order, and whether each is staged."""
        is_main = header.parts[ordinal].name == "main"
        elsewhere = self.seeds if is_main else self.logs
        found = [(path, False) for path in elsewhere]
        if self.staged is not None:
            staged = part_files(self.staged, header)[ordinal]
            found = [(staged, True), *found] if staged.exists() else found
        return found


def _look_around(target: Path, snapshot_id: str, named: Sequence[Path]) -> _Local:
    staged = next((each / target.name for each in staged_for(target, snapshot_id)), None)
    has_mark = fetched_mark(staging_directory(target, snapshot_id)).exists()
    is_fetched = has_mark and staged is not None and staged.exists()
    return _Local(staged, is_fetched, tuple(seeds_for(target, named)), tuple(logs_for(target)))


@dataclass(slots=True)
class _Sought:
    """A frame of the sample: its blocks by number that no file had yet, and who had the others."""

    part: int
    share: Share
    missing: set[int]
    is_seeded: bool = False


def _estimated(store: ObjectStore, entry: CatalogEntry, local: _Local) -> Foreseen:
    header = read_header(store, entry)
    parts = _parts(store, header)
    sought = [
        _Sought(share.frame.runs[0].part, share, set(_blocks(share.frame)))
        for share in shares(parts, entry.stored_bytes)
    ]
    sampled = sum(len(each.missing) for each in sought)
    files = [
        SeedFile(path, _found(path, header, [e for e in sought if e.part == part], staged=staged))
        for part in range(len(parts))
        for path, staged in local.of(header, part)
    ]
    if not sought and entry.stored_bytes:
        return Foreseen(seeds=tuple(files), unknown_because="what was read of the map is empty")
    lacking = sum(each.share.stored_bytes for each in sought if each.missing)
    copied = sum(each.share.stored_bytes for each in sought if not each.missing and each.is_seeded)
    missing = min(round(lacking), entry.stored_bytes)
    seeded = min(round(copied), entry.stored_bytes - missing)
    return Foreseen(
        bytes_to_fetch=missing,
        bytes_seeded=seeded,
        bytes_kept=entry.stored_bytes - missing - seeded,
        margin_bytes=margin_bytes(parts, len(sought), missing, entry.stored_bytes),
        sampled_blocks=sampled,
        seeds=tuple(files),
    )


def _parts(store: ObjectStore, header: Header) -> list[Part]:
    found = []
    for ordinal, refs in enumerate(segments_to_read(header.parts)):
        segments = fetch_segments(store, header, refs)
        frames = frames_of(header, ordinal, zip(refs, segments, strict=True))
        found.append(Part(header.parts[ordinal], refs, frames))
    return found


def _blocks(frame: Frame) -> Iterable[int]:
    return (number for run in frame.runs for number in range(run.number, run.number + run.blocks))


def _found(path: Path, header: Header, sought: Sequence[_Sought], *, staged: bool) -> int | None:
    """How many of the missing blocks of a part this file has; None if it cannot be read."""
    clears = not staged and bool(sought) and has_pages(header, header.parts[sought[0].part])
    found = 0
    try:
        with live_files.reading(path) as source:
            for each in sought:
                for run in each.share.frame.runs if each.missing else ():
                    there = each.missing & _there(run, source, header, clears=clears)
                    each.missing -= there
                    each.is_seeded |= bool(there) and not staged
                    found += len(there)
    except OSError:
        return found or None
    return found


def _there(run: BlockRun, source: int, header: Header, *, clears: bool) -> set[int]:
    """Numbers of the run's blocks that the file has in their place."""
    data = os.pread(source, run.size, run.file_offset)
    if clears:
        data = sqlite_slack.cleared(data, run.file_offset)
    blocks = memoryview(data)
    starts = range(0, run.size, run.block_size)
    return {
        run.number + number
        for number, (start, wanted) in enumerate(zip(starts, run.digests, strict=True))
        if digest(blocks[start : start + run.block_size], header.digest_algorithm) == wanted
    }
