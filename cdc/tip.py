"""Proof that reading of a shard has reached its tip, from pages alone.

There is no call that says so, and one empty page says nothing: walking an empty shard of four hours
takes four to five calls. So the proof is five empty pages in a row on one chain of iterators, over
at least one second (with one empty page as proof, 11 % of simulated nodes called themselves ready
while they were 5 s behind).

What time does it prove? Whatever existed when the *first* of the five was requested lay at most
four calls ahead, so it would have been returned: the proof is good for that instant, not for the
last page's. From then on the iterator is at the tip, a poll later there is at most a second of new
storage to walk, and each further empty page proves the start of its own request. Records become
visible a moment after the write, usually below a second: `watermark.RESOLUTION_SECONDS` has room.

A page with records or a new iterator begins the count again. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

PROOF_PAGES = 5
PROOF_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class TipProof:
    """Empty pages in a row on one chain. `tip_at`: service time that they prove, None without."""

    empty_pages: int = 0
    first_at: float | None = None
    tip_at: float | None = None

    def after_page(self, *, is_empty: bool, requested_at: float) -> TipProof:
        """The proof after one more page of the same chain."""
        if not is_empty:
            return TipProof()
        first_at = requested_at if self.first_at is None else self.first_at
        pages = self.empty_pages + 1
        if self.tip_at is not None:
            return TipProof(pages, first_at, max(self.tip_at, requested_at))
        if pages >= PROOF_PAGES and requested_at - first_at >= PROOF_SECONDS:
            return TipProof(pages, first_at, first_at)
        return TipProof(pages, first_at)
