"""A Singer program's command line and settings: described in one table, by which they are checked and shown."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

_JSON_TYPES: Mapping[type, str] = {
    str: "string", int: "integer", float: "number", bool: "boolean", dict: "object", list: "array",
}  # fmt: skip
_TRUTHS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
ENVIRONMENT = "ENV"
"""In place of a file, `--config` takes the settings from environment variables: <PROGRAM>_<SETTING>."""


class ConfigError(ValueError):
    """The configuration is wrong; the message names every setting that is, its value, and what is allowed."""


@dataclass(frozen=True)
class Setting:
    """One setting. `kind` is one of str, int, float, bool, dict, list; `allowed` and `least` bound its values."""

    name: str
    kind: type
    description: str
    default: Any = None
    required: bool = False
    secret: bool = False
    allowed: tuple[Any, ...] = ()
    least: int | None = None
    rule: Callable[[Any], str | None] | None = None
    """Of a value of the right kind: what is wrong with it."""

    def schema(self) -> dict[str, Any]:
        """Return the setting's JSON schema."""
        kind = _JSON_TYPES[self.kind]
        said = {"default": self.default, "enum": list(self.allowed) or None, "minimum": self.least}
        return {
            "type": [kind] if self.required else [kind, "null"],
            "description": self.description,
            **{name: value for name, value in said.items() if value is not None},
            **({"secret": True, "writeOnly": True} if self.secret else {}),
        }

    def wrong(self, value: Any) -> str | None:
        """Return what is wrong with a value; None if nothing is."""
        shown = "the value" if self.secret else repr(value)
        # bool is an int to Python: types are compared, not asked.
        if type(value) is not self.kind and not (self.kind is float and type(value) is int):
            return f"{self.name}: {shown} is no {_JSON_TYPES[self.kind]}"
        if self.allowed and value not in self.allowed:
            return f"{self.name}: {shown}; allowed are {', '.join(self.allowed)}"
        if self.least is not None and isinstance(value, int) and value < self.least:
            return f"{self.name}: {shown}; the least is {self.least}"
        said = None if self.rule is None else self.rule(value)
        return None if said is None else f"{self.name}: {said}"

    def from_text(self, text: str) -> Any:
        """Return the value of an environment variable; a text that is none of the kind stays one, and is refused."""
        if self.kind is bool:
            return _TRUTHS.get(text.lower(), text)
        if self.kind is str:
            return text
        try:
            return json.loads(text)
        except ValueError:
            return text


@dataclass(frozen=True)
class Program:
    """A tap or target: its command's `name`, the Python package that has its version, what it can, its settings."""

    name: str
    package: str
    description: str
    capabilities: tuple[str, ...]
    settings: tuple[Setting, ...]

    def parser(self) -> argparse.ArgumentParser:
        """Return a parser of what every Singer program takes; a program adds its own options."""
        parser = argparse.ArgumentParser(prog=self.name, description=self.description, allow_abbrev=False)
        parser.add_argument("--version", action="store_true", help="show the version")
        parser.add_argument("--about", action="store_true", help="show what the program can, and its settings")
        parser.add_argument("--format", choices=["text", "json", "markdown"], default="text", help="of --about")
        parser.add_argument(
            "--config", action="append", default=[], metavar="FILE",
            help=f"JSON file of settings, or {ENVIRONMENT} for environment variables; of several the later one wins",
        )  # fmt: skip
        return parser

    def describe(self, options: argparse.Namespace) -> bool:
        """Print what --version or --about asks for; return whether one did."""
        if options.version:
            print(f"{self.name} v{self.version}")
        elif options.about:
            print(self.about(options.format))
        return bool(options.version or options.about)

    @property
    def version(self) -> str:
        """The version of the package that is installed."""
        try:
            return metadata.version(self.package)
        except metadata.PackageNotFoundError:
            return "(not installed)"

    def about(self, layout: str) -> str:
        """Return name, version, capabilities and settings, as `json` in the form that Meltano's hub reads."""
        required = [each.name for each in self.settings if each.required]
        schema = {"type": "object", "properties": {each.name: each.schema() for each in self.settings}}
        about = {"name": self.name, "description": self.description, "version": self.version}
        if layout == "json":
            settings = {**schema, "required": required, "additionalProperties": False}
            return json.dumps({**about, "capabilities": self.capabilities, "settings": settings}, indent=2)
        lines = [f"# {self.name} {self.version}", "", self.description, "", "## Capabilities", ""]
        lines += [f"* `{each}`" for each in self.capabilities]
        lines += ["", "## Settings", "", "| setting | required | default | description |", "|:---|:---|:---|:---|"]
        for each in self.settings:
            default = "" if each.default is None else f"`{json.dumps(each.default)}`"
            lines.append(f"| {each.name} | {each.required} | {default} | {each.description} |")
        return "\n".join(lines)

    def config(self, places: Sequence[str]) -> dict[str, Any]:
        """Return the settings of what `--config` names, with their defaults. Raises ConfigError."""
        given: dict[str, Any] = {}
        for place in places:
            given |= self._environment() if place == ENVIRONMENT else read_object(Path(place))
        return self.checked(given)

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings with their defaults; null is not set. Raises ConfigError."""
        known = {each.name: each for each in self.settings}
        given = {name: value for name, value in given.items() if value is not None}
        wrong = [f"{name} is not known; settings are {', '.join(known)}" for name in given if name not in known]
        wrong += [f"{each.name} is missing" for each in self.settings if each.required and each.name not in given]
        wrong += [said for name, value in given.items() if name in known and (said := known[name].wrong(value))]
        if wrong:
            raise ConfigError(f"config of {self.name}: {'; '.join(wrong)}")
        return {**self.defaults, **given}

    @property
    def defaults(self) -> dict[str, Any]:
        """The settings that need not be given."""
        return {each.name: each.default for each in self.settings if each.default is not None}

    def fail(self, error: Exception) -> NoReturn:
        """Say in one line what is wrong, and exit with 1."""
        print(f"{self.name}: {error}", file=sys.stderr)
        sys.exit(1)

    def _environment(self) -> dict[str, Any]:
        prefix = f"{self.name.upper().replace('-', '_')}_"
        texts = {each: os.environ.get(prefix + each.name.upper()) for each in self.settings}
        return {each.name: each.from_text(text) for each, text in texts.items() if text is not None}


def read_object(file: Path) -> dict[str, Any]:
    """Return the JSON object of a file of the command line. Raises ConfigError, which names it."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"file {file} can't be read: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"file {file} holds no JSON object")
    return found
