"""References in the configuration: `${env:NAME}`, `${secrets:NAME}` and `${file:/path}`.

A secret comes from the environment or, where `SNOWMELT_SECRETS_DIR` names a directory (a mounted
Kubernetes secret), from the file of that name. Values are put in as they are and never printed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_SECRET_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_FILE_LIMIT = 64 * 1024


class Unresolved(ValueError):
    """A reference that leads nowhere."""


def resolve(
    value: Any,
    environment: Mapping[str, str],
    path: str,
    problems: list[str],
    values: dict[str, str],
) -> Any:
    """`value` with every reference replaced; what is missing goes to `problems` as `path: …`.

    `values` collects what was put in, and the reference that stood there, so that it can be hidden.
    """
    if isinstance(value, dict):
        return {
            key: resolve(item, environment, f"{path}.{key}" if path else str(key), problems, values)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [
            resolve(item, environment, f"{path}[{index}]", problems, values)
            for index, item in enumerate(value)
        ]
    if not isinstance(value, str):
        return value

    def replacement(match: re.Match[str]) -> str:
        found = _lookup(match, environment)
        if found:
            values[found] = match[0]
        return found

    try:
        return _REFERENCE.sub(replacement, value)
    except Unresolved as error:
        problems.append(f"{path}: {error}")
        return ""


def _lookup(match: re.Match[str], environment: Mapping[str, str]) -> str:
    kind, _, name = (part.strip() for part in match[1].partition(":"))
    if kind == "env":
        if name in environment:
            return environment[name]
        raise Unresolved(f"environment variable {name} is not set")
    if kind == "secrets":
        return _secret(name, environment)
    if kind == "file":
        return _file(Path(name))
    raise Unresolved("unknown reference; write ${env:NAME}, ${secrets:NAME} or ${file:/path}")


def _secret(name: str, environment: Mapping[str, str]) -> str:
    for variable in (name, name.upper(), f"SPICE_{name.upper()}"):  # as the peer looks for it
        if variable in environment:
            return environment[variable]
    directory = environment.get("SNOWMELT_SECRETS_DIR")
    if directory and _SECRET_NAME.fullmatch(name):
        return _file(Path(directory) / name)
    raise Unresolved(f"secret {name} is neither in the environment nor in SNOWMELT_SECRETS_DIR")


def _file(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_FILE_LIMIT).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not text"
        raise Unresolved(f"file {path} cannot be read: {reason}") from error
