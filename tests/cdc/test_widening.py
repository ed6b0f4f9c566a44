"""Which wider type a column gets, and that it never gets one back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdc.columns import Column, Kind
from cdc.widening import Found, Spilled, widened

INTEGER, TEXT = Column("v", "integer"), Column("v", "text")


def fractions(count: int, scale: int = 2, whole: int = 3) -> Spilled:
    return Spilled("N", count, whole, scale)


@pytest.mark.parametrize(
    "column, found, wider",
    [
        (INTEGER, Found(100, (fractions(10),)), Column("v", "decimal", 2)),
        (INTEGER, Found(100, (fractions(9),)), None),
        (INTEGER, Found(100, (fractions(50, 4), fractions(50, 7))), Column("v", "decimal", 12)),
        (INTEGER, Found(0, (Spilled("N", 5, 30, 0),)), Column("v", "decimal", 2)),
        (INTEGER, Found(0, (Spilled("N", 5, None),)), None),
        (INTEGER, Found(0, (Spilled("N", 5, 40, 3),)), None),
        (Column("v", "decimal", 2), Found(100, (fractions(20, 6),)), Column("v", "decimal", 6)),
        (Column("v", "decimal", 6), Found(100, (fractions(20, 19),)), None),
        # What the column holds must still fit: 33 digits leave room for 5 behind the point.
        (Column("v", "decimal", 2), Found(100, (fractions(20, 6),), whole=33), None),
        (INTEGER, Found(100, (Spilled("S", 2_000),)), TEXT),
        (INTEGER, Found(100, (Spilled("S", 1_999),)), Column("v", "json")),
        (INTEGER, Found(100, (Spilled("S", 99),)), None),
        (INTEGER, Found(100, (Spilled("S", 60), fractions(60))), Column("v", "json")),
        # Few of another type beside many fractions do not keep a number from being one.
        (INTEGER, Found(100, (Spilled("S", 1), fractions(60))), Column("v", "decimal", 2)),
        (TEXT, Found(100, (Spilled("N", 60, 1), Spilled("BOOL", 40))), Column("v", "json")),
        (TEXT, Found(100, (Spilled("N", 99, 1),)), None),
        (TEXT, Found(100, (Spilled("SS", 500), Spilled("B", 500))), None),
        (TEXT, Found(100, (Spilled("N", 500, 30, 2),)), None),
        (Column("v", "boolean"), Found(1, (Spilled("N", 20, 1),)), Column("v", "decimal", 2)),
        (Column("v", "boolean"), Found(10, (Spilled("M", 20),)), Column("v", "json")),
        (Column("v", "binary"), Found(10, (Spilled("M", 199),)), None),
        (Column("v", "binary"), Found(10, (Spilled("M", 200),)), Column("v", "json")),
        (Column("v", "json"), Found(0, (Spilled("S", 10),)), None),
    ],
)
def test_a_column_becomes_what_holds_much_more(
    column: Column, found: Found, wider: Column | None
) -> None:
    assert widened(column, found) == wider


def test_a_column_of_the_key_stays_one_that_keys_are_looked_up_by() -> None:
    assert widened(INTEGER, Found(10, (fractions(90),)), is_key=True) == Column("v", "decimal", 2)
    assert widened(INTEGER, Found(0, (Spilled("S", 90),)), is_key=True) is None
    assert widened(TEXT, Found(0, (fractions(90),)), is_key=True) is None


_kinds: st.SearchStrategy[Kind] = st.sampled_from(
    ("text", "integer", "decimal", "boolean", "binary")
)
_spilled = st.builds(
    Spilled,
    st.sampled_from(["S", "N", "BOOL", "B", "M", "L", "SS"]),
    st.integers(1, 1_000),
    st.none() | st.integers(1, 40),
    st.integers(0, 40),
)
_RANK = {"boolean": 0, "binary": 0, "integer": 0, "decimal": 1, "text": 2, "json": 3}


@settings(max_examples=200, deadline=None)
@given(_kinds, st.builds(Found, st.integers(0, 500), st.lists(_spilled).map(tuple)))
def test_a_type_is_only_ever_left_for_a_wider_one(kind: Kind, found: Found) -> None:
    column = Column("v", kind, 6 if kind == "decimal" else 0)
    seen = [column]
    while (wider := widened(seen[-1], found)) is not None:
        assert (_RANK[wider.kind], wider.scale) > (_RANK[seen[-1].kind], seen[-1].scale)
        seen.append(wider)
    assert len(seen) <= 6
