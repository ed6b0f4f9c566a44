"""Take-overs that overtake each other: every generation has one owner, whoever stops wherever."""

from pathlib import Path

import pytest

from snapshotter.errors import Fenced
from snapshotter.layout import pointer_key
from snapshotter.publish import Publisher
from snapshotter.swap import Terms
from tests.snapshotter.bench import DATASET, Bucket
from tests.snapshotter.faults import FaultyStore

HEAD = pointer_key(DATASET)


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket.at(tmp_path)


def test_who_made_the_pointer_and_was_overtaken_before_it_looked_again_takes_over_anew(
    bucket: Bucket,
) -> None:
    others: list[int] = []

    def overtake(_: int, name: str, key: str) -> None:
        if (name, key) == ("put_if_absent", HEAD):
            others.append(Publisher(bucket.store, DATASET, holder="b").take_over())

    first = Publisher(FaultyStore(bucket.store, after=overtake), DATASET, holder="a")

    assert first.take_over() not in others
    assert bucket.pointer().generation == first.generation


def test_the_terms_are_asked_behind_each_reading_of_the_pointer(bucket: Bucket) -> None:
    Publisher(bucket.store, DATASET, holder="before").take_over()
    store = FaultyStore(bucket.store)
    order: list[str] = []
    store._before = lambda _number, name, key: order.append(name) if key == HEAD else None
    other = Publisher(bucket.store, DATASET, holder="other")

    def confirm() -> None:
        order.append("confirm")
        if order.count("confirm") == 1:
            other.take_over()  # the write that follows is refused, and the pointer read anew

    Publisher(store, DATASET, holder="a").take_over(Terms(confirm))

    once = ["get", "confirm", "put_if_match"]
    assert [name for name in order if name != "head"] == [*once, *once]
    assert bucket.pointer().generation == 3


def test_who_lost_the_lease_raises_nothing(bucket: Bucket) -> None:
    Publisher(bucket.store, DATASET, holder="before").take_over()

    def confirm() -> None:
        raise Fenced("lost")

    with pytest.raises(Fenced):
        Publisher(bucket.store, DATASET, holder="a").take_over(Terms(confirm))
    assert bucket.pointer().generation == 1


def test_a_bootstrap_is_told_in_the_write_that_takes_over(bucket: Bucket) -> None:
    for _ in range(2):
        Publisher(bucket.store, DATASET, holder="a").take_over(Terms(progress=0.0))

        assert bucket.pointer().bootstrap_progress == 0.0
