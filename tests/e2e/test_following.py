"""An edge over a hundred published snapshots, with kills, a hold and a rollback.

Its answers, and what other programs read from its file, are of one version each time, whole. The
bytes that it fetches are those that lie between the versions that it served.
"""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest

from cdc.accelerator import Engine
from cdc.engines import examine
from cdc.rebuild import ItemSetDigest
from snapshotter import marks
from snapshotter.difference import difference
from snapshotter.errors import SnapshotError
from snapshotter.format import CatalogEntry
from snapshotter.reader import read_pointer
from snowmelt.errors import NodeError
from tests.e2e import foreign_reader
from tests.e2e.nodes import Document, Node
from tests.restorer.accelerators import COLUMNS, DATASET, stored_checkpoint
from tests.restorer.published import directory_store
from tests.snowmelt.edges import Centre

ROWS = 120
SELECT = f"select id, amount from {DATASET}"


@dataclass
class Story:
    """The centre, its edge, and all that was read from it.

    `is_up`: no kill is under way. `kills`: those that were begun.
    """

    centre: Centre
    edge: Node
    entries: dict[str, CatalogEntry] = field(default_factory=dict)
    digests: dict[int, str] = field(default_factory=dict)
    items: dict[int, str] = field(default_factory=dict)
    answers: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    is_up: bool = False
    kills: int = 0

    def publish(self, chance: random.Random) -> None:
        version = self.centre.change(chance.randrange(ROWS), 5)
        self.centre.accelerator.maintain(idle=version % 30 == 0)
        rows = list(self.centre.rows[version].items())
        self.digests[version] = foreign_reader.digest(rows)
        wanted = ItemSetDigest()
        for page in self.centre.accelerator.items():
            wanted.add_all(page)
        self.items[version] = wanted.hexdigest()
        self.centre.publish()
        for entry in read_pointer(self.centre.store, DATASET).catalog:
            self.entries[entry.snapshot_id] = entry

    def serves(self) -> int | None:
        version = self.edge.status()["version"]
        return None if version is None else int(version)

    def wait_for_newest(self) -> None:
        """Until the edge has it, and whoever asks got it."""
        current = read_pointer(self.centre.store, DATASET).current
        newest = self.entries[str(current)].version
        self.edge.wait_until(f"version {newest}", lambda: self.serves() == newest)
        self.edge.wait_until(f"answer {newest}", lambda: self.answers[-1:] == [newest])

    def kill(self) -> None:
        """kill -9; what lies there is whole, and of the version that it says."""
        self.is_up = False
        self.kills += 1
        self.edge.kill()
        self.look_at_the_file()
        self.edge.start().wait_ready()
        self.is_up = True

    def look_at_the_file(self) -> None:
        """The drill's digest of the file at the path is that of the version that it says."""
        engine, path = self.centre.engine, self.edge.path
        found = examine(engine, path, DATASET, COLUMNS)
        at = stored_checkpoint(path, engine)
        assert at is not None
        assert found.hexdigest() == self.items[at.version]

    # ------------------------------------------------------------ who asks

    def ask(self, ended: threading.Event) -> None:
        """Queries, one after the other: each is answered, by one version, whole."""
        while not ended.is_set():
            kills, was_up = self.kills, self.is_up
            try:
                rows = self.edge.sql(SELECT)
            except (NodeError, OSError) as error:
                if was_up and kills == self.kills:  # it may be up again by now
                    self.errors.append(str(error))
                continue
            self.check({row["id"]: row["amount"] for row in rows})
            ended.wait(0.03)

    def check(self, rows: dict[str, int]) -> None:
        version = rows.get("mark", 0)
        if rows != self.centre.rows.get(version):
            self.errors.append(f"an answer is no state of version {version}")
        self.answers.append(version)

    def bytes_between(self) -> tuple[int, int]:
        """What the edge fetched behind its first snapshot, and what lay between those it served."""
        followed = self.edge.events("snapshot_followed")
        fetched = changed = 0
        for older, newer in pairwise(followed):
            fetched += newer["bytes_fetched"]
            ends = (self.entries[event["snapshot_id"]] for event in (older, newer))
            changed += difference(self.centre.store, *ends).blocks.fetch_bytes
        return fetched, changed


