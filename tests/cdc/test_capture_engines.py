"""Capture into the real engines: the same stories of a simulated table, on files."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from cdc.accelerator import Engine
from cdc.capture_status import CaptureSettings
from cdc.engines import open_accelerator
from tests.simulators.stream import KEYS
from tests.simulators.world import World


class FileWorld(World):
    """A world whose file can be closed and opened again."""

    def __init__(self, engine: Engine, path: Path, settings: CaptureSettings | None = None) -> None:
        self.engine, self.path = engine, path
        file = open_accelerator(engine, path, "routes", keys=KEYS, create=True)
        super().__init__(settings=settings, file=file)

    def reopen(self) -> None:
        self.file.close()
        self.file = open_accelerator(self.engine, self.path, "routes")


@pytest.fixture(params=get_args(Engine))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FileWorld]:
    world = FileWorld(request.param, tmp_path / f"routes.{request.param}")
    yield world
    world.file.close()


def test_a_bootstrap_beside_writes_and_rollovers_ends_with_the_table(world: FileWorld) -> None:
    world.fill(300)
    numbers = iter(range(10_000))

    def write() -> None:
        number = next(numbers)
        world.table.put(f"key-{number * 7 % 400}", value=-number, note=f"n-{number}")
        world.table.delete(f"key-{number * 13 % 400}")

    world.table.on_scan = write
    world.clock.every(0.05, write, until=5.0)
    world.clock.every(1.5, world.table.rollover, until=5.0)

    world.run(9.0)

    world.assert_equal()


def test_a_restart_in_the_middle_of_the_scan_goes_on_in_the_file(world: FileWorld) -> None:
    world.settings = CaptureSettings(scan_max_rcu=2.0, scan_segments=2)
    world.fill(600)
    world.run_until(lambda: world.rows_scanned() >= 200)
    world.reopen()
    stored = world.file.checkpoint()
    assert stored is not None
    assert 200 <= stored.scan.rows < 600

    world.table.delete("key-1")
    world.run_until(lambda: world.capture.status().ready)

    finished = world.file.checkpoint()
    assert finished is not None
    assert finished.scan.rows in (599, 600)
    world.assert_equal()


def test_a_restart_reads_on_without_a_scan(world: FileWorld) -> None:
    world.fill(50)
    world.run(4.0)
    scans = world.calls("scan")
    world.reopen()
    world.table.put("key-3", value="changed")
    world.table.delete("key-4")

    world.run(4.0)

    assert world.calls("scan") == scans
    world.assert_equal()


def test_the_file_holds_the_checkpoint_that_was_told(world: FileWorld) -> None:
    world.fill(20)
    world.run(4.0)
    world.reopen()

    assert world.file.checkpoint() == world.commits[-1]
