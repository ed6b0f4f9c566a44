"""The one switch that makes a restored file live, and its journal.

    <path>                      the live file; its sidecars (write-ahead log and the like) beside it
    <path>.d/<snapshot id>/     where a restored file is staged (any directory, for other files)
    <path>.d/switch.json        the journal: a switch has begun and will be brought to its end
    <path>.d/previous/          the file that was live before, with its sidecars
    <path>.d/origin.json        the snapshot that the live file was restored from

A newer main file beside an older log makes DuckDB refuse to open and SQLite malformed, and no file
system renames two files at once. So the order is: journal (synced) · link the old file into
previous · park its sidecars there · rename the staged file over the path · sync · origin · remove
the journal. Each step may be repeated, and `recover` repeats them all: whatever instant the power
fails, the next start ends with the new file and no foreign sidecar. Until the journal is written
the old file is live and untouched. A program of ours calls `recover` before it opens the path.

Others find the old file, the new one, or for an instant none: where the old one has a log that
holds something, it leaves the path before its log does, because without it it is an older state, or
malformed. The old file is kept until the new one was opened and said that it is what was restored.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cdc.checkpoint import Checkpoint, Lineage
from cdc.errors import FileUnusable
from restorer.errors import JournalUnreadable
from restorer.part_file import write_failed
from snapshotter.durable import make_directories, sync_directory, write_synced
from snapshotter.layout import SnapshotId

_FORMAT = 1
Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Origin:
    """Which snapshot, from where and of which lineage, the live file was restored from."""

    snapshot_id: str
    location: str
    lineage: Lineage | None = None


@dataclass(frozen=True, slots=True)
class _Journal:
    staged: str
    sidecars: tuple[str, ...]
    origin: Origin


def work_directory(path: Path) -> Path:
    """The directory beside a target that belongs to restoring it."""
    return path.with_name(path.name + ".d")


def staging_directory(path: Path, snapshot_id: str) -> Path:
    """Where a snapshot is staged for a target."""
    return work_directory(path) / snapshot_id


def previous_directory(path: Path) -> Path:
    """Where the file that was live before is kept."""
    return work_directory(path) / "previous"


def switch(
    path: Path,
    staged: Path,
    sidecars: tuple[Path, ...],
    origin: Origin,
    *,
    step: Step | None = None,
) -> None:
    """Make `staged`, a closed file in a directory of the work directory, the file at `path`.

    That directory goes with it. `sidecars`: names that may exist beside `path`. `step` is called
    with the name of each finished step. Raises NoSpace or FileUnusable; before the step `journal`
    nothing has changed.
    """
    work = work_directory(path)
    journal = _Journal(
        str(staged.relative_to(work)), tuple(sidecar.name for sidecar in sidecars), origin
    )
    with _failures_named(path):
        _sync_file(staged)
        # From the journal on, the directory holds what this switch replaces and nothing else.
        _remove(previous_directory(path))
        make_directories(previous_directory(path))
        _write_json(_journal_path(path), _journal_to_json(journal))
        _finish(path, journal, step or _no_step)


def recover(path: Path, *, step: Step | None = None) -> bool:
    """Bring an interrupted switch to its end; True if there was one. Call before opening `path`.

    Raises JournalUnreadable, NoSpace, FileUnusable.
    """
    try:
        text = _journal_path(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise FileUnusable(f"cannot read {_journal_path(path)}: {error.strerror}") from error
    journal = _journal_from_json(text, path)
    with _failures_named(path):
        _finish(path, journal, step or _no_step)
    return True


def forget_previous(path: Path, found: Checkpoint | None) -> bool:
    """Remove the file that was live before, when the new one was opened and `found` is in it.

    False, and nothing is removed, if that is not what the live file was restored to or goes on
    from it.
    """
    origin = read_origin(path)
    if origin is not None and not _goes_on(origin, found):
        return False
    with _failures_named(path):
        _remove(previous_directory(path))
    return True


def _goes_on(origin: Origin, found: Checkpoint | None) -> bool:
    if origin.lineage is None or not origin.snapshot_id:
        return True  # nothing was promised
    version = SnapshotId.parse(origin.snapshot_id).version
    return found is not None and found.lineage == origin.lineage and found.version >= version


def read_origin(path: Path) -> Origin | None:
    """The snapshot that the file at `path` was restored from, if it was."""
    try:
        return _origin_from_json(json.loads((work_directory(path) / "origin.json").read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # It only saves a download and a question: without it less is known of the file.
        return None


# ---------------------------------------------------------------- steps


def _finish(path: Path, journal: _Journal, step: Step) -> None:
    """Every step behind the journal, each a no-op where it was done before."""
    work, previous = work_directory(path), previous_directory(path)
    staged = work / journal.staged
    step("journal")
    if staged.exists():
        _link_old(path, previous)
    elif not path.exists() or _is_kept(path, previous):
        raise JournalUnreadable(
            f"{_journal_path(path)} names {staged}, which is gone",
            hint=f"remove the journal; the old file is at {path} or in {previous}",
        )
    step("link")
    if _is_kept(path, previous) and any(_holds(path.parent / name) for name in journal.sidecars):
        sync_directory(previous)
        path.unlink()
    for name in journal.sidecars:
        with suppress(FileNotFoundError):
            (path.parent / name).rename(previous / name)
    step("park")
    sync_directory(previous)
    sync_directory(path.parent)
    if staged.exists():
        staged.rename(path)
    step("rename")
    sync_directory(path.parent)
    _write_json(work / "origin.json", asdict(journal.origin))
    step("origin")
    _journal_path(path).unlink()
    sync_directory(work)
    step("done")
    _remove(staged.parent)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link_old(path: Path, previous: Path) -> None:
    with suppress(FileNotFoundError, FileExistsError):
        os.link(path, previous / path.name)


def _is_kept(path: Path, previous: Path) -> bool:
    """True if the file at `path` is still the old one."""
    kept = previous / path.name
    return kept.exists() and path.exists() and kept.samefile(path)


def _holds(sidecar: Path) -> bool:
    """True if something of the database is in it; `-shm` is SQLite's index of the log."""
    is_index = sidecar.name.endswith("-shm")
    return not is_index and sidecar.exists() and sidecar.stat().st_size > 0


