"""Rows put together: cells of two ways of decoding, one row for each identity.

Cells stay where they were decoded until the newest row of each identity is known; then each is
copied once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from cdc.batch import schema_of
from cdc.columns import Columns
from cdc.decode_lines import Lines


@dataclass(frozen=True, slots=True)
class Cells:
    """Decoded images. `misfits`: row numbers; `claimed`: exact attributes of each misfit row.

    `places`: where in `arrays` each row is, NULL for a deleted item; None if they are in order.
    `rests`: of rows that are no misfits any more, what no cell holds; `counts`: of values of these.
    """

    identities: pa.Array
    arrays: list[pa.Array]
    misfits: list[int] = field(default_factory=list)
    claimed: list[frozenset[str]] = field(default_factory=list)
    places: pa.Array | None = None
    rests: Mapping[int, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


def merged(lines: Lines, others: Sequence[int], cells: Cells) -> Cells:
    """The cells of all rows, out of the quickest decode and of the `others` that it left."""
    order = pc.sort_indices(pa.concat_arrays([lines.positions, lines.others]))
    identities, arrays = [lines.identities, cells.identities], lines.arrays
    if others:
        arrays = [pa.concat_arrays(pair) for pair in zip(arrays, cells.arrays, strict=True)]
    taken = len(lines.arrays[0])
    behind = pa.array(range(taken, taken + len(cells.identities)), lines.places.type)
    return Cells(
        pa.concat_arrays(identities).take(order),
        arrays,
        [others[row] for row in cells.misfits],
        cells.claimed,
        pa.concat_arrays([lines.places, behind]).take(order),
        lines.rests,
        lines.counts,
    )


def newest_rows(cells: Cells, is_dead: pa.Array, rests: pa.Array, columns: Columns) -> pa.Table:
    """The rows without those that a later one of the same identity supersedes."""
    kept = _newest(cells.identities)
    places = cells.places
    if kept is not None:
        places = kept if places is None else places.take(kept)
    arrays = cells.arrays if places is None else [cell.take(places) for cell in cells.arrays]
    around = [cells.identities, is_dead, rests]
    if kept is not None:
        around = [array.take(kept) for array in around]
    return pa.Table.from_arrays([*around[:2], *arrays, around[2]], schema=schema_of(columns))


def _newest(identities: pa.Array) -> pa.Array | None:
    """Which rows no later one of the same identity supersedes, in order; None if all of them."""
    encoded = identities.dictionary_encode()
    if len(encoded.dictionary) == len(identities):
        return None
    counts = pc.value_counts(encoded.indices)
    repeated = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    found = pc.indices_nonzero(pc.is_in(encoded.indices, value_set=repeated))
    positions = found.to_pylist()
    newest = dict(zip(encoded.indices.take(found).to_pylist(), positions, strict=True))
    is_kept = bytearray(b"\1") * len(identities)
    for position in set(positions).difference(newest.values()):
        is_kept[position] = 0
    flags = pa.Array.from_buffers(pa.uint8(), len(is_kept), [None, pa.py_buffer(is_kept)])
    return pc.indices_nonzero(flags)
