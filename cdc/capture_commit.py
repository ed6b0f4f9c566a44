"""Commits of capture: decoded batches with the checkpoint that covers them, and failed commits.

A failed commit has an unknown outcome, so the file is asked: if it holds the checkpoint that was to
be written, the commit happened; if it holds the one before, the same batch is written again; any
other is somebody else's, and the run ends. A full disk is waited out while readers are served on,
and because the loop waits here, nothing more is read meanwhile.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from cdc.accelerator import Accelerator, Maintenance
from cdc.backoff import delay_seconds
from cdc.batch import Batch, empty_batch
from cdc.capture_upkeep import UpkeepBeside
from cdc.checkpoint import Checkpoint, ScanProgress
from cdc.column_rules import ColumnRules
from cdc.columns import Columns
from cdc.decode import Decoder, ShardRecords
from cdc.errors import FileUnusable, NoSpace
from cdc.ordering_counts import Dropped
from cdc.ordering_ties import Halted
from cdc.polling import Workers
from cdc.records import ScanPage
from cdc.shard_progress import ShardProgress
from cdc.sifting import Sifter
from cdc.troubles import Troubles

_log = structlog.get_logger(__name__)

Write = Callable[[Batch, Checkpoint], None]


class Committer:
    """The one writer of the file. `checkpoint`: the last commit's; totals count since the start.

    Raises ColumnsRefused if the file's columns contradict the declared ones.

    `records`, `batches`, `deletes` and `ttl_deletes` are those of the stream. `retention_seconds`:
    what the next checkpoint says.
    """

    def __init__(  # noqa: PLR0913 - what a run has, each by name
        self,
        accelerator: Accelerator,
        checkpoint: Checkpoint,
        *,
        rules: ColumnRules,
        generation: Callable[[], int],
        now: Callable[[], float],
        workers: Workers,
        troubles: Troubles,
        stop: threading.Event,
        on_commit: Callable[[Checkpoint], None] | None,
        sifter: Sifter | None = None,
    ) -> None:
        self.checkpoint = checkpoint
        self.retention_seconds = checkpoint.retention_seconds
        self.records = 0
        self.batches = 0
        self.deletes = 0
        self.ttl_deletes = 0
        self.quarantined = 0
        self.misfits: Counter[str] = Counter()
        self._accelerator = accelerator
        self._rules = rules
        self._columns()  # so that what is refused is refused before anything is read
        self._decoder = Decoder(accelerator.keys, rules)
        self._upkeep = UpkeepBeside(accelerator, workers)
        self._generation = generation
        self._now = now
        self._workers = workers
        self._troubles = troubles
        self._stop = stop
        self._on_commit = on_commit
        self._sifter = sifter

    def close(self) -> None:
        """Release the decoder's memory and leave the accelerator alone; it stays open."""
        self._upkeep.settle()
        self._decoder.close()
        if self._sifter is not None:
            self._sifter.close()

    def keep_to(self, retention_seconds: float) -> None:
        """The stream keeps its records for so long; once there is a gap, nothing mends it."""
        if self.retention_seconds:
            self.retention_seconds = retention_seconds

    @property
    def dropped(self) -> Dropped:
        """What a stream without order brought for nothing."""
        return Dropped() if self._sifter is None else self._sifter.dropped

    @property
    def is_of_older_generation(self) -> bool:
        """True until the first commit behind a take-over."""
        return self.checkpoint.generation < self._generation()

    def maintain(self, *, idle: bool) -> Maintenance:
        """The file's upkeep; it is told which stamps nobody will ask for any more.

        Beside the next batch, so its errors are raised by the next call.
        """
        if self._sifter is not None:
            since_us = int(self._sifter.floor(self.checkpoint) * 1_000_000)
            self._accelerator.layout = replace(self._accelerator.layout, stamps_since_us=since_us)
        return self._upkeep.run(idle=idle)

    def commit_stream(
        self,
        pages: list[ShardRecords],
        shards: Mapping[str, ShardProgress],
        watermark: float | None,
    ) -> bool:
        """Commit pages of shards; without pages the checkpoint alone. False if stopped before."""
        try:
            batch = self._changes(pages)
        except Halted:
            return False
        checkpoint = self._following(shards, watermark, self.checkpoint.scan)
        if not self._write(self._accelerator.apply, batch, checkpoint):
            return False
        self.batches += bool(pages)
        self.records += batch.records
        self.deletes += batch.deletes
        self.ttl_deletes += batch.ttl_deletes
        return True

    def commit_scan(
        self,
        pages: list[ScanPage],
        shards: Mapping[str, ShardProgress],
        watermark: float | None,
        scan: ScanProgress,
    ) -> bool:
        """Commit pages of the scan; every stream page that `shards` covers is committed before."""
        items = [item for page in pages for item in page.items]
        batch = self._decoder.scan(items, self._columns())
        checkpoint = self._following(shards, watermark, scan)
        return self._write(self._accelerator.append_scan, batch, checkpoint)

    def _changes(self, pages: list[ShardRecords]) -> Batch:
        columns = self._columns()
        if self._sifter is None or not pages:
            return self._decoder.changes(pages, columns) if pages else empty_batch(columns)
        self._upkeep.make_way()  # stamps are the writer's
        sifted = self._sifter.sift(pages, self.checkpoint)
        batch = empty_batch(columns)
        if sifted.pages:
            batch = self._decoder.changes(sifted.pages, columns)
        stamps = sifted.stamps if sifted.stamps.num_rows else None
        poison = (*batch.poison, *sifted.poison)
        return replace(batch, records=sifted.read, stamps=stamps, poison=poison)

    def _columns(self) -> Columns:
        # Asked each time: upkeep between two commits may have widened one.
        return self._rules.beginning(self._accelerator.columns())

    def _following(
        self,
        shards: Mapping[str, ShardProgress],
        watermark: float | None,
        scan: ScanProgress,
    ) -> Checkpoint:
        return self.checkpoint.next(
            generation=self._generation(),
            shards=shards,
            watermark=watermark,
            scan=scan,
            updated_at=self._now(),
            retention_seconds=self.retention_seconds,
        )

    def _write(self, write: Write, batch: Batch, checkpoint: Checkpoint) -> bool:
        self._upkeep.make_way()
        failures = 0
        while True:
            try:
                if failures == 0 or not self._is_written(checkpoint):
                    write(batch, checkpoint)
                break
            except NoSpace as error:
                failures += 1
                self._troubles.failed("commit", error, self._now(), is_loud=True)
                if failures == 1:
                    _log.error("no_space", message=str(error), hint=error.hint)
            if self._stop.is_set():
                return False
            self._workers.pause(delay_seconds(failures, 0.0), self._stop)
        self._upkeep.note_commit()
        self._troubles.succeeded("commit")
        self.quarantined += len(batch.poison)
        self.misfits.update(batch.misfits)
        self.checkpoint = checkpoint
        if self._on_commit is not None:
            self._on_commit(checkpoint)
        return True

    def _is_written(self, checkpoint: Checkpoint) -> bool:
        stored = self._accelerator.checkpoint()
        if stored is not None and stored.lineage == checkpoint.lineage:
            if stored.version == checkpoint.version:
                return True
            if stored.version == self.checkpoint.version:
                return False
        raise FileUnusable(
            f"{self._accelerator.path} holds a checkpoint that this process did not write",
            hint="stop whatever else writes to the file",
        )
