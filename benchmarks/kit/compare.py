"""Comparisons: sides take turns within one run, and are judged by the ratio of each turn.

A machine that is busy for a minute slows all sides of a turn alike, so ratios are taken turn by
turn and their median is reported. Every other turn goes backwards, so that nobody is always first.
A side whose content is not the expected one ends the benchmark: a fast wrong answer is no figure.

A side returns `{"measures": {measure: {metric: number}}, "content": digest or None}`.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.kit import child

Role = Literal["snowmelt", "naive", "competent", "tool"]
_TINY = 1e-9


class WrongContent(Exception):
    """A side did not produce what all have to produce."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that sides return. `better` None: shown, not judged."""

    name: str
    label: str
    better: Literal["higher", "lower"] | None = "lower"
    digits: int = 1


CPU = Metric("cpu_seconds", "CPU s", digits=2)
MEMORY = Metric("peak_rss_mib", "peak MiB", digits=0)


@dataclass(frozen=True, slots=True)
class Side:
    """One way of doing it: `target` is `module:function`, `expected` the content's digest.

    `python`: the interpreter of its environment, where that is not ours.
    """

    name: str
    role: Role
    target: str
    params: dict[str, Any]
    expected: str
    python: str = sys.executable


@dataclass(frozen=True, slots=True)
class Comparison:
    """Sides, Snowmelt's first. The first metric that a measure has is its headline."""

    name: str
    sides: tuple[Side, ...]
    metrics: tuple[Metric, ...]


def compare(
    comparison: Comparison, rounds: int, notify: Callable[[str], None]
) -> list[dict[str, Any]]:
    """One result for each measure. Raises WrongContent, SideFailed."""
    runs: dict[str, list[dict[str, Any]]] = {side.name: [] for side in comparison.sides}
    is_checked = dict.fromkeys(runs, False)
    for number in range(rounds):
        order = comparison.sides if number % 2 == 0 else comparison.sides[::-1]
        for side in order:
            notify(f"{comparison.name}, round {number + 1} of {rounds}: {side.name}")
            result = child.run(side.target, {**side.params, "verify": number == 0}, side.python)
            is_checked[side.name] |= _check(side, result["content"])
            runs[side.name].append(result["measures"])
    measures = runs[comparison.sides[0].name][0]
    same = all(is_checked.values())
    return [{**_summary(comparison, runs, name), "same_content": same} for name in measures]


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Median, extremes and the values themselves."""
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "runs": list(values),
    }


def _check(side: Side, content: str | None) -> bool:
    if content is not None and content != side.expected:
        raise WrongContent(f"{side.name} produced {content}, not {side.expected}")
    return content is not None


def _summary(
    comparison: Comparison, runs: dict[str, list[dict[str, Any]]], measure: str
) -> dict[str, Any]:
    first, *others = comparison.sides
    metrics = [
        metric for metric in comparison.metrics if metric.name in runs[first.name][0][measure]
    ]
    sides, ratios = {}, {}
    for side in comparison.sides:
        if measure not in runs[side.name][0]:
            continue
        turns = [run[measure] for run in runs[side.name]]
        shown = [metric for metric in metrics if metric.name in turns[0]]
        numbers = {metric.name: spread(list(_values(turns, metric))) for metric in shown}
        sides[side.name] = {"role": side.role, **numbers}
    for side in others:
        if side.name in sides:
            turns = list(zip(runs[first.name], runs[side.name], strict=True))
            pairs = [(mine[measure], theirs[measure]) for mine, theirs in turns]
            ratios[side.name] = {
                metric.name: spread([_ratio(metric, mine, theirs) for mine, theirs in pairs])
                for metric in metrics
                if metric.better is not None and metric.name in pairs[0][1]
            }
    return {
        "comparison": comparison.name,
        "measure": measure,
        "metrics": {
            metric.name: [metric.label, metric.better, metric.digits] for metric in metrics
        },
        "sides": sides,
        "ratios": ratios,
    }


def _values(turns: Iterable[dict[str, float]], metric: Metric) -> Iterable[float]:
    return (turn[metric.name] for turn in turns)


def _ratio(metric: Metric, mine: dict[str, float], theirs: dict[str, float]) -> float:
    """How many times better Snowmelt is; below 1 it loses."""
    ours, other = mine[metric.name], theirs[metric.name]
    top, bottom = (ours, other) if metric.better == "higher" else (other, ours)
    return top / max(bottom, _TINY)
