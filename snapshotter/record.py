"""Writing down what a look or a drill found, where the caller may: one conditional write.

Who may only read looks all the same, as does who finds the pointer itself damaged; then nothing is
written down, and it is said why.
"""

from __future__ import annotations

from snapshotter.catalog_change import Change, change_catalog
from snapshotter.errors import Corrupt, FormatTooNew, NoSuchSnapshot, StoreAccessDenied
from snapshotter.store import ObjectStore


def record(store: ObjectStore, dataset: str, change: Change) -> str | None:
    """Apply a change of `snapshotter.proofs`. Returns why nothing is written down, or None.

    Raises PreconditionFailed if others kept winning, and the store's other errors.
    """
    try:
        change_catalog(store, dataset, change)
    except (Corrupt, FormatTooNew, StoreAccessDenied) as error:
        return str(error)
    except NoSuchSnapshot:
        return "retention dropped the snapshot meanwhile"
    return None
