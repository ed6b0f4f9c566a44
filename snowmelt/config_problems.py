"""What pydantic found wrong with a configuration, as lines for people: path, fault, what is allowed.

Paths are those of the file: a parameter is named by the spelling that the file uses.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

_SECRET_WORDS = ("secret", "key", "token")
_MUST_BE = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "model_attributes_type": "a mapping",
    "model_type": "a mapping",
    "path_type": "a path",
    "string_type": "text (put it in quotes)",
    "tuple_type": "a list",
}
_BOUNDS = {
    "greater_than": ("gt", "above {}"),
    "greater_than_equal": ("ge", "at least {}"),
    "less_than_equal": ("le", "at most {}"),
}


def lines(error: ValidationError, root: type[BaseModel], spelled: Mapping[str, str]) -> list[str]:
    """One line for each problem. `spelled`: path of a field -> its path in the file."""
    found = []
    for detail in error.errors():
        path = path_of(detail["loc"])
        found.append(_line(spelled.get(path, path), dict(detail), root))
    return found


def _line(path: str, detail: dict[str, Any], root: type[BaseModel]) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    shown = _shown(path, detail["input"])
    if kind == "extra_forbidden":
        return f"{path}: unknown key{_advice(detail['loc'], root)}"
    if kind == "missing":
        return f"{path}: is missing"
    if kind == "invalid_key":
        return f"{path}: a key must be text; put it in quotes"
    if kind == "literal_error":
        expected = str(context["expected"]).replace("'", "")
        return f"{path}: {shown} is not allowed; use {expected}"
    if kind == "value_error":
        message = str(context["error"])
        subject = f"{shown} " if message.startswith(("is not", "does not")) else ""
        return f"{path}: {subject}{message}" if path else message
    if kind in _MUST_BE:
        return f"{path}: must be {_MUST_BE[kind]}, not {shown}"
    if kind in _BOUNDS:
        name, text = _BOUNDS[kind]
        return f"{path}: must be {text.format(context[name])}, not {shown}"
    return f"{path}: {shown}: {detail['msg'][:1].lower()}{detail['msg'][1:]}"


def _shown(path: str, value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    if any(word in path.rsplit(".", 1)[-1] for word in _SECRET_WORDS):
        return "the value"
    return repr(value)


def path_of(location: Sequence[int | str]) -> str:
    """A path as people write it: `datasets[0].acceleration.engine`."""
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean NAME?`, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _advice(location: Sequence[int | str], root: type[BaseModel]) -> str:
    """What was probably meant: a name like it beside it, or the section that has this name."""
    name, model = str(location[-1]), root
    for step in location[:-1]:
        if isinstance(step, str):
            model = _section_of(model, step) or model
    found = suggestion(name, _names(model))
    homes = [path for path, names in _sections(root, "") if name in names]
    return f"; it belongs under {homes[0]}" if homes and not found else found


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _section_of(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    for name, field in model.model_fields.items():
        if key == (field.alias or name):
            parts = (field.annotation, *getattr(field.annotation, "__args__", ()))
            for part in parts:
                if isinstance(part, type) and issubclass(part, BaseModel):
                    return part
    return None


def _sections(model: type[BaseModel], path: str) -> list[tuple[str, list[str]]]:
    found = [(path or "the top level", _names(model))]
    for name in _names(model):
        section = _section_of(model, name)
        if section is not None:
            found += _sections(section, f"{path}.{name}" if path else name)
    return found
