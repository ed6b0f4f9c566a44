"""The decision as a value, with the numbers that `explain` prints beside it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from restorer.facts import ASSUMED_THROUGHPUT, Candidate, Facts, LocalFile, Policy
from restorer.judging import Judged, age_of


class Action(Enum):
    """What to do with the target; the two that restore take `Decision.chosen` where it is set."""

    KEEP_LOCAL = "keep_local"
    RESTORE = "restore"
    BOOTSTRAP = "bootstrap"
    SERVE_STALE_AND_BOOTSTRAP = "serve_stale_and_bootstrap"
    WAIT = "wait"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the decision costs. Ages are on arrival; `disk_needed_bytes` is at most.

    `predicted_seconds`: of the restore, at `throughput_bytes_per_second`; `catch_up_seconds`: of
    reading the changes since. All count a whole snapshot, whatever files here have of it: that is
    only estimated (`restorer.foreseen`). `read_units` of a bootstrap: None where the table's size
    is not known.
    """

    age_seconds: float | None = None
    resumable_until: float | None = None
    download_bytes: int = 0
    predicted_seconds: float = 0.0
    catch_up_seconds: float = 0.0
    throughput_bytes_per_second: float = ASSUMED_THROUGHPUT
    disk_needed_bytes: int = 0
    disk_free_bytes: int = 0
    read_units: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """One action with its reasons.

    `exit_code`, `message`: of a REFUSE, and of a WAIT for those who cannot wait. `hint`: what to do
    instead, where that is another thing than such a refusal usually says. `fallbacks`: what
    is taken in turn if `chosen` is damaged. SERVE_STALE_AND_BOOTSTRAP without `chosen` serves the
    local file.
    """

    action: Action
    reasons: tuple[str, ...]
    numbers: Numbers
    judged: tuple[Judged, ...] = ()
    chosen: Candidate | None = None
    fallbacks: tuple[Candidate, ...] = ()
    exit_code: int | None = None
    message: str = ""
    hint: str | None = None


def numbers_of(
    action: Action, judged: Judged | None, local: LocalFile, policy: Policy, facts: Facts
) -> Numbers:
    """The cost of taking `judged`, or of going on with the local file where it is None."""
    reads = action in (Action.BOOTSTRAP, Action.SERVE_STALE_AND_BOOTSTRAP)
    read_units = facts.bootstrap_read_units if reads else 0.0
    if judged is None:
        until = local.resumable_until if local.exists else None
        _, seconds = age_of(local, facts.now, policy)
        return Numbers(
            seconds,
            until,
            disk_free_bytes=facts.free_bytes,
            throughput_bytes_per_second=facts.throughput_bytes_per_second,
            read_units=read_units,
        )
    return Numbers(
        age_seconds=judged.age_seconds,
        resumable_until=judged.candidate.resumable_until,
        download_bytes=judged.candidate.stored_bytes,
        predicted_seconds=judged.download_seconds,
        catch_up_seconds=judged.catch_up_seconds,
        throughput_bytes_per_second=facts.throughput_bytes_per_second,
        disk_needed_bytes=judged.candidate.file_bytes,
        disk_free_bytes=facts.free_bytes,
        read_units=read_units,
    )


def size_text(size: int) -> str:
    """Bytes for people: `1.5 GB`."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} TB"
