"""What goes wrong while capture goes on: counted, and told once it lasts. Pure.

An operation (`shard:ID`, `scan:3`, `listing`, `commit`) is in trouble from its first error to its
next success. Trouble that lasts 30 s makes the dataset *degraded*, whatever its class: a person
should look. Shorter trouble is weather and only shows in the counters.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from cdc.backoff import Reaction, reaction
from cdc.errors import CdcError, NoSpace

LOUD_SECONDS = 30.0
_BRINGS_CHANGES = frozenset({"shard", "listing", "repair"})


@dataclass(frozen=True, slots=True)
class _Trouble:
    since: float
    error: CdcError
    is_loud: bool


@dataclass(slots=True)
class Troubles:
    """Operations in trouble, and totals since the start. Times are service time.

    `is_first_start`: errors that a person has to repair end the run, as long as that kind of call
    has never succeeded; afterwards they are waited out. `waits_for_space`: so is a full disk.
    """

    is_first_start: bool = False
    waits_for_space: bool = True
    errors: Counter[str] = field(default_factory=Counter)
    transient_total: int = 0
    last_error: str | None = None
    _open: dict[str, _Trouble] = field(default_factory=dict)
    _proven: set[str] = field(default_factory=set)

    def failed(self, operation: str, error: CdcError, now: float, *, is_loud: bool = False) -> None:
        """Note an error. Raises it if the run cannot go on with it."""
        self.errors[type(error).__name__] += 1
        self.last_error = f"{type(error).__name__}: {error}"
        what = reaction(error)
        if isinstance(error, NoSpace) and not self.waits_for_space:
            raise error
        if (
            what is Reaction.PERSIST
            and self.is_first_start
            and _kind(operation) not in self._proven
        ):
            raise error
        if what in (Reaction.RETRY, Reaction.REOPEN):
            self.transient_total += 1
        earlier = self._open.get(operation)
        since = now if earlier is None else earlier.since
        self._open[operation] = _Trouble(since, error, is_loud)

    def succeeded(self, operation: str) -> None:
        """The operation works (again)."""
        self._proven.add(_kind(operation))
        self._open.pop(operation, None)

    def since(self) -> float | None:
        """The begin of the trouble that has lasted longest, however short; None without any."""
        return min((trouble.since for trouble in list(self._open.values())), default=None)

    def degraded(self, now: float) -> tuple[str, float] | None:
        """What a person should know and since when: the trouble that has lasted longest."""
        lasting = self._lasting(now)
        if not lasting:
            return None
        worst = min(lasting, key=lambda trouble: trouble.since)
        return f"{worst.error} ({worst.error.hint})", worst.since

    def of_stream(self, now: float) -> str | None:
        """What lasts among the calls that bring changes; None if they go on."""
        lasting = [
            trouble
            for operation, trouble in list(self._open.items())
            if _kind(operation) in _BRINGS_CHANGES and now - trouble.since >= LOUD_SECONDS
        ]
        worst = min(lasting, key=lambda trouble: trouble.since, default=None)
        return None if worst is None else str(worst.error)

    def exit_code(self, now: float) -> int | None:
        """Of what `degraded` tells, else of the trouble that has lasted longest; None without."""
        troubles = self._lasting(now) or list(self._open.values())
        worst = min(troubles, key=lambda trouble: trouble.since, default=None)
        return None if worst is None else worst.error.exit_code

    def _lasting(self, now: float) -> list[_Trouble]:
        return [
            trouble
            for trouble in list(self._open.values())  # a copy: other threads ask, too
            if trouble.is_loud or now - trouble.since >= LOUD_SECONDS
        ]


def _kind(operation: str) -> str:
    return operation.partition(":")[0]
