"""A node's part in the lease of a dataset: when it looks and renews, and what it says of it.

Whoever does not hold the lease follows and serves, and looks again; so does a node that lost it. A
holder renews from a ticker of its own, because a publish may take longer than the lease.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Literal

from snapshotter import lease as rules
from snapshotter.errors import Fenced, SnapshotError
from snapshotter.lease import Claimant, Lease
from snapshotter.lease_keeper import LeaseKeeper, LeaseLost
from snapshotter.swap import Terms
from snowmelt.clockwork import Clockwork
from snowmelt.holder import holder_id
from snowmelt.logs import logger
from snowmelt.report import problem_of
from snowmelt.status import Problem, SnapshotStatus
from snowmelt.wiring import DatasetPlan

LeaseState = Literal["held", "waiting", "lost"]

_WAITS = "it publishes once that is gone; `snowmelt run --take-over` takes it from a live one"


class Leasing:
    """`on_lost` is called, from any thread, when somebody else turns out to have taken over.

    Raises the errors of the store and of a lease that cannot be read.
    """

    def __init__(
        self, plan: DatasetPlan, clockwork: Clockwork, on_lost: Callable[[], None]
    ) -> None:
        self._plan = plan
        self._clockwork = clockwork
        self._on_lost = on_lost
        self._log = logger(dataset=plan.name)
        self._look_at = 0.0
        self._renew_at = 0.0
        self._generation = 0
        self._told: str | None = None
        self._is_in_doubt = False
        self._problem: Problem | None = None

    @property
    def is_ours(self) -> bool:
        """True as far as this process knows."""
        return self._keeper.is_ours

    @property
    def is_lost(self) -> bool:
        """True if another took it from this process, which did not get it back since."""
        return self._problem is not None

    @property
    def seen(self) -> Lease | None:
        """The lease as it was written or read last."""
        return self._keeper.seen

    @property
    def term(self) -> str:
        """Another one each time that the lease is taken after a loss."""
        return self._keeper.term

    @property
    def succeeds(self) -> bool:
        """True if it was another node's before."""
        taken = self._keeper.last_taken
        return taken is not None and taken.succeeds

    # ------------------------------------------------------------ taking

    def look(self) -> bool:
        """Look as often as the lease asks for, and take it where that is allowed; True if ours."""
        if self._keeper.is_ours:
            return True
        return self._clockwork.monotonic() >= self._look_at and self.look_now()

    def look_now(self) -> bool:
        """The same, at once."""
        if self._keeper.is_ours:
            return True
        is_ours = self._keeper.look()
        now = self._clockwork.monotonic()
        self._look_at = now + self._keeper.next_look_seconds()
        if is_ours:
            self._taken(now)
        else:
            self._waits()
        return is_ours

    def check_ours(self) -> None:
        """Raise Fenced unless the lease is ours or can be taken now."""
        if not self.look_now():
            holder = self.seen.holder if self.seen else "nobody yet"
            name = self._plan.name
            raise Fenced(f"{name}: the lease to publish it is held by {holder!r}", hint=_WAITS)

    def terms(self, progress: float | None) -> Terms:
        """For the write that raises the generation. `progress`: of a bootstrap that begins."""
        return Terms(self._confirm, progress)

    def raised(self, generation: int) -> None:
        """The pointer has our generation; the lease says so from now on."""
        self._generation = generation
        self._confirm()

    # ------------------------------------------------------------ keeping

    def renew(self) -> None:
        """Renew it if that is due; called by a ticker."""
        if not self._keeper.is_ours or self._clockwork.monotonic() < self._renew_at:
            return
        try:
            self._confirm()
        except LeaseLost:
            pass  # told
        except SnapshotError as error:
            if not self._is_in_doubt:
                self._log.warning("lease_not_renewed", message=str(error), hint=error.hint)
            self._is_in_doubt = True

    def fenced(self, error: Exception) -> bool:
        """The pointer says that somebody else publishes: leave the lease to whoever renews it.

        False if that was told already.
        """
        was_ours = self._keeper.forget()
        if was_ours:
            self._lost(error)
        return was_ours

    def release(self) -> None:
        """Let another one take it at once. A store that is away makes it wait instead."""
        if not self._keeper.is_ours:
            return
        try:
            self._keeper.release()
        except SnapshotError as error:
            self._log.warning("lease_not_released", message=str(error), hint=error.hint)
        else:
            self._log.info("lease_released")

    # ------------------------------------------------------------ what it says

    def shown_in(self, status: SnapshotStatus) -> SnapshotStatus:
        """The status with what is known of the lease."""
        seen = self.seen
        state: LeaseState | None = None if self._told is None else "waiting"
        if self._keeper.is_ours:
            state = "held"
        elif self.is_lost:
            state = "lost"
        return replace(
            status,
            lease=state,
            lease_holder=None if seen is None or seen.is_released else seen.holder,
            fenced=self.is_lost,
            problem=self._problem or status.problem,
        )

    # ------------------------------------------------------------ inside

    @cached_property
    def _keeper(self) -> LeaseKeeper:
        plan = self._plan
        if plan.store is None:
            raise ValueError(f"{plan.name} has no store")
        who = Claimant(
            holder_id(plan.path),
            plan.lease_seconds,
            is_standby=plan.is_standby,
            forces=plan.takes_over,
        )
        monotonic = self._clockwork.monotonic
        return LeaseKeeper(plan.store, plan.name, who, holder=plan.holder, monotonic=monotonic)

    def _confirm(self) -> None:
        began_at = self._clockwork.monotonic()
        try:
            self._keeper.renew(self._generation)
        except LeaseLost as error:
            self._lost(error)
            raise
        self._renew_at = began_at + rules.renewal_seconds(self._plan.lease_seconds)
        self._is_in_doubt = False

    def _taken(self, now: float) -> None:
        taken = self._keeper.last_taken
        before = taken.before if taken else None
        self._renew_at = now + rules.renewal_seconds(self._plan.lease_seconds)
        self._generation = 0
        self._problem = self._told = None
        self._log.info(
            "lease_taken",
            because=taken.claim if taken else "own",
            before=before.holder if before else None,
        )

    def _waits(self) -> None:
        holder = self.seen.holder if self.seen else "nobody yet"
        if self._told != holder:
            self._told = holder
            self._log.info("lease_waited_for", holder=holder, standby=self._plan.is_standby)

    def _lost(self, error: Exception) -> None:
        if self.is_lost:
            return  # two threads met the same loss
        self._problem = problem_of(error, self._clockwork.time())
        self._log.warning("lease_lost", message=self._problem.message, hint=self._problem.hint)
        self._on_lost()
