"""docs/settings.md: every setting with its path, type, default, allowed values and meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from components.settings.base import ALLOWED, PROJECT
from components.settings.encrypted import SECRETS

INTRODUCTION = """\
<!-- Generated from components/settings by `make docs`: change the fields there. -->
# Settings

The settings of a stack are in its file, `Pulumi.<stack>.yaml`, below `config:`. This page has all of them:
```yaml
config:
  headwater:trino:
    memory: 4Gi
    workers:
      maximum: 2
      minimum: 1
```
In the tables these are `headwater:trino.memory`, `headwater:trino.workers.maximum` and
`headwater:trino.workers.minimum`. On the command line:
<!-- not run: it changes a stack's file -->
```sh
pulumi config set --path 'trino.workers.maximum' 2 --stack staging
```

- A setting that is not in the file has its default. "Not set" means that there is none.
- An unknown setting, a wrong value, and two settings that exclude one another are errors of `pulumi preview`; it names
  all of them at once.
- Memory and disks are in MiB (`Mi`) or GiB (`Gi`), cores in cores (`"2"`) or thousandths of one (`250m`), times in
  seconds, minutes or hours (`90s`, `5m`, `2h`). Numbers that stand for text are quoted: `"2"`, `"17"`, `"07:00"`.
- Editors that use yaml-language-server (VS Code with Red Hat's YAML extension, Neovim, and others) complete settings,
  explain them and mark errors: each stack's file names `headwater.schema.json` in its first line.

"""
SECRETS_INTRODUCTION = """\
## Secrets

These are in the stack's encrypted configuration. `pulumi config set --secret <name>` asks for one.

"""
_TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "boolean"}
_HEAD = ("setting", "type", "default", "allowed", "meaning")


def page(schema: Mapping[str, Any]) -> str:
    """Return the page for a stack's schema."""
    config = schema["properties"]["config"]["properties"]
    sections = {key: each for key, each in config.items() if key.removeprefix(f"{PROJECT}:") not in SECRETS}
    parts = ["\n".join(_section(key, each, level=2)) for key, each in sections.items()]
    rows = [(f"`{PROJECT}:{name}`", _prose(text)) for name, text in SECRETS.items()]
    ending = "\n".join(_table(("secret", "meaning"), rows))
    return INTRODUCTION + "\n".join(parts) + "\n" + SECRETS_INTRODUCTION + ending + "\n"


def _section(path: str, section: Mapping[str, Any], level: int) -> Iterator[str]:
    """Yield the lines of a section: a heading, what it is, a table of its settings, and the sections in it."""
    yield f"{'#' * level} {path.removeprefix(f'{PROJECT}:')}"
    yield ""
    if "properties" not in section:
        yield from _table(_HEAD, [_row(path, section, required=False)])
        yield ""
        return
    yield _prose(section["description"])
    yield ""
    properties: Mapping[str, Any] = section["properties"]
    inner = {name: each for name, each in properties.items() if "properties" in each}
    if len(inner) == len(properties) and len({tuple(each["properties"]) for each in inner.values()}) == 1:
        yield from _alike(path, inner)
        return
    required = section.get("required", ())
    rows = [_row(f"{path}.{name}", each, name in required) for name, each in properties.items() if name not in inner]
    if rows:
        yield from _table(_HEAD, rows)
        yield ""
    for name, each in inner.items():
        yield from _section(f"{path}.{name}", each, level + 1)


def _alike(path: str, inner: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield two tables for sections with the same settings: the settings, and the defaults of each section."""
    columns: Mapping[str, Mapping[str, Any]] = next(iter(inner.values()))["properties"]
    head = tuple(each for each in _HEAD if each != "default")
    rows = []
    for name, each in columns.items():
        setting, kind, _, allowed, meaning = _row(f"{path}.<workload>.{name}", each, required=False)
        rows.append((setting, kind, allowed, meaning))
    yield from _table(head, rows)
    yield ""
    defaults = []
    for name, each in inner.items():
        values = [_default(value, required=False) for value in each["properties"].values()]
        defaults.append((f"`{name}`", *values, _prose(each["description"])))
    yield from _table(("workload", *columns, "what it is"), defaults)
    yield ""


def _row(path: str, setting: Mapping[str, Any], required: bool) -> tuple[str, ...]:
    meaning = _prose(setting["description"])
    return f"`{path}`", _type(setting), _default(setting, required), _prose(_allowed(setting)), meaning


def _type(setting: Mapping[str, Any]) -> str:
    kind = setting["type"]
    if kind in ("array", "object"):
        each = _type(setting["items"] if kind == "array" else setting["additionalProperties"])
        return f"{'list' if kind == 'array' else 'map'} of {each}{'s' if each.endswith('number') else ''}"
    return _TYPES[kind] if isinstance(kind, str) else " or ".join(_TYPES[each] for each in kind)


def _default(setting: Mapping[str, Any], required: bool) -> str:
    if required:
        return "**required**"
    empty: Mapping[str, Any] = {"array": [], "object": {}}
    value = setting.get("default", empty.get(str(setting["type"])))
    return "not set" if value is None else f"`{_yaml(value)}`"


def _yaml(value: Any) -> str:
    """Return a value as it stands in a stack's file."""
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    quoted = isinstance(value, str) and not isinstance(yaml.safe_load(value), str)
    return f'"{value}"' if quoted else str(value)


def _allowed(setting: Mapping[str, Any]) -> str:
    """Return in words what a setting's value may be; nothing where it may be whatever its type allows."""
    if setting["type"] == "boolean":
        return "`true`, `false`"
    if "enum" in setting:
        return ", ".join(f"`{_yaml(each)}`" for each in setting["enum"])
    if setting["type"] == "array":
        number = _range(setting, "minItems", "maxItems")
        return "; ".join(part for part in (_allowed(setting["items"]), f"{number} of them" if number else "") if part)
    if setting["type"] == "object":
        names = setting.get("propertyNames", {}).get("enum", ())
        named = f"names: {', '.join(f'`{each}`' for each in names)}" if names else ""
        return "; ".join(part for part in (named, _allowed(setting["additionalProperties"])) if part)
    if ALLOWED in setting:
        return str(setting[ALLOWED])
    characters = _range(setting, "minLength", "maxLength")
    return f"{characters} characters" if characters else _range(setting, "minimum", "maximum")


def _range(setting: Mapping[str, Any], least: str, most: str) -> str:
    """Return a range in words: 1 to 64, 2 or more, up to 10, above 0 and up to 100; nothing where there is none."""
    low, high = setting.get(least), setting.get(most)
    if "exclusiveMinimum" in setting and least == "minimum":
        return f"above {setting['exclusiveMinimum']:g}" + ("" if high is None else f" and up to {high:g}")
    if low is None:
        return "" if high is None else f"up to {high:g}"
    return f"{low} or more" if high is None else f"{low} to {high}"


def _prose(text: str) -> str:
    """Return text for a cell: what looks like a tag, outside of code, is shown as it is."""
    parts = re.split(r"(`[^`]*`)", text.replace("|", "\\|"))
    return "".join(each if each.startswith("`") else each.replace("<", "&lt;") for each in parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [_line(head), "|" + "---|" * len(head), *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
