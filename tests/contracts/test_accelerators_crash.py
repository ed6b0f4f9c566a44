"""What survives a kill and a full disk: rows and checkpoint of one and the same commit."""

import os
import random
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from cdc.accelerator import Accelerator, Engine
from cdc.engines import open_accelerator
from cdc.errors import NoSpace
from cdc.keys import Item
from tests.contracts.accelerator import BY_ID, DATASET, Producer, contents, item, reopened
from tests.servers.fault_tally import Injected

ROWS_PER_COMMIT = 40
KILLS = 5
SMALL_VOLUME_BYTES = 8 * 1024 * 1024
ROOT = Path(__file__).parents[2]


def commit_number(version: int) -> list[Item]:
    """New items of a commit, and one that every commit changes."""
    news = (item(f"{version}/{i}", n=version) for i in range(ROWS_PER_COMMIT - 1))
    return [item("counter", n=version), *news]


def run_until_killed(engine: Engine, path: Path) -> None:
    """The child: commits and upkeep without end, each commit told to the parent when it is done."""
    producer = Producer(reopened(engine, path), scan_ended_at=1000.0)
    stored = producer.accelerator.checkpoint()
    assert stored is not None
    producer.version, producer.columns = stored.version, producer.accelerator.columns()
    while True:
        producer.put(*commit_number(producer.version + 1))
        sys.stdout.write(f"{producer.version}\n")
        sys.stdout.flush()
        if producer.version % 10 == 0:
            producer.accelerator.maintain(idle=True)


def test_a_kill_loses_no_acknowledged_commit_and_tears_none(
    engine: Engine, path: Path, accelerator: Accelerator
) -> None:
    producer = Producer(accelerator, scan_ended_at=1000.0)
    producer.put(*commit_number(1))
    accelerator.close()
    moments = random.Random(3)
    code = (
        "from pathlib import Path\n"
        "from tests.contracts.test_accelerators_crash import run_until_killed\n"
        f"run_until_killed({engine!r}, Path({str(path)!r}))"
    )
    for _ in range(KILLS):
        child = subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        with child, child.stdout as told:
            acknowledged = int(told.readline())
            timer = threading.Timer(moments.random() * 0.4, child.kill)
            timer.start()
            for line in told:
                if line.endswith("\n"):
                    acknowledged = int(line)
            timer.join()

        after = reopened(engine, path)
        checkpoint = after.checkpoint()
        assert checkpoint is not None
        assert checkpoint.version in (acknowledged, acknowledged + 1)
        assert after.row_count() == 1 + checkpoint.version * (ROWS_PER_COMMIT - 1)
        assert after.read(item("counter")) == item("counter", n=checkpoint.version)
        assert len(contents(after)) == after.row_count()
        after.close()


@contextmanager
def small_volume(path: Path) -> Iterator[Path]:
    """A file system of 8 MiB; where mounting is not allowed, a limit on the size of files."""
    path.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={SMALL_VOLUME_BYTES}", "tmpfs", str(path)]
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(["mount", *options], check=False, capture_output=True).returncode
    )
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    if not mounted:
        resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL_VOLUME_BYTES, hard))
    try:
        yield path
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        if mounted:
            subprocess.run(["umount", str(path)], check=True, capture_output=True)


def fill(producer: Producer, rows: int) -> None:
    """Commit batches of `rows` items until the disk is full."""
    for turn in range(1000):
        producer.put(
            *(item(f"{turn}/{i}", text=random.Random(i).randbytes(200)) for i in range(rows))
        )


@pytest.mark.parametrize("rows", [300, 17_000], ids=["small batches", "bulk batches"])
def test_a_full_disk_stops_the_commit_and_keeps_the_last_one(
    engine: Engine, tmp_path: Path, rows: int, injected: Injected
) -> None:
    with small_volume(tmp_path / "small") as volume, ExitStack() as stack:
        path = volume / "file"
        opened = open_accelerator(engine, path, DATASET, keys=BY_ID, create=True)
        stack.callback(lambda: opened.close())  # noqa: PLW0108 - the one that is open then
        producer = Producer(opened, scan_ended_at=1000.0)
        producer.put(item("first"))

        with pytest.raises(NoSpace):
            fill(producer, rows)

        checkpoint = opened.checkpoint()
        assert checkpoint is not None
        assert checkpoint.version == producer.version
        assert opened.row_count() == len(producer.expected)
        assert opened.read(item("first")) == item("first")
        opened.close()
        opened = reopened(engine, path)
        assert opened.checkpoint() == checkpoint
        found = contents(opened)
        injected.add("full disk", refused=1, lost=len(producer.expected) - len(found))
        assert found == producer.expected


def test_commits_go_on_when_there_is_space_again(engine: Engine, tmp_path: Path) -> None:
    with small_volume(tmp_path / "small") as volume, ExitStack() as stack:
        ballast = volume / "ballast"
        ballast.write_bytes(bytes(SMALL_VOLUME_BYTES // 2))
        opened = open_accelerator(engine, volume / "file", DATASET, keys=BY_ID, create=True)
        stack.callback(opened.close)
        producer = Producer(opened, scan_ended_at=1000.0)
        with pytest.raises(NoSpace):
            fill(producer, 300)

        ballast.unlink()
        if resource.getrlimit(resource.RLIMIT_FSIZE)[0] == SMALL_VOLUME_BYTES:
            pytest.skip("a limit on file sizes cannot be freed like a disk")
        producer.put(item("after"))

        assert opened.read(item("after")) == item("after")
        assert opened.row_count() == len(producer.expected)
        opened.maintain(idle=True)
        assert contents(opened) == producer.expected
