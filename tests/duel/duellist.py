"""One of two producers of a dataset, as a process: a file that follows a made-up stream, and the
product's own producer that publishes it.

Record n puts row n mod 97 with the value n. The row "sum" holds the sum of all records that were
applied, kept up from the file's own, so that a record that is lost or applied twice shows in it.
`python -m tests.duel.duellist NODE.yaml FILE_NUMBER BEGAN_AT`; lines on stdin end it.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cdc.accelerator import Accelerator
from cdc.capture_status import CaptureStatus, ScanStatus
from cdc.checkpoint import Checkpoint
from cdc.engines import open_accelerator
from cdc.position import After
from snapshotter.scheduler import Ticker
from snowmelt import config_snapshots, logs, producer
from snowmelt.clockwork import Clockwork
from snowmelt.config_file import load
from snowmelt.report import Snapshotable
from snowmelt.wiring import wire
from tests.restorer.accelerators import KEYS, Row, batch_of
from tests.snapshotter.images import checkpoint, lineage

ROWS = 97
RECORDS_PER_SECOND = 60.0
_TICK_SECONDS = 0.1
_COMMIT_SECONDS = 0.08


def position_of(at: Checkpoint) -> int:
    """How many records a file with this checkpoint has."""
    (shard,) = at.shards.values()
    assert isinstance(shard.position, After)
    return int(shard.position.sequence)


def rows_at(position: int) -> dict[str, int]:
    """What a file holds that has applied each record up to this one, once."""
    rows = {f"row#{n % ROWS}": n for n in range(max(1, position - ROWS + 1), position + 1)}
    return rows | {"sum": position * (position + 1) // 2}


class FastTicker(Ticker):
    """Ticks ten times a second, because its lease is short."""

    def _tick(self) -> None:
        while not self._stopping.wait(_TICK_SECONDS):
            self.run_now()


class FastClockwork(Clockwork):
    """The machine's own clocks, and such tickers."""

    def ticker(self, job: Callable[[], None], on_error: Callable[[Exception], None]) -> Ticker:
        return FastTicker(job, on_error=on_error)


class Follower:
    """The file, and where it stands."""

    def __init__(self, file: Accelerator, generation: Callable[[], int], began_at: float) -> None:
        self._file = file
        self._generation = generation
        self._began_at = began_at
        self._sum = 0
        self._position = 0
        self._chance = random.Random()
        self.status = CaptureStatus()

    def step(self) -> None:
        """Commit some of the records that there are by now."""
        now = time.time()
        head = int((now - self._began_at) * RECORDS_PER_SECOND)
        until = min(head, self._position + self._chance.randrange(1, 200))
        if until <= self._position:
            return
        records = range(self._position + 1, until + 1)
        self._sum += sum(records)
        rows: dict[str, Row] = {f"row#{n % ROWS}": (f"row#{n % ROWS}", n, "") for n in records}
        rows["sum"] = ("sum", self._sum, "")
        self._position = until
        version = 1 if self.status.checkpoint is None else self.status.checkpoint.version + 1
        at = checkpoint(
            now, version, of=lineage(), position=After(f"{until:021d}"), created_at=now - 1
        )
        at = replace(at, generation=self._generation())
        self._file.apply(batch_of(list(rows.values())), at)
        self.status = replace(
            self.status,
            phase="following",
            ready=True,
            checkpoint=at,
            scan=ScanStatus(segments=1, segments_done=1, ended_at=at.scan.ended_at),
            batches_total=self.status.batches_total + 1,
        )


def main(config: str, number: int, began_at: float) -> None:
    """Follow and publish until somebody says something."""
    logs.configure(json_lines=True)
    config_snapshots._LEAST_LEASE_SECONDS = 0.1
    producer._RETRY_SECONDS = 0.3
    settings = load(Path(config), {}).config
    plan = wire(settings, settings.datasets[0])
    vars(plan)["holder"] = f"duellist/{number}"
    plan.path.parent.mkdir(parents=True, exist_ok=True)
    file = open_accelerator("sqlite", plan.path, plan.name, keys=KEYS, create=True)
    made = producer.Producer(
        plan,
        lambda: Snapshotable(file, follower.status),
        lambda: follower.status,
        lambda: None,
        FastClockwork(),
    )
    follower = Follower(file, made.generation_for(file), began_at)
    ending = threading.Event()

    def listen() -> None:
        sys.stdin.readline()
        ending.set()

    threading.Thread(target=listen, daemon=True).start()
    with made.running():
        while not ending.wait(_COMMIT_SECONDS):
            follower.step()
    made.release()
    file.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
