"""Makes the settings file of a new stack from another one's, without what must not be shared."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from review.program import CHECKOUT
from review.stack_files import stack_files

# `headwater-<name>` begins the names of AWS, and has 36 letters at most (components/settings).
NAME = re.compile(r"[a-z][a-z0-9-]{0,24}[a-z0-9]")
# What ties a file to one stack's key: `pulumi stack init` writes the new one's.
_KEYS = ("encryptionsalt", "encryptedkey", "secretsprovider")
_AWS, _KUBERNETES = "headwater:aws", "headwater:kubernetes"


class StackError(ValueError):
    """The stack can't be made; the message names the value and the way out."""


@dataclass(frozen=True)
class NewStack:
    """The text of a stack file, what differs from its model, and which secrets it needs of its own."""

    name: str
    text: str
    differences: tuple[str, ...]
    secrets: tuple[str, ...]


def make(name: str, model: str, checkout: Path = CHECKOUT) -> NewStack:
    """Write Pulumi.<name>.yaml after Pulumi.<model>.yaml, and return what was written. Raises StackError."""
    stacks = stack_files(checkout)
    if not NAME.fullmatch(name):
        raise StackError(f"name={name!r} is not allowed; 2 to 26 of a-z 0-9 -, first a letter, last no -")
    if name in stacks:
        raise StackError(f"name={name!r}: there is a {stacks[name].name} already; take another name, or edit that file")
    if model not in stacks:
        raise StackError(f"from={model!r}: there is no Pulumi.{model}.yaml; stacks: {', '.join(stacks)}")
    used = [cidr for file in stacks.values() if (cidr := _cidr(_config(file.read_text()))) is not None]
    made = render(name, model, stacks[model].read_text(), used)
    with (checkout / f"Pulumi.{name}.yaml").open("x") as file:
        file.write(made.text)
    return made


def render(name: str, model: str, text: str, used: list[str]) -> NewStack:
    """Return the file of a new stack. text: the model's file. used: ranges that the new network must not overlap.

    Comments and order stay. Raises StackError when the model shares its cluster, so that two stacks would collide.
    """
    config = _config(text)
    if config.get(_KUBERNETES, {}).get("kind") != "eks":
        raise StackError(
            f"from={model!r} stands on a cluster that it did not make: a second stack would take its namespaces and "
            "ports. Take a stack with kubernetes.kind eks, or copy the file by hand and change namespace and exposure"
        )
    cuts: list[tuple[int, int, str]] = []
    differences, secrets = [], []
    root = yaml.compose(text)
    for path, key, value in _walk(root):
        if path[0] in _KEYS and len(path) == 1:
            cuts.append(_whole(text, key, value))
        elif path[-1] == "secure":
            continue
        elif _is_secret(value):
            cuts.append(_whole(text, key, value))
            secrets.append(".".join(path[1:]))
        elif path == ("config", _AWS, "name"):
            cuts.append(_whole(text, key, value))
            differences.append(f"names begin with headwater-{name}")
        elif path == ("config", _AWS, "network", "cidr"):
            free = next_range(value.value, used)
            cuts.append((value.start_mark.index, value.end_mark.index, free))
            differences.append(f"the network is {free}, free of the other stacks' ranges")
    for start, end, new in sorted(cuts, reverse=True):
        text = text[:start] + new + text[end:]
    body = re.sub(r"\A(\s*#[^\n]*\n)+", "", text)
    head = f"# Made from Pulumi.{model}.yaml by `make stack`. Every setting and its default: components/settings.\n"
    return NewStack(name, head + body, tuple(differences), tuple(secrets))


def next_range(taken: str, used: list[str]) -> str:
    """Return the next range of the size of `taken` that overlaps none of `used`, within its private network.

    Raises StackError when there is none.
    """
    network = ipaddress.IPv4Network(taken)
    private = next(
        (each for each in map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
         if network.subnet_of(each)), None)  # fmt: skip
    if private is None:
        raise StackError(f"headwater:aws.network.cidr={taken!r} is in no private network; give the model another one")
    others = [ipaddress.IPv4Network(each) for each in [*used, taken]]
    ranges = list(private.subnets(new_prefix=network.prefixlen))
    place = ranges.index(network)
    for candidate in [*ranges[place + 1 :], *ranges[:place]]:
        if not any(candidate.overlaps(each) for each in others):
            return str(candidate)
    raise StackError(f"no range of the size of {taken} is free in {private}; free: none. Choose smaller ranges")


def next_steps(made: NewStack) -> str:
    """Return what to do with the new stack, as commands."""
    lines = [f"Pulumi.{made.name}.yaml is written."]
    lines += [f"  differs: {each}" for each in made.differences]
    lines += [
        "  check:   account, region, sizes, retention and deletion_protection in it",
        "",
        "Then:",
        f"  pulumi stack init {made.name} --secrets-provider awskms://alias/KEY",
        f"  openssl rand -hex 32 | pulumi config set --secret rootSecret --stack {made.name}",
    ]
    lines += [
        f"  pulumi config set --secret {each.removeprefix('headwater:')} --stack {made.name}"
        for each in made.secrets
        if each != "headwater:rootSecret"
    ]
    lines += [f"  make cost s={made.name}", f"  pulumi up --stack {made.name}"]
    return "\n".join(lines)


def _config(text: str) -> dict[str, Any]:
    return (yaml.safe_load(text) or {}).get("config") or {}


def _cidr(config: dict[str, Any]) -> str | None:
    found = config.get(_AWS, {}).get("network", {}).get("cidr")
    return None if found is None else str(found)


def _walk(node: yaml.Node | None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], yaml.Node, yaml.Node]]:
    """Yield path, key and value of every entry of the mappings."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            yield here, key, value
            if not _is_secret(value):
                yield from _walk(value, here)


def _is_secret(node: yaml.Node) -> bool:
    return isinstance(node, yaml.MappingNode) and [str(key.value) for key, _ in node.value] == ["secure"]


def _whole(text: str, key: yaml.Node, value: yaml.Node) -> tuple[int, int, str]:
    """Return the span of an entry's lines, with the comment lines right above it."""
    start = text.rfind("\n", 0, key.start_mark.index) + 1
    while True:
        above = text.rfind("\n", 0, max(0, start - 1)) + 1
        if start == 0 or not text[above : start - 1].lstrip().startswith("#"):
            break
        start = above
    # A mapping's own end mark lies behind the next entry's indentation: its last scalar ends where it does.
    last = value
    while isinstance(last, (yaml.MappingNode, yaml.SequenceNode)) and last.value:
        last = last.value[-1][1] if isinstance(last, yaml.MappingNode) else last.value[-1]
    newline = text.find("\n", last.end_mark.index)
    return start, len(text) if newline < 0 else newline + 1, ""
