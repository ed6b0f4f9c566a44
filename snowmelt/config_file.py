"""Reads a node's YAML file: references first, then the shape, one precise line for every problem.

Unknown keys are errors. Under `kind: Spicepod` what Snowmelt does not have is a warning instead, so
that a peer's file runs unchanged; it is named, never ignored in silence. What a reference was
replaced with never appears in a line. `SNOWMELT_RUNTIME_ADMIN` and the like win over the section
`runtime`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from snowmelt.config import Config
from snowmelt.config_draft import Draft
from snowmelt.config_text import mapping_of
from snowmelt.errors import ConfigError

_SIZE_LIMIT = 1024 * 1024


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
        draft = Draft(mapping_of(text), environment)
    except ValueError as error:
        raise ConfigError(source, [str(error)]) from error
    config = draft.validated()
    if config is None or draft.problems:
        raise ConfigError(source, draft.problems)
    return LoadedConfig(config, tuple(draft.warnings), source)
