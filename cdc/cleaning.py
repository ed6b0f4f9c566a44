"""Getting deleted rows out of a file before a snapshot that shares nothing with older ones. Pure.

    asked       by who will publish; deltas are to be folded
    gathered    what was deleted before is out of the deltas; base is to be sorted anew
    copied      the copy is base; the old one is free with the next checkpoint
    clean       the file holds nothing that was deleted before it was asked for

An engine that overwrites what is deleted is clean at any time.
"""

from __future__ import annotations

from typing import Literal

Stage = Literal["none", "asked", "gathered", "copied", "clean"]


class Cleaning:
    """Of one open file; asked for by any thread, done by upkeep. `is_needless`: see above."""

    def __init__(self, *, is_needless: bool = False) -> None:
        self.stage: Stage = "none"
        self._is_needless = is_needless

    def ask(self) -> None:
        """Begin, unless it is under way or done."""
        if self.stage == "none":
            self.stage = "clean" if self._is_needless else "asked"

    def forget(self) -> None:
        """It was used: what is deleted from now on stays until it is asked for again."""
        self.stage = "none"

    def passed(self, stage: Stage, to: Stage) -> None:
        """Upkeep has done what this stage waits for."""
        if self.stage == stage:
            self.stage = to
