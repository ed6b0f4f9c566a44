"""The beginning of capture: which table this is, and from which checkpoint reading goes on.

A file without a checkpoint gets one before anything is read (bootstrap); a file with one must
belong to the table that the source describes now. At the first start an error that a person has to
repair is raised; a node that has data already waits for the repair and goes on serving.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from cdc.accelerator import Accelerator
from cdc.backoff import Reaction, delay_seconds, reaction
from cdc.batch import empty_batch
from cdc.bootstrap import begin_scan, segments_for
from cdc.capture_status import CaptureSettings
from cdc.checkpoint import Checkpoint, Lineage
from cdc.errors import (
    CdcError,
    DestinationDisabled,
    LineageChanged,
    StreamEnabling,
    Trimmed,
)
from cdc.graph import ShardGraph, passed_over
from cdc.lineage import Horizon
from cdc.polling import Workers
from cdc.source import ShardHistory, ShardListing, Source, SourceDescription
from cdc.troubles import Troubles

_FIRST_START_TRIES = 4
# What closed within the hour is read: two listings may not agree on it.
_SETTLED_SECONDS = 3600.0
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Opened:
    """What reading starts with. `is_bootstrap`: the listing is fresh."""

    description: SourceDescription
    checkpoint: Checkpoint
    graph: ShardGraph
    is_bootstrap: bool


def open_capture(
    source: Source,
    accelerator: Accelerator,
    settings: CaptureSettings,
    *,
    generation: Callable[[], int],
    patience: Patience,
) -> Opened | None:
    """Describe the table, then resume from the file's checkpoint or commit the first one.

    None if it was stopped meanwhile. Raises LineageChanged, ColumnsRefused, and at a first start
    what a person has to repair.
    """
    try:
        description = patience.insist("describe", source.describe)
    except DestinationDisabled:
        _remember_gap(accelerator)
        raise
    if description is None:
        return None
    horizon = horizon_of(description)
    settings.columns.check_keys(description.keys)
    checkpoint = accelerator.checkpoint()
    if checkpoint is not None:
        check_same_source(checkpoint.lineage, description)
        settings.columns.check_excluded(checkpoint.scan.excluded)
        check_no_gap(checkpoint.retention_seconds, description)
        graph = ShardGraph.resume(checkpoint.shards, horizon, began_at=checkpoint.scan.started_at)
        checkpoint = replace(checkpoint, retention_seconds=description.retention_seconds)
        return Opened(description, checkpoint, graph, is_bootstrap=False)
    listing = None
    while listing is None or listing.last_id is not None:
        listing = patience.insist("listing", partial(source.list_shards, listing))
        if listing is None:
            return None
    passed = frozenset[str]()
    if isinstance(source, ShardHistory) and passed_over(listing):
        since = source.now() - settings.skip_slack_seconds - _SETTLED_SECONDS
        still = patience.insist("listing", partial(source.list_since, since))
        if still is None:
            return None
        passed = passed_over(listing, still)
    return _begin(
        source, accelerator, settings, description, listing, passed, horizon, generation()
    )


def check_no_gap(retention_seconds: float, description: SourceDescription) -> None:
    """Raise Trimmed if changes are in no stream, by what a checkpoint has for the retention."""
    if not retention_seconds:
        raise Trimmed(
            f"the Kinesis destination of {description.table_name} was disabled, and enabled"
            " again: changes made between are in no stream"
        )


def _remember_gap(accelerator: Accelerator) -> None:
    """Changes are in no stream, and the one that comes will have the name of the one that was."""
    checkpoint = accelerator.checkpoint()
    if checkpoint is not None and checkpoint.retention_seconds:
        batch = empty_batch(accelerator.columns())
        accelerator.apply(batch, checkpoint.next(retention_seconds=0.0))


def horizon_of(description: SourceDescription) -> Horizon:
    """What the stream keeps, and whether it says so."""
    return Horizon(
        retention_seconds=description.retention_seconds, is_told=description.tells_trimmed
    )


def check_same_source(lineage: Lineage, description: SourceDescription) -> None:
    """Raise LineageChanged if the table or its stream is another one than the file's."""
    if lineage.same_source(description.table_id, description.stream_arn):
        return
    what = "stream" if lineage.table_id == description.table_id else "table"
    raise LineageChanged(
        f"the {what} of {description.table_name} is not the one that the file was built from: "
        f"{lineage.stream_arn or 'no stream'} then, {description.stream_arn or 'no stream'} now"
    )


class Patience:
    """Repeats a call of the start-up as long as the situation allows it."""

    def __init__(
        self,
        troubles: Troubles,
        workers: Workers,
        stop: threading.Event,
        now: Callable[[], float],
        jitter: Callable[[], float],
        on_trouble: Callable[[], None],
    ) -> None:
        self._troubles = troubles
        self._workers = workers
        self._stop = stop
        self._now = now
        self._jitter = jitter
        self._on_trouble = on_trouble

    def insist(self, operation: str, call: Callable[[], _Result]) -> _Result | None:
        """The call's result, or None once stopped. Raises what repeating does not help."""
        failures = 0
        while not self._stop.is_set():
            try:
                result = call()
            except CdcError as error:
                failures += 1
                self._troubles.failed(operation, error, self._now())
                is_first = self._troubles.is_first_start and not isinstance(error, StreamEnabling)
                gives_up = is_first and failures >= _FIRST_START_TRIES
                if gives_up or reaction(error) not in (Reaction.RETRY, Reaction.PERSIST):
                    raise
                self._on_trouble()
                self._workers.pause(delay_seconds(failures, self._jitter()), self._stop)
                continue
            self._troubles.succeeded(operation)
            return result
        return None


def _begin(
    source: Source,
    accelerator: Accelerator,
    settings: CaptureSettings,
    description: SourceDescription,
    listing: ShardListing,
    passed: frozenset[str],
    horizon: Horizon,
    generation: int,
) -> Opened:
    began_at = source.now()
    graph = ShardGraph.start(
        listing,
        began_at=began_at,
        slack_seconds=settings.skip_slack_seconds,
        horizon=horizon,
        is_ordered=description.is_ordered,
        passed=passed,
    )
    stamp = datetime.fromtimestamp(began_at, UTC).strftime("%Y%m%dT%H%M%SZ")
    segments = settings.scan_segments or segments_for(
        description.item_count, description.size_bytes
    )
    checkpoint = Checkpoint(
        lineage=Lineage(
            table_name=description.table_name,
            table_id=description.table_id,
            stream_arn=description.stream_arn,
            epoch=f"{stamp}-{secrets.token_hex(2)}",
        ),
        generation=generation,
        version=1,
        scan=begin_scan(segments, began_at, settings.columns.excluded),
        shards=graph.progress(),
        updated_at=began_at,
        retention_seconds=description.retention_seconds,
    )
    columns = settings.columns.beginning(accelerator.columns())
    accelerator.apply(empty_batch(columns), checkpoint)
    return Opened(description, checkpoint, graph, is_bootstrap=True)
