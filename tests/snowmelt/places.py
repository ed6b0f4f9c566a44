"""A directory with a configuration file, and what it leads to: the subject of a transcript."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.servers.dynamodb_local import DynamoDBLocal
from tests.snowmelt.command import Ended, snowmelt
from tests.snowmelt.transcript import is_as_before

# Nobody listens there: the discard port of a machine without such a service.
NOBODY = "127.0.0.1:9"


@dataclass
class Place:
    """A node's directory. `names`: what a transcript calls the things that differ in each run."""

    home: Path
    names: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def dataset(self) -> dict[str, Any]:
        return self.config["datasets"][0]  # type: ignore[no-any-return]

    @property
    def params(self) -> dict[str, Any]:
        return self.dataset["params"]  # type: ignore[no-any-return]

    @property
    def acceleration(self) -> dict[str, Any]:
        return self.dataset["acceleration"]  # type: ignore[no-any-return]

    @property
    def file(self) -> Path:
        return self.home / "pipelines.duckdb"

    def store_at(self, url: str, **params: str) -> None:
        self.config["snapshots"] = {"location": url, "params": params}
        self.acceleration["snapshots"] = "enabled"

    def run(self, *arguments: str, environment: dict[str, str] | None = None) -> Ended:
        (self.home / "node.yaml").write_text(yaml.safe_dump(self.config))
        return snowmelt(*arguments, cwd=self.home, environment=environment)

    def tells(self, name: str, *arguments: str, code: int, **environment: str) -> Ended:
        """Run a command that fails, and compare what it says: one line, and the exit code."""
        ended = self.run(*arguments, "-c", "node.yaml", environment=environment)
        is_as_before(name, ended, {str(self.home): "HOME", **self.names})
        assert ended.code == code
        assert len(ended.errors) == 1
        return ended


def place(home: Path, table: str = "pipelines", server: DynamoDBLocal | None = None) -> Place:
    """A node for this table; without a server, for one that is not there."""
    params = {
        "endpoint_url": server.endpoint_url if server else f"http://{NOBODY}",
        "dynamodb_region": server.region if server else "us-east-1",
        "dynamodb_access_key_id": server.access_key if server else "AKIDEXAMPLE",
        "dynamodb_secret_access_key": server.secret_key if server else "hush",
    }
    dataset = {
        "from": f"dynamodb:{table}",
        "name": "pipelines",
        "params": params,
        "acceleration": {"path": "pipelines.duckdb"},
    }
    made = Place(home, {table: "TABLE"} if server else {})
    made.config = {
        "version": "v1",
        "datasets": [dataset],
        "runtime": {"query": NOBODY, "admin": NOBODY},
    }
    return made
