"""A readable summary of what a stack registers, kept in golden/<stack>.txt and read in reviews.

`python -m tests.unit.components.golden` writes the summaries anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.unit.components.conftest import SECRET_SIGNATURE, Resource, aws_program, plain
from tests.unit.components.served import served_program

FOLDER = Path(__file__).resolve().parent / "golden"
STACKS = ("localstack", "prod", "staging")
# What a load balancer adds to staging, and what it changes there.
SERVED = "staging-served"
# The same for every resource of a component, and checked by a test of their own.
LEFT_OUT = {"tags"}
PARAGRAPH = re.compile(r"\n(?! )")


def summary(resources: list[Resource]) -> str:
    """Return the summary: a paragraph a resource of AWS with all its arguments, a line for any other."""
    names = dict(made_up(resources))
    paragraphs = []
    for resource in sorted(resources, key=lambda each: (each.type, each.name)):
        kept = " [kept]" if resource.protect and resource.retained else ""
        lines = [f"{resource.type} {resource.name}{kept}"]
        if resource.type.startswith("aws:"):
            arguments = {key: value for key, value in masked(resource.inputs).items() if key not in LEFT_OUT}
            lines += [f"  {key}: {value}" for key, value in flat(named(arguments, names))]
        paragraphs.append("\n".join(lines))
    return "\n".join(paragraphs) + "\n"


def added(resources: list[Resource], to: list[Resource]) -> str:
    """Return the paragraphs of the summary that the other one has not."""
    there = set(PARAGRAPH.split(summary(to)))
    return "\n".join(each for each in PARAGRAPH.split(summary(resources)) if each not in there)


def made_up(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """Yield what the mocks made up, and how a reader knows it: by its resource."""
    for resource in resources:
        if resource.type.startswith("aws:"):
            given = {str(value) for value in plain(resource.inputs).values()}
            for key in ("arn", "id", "keyId", "address"):
                value = str(resource.outputs.get(key, ""))
                if value and value not in given:
                    yield value, f"<{resource.name}.{key}>"
            for secret in resource.outputs.get("masterUserSecrets", []):
                yield secret["secretArn"], f"<{resource.name}.secret>"


def named(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: named(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [named(item, names) for item in value]
    if isinstance(value, str):
        for text in sorted(names, key=len, reverse=True):
            value = value.replace(text, names[text])
    return value


def masked(value: Any) -> Any:
    if isinstance(value, dict):
        return "<secret>" if SECRET_SIGNATURE in value else {key: masked(item) for key, item in value.items()}
    return [masked(item) for item in value] if isinstance(value, list) else value


def flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield path and text of everything in the value; a document in JSON is opened."""
    if isinstance(value, str) and value.startswith("{"):
        value = json.loads(value)
    if isinstance(value, dict):
        for key, item in sorted(value.items()):
            yield from flat(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for number, item in enumerate(value):
            yield from flat(item, f"{path}[{number}]")
    elif isinstance(value, list):
        yield path, ", ".join(map(str, value))
    else:
        yield path, str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for stack in STACKS:
        (FOLDER / f"{stack}.txt").write_text(summary(aws_program(stack)[0]))
    served = added(served_program("staging")[0], aws_program("staging")[0])
    (FOLDER / f"{SERVED}.txt").write_text(f"{served}\n")


if __name__ == "__main__":
    main()
