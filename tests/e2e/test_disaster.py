"""The drill of docs/operating.md, command by command as it is written, against what it prints."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.init import alone
from tests.e2e.nodes import snowmelt
from tests.restorer.accelerators import Producer
from tests.restorer.versioned import Versioned, rfc3339, versioned
from tests.servers.moto import MotoServer

MANUAL = Path(__file__).parents[2] / "docs" / "operating.md"
DOCUMENTED_TIME = "2026-11-22T10:00:00Z"
# The store tells its time in whole seconds, so what a producer takes for it may be as much behind.
_CLOCK_SECONDS = 1.5


@dataclass
class Step:
    """A command of the manual and what it says that the command prints."""

    command: str
    printed: list[str] = field(default_factory=list)

    @property
    def pattern(self) -> str:
        """`…` is anything; alone on a line, any number of lines."""
        lines = (re.escape(line).replace("…", ".*") + r" *\n" for line in self.printed)
        return "".join(r"(?:.*\n)*" if line == r".* *\n" else line for line in lines)


def blocks(kind: str) -> list[str]:
    """The blocks of this kind in the section."""
    section = MANUAL.read_text().split("\n## Disaster recovery\n")[1].split("\n## ")[0]
    return re.findall(rf"^```{kind}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def steps(block: str) -> Iterator[Step]:
    found: Step | None = None
    for line in block.splitlines():
        if line.startswith("$ "):
            if found:
                yield found
            found = Step(line[2:])
        elif found:
            found.printed.append(line)
    if found:
        yield found


@pytest.fixture
def bucket(moto_server: MotoServer) -> Versioned:
    s3 = moto_server.client("s3")
    s3.create_bucket(Bucket="disaster")
    return versioned(moto_server, s3, "disaster")


def publish(bucket: Versioned, path: Path) -> float:
    """1,000 items as version 1; 2,000 as version 2, published later than the returned time."""
    producer = Producer(bucket.store(), path, "duckdb")
    producer.put(0, 1000, seed=1)
    producer.publish()
    between = bucket.next_second()
    time.sleep(_CLOCK_SECONDS)
    producer.put(1000, 1000, seed=2)
    producer.publish()
    producer.close()
    return between


def test_the_drill_of_the_manual_goes_as_it_is_written(
    bucket: Versioned, moto_server: MotoServer, tmp_path: Path
) -> None:
    between = rfc3339(publish(bucket, tmp_path / "centre.duckdb"))
    home = tmp_path / "nothing"
    home.mkdir()
    (rescue,) = blocks("yaml")
    (home / "rescue.yaml").write_text(rescue.replace("s3://bucket/", f"s3://{bucket.name}/"))
    environment = {
        "AWS_ENDPOINT_URL_S3": moto_server.endpoint_url,
        "AWS_REGION": moto_server.region,
        "AWS_ACCESS_KEY_ID": moto_server.access_key,
        "AWS_SECRET_ACCESS_KEY": moto_server.secret_key,
        **alone(),
    }
    drill = [list(steps(block)) for block in blocks("console")]
    assert [len(block) for block in drill] == [4, 1, 4]

    for number, block in enumerate(drill):
        if number == 1:
            bucket.overwrite("head.json")
            bucket.delete(".pack")
            bucket.delete("bucket.json")
        for step in block:
            command = step.command.replace("s3://bucket/", f"s3://{bucket.name}/")
            program, *words = shlex.split(command.replace(DOCUMENTED_TIME, between))
            assert program == "snowmelt"
            done = snowmelt(*words, directory=home, environment=environment)
            assert done.code == 0, f"{command}\n{done.err}"
            assert re.fullmatch(step.pattern, done.out), f"{command}\n{done.out}{step.pattern}"
