"""What is told to an edge: it takes a snapshot, and then by itself a newer one over its file."""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from cdc.columns import Columns
from cdc.engines import examine
from restorer.facts import Policy, Selection
from restorer.restore import RestoreRequest, restore
from snapshotter import marks
from snapshotter.catalog_change import change_catalog
from snapshotter.format import CatalogEntry, Pointer
from snapshotter.location import StoreParams
from snapshotter.reader import read_header, read_pointer
from snapshotter.store import ObjectStore
from snapshotter.stores import open_store
from tests.crash.lives import Bench, Gate
from tests.crash.told import Told

_FOLLOWS = {"refresh_mode": "snapshot", "refresh_check_interval": "100ms"}


def follow(bench: Bench, location: str) -> Callable[[Sequence[Gate]], Told]:
    """A new edge serves the older of two snapshots, because a person went back to it, and follows
    to the newer one when that is taken back. It asks the table nothing.
    """
    store, dataset = open_store(location, StoreParams()), bench.table.name
    newer, older, *_ = read_pointer(store, dataset).catalog
    wanted = {entry.version: _digest(bench, store, entry) for entry in (newer, older)}

    def tell(gates: Sequence[Gate]) -> Told:
        _go_to(store, dataset, older)
        edge = bench.node(location, acceleration=_FOLLOWS)
        told, asked = Told(bench, edge, gates), len(bench.table.served)
        told.begin()
        told.until("the older one", lambda: edge.status()["version"] == older.version)
        _go_to(store, dataset, newer)
        told.until("the newer one", lambda: edge.status()["version"] == newer.version)
        told.end()
        columns = read_header(store, newer).columns
        found = examine(bench.engine, edge.path, dataset, Columns.decode(columns))  # type: ignore[arg-type]
        assert found.hexdigest() == wanted[newer.version] != wanted[older.version]
        assert list((edge.path.parent / f"{edge.path.name}.d" / "serving").iterdir()) == []
        assert len(bench.table.served) == asked
        return told

    return tell


def _go_to(store: ObjectStore, dataset: str, entry: CatalogEntry) -> None:
    def change(pointer: Pointer) -> Pointer:
        lifted = marks.lift(pointer, entry.snapshot_id)
        return marks.roll_back(lifted, entry.snapshot_id, holds=False)

    change_catalog(store, dataset, partial(change))


def _digest(bench: Bench, store: ObjectStore, entry: CatalogEntry) -> str:
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        target = Path(folder) / "copy"
        selection = Selection(snapshot_id=entry.snapshot_id)
        restore(store, bench.table.name, target, RestoreRequest(Policy(role="operator"), selection))
        columns = Columns.decode(read_header(store, entry).columns)
        found = examine(bench.engine, target, bench.table.name, columns)  # type: ignore[arg-type]
        return found.hexdigest()
