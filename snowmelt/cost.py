"""What a bootstrap costs, told before it begins: read units, dollars, minutes, disk. Pure.

The service counts a table each six hours, so all of it is an estimate; a table that is younger has
no count yet.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from cdc.errors import NoSpace
from cdc.source import SourceDescription
from snowmelt.durations import format_duration
from snowmelt.prices import US_EAST_1
from snowmelt.progress import format_bytes

# Of a strongly consistent read unit.
READ_UNIT_BYTES = 4096
# What one node scans where the table does not throttle; its capacity is often the bound.
SCAN_ROWS_PER_SECOND = 20_000
# The file, and as much again while a fold or a re-bootstrap is under way.
DISK_FACTOR = 2.0


@dataclass(frozen=True, slots=True)
class BootstrapCost:
    """An estimate. `disk_needed_bytes`: beside what the file holds already."""

    items: int
    size_bytes: int
    read_units: float
    dollars: float
    seconds: float
    max_rcu: float | None
    disk_needed_bytes: int
    disk_free_bytes: int
    place: str

    @property
    def fits(self) -> bool:
        """True if the volume has room for the largest it may need."""
        return self.disk_free_bytes >= self.disk_needed_bytes

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {**asdict(self), "fits": self.fits}

    @property
    def reads(self) -> str:
        """What reading costs, for people."""
        bound = "if the table does not throttle"
        if self.max_rcu is not None:
            bound = f"at scan_max_rcu {self.max_rcu:,g}"
        return (
            f"{self.read_units:,.0f} read units, about ${self.dollars:,.2f} on demand "
            f"({US_EAST_1.region}, ${US_EAST_1.read_units_million} a million), about "
            f"{format_duration(self.seconds)} {bound}"
        )

    @property
    def disk(self) -> str:
        """What storing needs, for people."""
        needed, free = format_bytes(self.disk_needed_bytes), format_bytes(self.disk_free_bytes)
        return f"needs up to {needed}, has {free} at {self.place}"

    def lines(self, name: str) -> list[str]:
        """The estimate, a line each for the table, its reading, and the disk."""
        counted = f"{self.items:,} items, {format_bytes(self.size_bytes)}"
        if not self.items:
            counted = "no items counted (the service counts each six hours)"
        return [f"{name}: {counted}", f"  cost: {self.reads}", f"  disk: {self.disk}"]

    def check_fits(self) -> None:
        """Raise NoSpace if the volume is too small for the table."""
        if not self.fits:
            raise NoSpace(f"a bootstrap {self.disk}", hint="free space or use a larger volume")


def bootstrap_cost(
    description: SourceDescription,
    *,
    max_rcu: float | None,
    disk_free_bytes: int,
    place: str,
    disk_held_bytes: int = 0,
) -> BootstrapCost:
    """The estimate. `disk_held_bytes`: of an unfinished file that is gone on with."""
    units = description.size_bytes / READ_UNIT_BYTES
    seconds = description.item_count / SCAN_ROWS_PER_SECOND
    return BootstrapCost(
        items=description.item_count,
        size_bytes=description.size_bytes,
        read_units=units,
        dollars=units / 1e6 * US_EAST_1.read_units_million,
        seconds=max(seconds, units / max_rcu) if max_rcu else seconds,
        max_rcu=max_rcu,
        disk_needed_bytes=max(0, int(description.size_bytes * DISK_FACTOR) - disk_held_bytes),
        disk_free_bytes=disk_free_bytes,
        place=place,
    )
