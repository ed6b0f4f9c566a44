"""Commands in the manuals are parsed by the real command line, up to where they would run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.exceptions import TyperException

from tests.deploy.command_line import parse

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# What stands for a command in a sentence, and is none.
FIGURES = {"VERB", "->", "…"}
# A sentence may name a verb without its arguments, or an option without its value.
LEFT_OUT = {"MissingParameter", "BadOptionUsage"}


@dataclass(frozen=True, slots=True)
class Command:
    """`is_whole`: it could be typed as it is; in a sentence arguments may be left out."""

    place: str
    words: tuple[str, ...]
    is_whole: bool = True

    def __str__(self) -> str:
        return f"{self.place}: snowmelt {' '.join(self.words)}"


def typed(text: str) -> Iterator[str]:
    """Lines that a person would type: all of a block sh, what is behind the prompt in a console."""
    for block in re.finditer(r"^```(sh|console)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in block[2].replace("\\\n", " ").splitlines():
            if block[1] == "sh" or line.startswith("$ "):
                yield line.removeprefix("$ ")


def of_blocks(text: str, name: str) -> Iterator[Command]:
    """Each `snowmelt …` in blocks of commands, behind kubectl, uvx and pipes too."""
    for line in typed(text):
        words = shlex.split(line, comments=True)
        for start in (at for at, word in enumerate(words) if word == "snowmelt"):
            rest = words[start + 1 :]
            ends = [at for at, word in enumerate(rest) if re.match(r"[0-9]?[|>&;]", word)]
            if start == 0 or words[start - 1] not in {"install", "-n"}:
                yield Command(name, tuple(rest[: min(ends, default=len(rest))]))


def of_sentences(text: str, name: str) -> Iterator[Command]:
    """Each `snowmelt …` in a sentence or a cell of a table."""
    for span in re.finditer(r"`snowmelt ([^`\n]+)`", text):
        words = ["1" if word == "N" else word for word in shlex.split(span[1])]
        if not FIGURES & set(words):
            yield Command(name, tuple(words), is_whole=False)


def documented() -> list[Command]:
    found = []
    for file in DOCUMENTS:
        text, name = file.read_text(), file.relative_to(ROOT).as_posix()
        found += [*of_blocks(text, name), *of_sentences(text, name)]
    return found


def check(command: Command) -> None:
    """As the command line does before it runs a verb. Raises what a person would be told."""
    try:
        parse(list(command.words))
    except TyperException as error:
        if command.is_whole or type(error).__name__ not in LEFT_OUT:
            raise


@pytest.fixture(autouse=True)
def _nothing_by_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SNOWMELT_DOCTOR_TABLE", raising=False)


@pytest.mark.parametrize("command", sorted(set(documented()), key=str), ids=str)
def test_a_command_of_the_manuals_is_one(command: Command) -> None:
    check(command)


@pytest.mark.parametrize(
    "words",
    ["frobnicate", "snapshots rollbock ID", "status --wach", "get", "snapshots rollback", "query"],
)
def test_what_is_no_command_would_be_noticed(words: str) -> None:
    with pytest.raises(TyperException):
        check(Command("here", tuple(words.split())))


def test_commands_are_found_behind_others_and_in_sentences() -> None:
    text = """
`snowmelt get` and `snowmelt VERB --help`
```sh
snowmelt status --json | jq .datasets   # not this: snowmelt nothing
kubectl -n snowmelt exec POD -- snowmelt explain
uvx --from . snowmelt demo && snowmelt run
snowmelt snapshots rollback ID \\
  --reason "wrong prices"
```
```yaml
snowmelt nothing
```
```console
$ snowmelt query 'select 1'
snowmelt nothing
```
"""
    told = [" ".join(one.words) for one in (*of_blocks(text, ""), *of_sentences(text, ""))]

    assert told == [
        "status --json",
        "explain",
        "demo",
        "run",
        "snapshots rollback ID --reason wrong prices",
        "query select 1",
        "get",
    ]
