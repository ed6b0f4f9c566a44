"""How long a dataset rests before its life begins anew: longer with each failure in a row. Pure."""

from __future__ import annotations

_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Pauses:
    """Counts failures in a row."""

    def __init__(self) -> None:
        self._failures = 0

    def succeeded(self) -> None:
        """Begin to count anew."""
        self._failures = 0

    def failed(self, *, needs_a_person: bool) -> None:
        """Count one; what only a person can repair is tried at the longest interval at once."""
        self._failures = len(_SECONDS) if needs_a_person else self._failures + 1

    @property
    def seconds(self) -> float:
        """The rest that is due now."""
        return _SECONDS[max(0, min(self._failures, len(_SECONDS)) - 1)]
