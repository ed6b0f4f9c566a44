"""The documented machine is the one that runs."""

from pathlib import Path

from tests.cdc.lineage_doc import render

DOCUMENT = Path(__file__).parents[2] / "docs" / "lineage.md"


def test_the_documented_diagram_is_the_table_that_runs() -> None:
    assert DOCUMENT.read_text() == render(), (
        "run: python -m tests.cdc.lineage_doc > docs/lineage.md"
    )
