"""Which items the deltas have changes of, kept in memory, so that a lookup asks only those tables.

Most items are in neither delta, and finding that out by SQL takes as long as reading base. It is
learned from the file when somebody looks a key up for the first time: a file that is only opened,
or filled, pays nothing. While the deltas have very many it is not known, and then they are asked. A
delta may be named for nothing behind a commit that failed, which costs a query. Price: 90 bytes for
each changed item until it is folded, 45 MB at most.
"""

from __future__ import annotations

import pyarrow as pa

MOST = 500_000


class Changed:
    """Identities by delta, once they are known. A delta is told of a change before it is committed.

    Written by who holds the gate `writing`; read by anyone.
    """

    def __init__(self) -> None:
        self._by_delta: dict[str, set[bytes]] | None = None

    @property
    def is_known(self) -> bool:
        """False: every delta counts as having each item."""
        return self._by_delta is not None

    def learns(self, rows: int) -> bool:
        """True if it is to be told what the deltas hold, which is so many changes."""
        return self._by_delta is None and rows <= MOST

    def learn(self, by_delta: dict[str, set[bytes]]) -> None:
        """What the deltas hold now."""
        self._by_delta = by_delta

    def add(self, delta: str, identities: pa.ChunkedArray) -> None:
        """Changes of these items are about to come to the delta."""
        if self._by_delta is not None:
            self._by_delta[delta].update(identities.to_pylist())
            if sum(map(len, self._by_delta.values())) > MOST:
                self._by_delta = None

    def clear(self, delta: str) -> None:
        """All that was in the delta is in base."""
        if self._by_delta is not None:
            self._by_delta[delta] = set()

    def has(self, delta: str, identity: bytes) -> bool:
        """True if the delta may have a change of the item."""
        known = self._by_delta
        return known is None or identity in known[delta]
