"""A restore that kills itself, as a program: BUCKET TARGET TALLY DIE_AFTER_BYTES DIE_BEHIND_STEP.

It dies behind a read of a pack that made so many bytes, before anything of that read is written, or
behind a step of the switch. What it was given of packs is added to the file TALLY.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from restorer import fetch, plan
from restorer.facts import Policy
from restorer.restore import RestoreRequest, restore
from snapshotter.file_store import FileStore
from snapshotter.location import parse_location
from tests.restorer.accelerators import DATASET
from tests.restorer.stores import PATIENT


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingStore(FileStore):
    """A directory whose reader dies."""

    def __init__(self, url: str, tally: Path, die_after: int) -> None:
        super().__init__(parse_location(url))
        self._tally = tally
        self._left = die_after

    def get_range(self, key: str, offset: int, size: int) -> bytes:
        data = super().get_range(key, offset, size)
        if "/packs/" in key:
            with self._tally.open("a") as tally:
                tally.write(f"{len(data)}\n")
            self._left -= len(data)
            if self._left <= 0:
                die()
        return data


def main(url: str, target: str, tally: str, die_after: str, die_behind: str) -> None:
    plan.READ_BYTES = 64 * 1024
    vars(fetch)["Patience"] = lambda: PATIENT

    def step(name: str) -> None:
        if name == die_behind:
            die()

    store = DyingStore(url, Path(tally), int(die_after))
    request = RestoreRequest(Policy(role="operator"), threads=1)
    restore(store, DATASET, Path(target), request, step=step)


if __name__ == "__main__":
    main(*sys.argv[1:])
