"""A command line is read by the real command, up to where it would do something."""

import functools
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

from snowmelt.cli.app import app


@functools.cache
def _tree() -> Any:
    return get_command(app)


def parse(arguments: list[str]) -> str:
    """The verb that they name, with its group; raises if the command would refuse them."""
    command: Any = _tree()
    words: list[str] = []
    context: Any = None
    rest = list(arguments)
    while True:
        context = command.make_context(words[-1] if words else "snowmelt", rest, parent=context)
        if not isinstance(command, TyperGroup):
            return " ".join(words)
        rest = [*context._protected_args, *context.args]
        name, found, rest = command.resolve_command(context, rest)
        words.append(str(name))
        command = found
