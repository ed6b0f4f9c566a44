"""A bill: lines of a quantity and a price, each with the formula that it came from. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Line:
    """One cause of cost in a month. `per_unit`: dollars. `formula`: how the quantity came about."""

    what: str
    quantity: float
    unit: str
    per_unit: float
    formula: str

    @property
    def dollars(self) -> float:
        """What it comes to."""
        return self.quantity * self.per_unit

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "what": self.what,
            "quantity": round(self.quantity, 3),
            "unit": self.unit,
            "dollars_per_unit": self.per_unit,
            "dollars": round(self.dollars, 2),
            "formula": self.formula,
        }

    @property
    def text(self) -> str:
        """One line for people."""
        counted = f"{amount(self.quantity)} {self.unit} = {self.formula}"
        return f"{self.what}: {counted}, {dollars(self.dollars)}"


@dataclass(frozen=True, slots=True)
class Bill:
    """Lines in the order of their making."""

    lines: tuple[Line, ...]

    @property
    def dollars(self) -> float:
        """The sum, a month."""
        return sum(line.dollars for line in self.lines)

    def of(self, unit: str) -> float:
        """The sum of the quantities in this unit."""
        return sum(line.quantity for line in self.lines if line.unit == unit)

    def plus(self, more: Iterable[Line]) -> Bill:
        """This one with more lines."""
        return Bill((*self.lines, *more))

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "lines": [line.to_json() for line in self.lines],
            "dollars_a_month": round(self.dollars, 2),
        }


def amount(number: float) -> str:
    """`812`, `4.32`, `12,960,000`."""
    return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:,.2f}"


def dollars(number: float) -> str:
    """`$0.0004`, `$12.96`, `$1,296`."""
    if number >= 1000:
        return f"${number:,.0f}"
    return f"${number:,.2f}" if number >= 0.01 or number == 0 else f"${number:.4f}"
