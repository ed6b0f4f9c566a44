"""What is asked of a restore, and what came of it, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from restorer.bandwidth import Bandwidth
from restorer.errors import RestoreError
from restorer.facts import ASSUMED_THROUGHPUT, LocalFile, Policy, Rejection, Selection
from restorer.fetch import THREADS
from restorer.foreseen import Foreseen
from restorer.verdict import Decision
from snapshotter.errors import SnapshotError


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """What is wanted. `seeds`: files that may have some of it, besides those at the target.

    `source`: table id and stream ARN of the configured table, where they are known. `local`: facts
    of the target from a caller that has it open (`restorer.local.local_file`), else it is opened.
    `before_switch` is called when the new file is ready, for a caller that has to close the old
    one. `bootstrap_read_units`: what reading the table would cost, for the numbers. `clock`: of the
    stream that is resumed, where it answers; else ages are told by the store's. `rejected`: what an
    earlier restore found, which is not tried again. `foresees`: a dry run also looks at what files
    here have of the snapshot.
    """

    policy: Policy
    selection: Selection = field(default_factory=Selection)
    dry_run: bool = False
    foresees: bool = False
    source: tuple[str, str] | None = None
    local: LocalFile | None = None
    before_switch: Callable[[], None] | None = None
    bootstrap_read_units: float | None = None
    clock: Callable[[], float] | None = None
    throughput: float = ASSUMED_THROUGHPUT
    seeds: tuple[Path, ...] = ()
    threads: int = THREADS
    bandwidth: Bandwidth | None = None
    rejected: tuple[Rejection, ...] = ()


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What was decided, and done if `snapshot_id` is set. `seconds`: by phase.

    `bytes_seeded`: stored bytes of what was copied from local files.
    `bytes_kept`: stored bytes that an interrupted restore had fetched before. `rejected`: snapshots
    that were tried before and found damaged. `failure`: of a decision to wait, the error for a
    caller that cannot. `store_error`: why the store could not be asked, or not to the end.
    `foreseen`: of a dry run that was to look, if a snapshot would be restored.
    """

    decision: Decision
    snapshot_id: str | None = None
    generation: int | None = None
    version: int | None = None
    row_count: int | None = None
    bytes_fetched: int = 0
    bytes_written: int = 0
    bytes_kept: int = 0
    bytes_seeded: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    rejected: tuple[Rejection, ...] = ()
    failure: RestoreError | SnapshotError | None = None
    store_error: SnapshotError | None = None
    foreseen: Foreseen | None = None
