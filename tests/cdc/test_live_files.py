"""A file that an engine has open can be read beside it, and the engine keeps its locks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cdc.accelerator import Accelerator, Engine
from cdc.engines import open_accelerator
from cdc.keys import KeyAttribute, KeySchema
from cdc.live_files import reading

_LOCKING = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("locked")
"""


def is_locked(path: Path) -> bool:
    """True if another process finds a POSIX lock on the file."""
    command = [sys.executable, "-c", _LOCKING, str(path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    return told.stdout == "locked\n"


def descriptors_of(path: Path) -> int:
    """How many this process has."""
    return sum(one.resolve() == path for one in Path("/proc/self/fd").iterdir())


@pytest.fixture(params=["duckdb", "sqlite"])
def live(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Accelerator]:
    engine: Engine = request.param
    keys = KeySchema(KeyAttribute("id", "S"))
    path = tmp_path / "live"
    with closing(open_accelerator(engine, path, "d", keys=keys, create=True)) as accelerator:
        yield accelerator


def test_the_engine_keeps_its_lock_when_a_reader_ends(live: Accelerator) -> None:
    with reading(live.path) as descriptor:
        assert os.pread(descriptor, 4, 0)

    assert is_locked(live.path)


def test_the_engine_keeps_its_lock_when_it_opens_a_file_that_is_being_read(
    live: Accelerator,
) -> None:
    live.close()
    with reading(live.path):
        again = open_accelerator(live.engine, live.path, "d")

    assert is_locked(live.path)
    again.close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system has no /proc")
def test_nothing_is_left_open_behind_engine_and_readers(live: Accelerator) -> None:
    before = descriptors_of(live.path)
    for _ in range(3):
        with reading(live.path):
            assert descriptors_of(live.path) == before + 1

    live.close()

    assert descriptors_of(live.path) == 0
    assert not is_locked(live.path)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system has no /proc")
def test_a_file_that_no_engine_has_is_closed_at_once(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"bytes")

    with reading(file) as one, reading(file) as other:
        assert os.pread(one, 5, 0) == os.pread(other, 5, 0) == b"bytes"

    assert descriptors_of(file) == 0


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(OSError, match="not a regular file"), reading(tmp_path / "pipe"):
        pass
