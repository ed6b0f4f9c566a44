"""Prints docs/decisions.md, made from `decide`: `python -m tests.restorer.decisions_doc`.

tests/restorer/test_decisions_doc.py compares the two, so the tables cannot differ from the code.
"""

import sys
from collections.abc import Sequence

from restorer.facts import OnFailure, Role, ShardNotFound
from restorer.verdict import Action, Decision
from tests.restorer.decisions import BEHAVIORS, FAILURES, LOCALS, OFFERS, Situation

_HEAD = """\
# What a cold start decides

Made by `tests/restorer/decisions_doc.py` from `restorer/decision.py`; do not edit. The rules and
their reasons stand at the top of that file, what can be set in [operating.md](operating.md).
`snowmelt explain` prints the decision for one node, with its numbers.

- **Fresh**, **near-expired**, **expired** are ages of the newest snapshot on arrival, by the limits
  of 18 and 24 hours; one whose horizon passes before the changes since are read is expired. A
  **stale** file is an expired one. **Ahead of a fork**: another node took over, and the file holds
  what was never published.
- The columns under *central* are its `shard_not_found_behavior`. Where
  `bootstrap_on_failure_behavior` matters, what `warn`, `retry` and `fallback` do is said.
- *operator*: a person restores to a path of their own (`--output`), a snapshot of any age.
- **keep**: the local file is resumed, or by an edge served. **restore**: the newest snapshot;
  **restore older**: one behind it. **serve file**, **serve snapshot**: served, labelled stale,
  while a second file is bootstrapped. **wait**: asked again until something changes; a verb that
  cannot wait ends with the code. **refuse**: with this exit code.
- Where a bootstrap is not allowed (`restore --no-bootstrap`), each **bootstrap** is a refusal: 6
  too old, 5 damaged, 11 unreadable here, 8 store away, 4 nothing there.
"""
_COLUMNS: tuple[tuple[Role, ShardNotFound], ...] = (
    *(("central", behavior) for behavior in BEHAVIORS),
    ("edge", "error"),
    ("operator", "error"),
)
_TITLES = ("published", *BEHAVIORS, "edge", "operator")


def render() -> str:
    """The whole document."""
    lines = [_HEAD]
    for file in LOCALS:
        lines += [f"## Local file: {file}", "", *_table(file), ""]
    return "\n".join(lines).rstrip() + "\n"


def _table(file: str) -> list[str]:
    rows: dict[tuple[str, ...], list[str]] = {}
    for offer in OFFERS:
        cells = tuple(_cell(offer, file, role, behavior) for role, behavior in _COLUMNS)
        rows.setdefault(cells, []).append(offer)
    if len(rows) == 1:
        ((cells, _),) = rows.items()
        rows = {cells: ["anything"]}
    head = [_row(_TITLES), "|" + "---|" * len(_TITLES)]
    return head + [_row(("; ".join(offers), *cells)) for cells, offers in rows.items()]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(offer: str, file: str, role: Role, behavior: ShardNotFound) -> str:
    words: dict[str, list[OnFailure]] = {}
    for on_failure in FAILURES:
        decision = Situation(offer, file, role, behavior, on_failure).decision()
        words.setdefault(word(decision, offer), []).append(on_failure)
    if len(words) == 1:
        return next(iter(words))
    return "; ".join(f"{', '.join(f'`{n}`' for n in names)}: {w}" for w, names in words.items())


def word(decision: Decision, offer: str) -> str:
    """The action in the words of the document."""
    newest = OFFERS[offer].published.candidates[:1]
    match decision.action:
        case Action.KEEP_LOCAL:
            return "keep"
        case Action.RESTORE:
            return "restore" if (decision.chosen,) == newest else "restore older"
        case Action.SERVE_STALE_AND_BOOTSTRAP:
            return "serve snapshot" if decision.chosen else "serve file"
        case Action.BOOTSTRAP:
            return "bootstrap"
        case Action.WAIT:
            return f"wait ({decision.exit_code})"
        case Action.REFUSE:
            return f"refuse ({decision.exit_code})"


if __name__ == "__main__":
    sys.stdout.write(render())
