"""A stream without order ends with the table, however its changes come, in both engines.

A table is written while a stream delivers its changes: twice, late by some places, in two units of
time, many at the same instant. What is committed in the end has to be the table. Each example has
items of its own in one file, because making a file takes longer than the example.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.cdc.ordering_file import BEGAN, File, Table, opened, record
from tests.simulators.change_documents import Change, Changes

_examples = count()


@pytest.fixture(scope="module", params=["duckdb", "sqlite"])
def file(request: pytest.FixtureRequest) -> Iterator[File]:
    with opened(request.param) as made:
        yield made


STEPS_US = (0, 0, 0, 1, 300, 1_000, 5_000, 3_000_000)


@dataclass(frozen=True)
class Disorder:
    """How a history is written and delivered."""

    window: int
    repeated: float
    new_ids: bool
    in_ms: float
    lag_us: int
    ahead: int


disorders = st.builds(
    Disorder,
    window=st.sampled_from([0, 2, 5, 12]),
    repeated=st.sampled_from([0.0, 0.3]),
    new_ids=st.booleans(),
    in_ms=st.sampled_from([0.0, 0.5, 1.0]),
    lag_us=st.sampled_from([0, 2_500_000]),
    ahead=st.sampled_from([0, 3]),
)
writes = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([None, 1, 2, 3]), st.sampled_from(STEPS_US)),
    min_size=1,
    max_size=14,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=writes, disorder=disorders, seed=st.integers(0, 2**32))
def test_any_delivery_of_changes_ends_with_the_table(
    file: File, writes: list[tuple[int, int | None, int]], disorder: Disorder, seed: int
) -> None:
    random = Random(seed)
    changes = Changes("routes", now_us=BEGAN * 1_000_000, step_us=0, seed=seed)
    file.table = Table(changes, disorder.lag_us)
    example = next(_examples)

    def write(number: int, value: int | None, step_us: int) -> None:
        changes.now_us += step_us
        key = {"id": {"S": f"{example}-{number}"}}
        if value is None:
            changes.delete(key)
        else:
            changes.put({**key, "v": {"N": str(value)}})

    pending = list(writes)
    waiting: list[tuple[float, Change, str | None]] = []
    taken = 0
    while pending or waiting or taken < len(changes.log):
        for _ in range(1 + random.randrange(1 + disorder.ahead) if pending else 0):
            if pending:
                write(*pending.pop(0))
        for place, change in enumerate(changes.log[taken:], taken):
            waiting.append((place + random.random() * disorder.window, change, None))
            if random.random() < disorder.repeated:
                event = f"again-{place}" if disorder.new_ids else None
                waiting.append((place + random.random() * 2 * disorder.window, change, event))
        taken = len(changes.log)
        waiting.sort(key=lambda each: each[0])
        size = random.randrange(1, 4) if pending else len(waiting)
        batch, waiting = waiting[:size], waiting[size:]
        while batch:
            some, batch = batch[:3], batch[3:]
            file.commit(
                *(
                    record(change, in_ms=random.random() < disorder.in_ms, event=event)
                    for _, change, event in some
                )
            )
    expected = {item["id"]["S"]: item for item in changes.items()}
    for number in (0, 1):
        key = f"{example}-{number}"
        assert file.item(key) == expected.get(key), (key, changes.log)


instants = st.lists(st.sampled_from([None, 1, 2, 3]), min_size=2, max_size=6)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=instants, again=st.integers(0, 3), seed=st.integers(0, 2**32))
# The last of three comes first: then a stamp of several changes meets the one between.
@example(values=[1, 2, None], again=0, seed=1)
def test_changes_of_one_instant_end_as_the_last_of_them(
    file: File, values: list[int | None], again: int, seed: int
) -> None:
    random = Random(seed)
    changes = Changes("routes", now_us=BEGAN * 1_000_000, step_us=0, seed=seed)
    file.table = Table(changes)
    key = {"id": {"S": f"{next(_examples)}"}}
    for value in values:
        if value is None:
            changes.delete(key)
        else:
            changes.put({**key, "v": {"N": str(value)}})
    delivered = changes.log + [
        random.choice(changes.log) for _ in range(again if changes.log else 0)
    ]
    random.shuffle(delivered)
    while delivered:
        size = random.randrange(1, 4)
        some, delivered = delivered[:size], delivered[size:]
        file.commit(*(record(change) for change in some))

    assert file.item(key["id"]["S"]) == next(iter(changes.items()), None), changes.log
