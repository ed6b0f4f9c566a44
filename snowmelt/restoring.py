"""One restore for a person or an init container, waited for if they say so.

What can be waited for: nothing there (4), nothing whole (5), nothing that can be resumed (6), a
store that is away (8). A snapshot that is published meanwhile helps against each of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from restorer.errors import NothingToRestore, RestoreError
from restorer.restore import RestoreReport, restore
from snapshotter.errors import SnapshotError, StoreUnreachable
from snowmelt import restored
from snowmelt.awaiting import WriterWatch
from snowmelt.coldstart import describe_report
from snowmelt.durations import format_duration
from snowmelt.errors import WaitTimedOut
from snowmelt.operator import Target
from snowmelt.progress import Mode, progress, tell

POLL_SECONDS = 2.0
_WAITED_FOR = frozenset({4, 5, 6, 8})

Failure = RestoreError | SnapshotError


def restore_target(target: Target, patience_seconds: float | None, mode: Mode) -> RestoreReport:
    """Restore; with patience, as soon as there is something to restore.

    `patience_seconds`: how long there may be no sign of life of a writer. Returns a report without
    a failure. Raises WaitTimedOut, and what `restore` raises or reports.
    """
    if patience_seconds is None:
        return _once(target, mode)
    watch = WriterWatch(target.store, target.dataset)
    told = ""
    while True:
        offered = watch.offered
        try:
            return _once(target, mode)
        except (RestoreError, SnapshotError) as error:
            if error.exit_code not in _WAITED_FOR:
                raise
            while not _is_news(watch, offered, error):
                if watch.line != told:
                    tell([watch.line], {"waiting": watch.line}, mode)
                told = watch.line
                left = patience_seconds - watch.silent_seconds
                if left <= 0:
                    raise _timed_out(target, patience_seconds, error) from error
                time.sleep(min(POLL_SECONDS, left))


def _is_news(watch: WriterWatch, offered: str | None, error: Failure) -> bool:
    """Look; True if it is worth to try again."""
    watch.look()
    if isinstance(error, StoreUnreachable):
        return watch.is_answered
    return watch.offered != offered


def _once(target: Target, mode: Mode) -> RestoreReport:
    with progress(f"restoring {target.dataset}", mode) as report, _of_the_past(target):
        done = restore(target.store, target.dataset, target.path, target.request, progress=report)
    if done.failure is not None and not target.request.dry_run:
        raise done.failure
    if done.snapshot_id is not None:
        restored.remember(target.path, describe_report(done))
    return done


@contextmanager
def _of_the_past(target: Target) -> Iterator[None]:
    try:
        yield
    except NothingToRestore as error:
        if not target.is_past:
            raise
        hint = "the bucket has to be versioned, and to keep versions of that time"
        raise NothingToRestore(str(error), hint=hint) from error


def _timed_out(target: Target, patience_seconds: float, error: Failure) -> WaitTimedOut:
    what = f"no snapshot of {target.dataset} in {target.store.url}"
    silence = f"no sign of life of a writer for {format_duration(patience_seconds)}"
    if error.exit_code != NothingToRestore.exit_code:
        what += f" can be taken ({' '.join(str(error).split())})"
    return WaitTimedOut(f"{what}, and {silence}", hint="start the writer, or wait longer")
