"""A frozen image of a DuckDB file: the main file's blocks and a prefix of its log.

While a freeze is open nothing is checkpointed and nothing folded, so every block that mattered at
its begin stays as it is, and the log only grows behind the noted length. Main file + log prefix
open at exactly the noted commit.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from cdc.accelerator import FreezeBroken, FrozenPart, Reopened
from cdc.duckdb_blocks import PREAMBLE, MainFile
from cdc.freeze_limit import LogWatch, watched

TAIL_BLOCK_SIZE = 256 * 1024


@dataclass(slots=True)
class MainPart:
    """The main file. Its preamble is block 0, so the engine's block k has the number k + 1."""

    length: int
    block_size: int
    used: frozenset[int] | None
    file: MainFile
    watch: LogWatch
    headers: bytes = field(repr=False)
    preamble: int = PREAMBLE
    name: Literal["main", "tail"] = "main"

    def read(self, offset: int, size: int) -> bytes:
        return self.file.read(offset, min(size, max(0, self.length - offset)))

    def verify_unchanged(self) -> None:
        """Raise FreezeBroken if the engine wrote a header since the freeze began."""
        if self.file.headers() != self.headers:
            raise FreezeBroken(f"{self.file.path} was checkpointed while it was being read")

    def check_room(self) -> None:
        """Raise NoSpace if the log has grown too much since the freeze began."""
        self.watch.check()

    def mark(self) -> object:
        """What `changed_since` of a later freeze needs to know of this one."""
        return self.file, self.headers, self.used

    def changed_since(self, mark: object) -> frozenset[int] | None:
        """Blocks that came into use since the mark, if there was no checkpoint; None: any may.

        A block that a checkpoint or the log refers to stays as it is until the next checkpoint. The
        engine's own checksum of a block is no help beyond that: it is a sum of words in any order,
        so that the same rows in another order have the same.
        """
        if mark is None or self.used is None:
            return None
        file, headers, used = cast("tuple[MainFile, bytes, frozenset[int] | None]", mark)
        if file is not self.file or headers != self.headers or used is None:
            return None
        return self.used - used

    def reopened(self, log: Sequence[FrozenPart], *, counts: bool) -> Reopened:
        """What another engine finds in this file and its log."""
        from cdc.duckdb_image import reopened  # what it needs is a part of a cold start

        return reopened([self, *log], counts=counts)


@dataclass(slots=True)
class TailPart:
    """The first `length` bytes of the engine's log."""

    length: int
    descriptor: int
    block_size: int = TAIL_BLOCK_SIZE
    preamble: int = 0
    used: frozenset[int] | None = None
    name: Literal["main", "tail"] = "tail"

    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self.descriptor, min(size, max(0, self.length - offset)), offset)


def main_part(file: MainFile, used: frozenset[int] | None) -> MainPart:
    """The main file as it is now. `used`: the engine's block numbers, None for all."""
    headers = file.headers()
    header = file.header()
    held = max(0, file.size() - PREAMBLE) // header.block_size
    if used is None:
        blocks, numbers = held, None
    else:
        # Bulk inserts write behind the count of the last checkpoint.
        blocks = min(held, max(header.block_count, max(used, default=-1) + 1))
        numbers = frozenset({0, *(block + 1 for block in used)})
    return MainPart(
        length=PREAMBLE + blocks * header.block_size,
        block_size=header.block_size,
        used=numbers,
        file=file,
        watch=watched(Path(f"{file.path}.wal")),
        headers=headers,
    )


def open_tail(path: Path, length: int) -> TailPart | None:
    """The log's prefix, or None if there is none. The caller closes the descriptor."""
    if length == 0:
        return None
    return TailPart(length, os.open(path, os.O_RDONLY | os.O_CLOEXEC))
