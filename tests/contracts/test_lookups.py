"""One item by its key, wherever its newest state is: changed lately, scanned, moved, deleted."""

from pathlib import Path

import pytest

from cdc.accelerator import Accelerator, Engine
from cdc.columns import Columns
from cdc.keys import Item
from tests.contracts.accelerator import BY_ID, Producer, batch_of, checkpoint_at, item, reopened


def key(name: str) -> Item:
    return {"id": {"S": name}}


def changed_since_the_scan(producer: Producer) -> None:
    """`a` and `b` are of the scan; `a` was changed since, `b` deleted, `c` added."""
    producer.scan(item("a", price=1), item("b", price=1))
    producer.end_scan()
    assert producer.accelerator.read(key("a")) == item("a", price=1)
    producer.put(item("a", price=2), item("c", price=3))
    producer.delete(key("b"))


def test_a_change_hides_what_was_scanned(producer: Producer, accelerator: Accelerator) -> None:
    changed_since_the_scan(producer)

    assert accelerator.read(key("a")) == item("a", price=2)
    assert accelerator.read(key("b")) is None
    assert accelerator.read(key("c")) == item("c", price=3)
    assert accelerator.read(key("d")) is None


def test_a_change_hides_what_was_scanned_behind_a_new_start(
    engine: Engine, path: Path, producer: Producer, accelerator: Accelerator
) -> None:
    changed_since_the_scan(producer)
    accelerator.close()

    again = reopened(engine, path)
    try:
        assert again.read(key("a")) == item("a", price=2)
        assert again.read(key("b")) is None
        assert again.read(key("c")) == item("c", price=3)
    finally:
        again.close()


def test_a_change_is_found_when_it_was_moved(producer: Producer, accelerator: Accelerator) -> None:
    changed_since_the_scan(producer)
    while accelerator.maintain(idle=True).is_pending:
        pass
    assert accelerator.read(key("a")) == item("a", price=2)
    assert accelerator.read(key("b")) is None

    producer.put(item("a", price=4), item("b", price=5))
    assert accelerator.read(key("a")) == item("a", price=4)
    assert accelerator.read(key("b")) == item("b", price=5)


def test_a_commit_that_failed_changes_no_answer(
    producer: Producer, accelerator: Accelerator
) -> None:
    changed_since_the_scan(producer)
    assert accelerator.read(key("a")) == item("a", price=2)
    batch = batch_of(BY_ID, Columns(), [item("a", other=1)], [])
    with pytest.raises(ValueError, match="columns do not continue"):
        accelerator.apply(batch, checkpoint_at(9, 5.0))

    assert accelerator.read(key("a")) == item("a", price=2)
    assert accelerator.read(key("b")) is None
    producer.put(item("b", price=7))
    assert accelerator.read(key("b")) == item("b", price=7)
