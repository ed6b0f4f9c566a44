"""The switch is killed behind each of its steps, and brought to its end by `recover`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from cdc.checkpoint import Checkpoint
from cdc.errors import FileUnusable
from restorer import switch as switching
from restorer.errors import JournalUnreadable
from restorer.switch import Origin, forget_previous, read_origin, recover, switch
from tests.restorer.offers import LINEAGE, NOW, OTHER_EPOCH
from tests.snapshotter.images import checkpoint

STEPS = ("journal", "link", "park", "rename", "origin", "done")
SIDECARS = (".wal", "-wal", "-shm")
ORIGIN = Origin("000001-000000000017-20260922T120000123Z", "file:///bucket", LINEAGE)


def make_live(path: Path, *, old: bool = True, logs: tuple[str, ...] = (".wal",)) -> None:
    if old:
        path.write_text("old")
    for log in logs:
        path.with_name(path.name + log).write_text("old log")


def make_staged(path: Path) -> Path:
    staged = switching.staging_directory(path, "snapshot-9") / "main"
    staged.parent.mkdir(parents=True)
    staged.write_text("new")
    return staged


def sidecars(path: Path) -> tuple[Path, ...]:
    return tuple(path.with_name(path.name + name) for name in SIDECARS)


def assert_new_is_live(path: Path, *, kept: dict[str, str]) -> None:
    assert path.read_text() == "new"
    assert not any(sidecar.exists() for sidecar in sidecars(path))
    previous = switching.previous_directory(path)
    assert {file.name: file.read_text() for file in previous.iterdir()} == kept
    assert read_origin(path) == ORIGIN
    assert not (switching.work_directory(path) / "switch.json").exists()


def test_a_switch_replaces_the_file_and_keeps_the_old_one_with_its_log(tmp_path: Path) -> None:
    path = tmp_path / "data.duckdb"
    make_live(path)

    switch(path, make_staged(path), sidecars(path), ORIGIN)

    assert_new_is_live(path, kept={"data.duckdb": "old", "data.duckdb.wal": "old log"})
    assert not switching.staging_directory(path, "snapshot-9").exists()


def test_a_switch_to_a_free_path_parks_a_stray_log(tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    make_live(path, old=False, logs=("-wal", "-shm"))

    switch(path, make_staged(path), sidecars(path), ORIGIN)

    assert_new_is_live(path, kept={"data.db-wal": "old log", "data.db-shm": "old log"})


class Killed(BaseException):
    """Nothing in the switch may catch it, as nothing can catch a power cut."""


def kill_behind(step: str) -> Callable[[str], None]:
    def stop(done: str) -> None:
        if done == step:
            raise Killed

    return stop


def switch_killed_behind(step: str, path: Path, staged: Path) -> None:
    with pytest.raises(Killed):
        switch(path, staged, sidecars(path), ORIGIN, step=kill_behind(step))


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_behind_any_step_is_brought_to_the_end(tmp_path: Path, step: str) -> None:
    path = tmp_path / "data.duckdb"
    make_live(path)
    staged = make_staged(path)

    switch_killed_behind(step, path, staged)
    was_begun = recover(path)

    assert was_begun is (step != "done")
    assert_new_is_live(path, kept={"data.duckdb": "old", "data.duckdb.wal": "old log"})


def test_a_process_that_dies_in_the_middle_leaves_a_journal_for_the_next(tmp_path: Path) -> None:
    path = tmp_path / "data.duckdb"
    make_live(path)
    program = (
        "import os, sys; from pathlib import Path; from restorer.switch import switch\n"
        "from tests.restorer.test_switch import ORIGIN\n"
        "path, staged, log = map(Path, sys.argv[1:])\n"
        "die = lambda done: os._exit(9) if done == 'park' else None\n"
        "switch(path, staged, (log,), ORIGIN, step=die)"
    )
    log = path.with_name("data.duckdb.wal")

    child = subprocess.run(
        [sys.executable, "-c", program, path, make_staged(path), log], check=False
    )

    assert child.returncode == 9
    assert recover(path) is True
    assert_new_is_live(path, kept={"data.duckdb": "old", "data.duckdb.wal": "old log"})


@pytest.mark.parametrize("second", STEPS[:-1])
@pytest.mark.parametrize("first", STEPS[:-1])
def test_recovery_survives_being_killed_too(tmp_path: Path, first: str, second: str) -> None:
    path = tmp_path / "data.duckdb"
    make_live(path)
    staged = make_staged(path)

    switch_killed_behind(first, path, staged)
    with suppress(Killed):  # the first kill may have left nothing to do
        recover(path, step=kill_behind(second))
    recover(path)

    assert_new_is_live(path, kept={"data.duckdb": "old", "data.duckdb.wal": "old log"})


@pytest.mark.parametrize("step", STEPS[:2])
def test_the_old_main_file_is_at_its_path_until_the_rename(tmp_path: Path, step: str) -> None:
    path = tmp_path / "data.duckdb"
    make_live(path)

    switch_killed_behind(step, path, make_staged(path))

    assert path.read_text() == "old"
    assert path.with_name("data.duckdb.wal").read_text() == "old log"


def test_a_rename_that_lasted_without_its_parking_is_brought_to_the_end(tmp_path: Path) -> None:
    """A power cut may keep the later of two names and lose the earlier one."""
    path = tmp_path / "data.duckdb"
    make_live(path)
    staged = make_staged(path)
    switch_killed_behind("link", path, staged)
    staged.rename(path)

    recover(path)

    assert_new_is_live(path, kept={"data.duckdb": "old", "data.duckdb.wal": "old log"})


def test_recovery_without_a_journal_does_nothing(tmp_path: Path) -> None:
    path = tmp_path / "data.duckdb"
    make_live(path)

    assert recover(path) is False
    assert path.with_name("data.duckdb.wal").exists()


@pytest.mark.parametrize("version", [17, 18])
def test_the_previous_file_goes_when_the_new_one_is_what_was_restored(
    tmp_path: Path, version: int
) -> None:
    path = tmp_path / "data.duckdb"
    make_live(path)
    switch(path, make_staged(path), sidecars(path), ORIGIN)
    found = checkpoint(NOW, version, of=LINEAGE)

    assert forget_previous(path, found)
    assert forget_previous(path, found)

    assert not switching.previous_directory(path).exists()
    assert path.read_text() == "new"


@pytest.mark.parametrize(
    "found",
    [None, checkpoint(NOW, 16, of=LINEAGE), checkpoint(NOW, 17, of=OTHER_EPOCH)],
    ids=["none", "older", "another lineage"],
)
def test_the_previous_file_stays_when_the_new_one_is_something_else(
    tmp_path: Path, found: Checkpoint | None
) -> None:
    path = tmp_path / "data.duckdb"
    make_live(path)
    switch(path, make_staged(path), sidecars(path), ORIGIN)

    assert not forget_previous(path, found)

    assert_new_is_live(path, kept={"data.duckdb": "old", "data.duckdb.wal": "old log"})


def test_the_previous_file_of_a_rebuild_goes_when_the_new_one_was_opened(tmp_path: Path) -> None:
    path = tmp_path / "data.duckdb"
    make_live(path)
    switch(path, make_staged(path), sidecars(path), Origin("", "file:///bucket", LINEAGE))

    assert forget_previous(path, checkpoint(NOW, 1, of=LINEAGE))


@pytest.mark.parametrize("logs", [(), (".wal",), ("-wal", "-shm"), ("-shm",)])
def test_who_looks_at_any_instant_finds_the_whole_old_file_the_new_one_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: tuple[str, ...]
) -> None:
    path = tmp_path / "data.db"
    make_live(path, logs=logs)
    staged = make_staged(path)
    seen: list[tuple[str, list[str]]] = []

    def look() -> None:
        held = [one.name for one in sidecars(path)[:2] if one.exists()]
        seen.append((path.read_text() if path.exists() else "none", held))

    for name in ("rename", "unlink", "link"):
        monkeypatch.setattr(os, name, looked_behind(getattr(os, name), look))
    switch(path, staged, sidecars(path), ORIGIN)

    whole = ("old", [f"data.db{log}" for log in logs if log != "-shm"])
    assert seen[0] == whole
    assert seen[-1] == ("new", [])
    assert all(state in (whole, ("new", [])) or state[0] == "none" for state in seen)
    has_log = bool(whole[1])
    assert any(state[0] == "none" for state in seen) is has_log


def looked_behind(real: Callable[..., None], look: Callable[[], None]) -> Callable[..., None]:
    def call(*given: object, **options: object) -> None:
        real(*given, **options)
        look()

    return call


def test_a_second_switch_keeps_what_the_first_made_live(tmp_path: Path) -> None:
    path = tmp_path / "data.duckdb"
    make_live(path)
    switch(path, make_staged(path), sidecars(path), ORIGIN)
    path.write_text("newer")

    switch(path, make_staged(path), sidecars(path), ORIGIN)

    assert_new_is_live(path, kept={"data.duckdb": "newer"})


def test_a_staged_file_that_is_gone_leaves_the_old_one_alone(tmp_path: Path) -> None:
    path = tmp_path / "data.duckdb"
    make_live(path)
    staged = make_staged(path)
    switch_killed_behind("link", path, staged)
    staged.unlink()

    with pytest.raises(JournalUnreadable, match=r"switch\.json names .* which is gone"):
        recover(path)

    assert path.read_text() == "old"
    assert path.with_name("data.duckdb.wal").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"staged": "../../etc/passwd"},
        {"staged": "main"},
        {"sidecars": ["../x"]},
        {"sidecars": None},
    ],
)
def test_a_journal_that_is_not_ours_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    path = tmp_path / "data.duckdb"
    make_live(path)
    staged = make_staged(path)
    switch_killed_behind("journal", path, staged)
    journal = switching.work_directory(path) / "switch.json"
    journal.write_text(json.dumps({**json.loads(journal.read_text()), **changes}))

    with pytest.raises(JournalUnreadable):
        recover(path)

    assert path.read_text() == "old"


def test_an_unwritable_directory_is_named(tmp_path: Path) -> None:
    path = tmp_path / "data.duckdb"
    make_live(path)
    staged = make_staged(path)
    (switching.work_directory(path) / "previous").write_text("a file in the way")

    with pytest.raises(FileUnusable, match=r"data\.duckdb"):
        switch(path, staged, sidecars(path), ORIGIN)

    assert path.read_text() == "old"
