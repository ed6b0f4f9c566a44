"""Reads a node's YAML file: references first, then the shape, one precise line for every problem.

Unknown keys are errors. Under `kind: Spicepod` what Snowmelt does not have is a warning instead, so
that a peer's file runs unchanged; it is named, never ignored in silence. What a reference was
replaced with never appears in a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from snowmelt import parameters
from snowmelt.config import Config, without_effect
from snowmelt.config_problems import lines, path_of, suggestion
from snowmelt.config_text import mapping_of
from snowmelt.errors import ConfigError
from snowmelt.references import hidden, resolve

_SIZE_LIMIT = 1024 * 1024
_SHORTEST_HIDDEN = 4


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
        document = mapping_of(text)
        draft = _Draft(document, environment)
    except (ValueError, RecursionError) as error:
        problem = str(error) if isinstance(error, ValueError) else "contains itself"
        raise ConfigError(source, [problem]) from error
    config = draft.validated()
    if config is None or draft.problems:
        raise ConfigError(source, [hidden(line, draft.values) for line in draft.problems])
    warnings = [*draft.warnings, *without_effect(config)]
    return LoadedConfig(config, tuple(hidden(line, draft.values) for line in warnings), source)


class _Draft:
    """A document on its way to a configuration. `values`: what references were replaced with."""

    def __init__(self, document: dict[str, Any], environment: Mapping[str, str]) -> None:
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.values: dict[str, str] = {}
        self._document = resolve(document, environment, "", self.problems, self.values)
        self._is_lenient = self._document.get("kind") == "Spicepod"
        self._spelled: dict[str, str] = {}

    def validated(self) -> Config | None:
        """The configuration, or None with `problems`."""
        if self._is_lenient:
            self._drop_what_only_the_peer_has()
        self._rewrite_parameters()
        try:
            return Config.model_validate(self._document)
        except ValidationError as error:
            rest = self._without_extras(error) if self._is_lenient else error
        if rest is None:
            return self.validated_once()
        # What a reference could not give is told once, not again as a wrong value.
        told = {problem.partition(": ")[0] for problem in self.problems}
        for line in lines(rest, Config, self._spelled):
            if line.partition(": ")[0] not in told:
                self.problems.append(line)
        return None
