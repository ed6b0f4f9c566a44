"""The round trip: whatever an item holds, and whatever its file went through, it comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cdc.accelerator import Engine
from cdc.column_rules import ColumnRules
from cdc.columns import Column, Columns
from cdc.keys import Item, KeySchema
from tests.properties.item_files import Items, item_file
from tests.properties.items import columns, items, key_schemas, texts

ENGINES = get_args(Engine)
BY_ID = KeySchema.from_json([{"name": "id", "type": "S"}])

Step = tuple[str, Any]


@dataclass(frozen=True)
class _Story:
    """A load, and what happens to the file behind it."""

    keys: KeySchema
    rules: ColumnRules
    load: list[Step] = field(default_factory=list)
    life: list[Step] = field(default_factory=list)


@st.composite
def stories(draw: st.DrawFn) -> _Story:
    keys = draw(key_schemas())
    several = st.lists(items(keys), max_size=8)
    changes = st.lists(st.tuples(st.booleans() | st.just(True), items(keys)), max_size=8)
    load = st.tuples(st.just("scan"), several) | st.tuples(st.just("change"), changes)
    upkeep = st.tuples(st.just("maintain"), st.booleans())
    moves = st.tuples(st.sampled_from(["reopen", "restore"]), st.none())
    change = st.tuples(st.just("change"), changes)
    return _Story(
        keys,
        ColumnRules(
            declared=_free_of(keys, draw(st.just(Columns()) | columns())),
            budget=draw(st.sampled_from([10, 200])),
        ),
        [*draw(_turns(keys)), *draw(st.lists(load | upkeep, max_size=4))],
        draw(st.lists(change | upkeep | change | moves, min_size=1, max_size=5)),
    )


_ONE_TYPE = (
    st.integers(-9, 9).map(lambda number: {"N": str(number)}),
    st.integers(1, 99).map(lambda number: {"N": f"{number}.5"}),
    texts.map(lambda text: {"S": text}),
    st.booleans().map(lambda value: {"BOOL": value}),
    st.just({"M": {"n": {"N": "1"}, "s": {"S": ""}}}),
)


@st.composite
def _turns(draw: st.DrawFn, keys: KeySchema) -> list[Step]:
    """Pages in which an attribute has one type, then another: its column is to be widened."""
    first, second = draw(st.permutations(_ONE_TYPE))[:2]
    pages = []
    for values, rows in ((first, 2), (second, 6)):
        page = draw(st.lists(items(keys), min_size=rows, max_size=rows))
        pages.append(("scan", [{**item, "a": draw(values)} for item in page]))
    return pages


def _free_of(keys: KeySchema, declared: Columns) -> tuple[Column, ...]:
    """A declared key column has the key's type, or the configuration is refused."""
    names = {key.name for key in keys.attributes}
    return tuple(column for column in declared if column.name not in names)


def _live(story: _Story, engine: Engine) -> None:
    with item_file(engine, story.keys, story.rules) as file:
        for step in story.load:
            _take(file, *step)
        file.end_scan()
        file.check()
        for step in story.life:
            _take(file, *step)
            file.check()
        file.maintain(idle=True)
        file.go_on_from_a_snapshot()
        file.check()


def _take(file: Items, step: str, about: Any) -> None:
    match step:
        case "scan":
            file.scan(about)
        case "change":
            file.change(about)
        case "maintain":
            file.maintain(idle=about)
        case "reopen":
            file.reopen()
        case "restore":
            file.go_on_from_a_snapshot()


def _lives(engine: Engine, examples: int) -> None:
    # A file costs DuckDB a second, so a failing story is shown as it is found.
    @settings(
        max_examples=examples,
        deadline=None,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(stories())
    def live(story: _Story) -> None:
        _live(story, engine)

    live()


@pytest.mark.parametrize("engine, examples", [("duckdb", 4), ("sqlite", 8)])
def test_every_item_outlives_whatever_happens_to_its_file(engine: Engine, examples: int) -> None:
    _lives(engine, examples)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_item_outlives_hundreds_of_files(engine: Engine) -> None:
    _lives(engine, 400)


# ---------------------------------------------------------------- what is known to be hard


def _through_all(engine: Engine, batches: list[list[Item]], rules: ColumnRules) -> Columns:
    """Each batch committed, all kept up, published and restored; the columns in the end."""
    with item_file(engine, BY_ID, rules) as file:
        file.scan(batches[0])
        file.end_scan()
        file.check()
        for batch in batches[1:]:
            file.change([(True, item) for item in batch])
            file.check()
        file.maintain(idle=True)
        file.check()
        file.go_on_from_a_snapshot()
        file.check()
        return file.file.columns()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_thousand_attributes_come_back_in_columns_and_beyond_them(engine: Engine) -> None:
    wide: list[Item] = [
        {
            "id": {"S": f"i-{number}"},
            **{f"attribute-{at:04}": {"N": str(at * number)} for at in range(number, 1_000)},
        }
        for number in range(3)
    ]

    columns = _through_all(engine, [wide[:1], wide[1:]], ColumnRules(budget=40))

    assert columns.names[0] == "id"
    assert len(columns) == 40


@pytest.mark.parametrize("engine", ENGINES)
def test_names_that_differ_by_case_alone_stay_two_attributes(engine: Engine) -> None:
    low: Item = {"id": {"S": "1"}, "name": {"S": "low"}, "ID": {"N": "7"}}
    both: Item = {"id": {"S": "2"}, "name": {"S": "low"}, "NAME": {"S": "high"}, "Name": {"N": "1"}}
    high: Item = {"id": {"S": "1"}, "NAME": {"S": "high"}}

    columns = _through_all(engine, [[low], [both], [high]], ColumnRules())

    assert columns.names == ("id", "name")


@pytest.mark.parametrize("engine", ENGINES)
def test_an_attribute_that_alternates_its_type_is_always_what_it_was_last(engine: Engine) -> None:
    values: list[dict[str, Any]] = [
        {"N": "1"},
        {"S": "one"},
        {"N": "1.5"},
        {"NULL": True},
        {"M": {"n": {"N": "9" * 38}, "s": {"NS": ["2", "1"]}}},
        {"L": [{"B": "AAE="}, {"BOOL": False}]},
        {"BOOL": True},
        {"SS": ["b", "a"]},
        {"B": ""},
        {"N": "9" * 38},
    ]
    batches: list[list[Item]] = [
        [
            {"id": {"S": f"i-{number}"}, "v": values[(at + number) % len(values)]}
            for number in range(4)
        ]
        for at in range(len(values))
    ]

    _through_all(engine, batches, ColumnRules())
