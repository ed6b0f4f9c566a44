"""`keys create` and `keys show`: pairs to sign snapshots with. No private half is ever printed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from snowmelt.cli.options import AsJson, print_json

New = Annotated[Path, typer.Argument(help="The private half; the public one gets .pub behind it.")]
Existing = Annotated[Path, typer.Argument(help="Either half.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(help="Keys to sign snapshots with.")
    group.command(
        "create", help="Make a pair of keys.\n\nExample: snowmelt keys create signing.pem"
    )(create)
    group.command(
        "show",
        help="Print the public half and its id.\n\nExample: snowmelt keys show signing.pem",
    )(show)
    app.add_typer(group, name="keys")


def create(path: New, as_json: AsJson = False) -> None:
    """Write two new files; the private one is for its owner alone."""
    from snowmelt.key_files import create_pair

    pair = create_pair(path)
    if as_json:
        print_json({"key_id": pair.key_id, "private": str(path), "public": str(pair.public_path)})
        return
    print(f"{path}: key {pair.key_id}, for snapshots.signing.key where snapshots are published")
    print(f"{pair.public_path}: its public half, for snapshots.signing.trusted_keys of all nodes")


def show(path: Existing, as_json: AsJson = False) -> None:
    """The public half in one line, which trusted_keys takes as it is."""
    from snowmelt.key_files import read_public

    key_id, line = read_public(path)
    if as_json:
        print_json({"key_id": key_id, "public_key": line})
        return
    print(f"{key_id} {line}")
