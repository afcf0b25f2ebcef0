"""The JSON schema of `Pulumi.<stack>.yaml`, from the settings' fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.settings import Settings
from components.settings.base import PROJECT
from components.settings.encrypted import SECRETS, SOURCE_PASSWORDS

SCHEMA_FILE = "headwater.schema.json"
Schema = dict[str, Any]
_REFERENCE = "#/$defs/"


def stack_schema() -> Schema:
    """Return the schema of a stack's file.

    It has no references, so that each setting stands there with its own default and text. It is of draft 7, which all
    editors know. Keys of other packages (`aws:region`) may be anything.
    """
    whole = Settings.model_json_schema()
    sections: Schema = _plain(whole, whole["$defs"])["properties"]
    config = {f"{PROJECT}:{name}": section for name, section in sections.items()}
    config |= {f"{PROJECT}:{name}": _encrypted(name, text) for name, text in SECRETS.items()}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Pulumi.<stack>.yaml of Headwater",
        "description": "Generated from components/settings by `make docs`.",
        "type": "object",
        "properties": {
            "config": {
                "description": "The stack's settings; docs/settings.md explains each.",
                "type": "object",
                "properties": config,
                "patternProperties": {f"^(?!{PROJECT}:)": {}},
                "additionalProperties": False,
            }
        },
    }


def setting(schema: Mapping[str, Any], path: str) -> Schema | None:
    """Return the part of a stack's schema that is about a setting, such as `aws.network.zones[0]`; None for no setting.

    A map's keys are anything: `generations.trino-dbt` is a setting.
    """
    found: Any = schema["properties"]["config"]
    for number, part in enumerate(path.replace("[", ".[").split(".")):
        if part.startswith("["):
            found = found.get("items")
        else:
            inner = found.get("additionalProperties")
            others = inner if isinstance(inner, dict) else None
            found = found.get("properties", {}).get(f"{PROJECT}:{part}" if number == 0 else part, others)
        if found is None:
            return None
    known: Schema = found
    return known


def _plain(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """Return a schema without references, without null in place of what may be left out, and without made-up titles."""
    if "$ref" in node:
        model = definitions[node["$ref"].removeprefix(_REFERENCE)]
        return _with_defaults(_plain({**model, **_without(node, "$ref")}, definitions))
    if "anyOf" in node:
        (only,) = (each for each in node["anyOf"] if each != {"type": "null"})
        own = {key: value for key, value in _without(node, "anyOf").items() if (key, value) != ("default", None)}
        return _plain({**only, **own}, definitions)
    found = _without(node, "title", "$defs")
    if "description" in found:
        found["description"] = " ".join(found["description"].split())
    if "properties" in found:
        found["properties"] = {name: _plain(each, definitions) for name, each in found["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), Mapping):
            found[key] = _plain(found[key], definitions)
    if found.get("required") == []:
        del found["required"]
    return found


def _with_defaults(section: Schema) -> Schema:
    """Return a section's schema with the default of the whole section given to each setting in it."""
    defaults = section.pop("default", None) or {}
    properties = section["properties"]
    for name, value in defaults.items():
        if value is not None and not isinstance(value, Mapping):
            properties[name] = {**properties[name], "default": value}
        elif isinstance(value, Mapping) and "properties" in properties[name]:
            properties[name] = _with_defaults({**properties[name], "default": value})
    return section


def _encrypted(name: str, text: str) -> Schema:
    secure: Schema = {
        "type": "object",
        "properties": {"secure": {"type": "string"}},
        "required": ["secure"],
        "additionalProperties": False,
    }
    said = f"{text} Encrypted: `pulumi config set --secret {name}`."
    if name == SOURCE_PASSWORDS:
        return {"description": said, "type": "object", "additionalProperties": {"anyOf": [secure, {"type": "string"}]}}
    return {"description": said, **secure}


def _without(node: Mapping[str, Any], *keys: str) -> Schema:
    return {key: value for key, value in node.items() if key not in keys}
