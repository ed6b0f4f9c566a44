"""An accelerator in memory whose commits can be made to fail, before or after they took effect."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cdc.accelerator import Layout, Maintenance
from cdc.batch import Batch
from cdc.checkpoint import Checkpoint, decode, encode
from cdc.columns import Columns
from cdc.errors import CdcError
from cdc.keys import Item, KeySchema
from cdc.rebuild import canonical_item, rebuild
from tests.simulators.audit import Audit
from tests.simulators.stream import KEYS


class MemoryAccelerator:
    """Base and delta as in a file: the scan fills the base, and the stream's rows win."""

    engine = "memory"
    commits_beside_upkeep = False
    path = Path("memory")
    dataset = "routes"

    def __init__(self, keys: KeySchema = KEYS, audit: Audit | None = None) -> None:
        self.keys = keys
        self.audit = audit
        self.layout = Layout()
        self.commits: list[Checkpoint] = []
        self.maintained: list[bool] = []
        self._base: dict[bytes, dict[str, Any]] = {}
        self._delta: dict[bytes, dict[str, Any]] = {}
        self._columns = Columns()
        self._checkpoint: str | None = None
        self._failures: list[tuple[CdcError, bool]] = []

    def fail_next(self, error: CdcError, *, after_commit: bool = False) -> None:
        """Let one commit more fail; `after_commit`: it took effect nevertheless."""
        self._failures.append((error, after_commit))

    def fail_nothing(self) -> None:
        """No commit fails any more."""
        self._failures = []

    def checkpoint(self) -> Checkpoint | None:
        return None if self._checkpoint is None else decode(self._checkpoint)

    def columns(self) -> Columns:
        return self._columns

    def apply(self, batch: Batch, checkpoint: Checkpoint) -> None:
        self._commit(self._delta, batch, checkpoint)

    def append_scan(self, batch: Batch, checkpoint: Checkpoint) -> None:
        self._commit(self._base, batch, checkpoint)

    def items(self, page_rows: int = 10_000) -> Iterator[list[Item]]:
        rows = (self._base | self._delta).values()
        names = self._columns.names
        yield [
            rebuild(self._columns, [row.get(name) for name in names], row["_rest"])
            for row in rows
            if not row["_dead"]
        ]

    def row_count(self) -> int:
        return sum(not row["_dead"] for row in (self._base | self._delta).values())

    def maintain(self, *, idle: bool) -> Maintenance:
        self.maintained.append(idle)
        return Maintenance()

    def counters(self) -> Mapping[str, int]:
        return {}

    def _commit(
        self, layer: dict[bytes, dict[str, Any]], batch: Batch, checkpoint: Checkpoint
    ) -> None:
        error, after_commit = self._failures.pop(0) if self._failures else (None, True)
        if after_commit:
            if self.audit is not None:
                self.audit.commit(batch, checkpoint, is_scan=layer is self._base)
            layer.update({row["_h"]: row for row in batch.rows.to_pylist()})
            self._columns = batch.columns
            self._checkpoint = encode(checkpoint)
            self.commits.append(checkpoint)
        if error is not None:
            raise error


def as_text(items: list[Item]) -> list[str]:
    """Items in an order and spelling that compare."""
    return sorted(json.dumps(canonical_item(item), sort_keys=True) for item in items)
