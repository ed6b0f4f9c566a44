"""The section `snapshots.gate`: what a state may not be to become the newest snapshot by itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from snapshotter.objections import Bounds
from snowmelt.durations import Duration

_LEAST_WINDOW_SECONDS = 60.0


class GateSection(BaseModel):
    """`max_shrink`: which share of the rows may be gone since the last good snapshot.

    The same share may go on the live feed within `shrink_window`. `max_lag`: of the stream.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_shrink: Annotated[float, Field(ge=0.01, le=0.95)] = 0.5
    shrink_window: Duration = 3600.0
    max_lag: Duration = 3600.0

    @field_validator("shrink_window")
    @classmethod
    def _is_a_window(cls, value: float) -> float:
        if value < _LEAST_WINDOW_SECONDS:
            raise ValueError("must be at least 1m; write e.g. 1h")
        return value

    @property
    def bounds(self) -> Bounds:
        """As the gate takes them."""
        return Bounds(self.max_shrink, self.max_lag)
