"""A node that publishes prunes by itself: when, when not, and without the right to delete."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from snapshotter import marks
from snapshotter.catalog_change import change_catalog
from snapshotter.errors import StoreAccessDenied, StoreUnreachable
from snowmelt.clockwork import Clockwork
from snowmelt.janitor import Janitor
from snowmelt.wiring import DatasetPlan
from tests.snapshotter.bench import DATASET
from tests.snapshotter.images import BytesPart
from tests.snapshotter.timed import TimedBucket
from tests.snowmelt.test_producer import plan_of

SIZE = 8 * 512


class Timed(Clockwork):
    """Time that the store's clock is."""

    def __init__(self, bucket: TimedBucket) -> None:
        self._bucket = bucket

    def monotonic(self) -> float:
        return self._bucket.timed.clock

    def time(self) -> float:
        return self._bucket.timed.clock


class Node:
    """A bucket with ten full snapshots, and the janitor of the node that publishes it."""

    def __init__(self, folder: Path, **keeps: object) -> None:
        self.bucket = TimedBucket()
        publisher = self.bucket.publisher()
        for version in range(1, 11):
            part = BytesPart(bytes([version]) * SIZE, block_size=512)
            self.bucket.publish(publisher, part, version, full=True)
        plan = plan_of(folder)
        assert plan.snapshots is not None
        section = plan.snapshots.model_copy(update=keeps)
        dataset = plan.section.model_copy(update={"name": DATASET})
        plan = DatasetPlan(dataset, plan.path, plan.role, section)
        vars(plan).update(store=self.bucket.timed)
        self.may = True
        self.janitor = Janitor(plan, Timed(self.bucket), lambda: self.may)

    def live(self, hours: float) -> None:
        """Ticks each quarter of an hour."""
        for _ in range(round(hours * 4)):
            self.bucket.pass_hours(0.25)
            self.janitor.tick()

    def told(self, name: str) -> object:
        status = self.janitor.status()
        assert status is not None
        return status[name]


@pytest.fixture(autouse=True)
def all_levels() -> Iterator[None]:
    """A command that ran in this process before may have set logging to its own level."""
    before = structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.configure(**before)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path, keep_last=3)


def test_what_retention_does_not_keep_is_condemned_and_later_deleted(node: Node) -> None:
    node.live(1)
    assert len(node.bucket.ids()) == 3
    assert node.told("dropped_total") == 7
    assert node.told("deleted_total") == 0

    node.live(26)
    assert node.bucket.objects() == node.bucket.needed()
    assert node.told("deleted_total") == node.told("condemned_total") == 14


def test_without_retention_nothing_goes(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.live(3)

    assert len(node.bucket.ids()) == 10
    assert node.janitor.status() is None


def test_who_does_not_publish_does_not_prune(node: Node) -> None:
    node.may = False
    node.live(3)
    assert len(node.bucket.ids()) == 10

    node.may = True
    node.live(1)
    assert len(node.bucket.ids()) == 3


def test_a_held_dataset_is_left_alone(node: Node) -> None:
    change_catalog(node.bucket.timed, DATASET, lambda pointer: marks.hold(pointer, "look first"))
    with capture_logs() as events:
        node.live(3)

    assert len(node.bucket.ids()) == 10
    assert events == []


def test_a_node_that_may_not_delete_condemns_and_says_once_that_it_does_not_sweep(
    node: Node,
) -> None:
    def deny(_number: int, name: str, key: str) -> None:
        if name == "delete":
            raise StoreAccessDenied(f"s3:DeleteObject on {key}")

    node.bucket.timed._before = deny
    with capture_logs() as events:
        node.live(60)

    assert len(node.bucket.ids()) == 3
    assert len(node.bucket.pointer().condemned) == 14
    assert node.told("sweeps") is False
    assert node.told("problem") is None
    assert [event["event"] for event in events] == ["pruned", "sweep_denied"]


def test_trouble_is_told_and_tried_again(node: Node) -> None:
    def refuse(_number: int, name: str, key: str) -> None:
        if name == "list":
            raise StoreUnreachable(f"{name} {key}: nobody answers")

    node.bucket.timed._before = refuse
    with capture_logs() as events:
        node.live(1)
    assert [event["event"] for event in events] == ["prune_failed"]
    assert "nobody answers" in str(node.told("problem"))

    node.bucket.timed._before = lambda *_: None
    node.live(1.5)
    assert node.told("problem") is None
    assert len(node.bucket.ids()) == 3
