"""The report of a benchmark: a table for people. The JSON document needs no code but `json`.

A ratio says how many times better Snowmelt is in that metric; below 1 it loses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def table(document: dict[str, Any]) -> str:
    """The document as text of at most 110 characters a line."""
    machine = document["machine"]
    load = f"load {machine['load']} -> {document['load_at_end']}"
    lines = [
        f"{document['benchmark']}: {machine['cores']} cores, Python {machine['python']}, {load}",
        "medians; in brackets how many times better Snowmelt is (below 1: it loses)",
    ]
    for result in document["results"]:
        lines += ["", f"{result['comparison']}: {result['measure']}", *_rows(result)]
        if not result["same_content"]:
            lines.append("  (content was not compared)")
    return "\n".join(lines)


def _rows(result: dict[str, Any]) -> Iterator[str]:
    metrics = result["metrics"]
    headline = next(iter(metrics))
    cells = [["", *(label for label, _, _ in metrics.values()), f"{metrics[headline][0]} min–max"]]
    for name, side in result["sides"].items():
        row = [name]
        for metric, (_, _, digits) in metrics.items():
            if metric not in side:
                row.append("–")
                continue
            ratio = result["ratios"].get(name, {}).get(metric)
            times = f" ({ratio['median']:.3g}×)" if ratio else ""
            row.append(f"{side[metric]['median']:,.{digits}f}{times}")
        digits = metrics[headline][2]
        row.append(f"{side[headline]['min']:,.{digits}f}–{side[headline]['max']:,.{digits}f}")
        cells.append(row)
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    for row in cells:
        first, *others = row
        padded = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        yield "  " + "  ".join([first.ljust(widths[0]), *padded])
