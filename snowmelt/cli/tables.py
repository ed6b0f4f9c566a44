"""What the verbs print for people: tables on stdout, plain in a pipe."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from snowmelt.durations import format_duration, format_exact
from snowmelt.progress import format_bytes

_MISFITS_TOLD = 5
_LOOKS = {"drill": "drill"} | dict.fromkeys(("fast", "sample", "full"), "verification")


def console() -> Console:
    """The terminal; in a pipe lines are not cut."""
    out = Console(highlight=False, markup=False)
    if out.is_terminal:
        return out
    return Console(highlight=False, markup=False, width=200, no_color=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> Table:
    """A table of texts; None is shown as a dash."""
    made = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*("-" if cell is None else str(cell) for cell in row))
    return made


def ago(moment: float | None) -> str | None:
    """`4m 12s ago`, or None."""
    return None if moment is None else f"{format_duration(max(0.0, time.time() - moment))} ago"


def instant(moment: float | None) -> str | None:
    """RFC 3339 in UTC, to the second."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%FT%TZ")


def print_rows(rows: Sequence[Mapping[str, object]]) -> None:
    """Query results."""
    if not rows:
        console().print("no rows")
        return
    console().print(table(list(rows[0]), (list(row.values()) for row in rows)))


def print_status(datasets: Sequence[Mapping[str, Any]]) -> None:
    """One line per dataset, and what is wrong beneath."""
    out = console()
    rows = []
    for one in datasets:
        lag = one["lag_ms"]
        snapshot = one["snapshot"] or {}
        rows.append(
            (
                one["name"],
                one["state"] + (" (stale)" if one["stale"] else ""),
                one["rows"],
                None if lag is None else format_duration(lag / 1000),
                one["version"],
                ago(snapshot.get("last_success_at")),
                instant(one["resumable_until"]),
            )
        )
    names = ("dataset", "state", "rows", "lag", "version", "last snapshot", "resumable until")
    out.print(table(names, rows))
    for one in datasets:
        problem = one["problem"] or (one["snapshot"] or {}).get("problem")
        if problem:
            out.print(f"{one['name']}: {problem['message']}; {problem['hint']}")
        if (one["snapshot"] or {}).get("lease") == "waiting":
            holder = one["snapshot"]["lease_holder"] or "nobody yet"
            out.print(f"{one['name']}: published by {holder}; this node waits", markup=False)
        for reason in (one["snapshot"] or {}).get("held_because", ()):
            out.print(f"{one['name']}: no snapshot is published: {reason}", markup=False)
        look = (one.get("catalog") or {}).get("verified")
        if look and look["faults"]:
            found = f"found {look['faults']} fault{'' if look['faults'] == 1 else 's'}"
            out.print(f"{one['name']}: the last {_LOOKS[look['level']]} of a snapshot {found}")
        if one["refresh"]:
            out.print(_refreshes(one["name"], one["refresh"]))
        if one["misfits"]:
            out.print(_misfits(one["name"], one["misfits"]), markup=False)


def _refreshes(dataset: str, refresh: Mapping[str, Any]) -> str:
    every = f"read anew every {format_exact(refresh['interval_seconds'])}"
    if refresh["data_at"] is None:
        return f"{dataset}: {every}"
    age = format_duration(refresh["data_age_seconds"])
    return (
        f"{dataset}: {every}; the data is {age} old, the next is due {instant(refresh['due_at'])}"
    )


def _misfits(dataset: str, counts: Mapping[str, int]) -> str:
    most = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    told = [
        f"{name if name.isprintable() and name else repr(name)} {count}"
        for name, count in most[:_MISFITS_TOLD]
    ]
    more = f" and {len(most) - _MISFITS_TOLD} more" if len(most) > _MISFITS_TOLD else ""
    return f"{dataset}: in _rest, because no column holds them: {', '.join(told)}{more}"


def print_decision(decision: Mapping[str, Any]) -> None:
    """The decision of a cold start with its numbers."""
    out = console()
    out.print(f"{decision['dataset']}: {decision['action']}")
    for reason in decision["reasons"]:
        out.print(f"  because {reason}")
    if decision["candidates"]:
        names = ("snapshot", "age", "resumable until", "rows", "fetch", "verdict")
        rows = [
            (
                one["snapshot_id"],
                None if one["age_seconds"] is None else format_duration(one["age_seconds"]),
                instant(one["resumable_until"]),
                one["row_count"],
                format_bytes(one["stored_bytes"]),
                one["verdict"],
            )
            for one in decision["candidates"]
        ]
        out.print(table(names, rows))
    for name, value in decision["numbers"].items():
        out.print(f"  {name.replace('_', ' ')}: {'-' if value is None else value}")
