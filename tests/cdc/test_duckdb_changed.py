"""What is known in memory of the deltas: nothing until a key is looked up, never too much."""

import pytest

from cdc import duckdb_changed
from cdc.duckdb_accelerator import DuckdbAccelerator
from tests.contracts.accelerator import Producer, item


def is_known(accelerator: DuckdbAccelerator) -> bool:
    return accelerator._held.changed.is_known


def test_nothing_is_remembered_until_somebody_looks_a_key_up(
    accelerator: DuckdbAccelerator,
) -> None:
    producer = Producer(accelerator)
    producer.end_scan()
    producer.put(item("a", price=1))
    assert not is_known(accelerator)

    assert accelerator.read(item("a")) == item("a", price=1)

    assert is_known(accelerator)
    producer.put(item("a", price=2), item("b", price=3))
    assert accelerator.read(item("a")) == item("a", price=2)
    assert accelerator.read(item("b")) == item("b", price=3)
    assert accelerator.read(item("c")) is None


def test_of_many_changes_nothing_is_remembered_and_all_are_found(
    accelerator: DuckdbAccelerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_changed, "MOST", 2)
    producer = Producer(accelerator)
    producer.end_scan()
    producer.put(item("a", price=1))
    assert accelerator.read(item("b")) is None
    assert is_known(accelerator)

    producer.put(item("b", price=2), item("c", price=3))

    assert not is_known(accelerator)
    for name, price in (("a", 1), ("b", 2), ("c", 3)):
        assert accelerator.read(item(name)) == item(name, price=price)
    assert not is_known(accelerator)
    while accelerator.maintain(idle=True).is_pending:
        pass
    assert accelerator.read(item("a")) == item("a", price=1)
    assert is_known(accelerator)
