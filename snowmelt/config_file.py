"""Reads a node's YAML file: references first, then the shape, one precise line for every problem.

Unknown keys are errors. Under `kind: Spicepod` what Snowmelt does not have is a warning instead, so
that a peer's file runs unchanged; it is named, never ignored in silence.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from snowmelt import parameters
from snowmelt.config import Config
from snowmelt.errors import ConfigError
from snowmelt.references import resolve

_SIZE_LIMIT = 1024 * 1024
_SECRET_WORDS = ("secret", "key", "token")


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A valid configuration and what in it has no effect."""

    config: Config
    warnings: tuple[str, ...]
    source: str


def load(path: Path, environment: Mapping[str, str]) -> LoadedConfig:
    """Read and validate the file. Raises ConfigError."""
    source = str(path)
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_SIZE_LIMIT + 1)
    except OSError as error:
        hint = "name it with -c FILE or SNOWMELT_CONFIG"
        raise ConfigError(source, [f"cannot be read: {error.strerror}"], hint=hint) from error
    except UnicodeDecodeError as error:
        raise ConfigError(source, ["is not UTF-8 text"]) from error
    if len(text) > _SIZE_LIMIT:
        raise ConfigError(source, ["is larger than 1 MiB"])
    return parse(text, environment, source)


def parse(text: str, environment: Mapping[str, str], source: str) -> LoadedConfig:
    """Validate YAML text. Raises ConfigError with every problem found."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise ConfigError(source, [f"is not valid YAML{where}: {problem}"]) from error
    if not isinstance(document, dict):
        raise ConfigError(source, ["is empty or not a mapping; begin with `version: v1`"])
    problems: list[str] = []
    document = resolve(document, environment, "", problems)
    warnings = _rewrite_parameters(document, problems)
    try:
        config = Config.model_validate(document)
    except ValidationError as error:
        if document.get("kind") != "Spicepod":
            raise ConfigError(source, problems + _lines(error)) from error
        config, dropped = _without_extras(document, error, source, problems)
        warnings += dropped
    if problems:
        raise ConfigError(source, problems)
    return LoadedConfig(config, tuple(warnings), source)


def _rewrite_parameters(document: dict[str, Any], problems: list[str]) -> list[str]:
    warnings: list[str] = []
    lenient = document.get("kind") == "Spicepod"
    datasets = document.get("datasets")
    for index, dataset in enumerate(datasets if isinstance(datasets, list) else []):
        params = dataset.get("params") if isinstance(dataset, dict) else None
        if not isinstance(params, dict):
            continue
        path = f"datasets[{index}].params"
        dataset["params"], found, unknown = parameters.canonical(params, path)
        warnings += found
        for name in unknown:
            message = f"{name}: unknown parameter{_suggestion(name, parameters.SPELLINGS)}"
            if lenient:
                warnings.append(f"{message}; ignored")
            else:
                problems.append(message)
    return warnings


def _without_extras(
    document: dict[str, Any], error: ValidationError, source: str, problems: list[str]
) -> tuple[Config, list[str]]:
    """A Spicepod without the keys that only the peer has, and a warning for each."""
    warnings: list[str] = []
    for detail in error.errors():
        if detail["type"] != "extra_forbidden":
            continue
        *parents, name = detail["loc"]
        place: Any = document
        for step in parents:
            place = place[step]
        del place[name]
        warnings.append(f"{_path(detail['loc'])}: not supported by Snowmelt; ignored")
    try:
        return Config.model_validate(document), warnings
    except ValidationError as remaining:
        raise ConfigError(source, problems + _lines(remaining)) from remaining


def _lines(error: ValidationError) -> list[str]:
    return [_line(dict(detail)) for detail in error.errors()]


def _line(detail: dict[str, Any]) -> str:
    path = _path(detail["loc"])
    kind = detail["type"]
    if kind == "extra_forbidden":
        return f"{path}: unknown key{_suggestion(path, _known_names())}"
    if kind == "missing":
        return f"{path}: is missing"
    context = detail.get("ctx", {})
    if kind == "literal_error":
        expected = str(context["expected"]).replace("'", "")
        return f"{path}: {_shown(path, detail['input'])} is not allowed; use {expected}"
    if kind == "value_error":
        message = str(context["error"])
        shown = f"{_shown(path, detail['input'])} " if message.startswith("is not") else ""
        return f"{path}: {shown}{message}" if path else message
    message = detail["msg"][:1].lower() + detail["msg"][1:]
    return f"{path}: {_shown(path, detail['input'])}: {message}"


def _shown(path: str, value: Any) -> str:
    if any(word in path.rsplit(".", 1)[-1] for word in _SECRET_WORDS):
        return "the value"
    return repr(value) if isinstance(value, str | int | float | bool) else type(value).__name__


def _path(location: Sequence[int | str]) -> str:
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def _suggestion(path: str, known: Any) -> str:
    close = difflib.get_close_matches(path.rsplit(".", 1)[-1], list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _known_names() -> set[str]:
    names: set[str] = set()
    pending: list[type[BaseModel]] = [Config]
    while pending:
        model = pending.pop()
        for name, field in model.model_fields.items():
            names.add(field.alias or name)
            parts = (field.annotation, *getattr(field.annotation, "__args__", ()))
            pending += [
                part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)
            ]
    return names