def _remove(directory: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(directory)


@contextmanager
def _failures_named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise write_failed(path, error) from error


def _no_step(_name: str) -> None:
    return


# ---------------------------------------------------------------- journal


def _journal_path(path: Path) -> Path:
    return work_directory(path) / "switch.json"


def _write_json(path: Path, value: dict[str, Any]) -> None:
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    write_synced(unfinished, json.dumps(value).encode())
    unfinished.rename(path)
    sync_directory(path.parent)


def _journal_to_json(journal: _Journal) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "staged": journal.staged,
        "sidecars": list(journal.sidecars),
        "origin": asdict(journal.origin),
    }


def _origin_from_json(raw: dict[str, Any]) -> Origin:
    lineage = raw["lineage"]
    if lineage is not None:
        lineage = Lineage(**{name: str(value) for name, value in lineage.items()})
    return Origin(str(raw["snapshot_id"]), str(raw["location"]), lineage)


def _journal_from_json(text: bytes, path: Path) -> _Journal:
    where = _journal_path(path)
    try:
        raw = json.loads(text)
        if raw["format"] != _FORMAT:
            raise JournalUnreadable(f"{where} has format {raw['format']!r}, known is {_FORMAT}")
        journal = _Journal(
            str(raw["staged"]),
            tuple(map(str, raw["sidecars"])),
            _origin_from_json(raw["origin"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise JournalUnreadable(f"{where} is no journal: {error!r}") from error
    staged = journal.staged.split("/")
    names = [*journal.sidecars, *staged]
    if len(staged) != 2 or any(name in ("", ".", "..") or "/" in name for name in names):
        raise JournalUnreadable(f"{where} names files outside of its directory")
    return journal
