"""Changes of rows, committed to a file as capture does it."""

from __future__ import annotations

from collections.abc import Iterable

from cdc.accelerator import Accelerator
from cdc.batch import Batch


def apply(accelerator: Accelerator, batches: Iterable[Batch]) -> None:
    """Commit batches as capture does."""
    current = accelerator.checkpoint()
    assert current is not None
    for batch in batches:
        current = current.next()
        accelerator.apply(batch, current)
        accelerator.maintain(idle=False)
