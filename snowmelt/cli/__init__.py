"""The command `snowmelt`: `main` runs a verb and turns every error of ours into lines and a code.

Imports stay inside the verbs, because `--help` and an init container should not wait for a cloud
SDK.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command and end the process with its exit code."""
    from snowmelt.memory import settle

    settle()
    sys.exit(execute(sys.argv[1:]))


def execute(arguments: list[str]) -> int:
    """Run one command line; returns the exit code."""
    import typer
    from typer.exceptions import TyperException

    from snowmelt.cli.app import app

    try:
        result = app(args=arguments, prog_name="snowmelt", standalone_mode=False)
    except typer.Abort:
        return 130
    except TyperException as error:
        print(_usage(error), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141
    except Exception as error:  # noqa: BLE001 - what is not ours is raised again
        return _explain(error)
    return result if isinstance(result, int) else 0


def _usage(error: Exception) -> str:
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    if not text or text.startswith("Usage:"):
        return text  # a verb without arguments shows its help
    return f"snowmelt: error: {' '.join(text.split()).rstrip('.')}; see `snowmelt --help`"


def _explain(error: Exception) -> int:
    from snowmelt.errors import Explained, explain

    if not isinstance(error, Explained):
        raise error
    for line in explain(error):
        print(line, file=sys.stderr)
    return error.exit_code
