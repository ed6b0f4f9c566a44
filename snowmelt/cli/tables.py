"""What the verbs print for people: tables on stdout, plain in a pipe."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from snowmelt.durations import format_duration, format_exact

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
            out.print(f"{one['name']}: {_told(problem)}", markup=False)
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
        if one.get("follow"):
            for line in _follows(one["name"], one["follow"]):
                out.print(line, markup=False)
        if one["misfits"]:
            out.print(_misfits(one["name"], one["misfits"]), markup=False)


def _told(problem: Mapping[str, Any]) -> str:
    """What is wrong, what to do, since when, and when it is tried again."""
    told = f"{problem['message']}; {problem['hint']}"
    times = [] if problem["since"] is None else [f"since {instant(problem['since'])}"]
    tries, again = problem.get("tries", 1), problem.get("next_try_at")
    if tries > 1:
        times.append(f"tried {tries} times")
    if again is not None:
        times.append(f"the next try is at {instant(again)}")
    return f"{told} ({', '.join(times)})" if times else told


def _refreshes(dataset: str, refresh: Mapping[str, Any]) -> str:
    every = f"read anew every {format_exact(refresh['interval_seconds'])}"
    if refresh["data_at"] is None:
        return f"{dataset}: {every}"
    age = format_duration(refresh["data_age_seconds"])
    return (
        f"{dataset}: {every}; the data is {age} old, the next is due {instant(refresh['due_at'])}"
    )


def _follows(dataset: str, follow: Mapping[str, Any]) -> Iterator[str]:
    """Where an edge stands, and what keeps it there."""
    every = f"follows snapshots, asks every {format_exact(follow['interval_seconds'])}"
    if follow["data_age_seconds"] is not None:
        every += f"; the data is {format_duration(follow['data_age_seconds'])} old"
    if follow["versions_behind"]:
        every += f", {follow['versions_behind']} versions behind the newest snapshot"
    yield f"{dataset}: {every}; the bucket answered {ago(follow['answered_at']) or 'never'}"
    if follow["held_because"] is not None:
        yield f"{dataset}: followers are held: {follow['held_because']}"
    for snapshot_id in follow["rejected"]:
        yield f"{dataset}: {snapshot_id} was found unusable, and is not tried for now"


def _misfits(dataset: str, counts: Mapping[str, int]) -> str:
    most = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    told = [
        f"{name if name.isprintable() and name else repr(name)} {count}"
        for name, count in most[:_MISFITS_TOLD]
    ]
    more = f" and {len(most) - _MISFITS_TOLD} more" if len(most) > _MISFITS_TOLD else ""
    return f"{dataset}: in _rest, because no column holds them: {', '.join(told)}{more}"
