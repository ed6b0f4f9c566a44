"""Who looks at a file between the lives of a restore: it is the old one, the new one, or none."""

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from cdc.accelerator import Engine
from cdc.engines import open_accelerator, sidecars
from tests.e2e.nodes import items_of

# Behind what tells the engine of a file, and over all that an engine opens it by.
_DAMAGED = slice(100, 12_288)


@dataclass
class Watcher:
    """Of a closed file that gives way to one of another version. `seen`: how often which.

    The file is damaged first and given a log, so that nobody can open it and fold that.
    """

    path: Path
    dataset: str
    engine: Engine
    new_version: int
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        data = bytearray(self.path.read_bytes())
        data[_DAMAGED] = b"\xff" * (_DAMAGED.stop - _DAMAGED.start)
        self.path.write_bytes(data)
        sidecars(self.engine, self.path)[0].write_bytes(b"a log that belongs to it")
        self._old = self._found()

    def look(self) -> None:
        """Raise if the file is neither of them, or half of one."""
        found = self._found()
        which = "old" if self._is_old(found) else "new" if self.path.name in found else "none"
        self.seen[which] += 1
        if which == "new":
            assert self._version(found) == self.new_version

    def _is_old(self, found: dict[str, bytes]) -> bool:
        if self.engine == "sqlite":
            # Whoever looks into the file lets the engine drop a log that it cannot read.
            return found.get(self.path.name) == self._old[self.path.name]
        return found == self._old

    def _found(self) -> dict[str, bytes]:
        files = (self.path, *sidecars(self.engine, self.path))
        return {file.name: file.read_bytes() for file in files if file.exists()}

    def _version(self, found: dict[str, bytes]) -> int:
        """What an engine finds in a copy, because opening a file may write to it."""
        with tempfile.TemporaryDirectory() as folder:
            for name, data in found.items():
                Path(folder, name).write_bytes(data)
            copy = Path(folder, self.path.name)
            file = open_accelerator(self.engine, copy, self.dataset)
            checkpoint, rows = file.checkpoint(), file.row_count()
            file.close()
            assert checkpoint is not None
            assert len(items_of(copy, self.dataset, self.engine)) == rows
            return checkpoint.version
