"""Columns of nested values: plain JSON for a whole column of typed texts.

Each distinct text is looked at once.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from cdc.nested import plain_from_typed

# What has a plain form for people; a NULL marker is no value, and base64 in quotes looks like text.
_PLAIN = ('{"M":', '{"L":', '{"S":', '{"N":', '{"BOOL":', '{"SS":', '{"NS":', '{"BS":')


def plain_column(typed: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Plain JSON of typed texts, and whether each is exact: False where there is no value.

    Raises ValueError for text that is not JSON.
    """
    encoded = typed.dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    forms = [plain_from_typed(text) if text.startswith(_PLAIN) else (None, False) for text in texts]
    plain = pa.array([text for text, _ in forms], pa.string()).take(encoded.indices)
    exact = pa.array([is_exact for _, is_exact in forms], pa.bool_()).take(encoded.indices)
    return plain, pc.fill_null(exact, False)
