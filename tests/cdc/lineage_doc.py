"""Prints docs/lineage.md, made from the transition table: `python -m tests.cdc.lineage_doc`.

tests/cdc/test_lineage_doc.py compares the two, so the picture cannot differ from the machine.
"""

import re
import sys

from cdc.lineage import TRANSITIONS, State

_HEAD = """\
# The lineage machine

Made by `tests/cdc/lineage_doc.py` from `TRANSITIONS` in `cdc/lineage.py`; do not edit. The rules
and their reasons stand at the top of that file, listings of many shards in `cdc/graph.py`.
"""
_BEGINS = {
    State.BLOCKED: "parent unread",
    State.READY: "no parent, or parent read",
    State.DRAINED: "closed before the bootstrap",
}


def render() -> str:
    """The whole document."""
    return "\n".join([_HEAD, *_diagram(), "", *_table(), "", *_events()]) + "\n"


def _diagram() -> list[str]:
    arrows: dict[tuple[State, State], list[str]] = {}
    for (state, event), transition in TRANSITIONS.items():
        for target in transition.targets:
            if target is not state or len(transition.targets) == 1:
                arrows.setdefault((state, target), []).append(event.__name__)
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    [*] --> {state.name}: {why}" for state, why in _BEGINS.items()]
    lines += [
        f"    {state.name} --> {target.name}: {', '.join(events)}"
        for (state, target), events in arrows.items()
        if state is not target
    ]
    return [*lines, f"    {State.FORGOTTEN.name} --> [*]", "```"]


def _table() -> list[str]:
    states = [state for state in State if state is not State.FORGOTTEN]
    events = list(dict.fromkeys(event for _, event in TRANSITIONS))
    lines = ["| event | " + " | ".join(state.name for state in states) + " |"]
    lines.append("|---" * (len(states) + 1) + "|")
    for event in events:
        cells = []
        for state in states:
            transition = TRANSITIONS.get((state, event))
            targets = () if transition is None else transition.targets
            cells.append(" or ".join(target.name for target in targets) or "·")
        lines.append(f"| {event.__name__} | " + " | ".join(cells) + " |")
    return [*lines, "", "`·` cannot happen: `IllegalTransition`, a bug and not a data error."]


def _events() -> list[str]:
    events = dict.fromkeys(event for _, event in TRANSITIONS)
    return [f"- **{event.__name__}**: {_first_sentence(event.__doc__ or '')}" for event in events]


def _first_sentence(text: str) -> str:
    return re.split(r"\n\s*\n", text.strip())[0].replace("\n", " ")


if __name__ == "__main__":
    sys.stdout.write(render())
