"""What an orchestrator gets to read is JSON of at most 4 KiB, whatever happened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cdc.errors import FileUnusable
from snowmelt.errors import UsageError
from snowmelt.init_container import (
    TERMINATION_LIMIT_BYTES,
    TERMINATION_LOG_VARIABLE,
    InitContainer,
    shortened,
)

DOCUMENT: dict[str, Any] = {
    "format": 1,
    "verb": "restore",
    "decision": "restore",
    "reasons": ["it is fresh"],
    "phases": {"fetch": 1.5},
    "rejected": [],
    "exit_code": 0,
}


def test_a_short_one_is_told_whole() -> None:
    assert json.loads(shortened(DOCUMENT)) == DOCUMENT


@pytest.mark.parametrize("size", [3_000, 5_000, 100_000])
@pytest.mark.parametrize("name", ["rejected", "reasons", "message", "hint", "path"])
def test_a_long_one_is_cut_where_it_matters_least(name: str, size: int) -> None:
    long = ["é" * (size // 10)] * 10 if name in ("rejected", "reasons") else "é" * size

    text = shortened({**DOCUMENT, name: long})

    assert len(text) <= TERMINATION_LIMIT_BYTES
    assert json.loads(text)["exit_code"] == 0


def test_an_error_of_ours_is_told_in_its_words_and_a_bug_by_its_kind_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    word = tmp_path / "word"
    monkeypatch.setenv(TERMINATION_LOG_VARIABLE, str(word))
    told = InitContainer(None)
    told.about("pipelines", tmp_path / "file")

    with pytest.raises(UsageError), told.failures():
        raise UsageError("a\nb", hint="do c")
    ours = json.loads(word.read_text())
    with pytest.raises(KeyError), told.failures():
        raise KeyError("secret-of-somebody")
    bug = json.loads(word.read_text())

    assert (ours["message"], ours["hint"], ours["exit_code"]) == ("a b", "do c", 2)
    assert ours["dataset"] == "pipelines"
    assert (bug["message"], bug["exit_code"]) == ("a bug in Snowmelt: KeyError", 1)


def test_a_report_that_cannot_be_written_is_an_error_of_its_own_only_after_success(
    tmp_path: Path,
) -> None:
    told = InitContainer(tmp_path / "missing" / "report.json")

    with pytest.raises(FileUnusable, match="cannot write the report"):
        told.ended({})
    with pytest.raises(UsageError, match="the cause"), told.failures():
        raise UsageError("the cause")
