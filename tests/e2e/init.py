"""An edge's init container: a bucket in a directory, a configuration, the command as a process."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from snapshotter.store import ObjectStore
from tests.e2e.nodes import Finished, Process, snowmelt, started
from tests.restorer.accelerators import DATASET, Producer, batch_of
from tests.restorer.published import directory_store

LAST_WORD = "last-word"


@dataclass
class Pod:
    """One pod's volume, and what its init container says."""

    home: Path
    location: str
    params: dict[str, str] | None = None

    @property
    def file(self) -> Path:
        return self.home / "data" / f"{DATASET}.sqlite"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SNOWMELT_CONFIG": str(self.home / "node.yaml"),
            "SNOWMELT_TERMINATION_LOG": str(self.home / LAST_WORD),
            **alone(),
        }

    def document(self) -> dict[str, Any]:
        return {
            "version": "v1",
            "snapshots": {"location": self.location, "params": self.params or {}},
            "datasets": [
                {
                    "from": "dynamodb:pipelines",
                    "name": DATASET,
                    "acceleration": {"engine": "sqlite", "path": str(self.file)},
                }
            ],
            "runtime": {"role": "edge", "data_dir": str(self.home / "data")},
        }

    def prepare(self) -> None:
        self.home.mkdir(exist_ok=True)
        (self.home / "node.yaml").write_text(yaml.safe_dump(self.document()))

    def restore(self, *words: str) -> Finished:
        self.prepare()
        return snowmelt("restore", *words, directory=self.home, environment=self.environment)

    def start(self, *words: str) -> Process:
        self.prepare()
        return started(
            ["restore", *words],
            self.home,
            environment=self.environment,
            output=self.home / "out",
            errors=self.home / "err",
        )

    def said(self) -> str:
        errors = self.home / "err"
        return errors.read_text() if errors.exists() else ""

    def staged_bytes(self) -> int:
        """What an unfinished restore has written: files are sparse where nothing is yet."""
        staged = self.file.with_name(f"{self.file.name}.d").glob("*/*")
        return sum(each.stat().st_blocks * 512 for each in staged if each.is_file())

    def last_word(self) -> dict[str, Any]:
        text = (self.home / LAST_WORD).read_bytes()
        assert len(text) <= 4096
        word: dict[str, Any] = json.loads(text)
        return word


def alone() -> dict[str, str]:
    """Settings by which a verb asks no node: nobody listens there, whatever else runs here."""
    return {"SNOWMELT_RUNTIME_QUERY": "127.0.0.1:9", "SNOWMELT_RUNTIME_ADMIN": "127.0.0.1:9"}


def bucket(tmp_path: Path) -> ObjectStore:
    return directory_store(tmp_path / "bucket")


def noisy(producer: Producer, rows: int, size: int) -> None:
    """Rows that zstd hardly shortens."""
    source = random.Random(7)
    notes = (source.randbytes(size).decode("latin-1") for _ in range(rows))
    batch = batch_of([(f"noise#{n:07d}", n, note) for n, note in enumerate(notes)])
    producer.accelerator.apply(batch, producer.checkpoint())
