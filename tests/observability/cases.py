"""How it is written down what makes an alert fire, and what is only just no reason for it.

Series are one sample a minute in promtool's notation: `0+60x30` starts at 0 and grows by 60, 30
times; `_` is a missing sample. Instants count from the start of the series.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Series = Mapping[str, str]

NODE = {"dataset": "pipelines", "instance": "node-1", "job": "snowmelt", "namespace": "data"}
DATASET = {"dataset": "pipelines", "namespace": "data"}
NOBODY: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Case:
    """`at`: minutes. `labels`: of the alert, besides name and severity; None if it is quiet.

    `value`: what its annotations print of the expression's.
    """

    alert: str
    at: int
    series: Series
    labels: Mapping[str, str] | None
    value: str


class Cases:
    """Collected, of any alerts."""

    def __init__(self) -> None:
        self.all: list[Case] = []

    def fires(
        self,
        alert: str,
        at: int,
        *series: Series,
        about: Mapping[str, str] = NODE,
        value: str = "",
        **labels: str,
    ) -> None:
        """`about`: the labels it has, `labels` others besides."""
        self.all.append(Case(alert, at, merged(series), {**about, **labels}, value))

    def quiet(self, alert: str, at: int, *series: Series) -> None:
        """It does not fire."""
        self.all.append(Case(alert, at, merged(series), None, ""))


def merged(series: tuple[Series, ...]) -> Series:
    """All of them; none may be said twice."""
    names = [name for one in series for name in one]
    assert len(set(names)) == len(names), names
    return {name: values for one in series for name, values in one.items()}


def node(name: str, values: str, **labels: str) -> Series:
    """A series of the one node, unless `labels` say otherwise."""
    told = ",".join(f'{key}="{text}"' for key, text in (NODE | labels).items())
    return {f"{name}{{{told}}}": values}


def dynamodb(name: str, values: str, **labels: str) -> Series:
    """`dataset_dynamodb_` + `name`."""
    return node(f"dataset_dynamodb_{name}", values, **labels)


def snapshot(name: str, values: str, **labels: str) -> Series:
    """`dataset_acceleration_snapshot_` + `name`."""
    return node(f"dataset_acceleration_snapshot_{name}", values, **labels)


def always(value: float) -> str:
    """The same value, for longer than most cases take."""
    return f"{value:g}x300"


def hours_ago(hours: int) -> str:
    """An instant before the start of the series."""
    return f"-{hours * 3600}x300"


def state(name: str) -> Series:
    """What the dataset is doing."""
    return dynamodb("state", always(1), state=name)


def problem(code: int) -> Series:
    """What is wrong with it."""
    return dynamodb("problem", always(1), code=str(code))


def role(name: str) -> Series:
    """What the node is."""
    return dynamodb("info", always(1), role=name, engine="duckdb", source="dynamodb:pipelines")


READY = dynamodb("ready", always(1))
READ_ANEW = dynamodb("data_age_ms", always(1000))
