"""Which files on this machine a restore takes blocks from. Looks at names; changes nothing.

    <path>.d/<snapshot id>/     what an interrupted restore left, of this snapshot or another one
    <path>                      the live file
    <path>.d/previous/          the one before it
    <path>.d/unfolded/          what folding the log took from it (`restorer.unfolded`)
    and files that a person names

A restore (`restorer.staging`) and what is said of it beforehand (`restorer.foreseen`) go by these.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast, get_args

from cdc.accelerator import Engine
from cdc.engines import sidecars
from restorer.switch import previous_directory, staging_directory, work_directory
from restorer.unfolded import unfolded_main, unfolded_tail
from snapshotter import layout
from snapshotter.errors import FormatTooNew
from snapshotter.format import Header


def seeds_for(target: Path, named: Sequence[Path] = ()) -> list[Path]:
    """Seeds of the main file that exist, in the order in which they are looked at."""
    before = previous_directory(target) / target.name
    return [seed for seed in (target, before, unfolded_main(target), *named) if _is_there(seed)]


def logs_for(target: Path) -> list[Path]:
    """The same for the log."""
    return [log for log in (unfolded_tail(target),) if _is_there(log)]


def _is_there(path: Path) -> bool:
    """False, too, for what cannot be looked at: a seed is whatever a person typed."""
    with suppress(OSError, ValueError):
        path.stat()
        return True
    return False


def staged_for(target: Path, snapshot_id: str) -> list[Path]:
    """Directories of interrupted restores that one of this snapshot goes on from: the first does.

    Its own if there is one, else those of other snapshots that have a main file, newest first.
    """
    own = staging_directory(target, snapshot_id)
    if own.exists():
        return [own]
    return [other for other in staged_before(target) if (other / target.name).exists()]


def staged_before(target: Path) -> list[Path]:
    """The staging directories of a target, the newest snapshot first."""
    with suppress(FileNotFoundError):
        found = [each for each in work_directory(target).iterdir() if _is_snapshot_id(each.name)]
        return sorted(found, reverse=True)
    return []


def _is_snapshot_id(name: str) -> bool:
    try:
        layout.SnapshotId.parse(name)
    except ValueError:
        return False
    return True


def part_files(main: Path, header: Header) -> list[Path]:
    """The file of each part of a snapshot whose main file is `main`. Raises FormatTooNew."""
    files = {"main": main, "tail": sidecars(known_engine(header), main)[0]}
    return [files[part.name] for part in header.parts]


def fetched_mark(directory: Path) -> Path:
    """The file that says of a staging directory that all of it was fetched and synced."""
    return directory / "fetched"


def known_engine(header: Header) -> Engine:
    """The snapshot's engine. Raises FormatTooNew for one that this program does not have."""
    if header.engine not in get_args(Engine):
        raise FormatTooNew(f"snapshot {header.snapshot_id} is of engine {header.engine!r}")
    return cast("Engine", header.engine)
