"""What is synced before what is renamed: the order that a power cut would betray."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from restorer import switch as switching
from restorer.switch import Origin, switch
from tests.restorer.offers import LINEAGE

ORIGIN = Origin("snapshot-9", "file:///bucket", LINEAGE)


@dataclass
class Recorder:
    """Every fsync, rename and unlink of this process, by inode, which a rename does not change."""

    calls: list[tuple[str, int, str]] = field(default_factory=list)

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        real_sync, real_rename, real_unlink = os.fsync, os.rename, os.unlink

        def fsync(descriptor: int) -> None:
            real_sync(descriptor)
            self.calls.append(("sync", os.fstat(descriptor).st_ino, ""))

        def moved(name: str, real: Callable[..., None]) -> Callable[..., None]:
            def call(path: Any, *more: Any, **options: Any) -> None:
                inode = 0 if options else Path(path).stat().st_ino
                real(path, *more, **options)
                self.calls.append((name, inode, str((more or (path,))[0])))

            return call

        patch.setattr(os, "fsync", fsync)
        patch.setattr(os, "rename", moved("rename", real_rename))
        patch.setattr(os, "unlink", moved("unlink", real_unlink))

    def of(self, name: str, target: Path) -> int:
        """When a name came to be, or went; it happens once."""
        found = [
            at for at, call in enumerate(self.calls) if (call[0], call[2]) == (name, str(target))
        ]
        assert len(found) == 1, self.calls
        return found[0]

    def syncs(self, path: Path) -> list[int]:
        """When what is now at this path was synced."""
        inode = path.stat().st_ino
        return [at for at, call in enumerate(self.calls) if call[:2] == ("sync", inode)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    live = tmp_path / "data.duckdb"
    live.write_text("old")
    live.with_name("data.duckdb.wal").write_text("old log")
    return live


@pytest.fixture
def switched(path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """What happened while a staged file was made live over an old one with its log."""
    staged = switching.staging_directory(path, "snapshot-9") / "main"
    staged.parent.mkdir(parents=True)
    staged.write_text("new")
    recorder = Recorder()
    with monkeypatch.context() as patch:
        recorder.watch(patch)
        switch(path, staged, (path.with_name("data.duckdb.wal"),), ORIGIN)
    assert path.read_text() == "new"
    return recorder


def journal(path: Path) -> Path:
    return switching.work_directory(path) / "switch.json"


def test_the_new_file_is_synced_before_the_journal_makes_it_the_one(
    path: Path, switched: Recorder
) -> None:
    syncs = switched.syncs(path)
    assert syncs, "was never synced"
    assert syncs[0] < switched.of("rename", journal(path)) < switched.of("rename", path)


def test_a_file_is_synced_before_it_gets_the_name_that_others_read(
    path: Path, switched: Recorder
) -> None:
    for target in (path, journal(path), switching.work_directory(path) / "origin.json"):
        at = switched.of("rename", target)
        _, inode, _ = switched.calls[at]
        assert ("sync", inode, "") in switched.calls[:at], target


def test_the_names_of_the_switch_last_before_its_journal_goes(
    path: Path, switched: Recorder
) -> None:
    renamed, journal_gone = switched.of("rename", path), switched.of("unlink", journal(path))
    assert any(renamed < at < journal_gone for at in switched.syncs(path.parent))


def test_the_old_log_lies_in_its_place_for_good_before_the_rename(
    path: Path, switched: Recorder
) -> None:
    previous = switching.previous_directory(path)
    parked = switched.of("rename", previous / "data.duckdb.wal")
    renamed = switched.of("rename", path)
    for folder in (previous, path.parent):
        assert any(parked < at < renamed for at in switched.syncs(folder)), folder
