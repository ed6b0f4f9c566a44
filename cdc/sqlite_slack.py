"""Bytes of deleted rows that SQLite leaves between the cells of a page, taken out of a copy. Pure.

`secure_delete` overwrites a deleted cell and a freed page. But where rows moved to another page,
their bytes stay behind in the gap between a page's list of cells and its cells, also after the rows
were deleted. SQLite never reads a gap, so a snapshot has zeros there.

    page of a b-tree   kind u8 · first freeblock u16 · cells u16 · begin of the cells u16 · ...
                       list of cells · gap · cells

Every other page begins with the number of another page, which below 128 GiB begins with a zero or a
one, so that it is not taken for one of these.
"""

from __future__ import annotations

import struct

from cdc.sqlite_file import PAGE_BYTES

_HEAD = struct.Struct(">B2xHH")
_HEAD_BYTES = {2: 12, 5: 12, 10: 8, 13: 8}
_FILE_HEADER_BYTES = 100
# Page numbers from 2 << 24 on begin like a page of a b-tree.
LARGEST_BYTES = (2 << 24) * PAGE_BYTES


def cleared(data: bytes, offset: int) -> bytes:
    """Whole pages from `offset` of the file, with zeros in their gaps."""
    gaps = [
        gap
        for at in range(0, len(data) - PAGE_BYTES + 1, PAGE_BYTES)
        if (gap := _gap(data, at, is_first=offset + at == 0)) is not None
    ]
    if not gaps:
        return data
    clean = bytearray(data)
    for first, last in gaps:
        clean[first:last] = bytes(last - first)
    return bytes(clean)


def _gap(data: bytes, at: int, *, is_first: bool) -> tuple[int, int] | None:
    """Where something stands in the gap of the page that begins at `at`."""
    head = at + _FILE_HEADER_BYTES if is_first else at
    kind, cells, begin = _HEAD.unpack_from(data, head)
    if kind not in _HEAD_BYTES:
        return None
    first, last = head + _HEAD_BYTES[kind] + 2 * cells, at + begin
    is_sane = first < last <= at + PAGE_BYTES
    return (first, last) if is_sane and data.count(0, first, last) < last - first else None