@contextmanager
def asking(story: Story) -> Iterator[None]:
    ended = threading.Event()
    thread = threading.Thread(target=story.ask, args=(ended,))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def foreign(story: Story, how: str, output: Path) -> Iterator[None]:
    """Another process that reads the file meanwhile; then each line is a version, whole."""
    words = [sys.executable, foreign_reader.__file__, str(story.edge.path), DATASET, how]
    with output.open("w") as file:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=file, text=True)
    try:
        yield
    finally:
        process.communicate()
    lines = output.read_text().splitlines()
    read = [line.split() for line in lines]
    assert [line for line in lines if line.startswith("error")] == []
    assert [line for line in read if story.digests[int(line[0])] != line[1]] == []
    assert len({line[0] for line in read}) > 3, "it met no switch"


def document(centre: Centre, path: Path) -> Document:
    acceleration = {"engine": centre.engine, "path": str(path), "refresh_check_interval": "100ms"}
    dataset = {"from": f"snapshot:{DATASET}", "name": DATASET, "acceleration": acceleration}
    return {
        "version": "v1",
        "snapshots": {"location": centre.store.url},
        "datasets": [dataset],
    }


@pytest.fixture
def tell(tmp_path: Path, make_node: Callable[..., Node]) -> Iterator[Callable[[Engine], Story]]:
    with ExitStack() as stack:

        def made(engine: Engine) -> Story:
            store = directory_store(tmp_path / "bucket")
            centre = Centre(store, tmp_path / f"centre.{engine}", engine)
            stack.callback(centre.close)
            return Story(centre, make_node("edge", document(centre, tmp_path / "live.db")))

        yield made


def told(story: Story, snapshots: int, tmp_path: Path) -> None:
    chance, centre = random.Random(7), story.centre
    centre.change(0, ROWS)
    story.publish(chance)
    story.edge.start().wait_ready()
    story.is_up = True
    kills = {snapshots * tenth // 10 for tenth in (2, 5, 8)}
    with ExitStack() as stack:
        stack.enter_context(asking(story))
        if centre.engine == "sqlite":
            for how in ("ro", "kept", "immutable"):
                stack.enter_context(foreign(story, how, tmp_path / f"{how}.txt"))
        for number in range(1, snapshots):
            story.publish(chance)
            if number in kills:
                story.kill()
            if number == snapshots * 3 // 10:
                held(story, chance)
            if number == snapshots * 6 // 10:
                rolled_back(story)
            if number % 10 == 0:
                story.wait_for_newest()
        story.wait_for_newest()
    assert story.errors == []
    assert len(set(story.answers)) > snapshots // 10
    assert story.edge.stop() == 0
    story.look_at_the_file()
    fetched, changed = story.bytes_between()
    assert fetched <= 1.2 * changed


def held(story: Story, chance: random.Random) -> None:
    """Nothing is published, and the edge stays."""
    story.wait_for_newest()
    before = story.serves()
    story.centre.mark(partial(marks.hold, reason="a look"))
    with pytest.raises(SnapshotError, match="held"):
        story.publish(chance)
    story.edge.wait_until("held", lambda: story.edge.status()["follow"]["held_because"] == "a look")
    assert story.serves() == before
    story.centre.mark(marks.release)


def rolled_back(story: Story) -> None:
    """The edge goes back to an older version, and on when that is over."""
    story.wait_for_newest()
    catalog = read_pointer(story.centre.store, DATASET).catalog
    target = catalog[4]
    story.centre.mark(partial(marks.roll_back, snapshot_id=target.snapshot_id, reason="wrong"))
    story.edge.wait_until("back", lambda: story.serves() == target.version)
    story.kill()
    assert story.serves() == target.version
    story.centre.mark(marks.release)


@pytest.mark.parametrize("engine, snapshots", [("sqlite", 100), ("duckdb", 20)])
def test_an_edge_is_always_whole_and_of_one_version(
    tell: Callable[[Engine], Story], tmp_path: Path, engine: Engine, snapshots: int
) -> None:
    told(tell(engine), snapshots, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("engine", get_args(Engine))
def test_an_edge_is_always_whole_over_a_thousand_snapshots(
    tell: Callable[[Engine], Story], tmp_path: Path, engine: Engine
) -> None:
    told(tell(engine), 1000, tmp_path)
