"""The sections `columns` and `indexes`: what they mean, and what does not go together."""

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # has no types

from cdc.columns import COLUMN_BUDGET, Column
from snowmelt.config_schema import file_schema
from snowmelt.wiring import wire
from tests.snowmelt.files import EVERYTHING, SECRETS, SMALLEST, SPICEPOD, problems, read


def accepts(text: str) -> bool:
    return bool(Draft202012Validator(file_schema()).is_valid(yaml.safe_load(text)))


def test_capture_gets_what_the_section_says() -> None:
    config = read(EVERYTHING).config

    rules = wire(config, config.datasets[0]).capture_settings.columns

    assert rules.declared == (Column("price", "decimal", 4), Column("state", "text"))
    assert rules.excluded == {"notes", "ssn"}
    assert rules.budget == 150


def test_without_the_section_columns_follow_the_data() -> None:
    config = read(SMALLEST).config

    rules = wire(config, config.datasets[0]).capture_settings.columns

    assert (rules.declared, rules.excluded, rules.budget) == ((), frozenset(), COLUMN_BUDGET)


# What the section says, the one line that comes of it, and whether the schema sees it too.
MISTAKES = [
    (
        "declare: { price: money }",
        (
            ".declare.price: 'money' is not a column type; "
            "use text, integer, decimal(SCALE), boolean, binary or json"
        ),
        True,
    ),
    (
        "declare: { price: decimal }",
        (
            ".declare.price: 'decimal' is not a column type; "
            "use text, integer, decimal(SCALE), boolean, binary or json"
        ),
        True,
    ),
    ("declare: { price: 7 }", ".declare.price: must be text (put it in quotes), not 7", True),
    ("declare: [ price ]", ".declare: must be a mapping, not a list", True),
    (
        "declare: { a: text, A: text }",
        ": declare: 'a' and 'A' differ only by case; declare one, the other is kept in _rest",
        False,
    ),
    (
        "declare: { _REST: text }",
        ": declare: '_REST' cannot name a column; leave it out, it is kept in _rest",
        False,
    ),
    (
        "{ declare: { a: text }, exclude: [ b, a ] }",
        ": 'a' is declared and excluded; choose one",
        False,
    ),
    ("exclude: ssn", ".exclude: must be a list, not 'ssn'", True),
    ("budget: 1001", ".budget: must be at most 1000, not 1001", True),
    ("budget: -1", ".budget: must be at least 0, not -1", True),
    (
        "{ declare: { a: text, b: text }, budget: 1 }",
        ": budget: 1 columns are fewer than the 2 declared ones",
        False,
    ),
    ("excluded: [ a ]", ".excluded: unknown key; did you mean exclude?", True),
]


@pytest.mark.parametrize("section, told, in_schema", MISTAKES)
def test_a_mistake_is_one_line_with_its_place(section: str, told: str, *, in_schema: bool) -> None:
    section = section if section.startswith("{") else f"{{ {section} }}"
    text = f"{SMALLEST}    columns: {section}\n"

    assert problems(text) == [f"datasets[0].columns{told}"]
    assert accepts(text) is not in_schema


def test_what_the_peer_says_of_columns_is_left_out_with_a_warning() -> None:
    text = SPICEPOD.replace(
        "    name: pipelines\n",
        "    name: pipelines\n    columns: [ { name: id, description: the key } ]\n",
    )
    assert text != SPICEPOD

    assert read(text, SECRETS).warnings == (
        "datasets[0].columns: not supported by Snowmelt; ignored",
    )
    assert accepts(text)
    assert not accepts(SMALLEST + "    columns: [ { name: id } ]\n")


# ---------------------------------------------------------------- indexes


def test_indexes_of_the_table_are_asked_for_where_the_engine_has_indexes() -> None:
    loaded = read(SMALLEST + "    acceleration: { engine: sqlite, indexes: from_table }\n")

    plain = read(SMALLEST).config

    assert loaded.warnings == ()
    assert wire(loaded.config, loaded.config.datasets[0]).capture_settings.indexes_from_table
    assert not wire(plain, plain.datasets[0]).capture_settings.indexes_from_table


def test_on_duckdb_indexes_have_no_effect_and_the_warning_says_why() -> None:
    (warning,) = read(SMALLEST + "    acceleration: { indexes: from_table }\n").warnings

    assert warning.startswith("datasets[0].acceleration.indexes: has no effect on duckdb: its")
    assert warning.endswith("engine sqlite keeps indexes")


def test_the_peers_indexes_are_left_out_with_a_warning() -> None:
    text = SPICEPOD.replace("engine: duckdb", "engine: duckdb, indexes: { '(a, b)': enabled }")
    assert text != SPICEPOD

    assert read(text, SECRETS).warnings == (
        "datasets[0].acceleration.indexes: not supported by Snowmelt; ignored",
    )
    assert accepts(text)
