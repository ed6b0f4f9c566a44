"""The printed JSON Schema describes the file, as `config check` judges it."""

from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # has no types

from snowmelt.config_schema import file_schema
from snowmelt.parameters import SPELLINGS, WITHOUT_EFFECT
from tests.snowmelt.files import EVERYTHING, SMALLEST, SPICEPOD
from tests.snowmelt.test_config import MISTAKES

# Rules that join keys, or that need more than a shape, are left to `config check`.
BEYOND_A_SHAPE = {
    "a full snapshot each minute",
    "a grace shorter than a restore",
    "S3 endpoint",
    "S3 keys",
    "admin address",
    "batches of no stream",
    "dataset name",
    "environment variable",
    "location without a bucket",
    "location without a scheme",
    "memory limit",
    "no acceleration",
    "no location",
    "port",
    "query address for everybody",
    "refreshes without a pause",
    "refreshes without an interval",
    "reserved name",
    "source",
    "stream",
    "table name",
    "threshold of batches",
    "threshold of nothing",
    "threshold of time",
}


def accepts(text: str) -> bool:
    return bool(Draft202012Validator(file_schema()).is_valid(yaml.safe_load(text)))


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(file_schema())


@pytest.mark.parametrize("text", [SMALLEST, EVERYTHING, SPICEPOD], ids=["small", "all", "peer"])
def test_good_files_fit_the_schema(text: str) -> None:
    assert accepts(text)


@pytest.mark.parametrize("name", sorted(MISTAKES.keys() - BEYOND_A_SHAPE))
def test_a_mistake_does_not_fit_the_schema(name: str) -> None:
    old, new, _ = MISTAKES[name]

    assert not accepts(EVERYTHING.replace(old, new))


def test_unknown_keys_fit_a_spicepod_and_nothing_else() -> None:
    extra = "\nviews: []\n"

    assert accepts(SPICEPOD + extra)
    assert not accepts(SMALLEST + extra)


def test_a_reference_may_stand_for_any_single_value() -> None:
    assert accepts(EVERYTHING.replace("engine: sqlite", "engine: ${env:ENGINE}"))
    assert accepts(EVERYTHING.replace("scan_segments: auto", "scan_segments: ${env:SEGMENTS}"))


def test_parameters_are_in_the_spellings_of_the_file() -> None:
    parameters: dict[str, Any] = file_schema()["$defs"]["DynamoDbParameters"]["properties"]

    assert set(parameters) == set(SPELLINGS) | set(WITHOUT_EFFECT)


def test_defaults_are_written_as_a_file_would_write_them() -> None:
    definitions = file_schema()["$defs"]

    assert definitions["DynamoDbParameters"]["properties"]["ready_lag"]["default"] == "2s"
    assert definitions["RuntimeSection"]["properties"]["shutdown_timeout"]["default"] == "20s"
