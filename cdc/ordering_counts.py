"""What a stream without order brought for nothing, in numbers. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dropped:
    """Totals since the start. `by_images`, `by_table`: ties, by what told the newest change."""

    duplicates: int = 0
    late: int = 0
    by_images: int = 0
    by_table: int = 0

    def plus(self, duplicates: int, late: int = 0, rule: str = "") -> Dropped:
        """The totals with a few more."""
        return Dropped(
            self.duplicates + duplicates,
            self.late + late,
            self.by_images + (rule == "images"),
            self.by_table + (rule == "table"),
        )
