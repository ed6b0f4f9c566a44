"""The JSON Schema of the configuration file, for editors and CI.

It describes the file, not the values that it becomes: parameters in both of their spellings,
durations as text, a reference `${env:NAME}` wherever a single value may stand, and a Spicepod, in
which unknown keys are warnings. Rules that join several keys are left to `snowmelt config check`.
"""

from __future__ import annotations

import copy
from typing import Any

from snowmelt.config import Config
from snowmelt.durations import format_exact
from snowmelt.parameters import MILLISECONDS, SPELLINGS, WITHOUT_EFFECT

_PARAMETERS = "DynamoDbParameters"
_REFERENCE = {"$ref": "#/$defs/Reference"}
_TEXT = {"type": "string"}
_NUMBER = {"type": ["integer", "string"], "pattern": "^[0-9]+$"}
# What the file may say beyond the types of the values.
_ALSO: dict[str, list[dict[str, Any]]] = {
    "scan_segments": [{"const": "auto"}],
    "shard_not_found_behavior": [{"const": "restart"}],
    "snapshots_trigger_threshold": [{"type": "integer", "minimum": 1}],
}


def file_schema() -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) of the file."""
    made = Config.model_json_schema(by_alias=True)
    sections = made.pop("$defs")
    sections["Snowmelt"] = made
    for section in sections.values():
        section.pop("title", None)
        section["properties"] = {
            name: _property(name, schema) for name, schema in section["properties"].items()
        }
    sections[_PARAMETERS]["properties"] = _spelled(sections[_PARAMETERS]["properties"])
    sections |= _of_spicepod(sections)
    sections["Reference"] = _TEXT | {"pattern": r"\$\{(env|secrets|file):[^}]*\}"}
    is_spicepod = {"properties": {"kind": {"const": "Spicepod"}}, "required": ["kind"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Snowmelt node",
        "description": "The file that `snowmelt -c` reads.",
        "type": "object",
        "if": is_spicepod,
        "then": {"$ref": "#/$defs/SnowmeltOfSpicepod"},
        "else": {"$ref": "#/$defs/Snowmelt"},
        "$defs": sections,
    }


def _property(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    schema.pop("title", None)
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    default = schema.pop("default", None)
    if "pattern" in schema and default is not None:
        default = format_exact(default)
    choices = schema.pop("anyOf", None) or [schema]
    if not any(_is_structure(choice) for choice in choices):
        choices = [*choices, *_ALSO.get(name, [])]
        if _TEXT not in choices:
            choices.append(_REFERENCE)
    made = {"anyOf": choices} if len(choices) > 1 else dict(choices[0])
    return made if default is None else made | {"default": default}


def _is_structure(schema: dict[str, Any]) -> bool:
    return "$ref" in schema or schema.get("type") in ("array", "object")


def _spelled(fields: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The parameters by the names that a file gives them; null means not given."""
    found = {}
    for name, field in SPELLINGS.items():
        schema = copy.deepcopy(fields[field])
        if name in MILLISECONDS:
            schema = {"anyOf": [_NUMBER, _REFERENCE], "description": "milliseconds"}
        if {"type": "null"} not in schema["anyOf"]:
            schema["anyOf"].append({"type": "null"})
        found[name] = schema
    for name, why in WITHOUT_EFFECT.items():
        found[name] = {"description": f"has no effect: {why}"}
    return found


def _of_spicepod(sections: dict[str, Any]) -> dict[str, Any]:
    """The same sections where unknown keys, metrics and sources are left out with a warning."""
    made = {f"{name}OfSpicepod": _lenient(section) for name, section in sections.items()}
    made["MetricSwitchOfSpicepod"]["properties"]["name"] = _TEXT
    columns = made["DatasetSectionOfSpicepod"]["properties"]
    indexes = made["AccelerationSectionOfSpicepod"]["properties"]
    indexes["indexes"] = {"anyOf": [indexes["indexes"], {"type": "object"}]}
    columns["columns"] = {"anyOf": [columns["columns"], {"type": "array"}]}
    made["DatasetSectionOfSpicepod"] = {
        "if": {"properties": {"from": {"pattern": "^dynamodb:"}}},
        "then": made["DatasetSectionOfSpicepod"],
    }
    return made


def _lenient(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_lenient(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _lenient(value) for key, value in schema.items() if key != "additionalProperties"}
    if "$ref" in made and made != _REFERENCE:
        made["$ref"] += "OfSpicepod"
    return made
