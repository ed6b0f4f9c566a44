"""References to the environment, to secrets and to files."""

from pathlib import Path
from typing import Any

import pytest

from snowmelt.references import resolve


def resolved(value: Any, environment: dict[str, str] | None = None) -> tuple[Any, list[str]]:
    problems: list[str] = []
    return resolve(value, environment or {}, "", problems, {}), problems


def test_a_reference_is_replaced_wherever_it_stands() -> None:
    document = {"a": ["${env:ONE}", {"b": "x-${env:TWO}-${env:ONE}"}], "c": 3}

    value, problems = resolved(document, {"ONE": "1", "TWO": "2"})

    assert value == {"a": ["1", {"b": "x-2-1"}], "c": 3}
    assert problems == []


@pytest.mark.parametrize("text", ["${ env:ONE }", "${env: ONE}", "${env:ONE}"])
def test_spaces_within_a_reference_mean_nothing(text: str) -> None:
    assert resolved(text, {"ONE": "1"}) == ("1", [])


def test_a_value_that_looks_like_a_reference_is_not_read_again() -> None:
    assert resolved("${env:ONE}", {"ONE": "${env:TWO}", "TWO": "2"})[0] == "${env:TWO}"


@pytest.mark.parametrize(
    "variable", ["aws_key", "AWS_KEY", "SPICE_AWS_KEY"], ids=["as it is", "capitals", "the peer's"]
)
def test_a_secret_is_looked_for_where_the_peer_looks(variable: str) -> None:
    assert resolved("${secrets:aws_key}", {variable: "value"}) == ("value", [])


def test_a_secret_may_be_a_file_in_a_mounted_directory(tmp_path: Path) -> None:
    (tmp_path / "aws-key").write_text("value\n")

    found = resolved("${secrets:aws-key}", {"SNOWMELT_SECRETS_DIR": str(tmp_path)})

    assert found == ("value", [])


@pytest.mark.parametrize("name", ["../outside", "a/b", ""])
def test_the_name_of_a_secret_cannot_leave_the_directory(tmp_path: Path, name: str) -> None:
    directory = tmp_path / "secrets"
    directory.mkdir()
    (tmp_path / "outside").write_text("value")

    _, problems = resolved(f"${{secrets:{name}}}", {"SNOWMELT_SECRETS_DIR": str(directory)})

    assert len(problems) == 1


def test_a_file_is_read_without_the_end_of_its_line(tmp_path: Path) -> None:
    (tmp_path / "region").write_text("eu-west-1\n")

    assert resolved(f"${{file:{tmp_path}/region}}") == ("eu-west-1", [])


def test_what_is_missing_is_named_with_its_place() -> None:
    document = {"a": {"b": ["${env:NOPE}"]}, "c": "${secrets:NADA}", "d": "${file:/no/such/file}"}

    _, problems = resolved(document)

    assert problems == [
        "a.b[0]: environment variable NOPE is not set",
        "c: secret NADA is neither in the environment nor in SNOWMELT_SECRETS_DIR",
        "d: file /no/such/file cannot be read: No such file or directory",
    ]


@pytest.mark.parametrize("text", ["${NAME}", "${vault:x}", "${Env:X}", "${}"])
def test_a_reference_of_no_known_kind_is_refused(text: str) -> None:
    _, problems = resolved({"a": text})

    assert problems == ["a: unknown reference; write ${env:NAME}, ${secrets:NAME} or ${file:/path}"]
