"""A batch is judged as a look at each change, one after the other, would judge it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdc.keys import KeyAttribute, KeySchema
from cdc.ordering import Remembered, table_of
from cdc.ordering_engine import OrderingEngine, Verdicts

KEYS = KeySchema(KeyAttribute("id", "N"))
ITEMS = [bytes([number]) * 16 for number in range(8)]
FIRST = 5  # numbers of changes are not their places in the batch


@pytest.fixture(scope="module")
def engine() -> Iterator[OrderingEngine]:
    made = OrderingEngine(KEYS)
    yield made
    made.close()


@dataclass(frozen=True)
class Made:
    """A change. It was made within `lasts_us` from `first_us` on."""

    item: int
    first_us: int
    lasts_us: int
    event: str

    @property
    def last_us(self) -> int:
        return self.first_us + self.lasts_us


changes_made = st.builds(
    Made,
    st.integers(0, 7),
    st.integers(0, 3),
    st.sampled_from([0, 0, 0, 2]),
    st.text("abcdef", min_size=1, max_size=2),
)


def expected(changes: list[Made], held: dict[int, Made]) -> list[str]:
    """The verdict on each change."""
    verdicts = []
    for number, change in enumerate(changes):
        same = [each for each in changes if each.item == change.item]
        stamp = held.get(change.item)
        top = max(each.first_us for each in (*same, *([stamp] if stamp else [])))
        before = [(each.item, each.event) for each in changes[:number]]
        is_known = stamp is not None and stamp.event == change.event
        if is_known or (change.item, change.event) in before:
            verdicts.append("again")
        elif stamp is not None and change.last_us < stamp.first_us:
            verdicts.append("late")
        elif change.last_us < top:
            verdicts.append("older")
        else:
            verdicts.append("tie" if stamp is not None and stamp.last_us >= top else "newest")
    rivals = Counter(
        change.item
        for change, verdict in zip(changes, verdicts, strict=True)
        if verdict == "newest"
    )
    return [
        "tie" if verdict == "newest" and rivals[change.item] > 1 else verdict
        for change, verdict in zip(changes, verdicts, strict=True)
    ]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(changes_made, max_size=12),
    held=st.dictionaries(st.integers(0, 7), changes_made, max_size=4),
)
def test_a_batch_is_judged_as_each_change_would_be(
    engine: OrderingEngine, changes: list[Made], held: dict[int, Made]
) -> None:
    verdicts = expected(changes, held)
    found = engine.judge(changes_table(changes), held_table(held))

    assert found.newest.column("number").to_pylist() == numbers(verdicts, "newest")
    assert sorted(tied(found)) == numbers(verdicts, "tie")
    for h, some in found.ties.items():
        assert {ITEMS[changes[number - FIRST].item] for number in some} == {h}
    assert (found.duplicates, found.late) == (verdicts.count("again"), verdicts.count("late"))


def test_numbers_in_any_spelling_have_one_identity_and_what_is_no_key_has_none(
    engine: OrderingEngine,
) -> None:
    one, same, other, missing = engine.identities(
        [b'{"id":{"N":"1"}}', b'{"id":{"N":"1.0"}}', b'{"id":{"N":"2"}}', b'{"id":{"S":"1"}}']
    ).to_pylist()

    assert one == same == KEYS.identity({"id": {"N": "1"}})
    assert other == KEYS.identity({"id": {"N": "2"}})
    assert missing is None


@pytest.mark.parametrize("damaged", [b'{"id":', b'\xff{"id":{"N":"1"}}'])
def test_one_damaged_key_leaves_the_others_their_identity(
    engine: OrderingEngine, damaged: bytes
) -> None:
    found = engine.identities([b'{"id":{"N":"1"}}', damaged, b'{"id":{"N":"2"}}']).to_pylist()

    assert found == [KEYS.identity({"id": {"N": "1"}}), None, KEYS.identity({"id": {"N": "2"}})]


def numbers(verdicts: list[str], wanted: str) -> list[int]:
    return [number for number, verdict in enumerate(verdicts, FIRST) if verdict == wanted]


def tied(found: Verdicts) -> list[int]:
    return [number for some in found.ties.values() for number in some]


def changes_table(changes: list[Made]) -> pa.Table:
    return pa.table(
        {
            "number": pa.array(range(FIRST, FIRST + len(changes)), pa.int64()),
            "_h": pa.array([ITEMS[change.item] for change in changes], pa.binary(16)),
            "first_us": pa.array([change.first_us for change in changes], pa.int64()),
            "last_us": pa.array([change.last_us for change in changes], pa.int64()),
            "event": pa.array([change.event for change in changes], pa.string()),
        }
    )


def held_table(held: dict[int, Made]) -> pa.Table:
    return table_of(
        [
            Remembered(ITEMS[item], stamp.first_us, stamp.last_us, stamp.event, None, None)
            for item, stamp in held.items()
        ]
    )
