"""Durations as people write and read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snowmelt.durations import format_duration, format_exact, parse_duration


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("250ms", 0.25),
        ("0s", 0),
        ("2s", 2),
        ("1.5m", 90),
        ("2m", 120),
        ("18h", 64_800),
        ("7d", 604_800),
        (" 2m ", 120),
    ],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "value", [None, True, 5, 2.5, "", "5", "s", "-2s", "2 m", "2M", "1h30m", "1e3s", "9" * 20 + "d"]
)
def test_what_is_no_duration_is_refused_with_examples(value: object) -> None:
    with pytest.raises(ValueError, match="250ms, 2s, 2m, 18h"):
        parse_duration(value)


@given(st.integers(min_value=0, max_value=10**9))
def test_an_exact_text_is_read_back_as_the_same(milliseconds: int) -> None:
    assert parse_duration(format_exact(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@pytest.mark.parametrize(
    "seconds, text",
    [(0.25, "250ms"), (2, "2s"), (90, "90s"), (120, "2m"), (64_800, "18h"), (86_400, "1d")],
)
def test_an_exact_text_is_in_the_largest_unit_that_fits(seconds: float, text: str) -> None:
    assert format_exact(seconds) == text


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0, "0ms"),
        (0.85, "850ms"),
        (4.21, "4.2s"),
        (60, "1m 0s"),
        (252, "4m 12s"),
        (65_100, "18h 5m"),
        (266_400, "3d 2h"),
        (-90, "-1m 30s"),
    ],
)
def test_a_duration_is_shown_in_two_units_at_most(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
