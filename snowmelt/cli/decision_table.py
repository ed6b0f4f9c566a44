"""How a decision is shown to people: what is done and why, what it takes, what there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from restorer.facts import ASSUMED_THROUGHPUT
from snowmelt.cli.tables import console, instant, table
from snowmelt.durations import format_duration
from snowmelt.progress import format_bytes

_COLUMNS = ("snapshot", "age", "resumable until", "rows", "fetch", "takes", "verdict")


def print_decision(decision: Mapping[str, Any]) -> None:
    """The decision of a cold start with its numbers."""
    out = console()
    for line in decision_lines(decision):
        out.print(line, markup=False, highlight=False)
    if decision["candidates"]:
        out.print(table(_COLUMNS, [_candidate(each) for each in decision["candidates"]]))
    fleet = decision.get("fleet")
    for line in fleet_lines(fleet) if fleet else ():
        out.print(line, markup=False, highlight=False)


def decision_lines(decision: Mapping[str, Any]) -> list[str]:
    """What is done, why, and what it takes."""
    numbers, code = decision["numbers"], decision["exit_code"]
    action = decision["action"].replace("_", " ")
    lines = [f"{decision['dataset']}: {action}{'' if code is None else f' (exit code {code})'}"]
    lines += [f"  because {reason}" for reason in decision["reasons"]]
    if decision["snapshot_id"] is not None:
        lines.append(f"  snapshot: {decision['snapshot_id']}")
    lines += [f"  fallbacks: {', '.join(decision['fallbacks'])}"] if decision["fallbacks"] else []
    age, until = numbers["age_seconds"], numbers["resumable_until"]
    if age is not None:
        horizon = "" if until is None else f", the stream can be resumed until {instant(until)}"
        lines.append(f"  age: {format_duration(max(0.0, age))}{horizon}")
    if numbers["download_bytes"]:
        lines.append(f"  time: {_time(numbers)}")
    foreseen = decision.get("foreseen")
    lines += _foreseen_lines(foreseen) if foreseen else []
    free = format_bytes(numbers["disk_free_bytes"])
    needed = numbers["disk_needed_bytes"]
    lines.append(f"  disk: {f'needs up to {format_bytes(needed)}, ' if needed else ''}has {free}")
    lines.append(f"  reads of the table: {_reads(numbers['read_units'])}")
    return lines


def fleet_lines(fleet: Mapping[str, Any]) -> list[str]:
    """What a fleet asks of the bucket in a month."""
    size, dollars = format_bytes(fleet["bytes_a_month"]), f"${fleet['dollars_a_month']:,.2f}"
    prices = f"{fleet['region']}, prices of {fleet['prices_as_of']}"
    mean, most = fleet["requests_per_second"], fleet["busiest_requests_per_second"]
    asks = f"{fleet['requests_a_month']:,} requests and {size} a month, {dollars} ({prices})"
    lines = [
        f"{fleet['nodes']:,} nodes that follow: {asks}",
        f"  {mean:,} requests a second, at most {most:,} while a new snapshot spreads",
    ]
    return lines + [
        f"  {line['what']}: {line['quantity']:,.0f} {line['unit']}, ${line['dollars']:,.2f}"
        for line in fleet["lines"]
    ]


def _time(numbers: Mapping[str, Any]) -> str:
    speed = numbers["throughput_bytes_per_second"]
    known = "assumed" if speed == ASSUMED_THROUGHPUT else "as the last restore here"
    text = (
        f"{format_bytes(numbers['download_bytes'])} in about"
        f" {format_duration(numbers['predicted_seconds'])} at {format_bytes(speed)}/s, {known}"
    )
    if numbers["catch_up_seconds"]:
        text += f"; then {format_duration(numbers['catch_up_seconds'])} for the changes since"
    return text


def _foreseen_lines(foreseen: Mapping[str, Any]) -> list[str]:
    """What would be fetched, and which files here were looked at."""
    if not foreseen["is_estimate"]:
        return ["  fetch: all of it, no file here has any"]
    sampled, files = foreseen["sampled_blocks"], foreseen["seeds"]
    if foreseen["unknown_because"] is not None:
        line = f"not known, because {foreseen['unknown_because']}"
        return [f"  fetch: {line}", *(f"    would look at {each['path']}" for each in files)]
    if not sampled:
        return ["  fetch: nothing, if what an interrupted restore had fetched proves right"]
    size, margin = format_bytes(foreseen["bytes_to_fetch"]), foreseen["margin_bytes"]
    doubt = f", give or take {format_bytes(margin)}, by a sample of" if margin else " by a look at"
    return [
        f"  fetch: about {size}{doubt} {sampled:,} blocks; the time is that of all",
        *(f"    {each['path']}: {_had(each['blocks_found'])}" for each in files),
    ]


def _had(blocks: int | None) -> str:
    return "cannot be read" if blocks is None else f"has {blocks:,} of them"


def _reads(units: float | None) -> str:
    if units is None:
        return "all of it; its size is not known"
    return f"about {units:,.0f} read units" if units else "none"


def _candidate(one: Mapping[str, Any]) -> Sequence[object]:
    age, is_fresh = one["age_seconds"], one["age"] == "fresh"
    return (
        one["snapshot_id"],
        None if age is None else format_duration(max(0.0, age)),
        instant(one["resumable_until"]),
        one["row_count"],
        format_bytes(one["stored_bytes"]),
        format_duration(one["download_seconds"]),
        one["verdict"] if is_fresh else f"{one['verdict']}, {one['age'].replace('_', '-')}",
    )
