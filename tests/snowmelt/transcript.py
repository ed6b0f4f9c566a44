"""Golden transcripts: what a command said on stderr and how it ended, in tests/snowmelt/golden.

Written anew with SNOWMELT_GOLDEN=write; the difference is then for a person to judge.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from tests.snowmelt.command import Ended

GOLDEN = Path(__file__).parent / "golden"
_WRITES = os.environ.get("SNOWMELT_GOLDEN") == "write"
_ALWAYS = (
    (re.compile(r"\d{6}-\d{12}-\d{8}T\d{9}Z"), "SNAPSHOT"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:PORT"),
    (re.compile(r"stream/\d{4}-\d\d-\d\dT[0-9:.]+"), "stream/LABEL"),
    (re.compile(r"packs/[0-9a-f]/"), "packs/h/"),
    (re.compile(r"shardId-[0-9a-f-]+"), "SHARD"),
    # Whichever of both comes first to the end of the space.
    (re.compile(r"(apply a batch|append a scan page) to"), "append a scan page to"),
    (re.compile(r"held in \S+ \(PID \d+\)( by user \S+)?"), "held in PROGRAM (PID n)"),
)


def told(ended: Ended, names: Mapping[str, str]) -> str:
    """The transcript as a person would see it. `names`: what differs in each run -> its name."""
    text = "\n".join(
        ["$ snowmelt " + " ".join(ended.arguments), *ended.errors, f"exit {ended.code}"]
    )
    for value, name in sorted(names.items(), key=lambda item: -len(item[0])):
        text = text.replace(value, name)
    for pattern, name in _ALWAYS:
        text = pattern.sub(name, text)
    return text + "\n"


def is_as_before(name: str, ended: Ended, names: Mapping[str, str]) -> None:
    """Compare with the golden file; a traceback is never golden."""
    text = told(ended, names)
    assert "Traceback" not in text, text
    file = GOLDEN / f"{name}.txt"
    if _WRITES:
        file.write_text(text)
    assert text == file.read_text()
