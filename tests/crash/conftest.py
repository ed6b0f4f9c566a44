"""A table, a process that forks nodes, and what died so far; for each engine's file of tests."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.crash.lives import SCAN_PAGE_ITEMS, Bench
from tests.crash.nodes import MortalNode
from tests.crash.tally import KEY
from tests.crash.telling import Landed
from tests.crash.told import Told
from tests.forking.client import Zygote
from tests.simulators.service import RealClock, simulated_service
from tests.simulators.stream import SimulatedTable


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    zygote = Zygote("tests.crash.zygote")
    yield zygote
    zygote.close()


@pytest.fixture(scope="module")
def landed_so_far(request: pytest.FixtureRequest) -> Landed:
    named = vars(request.module)
    return Landed(*(named[name] for name in ("is_mine", "is_elsewhere") if name in named))


@pytest.fixture
def landed(landed_so_far: Landed, record_property: Callable[[str, object], None]) -> Landed:
    """What landed in the tests of a file; a test's own kills go into its report."""
    landed_so_far.report = lambda story, kills: record_property(KEY, f"{story}: {kills}")
    return landed_so_far


@contextmanager
def _bench(engine: str, zygote: Zygote, folder: Path) -> Iterator[Bench]:
    clock = RealClock()
    table = SimulatedTable(clock, shards=2, view_type="NEW_AND_OLD_IMAGES")
    table.scan_page_items, table.page_records = SCAN_PAGE_ITEMS, 25
    with simulated_service(table) as endpoint_url:
        bench = Bench(engine, zygote, folder, endpoint_url, table, clock)
        bench.fill()
        yield bench


@pytest.fixture(scope="module")
def bench(
    request: pytest.FixtureRequest, zygote: Zygote, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    """Of the engine that the test's file names."""
    with _bench(request.module.ENGINE, zygote, tmp_path_factory.mktemp("crash")) as bench:
        yield bench


@pytest.fixture
def old_bench(request: pytest.FixtureRequest, zygote: Zygote, tmp_path: Path) -> Iterator[Bench]:
    """One whose clock may be moved on."""
    with _bench(request.module.ENGINE, zygote, tmp_path) as bench:
        yield bench


@pytest.fixture(scope="module")
def node(bench: Bench) -> MortalNode:
    """A node that has loaded the table and published twice, stopped."""
    node = bench.node(f"file://{bench.folder}/bucket")
    told = Told(bench, node, ())
    told.begin()
    told.until_ready()
    told.snapshot()
    bench.write(20)
    told.until_marked()
    told.snapshot()
    told.end()
    return node


@pytest.fixture
def location(node: MortalNode) -> str:
    """The bucket that it publishes to."""
    return str(node.document["snapshots"]["location"])
