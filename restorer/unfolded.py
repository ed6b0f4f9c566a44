"""What folding the log into a file takes from a follower's next restore, kept beside the file.

    <path>.d/unfolded/main    as long as the file, sparse: the blocks that the fold writes over
    <path>.d/unfolded/tail    the log itself

A snapshot is a main file and a log, and most snapshots have the main file of the one before and a
longer log. The restored file is one file, so its folded blocks are those of no snapshot: without
these copies each step would fetch them again, and all of the log. Both are seeds: a block counts
once its digest is right, so nothing depends on their being whole, or there.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cdc.accelerator import Engine
from cdc.engines import fold_overwrites
from restorer.switch import work_directory


def unfolded_main(target: Path) -> Path:
    """A seed for the main file."""
    return work_directory(target) / "unfolded" / "main"


def unfolded_tail(target: Path) -> Path:
    """A seed for the log."""
    return work_directory(target) / "unfolded" / "tail"


def keep_unfolded(target: Path, engine: Engine, parts: Sequence[Path]) -> None:
    """Copy what the fold of these fetched parts takes; what cannot be copied is done without."""
    _remove(target)
    if len(parts) < 2:
        return
    main, tail = parts
    try:
        unfolded_tail(target).parent.mkdir(parents=True)
        shutil.copyfile(tail, unfolded_tail(target))
        _copy_ranges(main, unfolded_main(target), fold_overwrites(engine, tail))
    except OSError:
        _remove(target)  # where there is no room for it, it takes none


def _remove(target: Path) -> None:
    with suppress(OSError):
        shutil.rmtree(unfolded_main(target).parent)


def _copy_ranges(source: Path, copy: Path, ranges: Sequence[tuple[int, int]]) -> None:
    # Nobody has the staged file open, so closing it drops no engine's locks.
    with source.open("rb") as given, copy.open("wb") as made:
        made.truncate(source.stat().st_size)
        for offset, size in ranges:
            given.seek(offset)
            made.seek(offset)
            made.write(given.read(size))
