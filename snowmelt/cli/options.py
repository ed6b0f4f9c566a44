"""Options that several verbs share, and how they are read."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from snowmelt.config import Config, DatasetSection
    from snowmelt.config_file import LoadedConfig
    from snowmelt.progress import Mode

ConfigFile = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="SNOWMELT_CONFIG", help="The node's YAML file."),
]
DatasetName = Annotated[
    str | None, typer.Option("--dataset", help="Which dataset (default: the only one).")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Progress = Annotated[str, typer.Option("--progress", help="auto, plain, json or none.")]

DEFAULT_CONFIG = Path("snowmelt.yaml")


def load(path: Path) -> LoadedConfig:
    """The configuration; its warnings go to stderr, one line each."""
    from snowmelt import config_file

    loaded = config_file.load(path, os.environ)
    for warning in loaded.warnings:
        print(f"snowmelt: warning: {loaded.source}: {warning}", file=sys.stderr)
    return loaded


def choose(config: Config, name: str | None) -> DatasetSection:
    """The dataset that was asked for. Raises UsageError."""
    from snowmelt.errors import UsageError

    try:
        return config.dataset(name)
    except LookupError as error:
        names = ", ".join(dataset.name for dataset in config.datasets)
        what = f"--dataset {name}: there is none of this name" if name else "which dataset?"
        raise UsageError(what, hint=f"say --dataset with one of {names}") from error


def chosen(path: Path, dataset: str | None) -> tuple[Config, DatasetSection]:
    """The configuration, and the dataset that was asked for."""
    settings = load(path).config
    return settings, choose(settings, dataset)


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def progress_mode(text: str) -> Mode:
    """The value of --progress. Raises UsageError."""
    from snowmelt.errors import UsageError

    match text:
        case "auto" | "plain" | "json" | "none":
            return text
    raise UsageError(f"--progress {text} is not allowed", hint="use auto, plain, json or none")
