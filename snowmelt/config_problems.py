"""What pydantic found wrong with a configuration, as lines for people: path, fault, what is right.

Paths are those of the file: a parameter is named by the spelling that the file uses.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

Step = int | str

_SECRET_WORDS = ("secret", "key", "token")
_MUST_BE = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a mapping",
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


def lines(
    error: ValidationError, root: type[BaseModel], where: Callable[[Sequence[Step]], str]
) -> list[str]:
    """One line for each problem. `where`: a location in the document -> its path in the file."""
    return [_line(where(detail["loc"]), dict(detail), root) for detail in error.errors()]


def _line(path: str, detail: dict[str, Any], root: type[BaseModel]) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    shown = _shown(path, detail["input"])
    if kind == "extra_forbidden":
        text = f"unknown key{_advice(detail['loc'], root)}"
    elif kind == "missing":
        text = "is missing"
    elif kind == "invalid_key":
        text = "a key must be text; put it in quotes"
    elif kind == "literal_error":
        expected = str(context["expected"]).replace("'", "")
        text = f"{shown} is not allowed; use {expected}"
    elif kind == "value_error":
        message = str(context["error"])
        text = f"{shown} {message}" if message.startswith(("is not", "does not")) else message
    elif kind in _MUST_BE:
        text = f"must be {_MUST_BE[kind]}, not {shown}"
    elif kind in _BOUNDS:
        name, bound = _BOUNDS[kind]
        text = f"must be {bound.format(f'{context[name]:g}')}, not {shown}"
    else:
        text = f"{shown}: {detail['msg'][:1].lower()}{detail['msg'][1:]}"
    return f"{path}: {text}" if path else text


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


def path_of(location: Sequence[Step]) -> str:
    """A path as people write it: `datasets[0].acceleration.engine`."""
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean NAME?`, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _advice(location: Sequence[Step], root: type[BaseModel]) -> str:
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
