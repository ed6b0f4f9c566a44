"""The tables of variables and outputs in the READMEs of `terraform/`, written from the modules.

    python -m tests.terraform.readme

Between the two marks of a README everything is written here; what stands around is by hand. It
reads what `terraform fmt` leaves: a block begins and ends in the first column, its members in the
third.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.terraform.terraform import TERRAFORM

BEGIN, END = "<!-- written by python -m tests.terraform.readme -->", "<!-- end -->"

_BLOCK = re.compile(r'^(variable|output) "([a-z_0-9]+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
_MEMBER = re.compile(
    r"^  ([a-z_]+)\s*=\s*(.*?)(?=^  [a-z_]+(?:\s*=|\s*\{)|^\s*$|\Z)", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A variable or an output, with its members as text."""

    kind: str
    name: str
    members: dict[str, str]

    @property
    def description(self) -> str:
        return self.members.get("description", "").strip().strip('"')


def modules() -> list[Path]:
    """Folders of modules and examples."""
    return sorted(path.parent for path in TERRAFORM.glob("*/*/versions.tf"))


def blocks(folder: Path) -> list[Block]:
    """Variables and outputs of a module, in the order of its files."""
    return [
        Block(kind, name, {key: value.strip() for key, value in _MEMBER.findall(body)})
        for file in sorted(folder.glob("*.tf"), reverse=True)  # variables before outputs
        for kind, name, body in _BLOCK.findall(file.read_text())
    ]


def table(folder: Path) -> str:
    """What stands between the marks."""
    found = blocks(folder)
    variables = [each for each in found if each.kind == "variable"]
    outputs = [each for each in found if each.kind == "output"]
    lines = [BEGIN, "", "| Variable | Type | Default | What |", "|---|---|---|---|"]
    lines += [
        f"| `{each.name}` | {_type(each)} | {_default(each)} | {_text(each)} |"
        for each in variables
    ]
    lines += ["", "| Output | What |", "|---|---|"]
    lines += [f"| `{each.name}` | {_text(each)} |" for each in outputs]
    return "\n".join([*lines, "", END])


def _type(block: Block) -> str:
    words = " ".join(block.members["type"].split())
    shape = re.match(r"(map\(object|list\(object|object)", words)
    if shape is None:
        return f"`{words}`"
    members = re.findall(r"([a-z_]+) *= *(optional)?", words)
    named = ", ".join(f"{name}?" if optional else name for name, optional in members)
    outer = "map of " if words.startswith("map") else ""
    return f"{outer}{{ {named} }}"


def _default(block: Block) -> str:
    return f"`{block.members['default']}`" if "default" in block.members else "needed"


def _text(block: Block) -> str:
    return block.description.replace("|", "\\|")


def written(folder: Path) -> str:
    """The README as it should be. Raises ValueError if it has no marks."""
    readme = (folder / "README.md").read_text()
    if readme.count(BEGIN) != 1 or readme.count(END) != 1:
        raise ValueError(f"{folder / 'README.md'} lacks the lines {BEGIN} and {END}")
    before, _, rest = readme.partition(BEGIN)
    return before + table(folder) + rest.partition(END)[2]


if __name__ == "__main__":
    for module in modules():
        (module / "README.md").write_text(written(module))
