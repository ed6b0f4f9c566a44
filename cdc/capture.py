"""Capture of one dataset: a table followed into a local file.

A bootstrap commits its checkpoint first (where reading of each shard begins, and at what time),
then reads the stream beside the scan. A file with a checkpoint is resumed from it. That beginning
is `cdc.capture_start`; what goes on from there is `cdc.capture_loop`.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import replace

from cdc.accelerator import Accelerator, Layout
from cdc.capture_commit import Committer
from cdc.capture_loop import Loop
from cdc.capture_start import Opened, Patience, check_same_source, open_capture
from cdc.capture_status import CaptureSettings, CaptureStatus, StatusBoard
from cdc.checkpoint import Checkpoint
from cdc.column_rules import ColumnRules
from cdc.errors import CdcError, PositionLost, StreamDisabled, TableNotFound
from cdc.ordering_ties import ItemLookup, Ties
from cdc.polling import ThreadWorkers, Workers
from cdc.sifting import Sifter
from cdc.source import ItemReader, Source
from cdc.troubles import Troubles


class Capture:
    """Follows a table into a file: `run` in one thread, `status` from any.

    `generation` is asked at each commit. `on_commit` is called after each, in the loop's thread.
    """

    def __init__(
        self,
        source: Source,
        accelerator: Accelerator,
        *,
        settings: CaptureSettings,
        generation: Callable[[], int] | int,
        stop: threading.Event,
        on_commit: Callable[[Checkpoint], None] | None = None,
        workers: Workers | None = None,
    ) -> None:
        self._source = source
        self._accelerator = accelerator
        self._settings = settings
        self._generation = generation if callable(generation) else lambda: generation
        self._stop = stop
        self._on_commit = on_commit
        self._workers = workers or ThreadWorkers(settings.stream_threads, settings.scan_threads)
        self._board = StatusBoard(source.now)

    def status(self) -> CaptureStatus:
        """Where capture stands now. Thread-safe."""
        return self._board.status()

    def run(self) -> None:
        """Read and commit until `stop` is set, then commit what is pending and return.

        Raises PositionLost if the stream cannot be resumed, LineageChanged if the table or its
        stream is another, other Permanent errors, and at a first start also Degraded ones.
        """
        stored = self._accelerator.checkpoint()
        troubles = Troubles(
            is_first_start=stored is None or stored.scan.ended_at is None,
            waits_for_space=self._settings.waits_for_space,
        )
        self._board.watch(troubles)
        try:
            opened = open_capture(
                self._source,
                self._accelerator,
                self._settings,
                generation=self._generation,
                patience=Patience(
                    troubles,
                    self._workers,
                    self._stop,
                    self._source.now,
                    random.random,
                    lambda: self._put_up_trouble(troubles),
                ),
            )
            if opened is not None:
                self._follow(opened, troubles)
        finally:
            self._workers.close()

    def _follow(self, opened: Opened, troubles: Troubles) -> None:
        committer = Committer(
            self._accelerator,
            opened.checkpoint,
            rules=self._lay_out(opened),
            generation=self._generation,
            now=self._source.now,
            workers=self._workers,
            troubles=troubles,
            stop=self._stop,
            on_commit=self._on_commit,
            sifter=self._sifter(opened, troubles),
        )
        try:
            if opened.is_bootstrap and self._on_commit is not None:
                self._on_commit(opened.checkpoint)
            loop = Loop(
                self._source,
                self._accelerator,
                self._settings,
                self._workers,
                troubles,
                opened,
                committer,
                self._board,
            )
            while not self._stop.is_set():
                loop.step()
            loop.finish()
        except (PositionLost, StreamDisabled, TableNotFound):
            # A table that was made anew shows as anything; say what it is before that.
            self._raise_if_changed(opened.checkpoint)
            raise
        finally:
            committer.close()

    def _sifter(self, opened: Opened, troubles: Troubles) -> Sifter | None:
        """What brings order into a stream that has none; None for one that has."""
        source, settings = self._source, self._settings
        if opened.description.is_ordered or not isinstance(source, ItemReader):
            return None
        lookup = ItemLookup(
            source,
            now=self._source.now,
            workers=self._workers,
            troubles=troubles,
            stop=self._stop,
        )
        excluded = settings.columns.excluded
        return Sifter(
            self._accelerator,
            Ties(self._accelerator, lookup, excluded),
            skip_slack_seconds=settings.skip_slack_seconds,
            quotes=not excluded,
        )

    def _lay_out(self, opened: Opened) -> ColumnRules:
        """Tell the file what it should look like; the rules, with columns for each index first."""
        settings = self._settings
        indexes = opened.description.indexes if settings.indexes_from_table else ()
        fixed = frozenset(column.name for column in settings.columns.declared)
        gives_back = settings.gives_back_space
        self._accelerator.layout = Layout(fixed, indexes, gives_back=gives_back)
        names = dict.fromkeys(name for index in indexes for name in index)
        return replace(settings.columns, preferred=tuple(names))

    def _raise_if_changed(self, checkpoint: Checkpoint) -> None:
        try:
            description = self._source.describe()
        except CdcError:
            return  # the error that led here says more
        check_same_source(checkpoint.lineage, description)

    def _put_up_trouble(self, troubles: Troubles) -> None:
        worst = troubles.degraded(self._source.now())
        self._board.put_up(
            CaptureStatus(
                degraded=worst[0] if worst else None,
                degraded_since=worst[1] if worst else None,
                checkpoint=self._accelerator.checkpoint(),
                transient_errors_total=troubles.transient_total,
                errors=dict(troubles.errors),
                last_error=troubles.last_error,
            )
        )
