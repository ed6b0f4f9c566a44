"""A document on its way to a configuration: what is wrong with it, and what in it has no effect.

Lines name the place in the file, also where the document was rewritten on the way: datasets that
are left out keep their numbers, parameters their spelling, and what came from a variable is named
by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from snowmelt import parameters
from snowmelt.config import Config, RuntimeSection
from snowmelt.config_columns import taken_out
from snowmelt.config_problems import Step, lines, path_of, suggestion
from snowmelt.references import resolve

_RUNTIME_PREFIX = "SNOWMELT_RUNTIME_"
_SHORTEST_HIDDEN = 4  # shorter values would be found in ordinary words


class Draft:
    """Give `validated` a call; then read `problems` and `warnings`."""

    def __init__(self, document: dict[str, Any], environment: Mapping[str, str]) -> None:
        self._problems: list[str] = []
        self._warnings: list[str] = []
        self._values: dict[str, str] = {}
        self._document = resolve(document, environment, "", self._problems, self._values)
        self._is_lenient = self._document.get("kind") == "Spicepod"
        self._numbers: list[int] = []
        self._spelled: dict[str, str] = {}
        self._take_runtime(environment)

    @property
    def problems(self) -> list[str]:
        """Why this is no configuration, one line each; empty if it is."""
        return [self._hidden(line) for line in self._problems]

    @property
    def warnings(self) -> list[str]:
        """What has no effect, one line each."""
        return [self._hidden(line) for line in self._warnings]

    def validated(self) -> Config | None:
        """The configuration; None with `problems`."""
        self._select_datasets()
        self._rewrite_parameters()
        try:
            return self._accepted(Config.model_validate(self._document))
        except ValidationError as error:
            if not (self._is_lenient and self._drop_extras(error)):
                self._tell(error)
                return None
        try:
            return self._accepted(Config.model_validate(self._document))
        except ValidationError as error:
            self._tell(error)
            return None

    def _accepted(self, config: Config) -> Config:
        self._warnings += [f"{self._where(at)}: {text}" for at, text in config.without_effect()]
        return config

    def _tell(self, error: ValidationError) -> None:
        # What a reference could not give is told once, not again as a wrong value.
        told = [problem.partition(": ")[0] for problem in self._problems]
        found = lines(error, Config, self._where)
        self._problems += [line for line in found if not _concerns(line, told)]

    # ------------------------------------------------------------ rewriting

    def _take_runtime(self, environment: Mapping[str, str]) -> None:
        """Put variables over the section: nodes share a file, and not address and directory."""
        section = self._document.get("runtime", {})
        if not isinstance(section, dict):
            return
        for name in RuntimeSection.model_fields:
            variable = f"{_RUNTIME_PREFIX}{name.upper()}"
            if environment.get(variable):
                section = {**section, name: environment[variable]}
                self._spelled[f"runtime.{name}"] = variable
        if section:
            self._document["runtime"] = section

    def _select_datasets(self) -> None:
        """Keep the datasets that are ours; only a Spicepod may hold others."""
        datasets = self._document.get("datasets")
        if not isinstance(datasets, list):
            return
        kept = []
        for number, dataset in enumerate(datasets):
            reason = _not_ours(dataset) if self._is_lenient else None
            if reason is None:
                if self._is_lenient:
                    peers = [f"datasets[{number}].{key}" for key in taken_out(dataset)]
                    self._warnings += [f"{at}: not supported by Snowmelt; ignored" for at in peers]
                kept.append(dataset)
                self._numbers.append(number)
            else:
                self._warnings.append(f"datasets[{number}]{reason}; the dataset is left out")
        self._document["datasets"] = kept

    def _rewrite_parameters(self) -> None:
        datasets = self._document.get("datasets")
        for place, dataset in enumerate(datasets if isinstance(datasets, list) else []):
            params = dataset.get("params") if isinstance(dataset, dict) else None
            if not isinstance(params, dict):
                continue
            path = self._where(("datasets", place, "params"))
            read = parameters.read(params, path)
            dataset["params"] = read.fields
            self._warnings += read.warnings
            self._problems += read.problems
            self._spelled |= {f"{path}.{field}": name for field, name in read.spelled.items()}
            for name in read.unknown:
                line = f"{path}.{name}: unknown parameter"
                if self._is_lenient:
                    self._warnings.append(f"{line}; ignored")
                else:
                    self._problems.append(line + suggestion(name, parameters.SPELLINGS))

    def _drop_extras(self, error: ValidationError) -> bool:
        """Take out the keys and metrics that only the peer has; True if there were any."""
        extras = [detail["loc"] for detail in error.errors() if _is_extra(dict(detail))]
        # From the back, so that what is left keeps its place until its turn comes.
        for location in sorted(extras, key=_order, reverse=True):
            is_metric = _is_metric_name(location)
            *parents, name = location[:-1] if is_metric else location
            place: Any = self._document
            for step in parents:
                place = place[step]
            shown = f"{place[name]['name']!r} is " if is_metric else ""
            del place[name]
            text = f"{self._where(location)}: {shown}not supported by Snowmelt; ignored"
            self._warnings.append(text)
        return bool(extras)

    # ------------------------------------------------------------ lines

    def _where(self, location: Sequence[Step]) -> str:
        """The place in the file."""
        steps = list(location)
        if len(steps) > 1 and steps[0] == "datasets" and isinstance(steps[1], int):
            steps[1] = self._numbers[steps[1]]
        path = path_of(steps)
        return self._spelled.get(path, path)

    def _hidden(self, line: str) -> str:
        for value, reference in self._values.items():
            line = line.replace(repr(value), reference)
            if len(value) >= _SHORTEST_HIDDEN:
                line = line.replace(value, reference)
        return line


def _not_ours(dataset: Any) -> str | None:
    """Why a Spicepod's dataset is none of ours, to go on after its path; None if it is."""
    if not isinstance(dataset, dict):
        return None
    source, acceleration = dataset.get("from"), dataset.get("acceleration")
    if isinstance(source, str) and source.partition(":")[0] != "dynamodb":
        return f".from: {source.partition(':')[0]!r} is not supported by Snowmelt"
    if isinstance(acceleration, dict) and acceleration.get("enabled") is False:
        return ".acceleration.enabled: without acceleration there is nothing to keep"
    return None


def _concerns(line: str, told: Sequence[str]) -> bool:
    """True if a line is about one of these places, or about the section around one of them."""
    path = line.partition(": ")[0]
    return any(place == path or place.startswith(f"{path}.") for place in told)


def _is_extra(detail: dict[str, Any]) -> bool:
    if detail["type"] == "extra_forbidden":
        return True
    return detail["type"] == "literal_error" and _is_metric_name(detail["loc"])


def _is_metric_name(location: Sequence[Step]) -> bool:
    return len(location) == 5 and location[2] == "metrics" and location[4] == "name"


def _order(location: Sequence[Step]) -> list[tuple[int, str]]:
    return [(step, "") if isinstance(step, int) else (0, step) for step in location]
