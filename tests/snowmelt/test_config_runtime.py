"""The section `runtime` by variables: one file for all nodes, addresses and directory for each."""

from pathlib import Path

import pytest

from snowmelt.config import RuntimeSection
from tests.snowmelt.files import EVERYTHING, SECRETS, SMALLEST, SPICEPOD, problems, read

VARIABLES = {
    "SNOWMELT_RUNTIME_ROLE": "central",
    "SNOWMELT_RUNTIME_QUERY": "127.0.0.1:18090",
    "SNOWMELT_RUNTIME_ADMIN": "0.0.0.0:19090",
    "SNOWMELT_RUNTIME_DATA_DIR": "/data",
    "SNOWMELT_RUNTIME_SHUTDOWN_TIMEOUT": "3s",
}
SET = RuntimeSection(
    query="127.0.0.1:18090",
    admin="0.0.0.0:19090",
    data_dir=Path("/data"),
    shutdown_timeout="3s",  # type: ignore[arg-type] # a duration as people write it
)


@pytest.mark.parametrize("text", [SMALLEST, EVERYTHING, SPICEPOD], ids=["none", "all", "peer"])
def test_variables_win_over_the_section_and_do_without_it(text: str) -> None:
    loaded = read(text, {**SECRETS, **VARIABLES})

    assert loaded.config.runtime == SET
    assert loaded.warnings == ()


def test_a_variable_leaves_the_rest_of_the_section_as_it_is() -> None:
    runtime = read(EVERYTHING, {"SNOWMELT_RUNTIME_ADMIN": "127.0.0.1:1"}).config.runtime

    assert runtime.admin == "127.0.0.1:1"
    assert runtime.query == "unix:///run/snowmelt.sock"
    assert runtime.shutdown_timeout == 25


def test_an_empty_variable_is_none() -> None:
    assert read(SMALLEST, dict.fromkeys(VARIABLES, "")).config.runtime == RuntimeSection()


def test_variables_that_other_programs_set_are_no_settings() -> None:
    # Kubernetes makes these for a service called `snowmelt-runtime`.
    foreign = {"SNOWMELT_RUNTIME_PORT": "tcp://10.0.0.1:9", "SNOWMELT_RUNTIME_SERVICE_HOST": "x"}

    assert read(SMALLEST, foreign).config.runtime == RuntimeSection()


def test_a_wrong_value_is_named_by_its_variable() -> None:
    wrong = {"SNOWMELT_RUNTIME_ADMIN": "9090", "SNOWMELT_RUNTIME_QUERY": "0.0.0.0:8090"}

    loopback = "is not loopback; use 127.0.0.1:PORT or unix:///PATH"
    assert problems(EVERYTHING, wrong) == [
        f"SNOWMELT_RUNTIME_QUERY: '0.0.0.0:8090' {loopback}",
        "SNOWMELT_RUNTIME_ADMIN: '9090' is not HOST:PORT",
    ]


def test_a_section_of_the_wrong_shape_is_an_error_as_it_was() -> None:
    assert problems(SMALLEST + "runtime: 7\n", VARIABLES) == ["runtime: must be a mapping, not 7"]
