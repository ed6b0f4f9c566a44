"""What the decoder's prepared statements read: texts as Arrow, in slices of bounded size.

A statement is prepared once, because planning costs more than decoding a small batch; so it reads
from an object whose table is exchanged.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate

import msgspec
import pyarrow as pa

# A statement needs about ten times the bytes of its images. Larger slices win nothing, and memory
# that is taken from the system anew each time costs a seventh.
_SLICE_BYTES = 4 * 1024 * 1024

Text = bytes | msgspec.Raw


class Input:
    """A table that can be exchanged, to be registered with a connection."""

    def __init__(self, *names: str) -> None:
        self._empty = pa.table({name: pa.array([], pa.string()) for name in names})
        self.table = self._empty

    def clear(self) -> None:
        """Let the texts go."""
        self.table = self._empty

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


def text_array(texts: Sequence[Text]) -> pa.Array:
    """Texts as an array, by one copy of them all. Raises ArrowInvalid if one is not UTF-8."""
    data = b"".join(texts)
    ends = array("i", accumulate(map(len, texts), initial=0))
    column = pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(data))
    column.validate(full=True)
    return column


def slices(sizes: Sequence[int]) -> list[slice]:
    """Consecutive slices of bounded size, or of one text that is larger."""
    if sum(sizes) <= _SLICE_BYTES:
        return [slice(None)]
    starts, filled = [0], 0
    for position, size in enumerate(sizes):
        filled += size
        if filled > _SLICE_BYTES and position > starts[-1]:
            starts.append(position)
            filled = size
    return [slice(*ends) for ends in zip(starts, [*starts[1:], None], strict=True)]
