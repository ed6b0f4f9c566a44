"""The process of `tests.forking.server`, with a gate around each effect of the product.

A request for a run has besides: "trace", "at", "countdown" (`tests.crash.effects`).
"""

from functools import partial
from pathlib import Path
from typing import Any

from tests import loaded
from tests.crash import audit, effects
from tests.forking.server import Order, serve


def _load() -> None:
    """All that a verb imports."""
    effects.install()
    loaded.load()
    audit.install()
    _note_reads()
    _scale_down()
    loaded.freeze()


def _note_reads() -> None:
    """Ranges that are read from a folder, in the trace."""
    from snapshotter.file_store import FileStore

    get_range = FileStore.get_range

    def noted(self: FileStore, key: str, offset: int, size: int) -> bytes:
        effects.note(f"read {key} {offset} {size}")
        return get_range(self, key, offset, size)

    FileStore.get_range = noted  # type: ignore[method-assign]


def _scale_down() -> None:
    """Limits that a table of some hundred items meets as a large one meets the real ones, and
    waits for a service that answers at once.
    """
    from cdc import duckdb_accelerator, duckdb_upkeep, polling, schedule, sqlite_checkpointer, tip
    from cdc.capture_status import CaptureSettings
    from cdc.listing import CallBudget
    from restorer import fetch
    from restorer.line import Patience
    from snapshotter import catalog, catalog_change
    from snowmelt import coldstart, parameters, wiring

    tip.PROOF_SECONDS = 0.1
    parameters.FASTEST_POLL_SECONDS = 0.02
    schedule.IDLE_SECONDS = 0.05
    settings = partial(CaptureSettings, shard_calls_per_second=50.0)
    wiring.CaptureSettings = settings  # type: ignore[attr-defined, assignment]
    CallBudget.__init__.__defaults__ = (50.0,)
    coldstart.ORPHANED_SECONDS = 0.1
    polling._LONGEST_WAIT_SECONDS = 0.05
    # Of a busy machine a local read is late too, and would be in the trace twice.
    patience = partial(Patience, least_seconds=60.0, unknown_seconds=60.0)
    fetch.Patience = patience  # type: ignore[attr-defined, assignment]

    duckdb_upkeep.FOLD_ROWS = 40
    duckdb_upkeep.FOLD_STEP_ROWS = 15
    duckdb_upkeep.SORT_STEP_ROWS = duckdb_upkeep.FIRST_SORT_STEP_ROWS = 150
    duckdb_accelerator.CHECKPOINT_WAL_BYTES = 64 * 1024  # type: ignore[attr-defined]
    sqlite_checkpointer.LOG_LIMIT_BYTES = 512 * 1024  # less, and no freeze finds a log
    limits: Any = catalog.push
    limits.__kwdefaults__["limit"] = 2
    catalog_change.CATALOG_LIMIT = 2  # type: ignore[attr-defined]


def _arm(order: Order) -> None:
    effects.arm(Path(order["trace"]), order["at"], order["countdown"])


if __name__ == "__main__":
    _load()
    serve(before=_arm)
