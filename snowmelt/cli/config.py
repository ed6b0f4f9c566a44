"""`config check` and `config schema`."""

from __future__ import annotations

import typer

from snowmelt.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, load, print_json


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(help="Validate a configuration, print its JSON Schema.")
    group.command(
        "check", help="Validate the file.\n\nExample: snowmelt config check -c node.yaml"
    )(check)
    group.command("schema", help="Print the JSON Schema.\n\nExample: snowmelt config schema")(
        schema
    )
    app.add_typer(group, name="config")


def check(config: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Print what is configured; problems go to stderr and end with 2."""
    loaded = load(config)
    if as_json:
        print_json({"valid": True, "source": loaded.source, "warnings": list(loaded.warnings)})
        return
    names = ", ".join(
        f"{dataset.name} ({dataset.source}, {dataset.acceleration.engine})"
        for dataset in loaded.config.datasets
    )
    print(f"{loaded.source}: valid; datasets: {names}")


def schema() -> None:
    """Print the JSON Schema of the configuration file."""
    from snowmelt.config_schema import file_schema

    print_json(file_schema())
