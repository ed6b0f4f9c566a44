"""A dataset's file beside a model of its table: decoded, committed, kept up, published, restored.

The model holds every item in its canonical form: numbers by value, sets without order.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from cdc.accelerator import Accelerator, Engine, Layout
from cdc.batch import Batch
from cdc.checkpoint import Checkpoint
from cdc.column_rules import ColumnRules
from cdc.decode import Decoder, ShardRecords
from cdc.engines import examine, open_accelerator
from cdc.keys import Item, KeySchema
from cdc.rebuild import ItemSetDigest, canonical_item
from cdc.records import StreamRecord
from restorer.facts import Policy
from restorer.restore import RestoreRequest, restore
from snapshotter.gatekeeper import Circumstances
from snapshotter.publish import Publisher
from tests.properties.items import key_of
from tests.restorer.published import directory_store
from tests.snapshotter.images import checkpoint

DATASET = "things"


def raw(item: Item) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(item).encode())


@contextmanager
def item_file(engine: Engine, keys: KeySchema, rules: ColumnRules | None = None) -> Iterator[Items]:
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="items-")))
        items = Items(engine, home, keys, rules or ColumnRules())
        stack.callback(items.close)
        yield items


@dataclass
class Items:
    """`rules` as a node has them. Until `end_scan` pages of a scan may come."""

    engine: Engine
    home: Path
    keys: KeySchema
    rules: ColumnRules
    model: dict[bytes, Item] = field(default_factory=dict)
    touched: set[bytes] = field(default_factory=set)
    is_scanning: bool = True
    version: int = 0
    restores: int = 0
    file: Accelerator = field(init=False)

    def __post_init__(self) -> None:
        self.store = directory_store(self.home / "bucket")
        self.publisher = Publisher(self.store, DATASET, holder="test")
        self.publisher.take_over()
        self.decoder = Decoder(self.keys, self.rules)
        self.path = self.home / f"file.{self.engine}"
        self.file = open_accelerator(self.engine, self.path, DATASET, keys=self.keys, create=True)
        self._lay_out()

    def close(self) -> None:
        self.decoder.close()
        self.file.close()

    # ------------------------------------------------------------ what a node does

    def change(self, changes: Iterable[tuple[bool, Item]]) -> None:
        """One batch of the stream: puts (True) and removals."""
        changes = list(changes)
        records = []
        for number, (is_put, item) in enumerate(changes):
            name, image = ("MODIFY", raw(item)) if is_put else ("REMOVE", None)
            key = raw(key_of(self.keys, item))
            records.append(StreamRecord(name, f"{number:021d}", 0.0, key, image))  # type: ignore[arg-type]
        columns = self.rules.beginning(self.file.columns())
        batch = self.decoder.changes([ShardRecords("shard", records)], columns)
        self.file.apply(self._sound(batch), self._next())
        for is_put, item in changes:
            identity = self.keys.identity(key_of(self.keys, item))
            self.touched.add(identity)
            self.model.pop(identity, None)
            if is_put:
                self.model[identity] = canonical_item(item)

    def scan(self, items: Iterable[Item]) -> None:
        """One page of the scan; a key occurs in one page of it, and what the stream has wins."""
        page = {self.keys.identity(key_of(self.keys, item)): item for item in items}
        page = {identity: item for identity, item in page.items() if identity not in self.model}
        columns = self.rules.beginning(self.file.columns())
        batch = self.decoder.scan([raw(item) for item in page.values()], columns)
        self.file.append_scan(self._sound(batch), self._next())
        for identity, item in page.items():
            if identity not in self.touched:
                self.model[identity] = canonical_item(item)

    def end_scan(self) -> None:
        self.is_scanning = False
        self.change([])

    def maintain(self, *, idle: bool) -> None:
        """One step; in idle times until nothing is due."""
        while self.file.maintain(idle=idle).is_pending and idle:
            pass

    def reopen(self) -> None:
        columns = self.file.columns()
        self.file.close()
        wanted = ItemSetDigest()
        wanted.add_all(self.model.values())
        found = examine(self.engine, self.path, DATASET, columns)
        assert (found.count, found.hexdigest()) == (wanted.count, wanted.hexdigest())
        self.file = open_accelerator(self.engine, self.path, DATASET)
        self._lay_out()

    def go_on_from_a_snapshot(self) -> None:
        """Publish, restore elsewhere, and follow on with that file."""
        with self.file.freeze() as image:
            columns = image.columns
            self.publisher.publish(image, reason="test", given=Circumstances(allow_empty=True))
        self.file.close()
        self.restores += 1
        self.path = self.home / f"restored-{self.restores}.{self.engine}"
        request = RestoreRequest(Policy(role="operator"))
        restore(self.store, DATASET, self.path, request)
        self.file = open_accelerator(self.engine, self.path, DATASET)
        self._lay_out()
        assert self.file.columns() == columns

    # ------------------------------------------------------------ what has to hold

    def check(self) -> None:
        """Every item comes back, by a walk and by its key, and there is no other."""
        found = [canonical_item(item) for page in self.file.items(page_rows=7) for item in page]
        assert {self.keys.identity(key_of(self.keys, item)): item for item in found} == self.model
        assert len(found) == len(self.model) == self.file.row_count()
        for item in list(self.model.values())[:2]:
            read = self.file.read(key_of(self.keys, item))
            assert read is not None
            assert canonical_item(read) == item
        assert len({name.casefold() for name in self.file.columns().names}) == len(
            self.file.columns()
        )

    # ------------------------------------------------------------ helpers

    def _lay_out(self) -> None:
        self.file.layout = Layout(frozenset(column.name for column in self.rules.declared), ())

    def _next(self) -> Checkpoint:
        self.version += 1
        return checkpoint(self.store.now(), self.version, finished=not self.is_scanning)

    @staticmethod
    def _sound(batch: Batch) -> Batch:
        assert batch.poison == ()
        return batch
