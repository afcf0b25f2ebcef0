"""Makes the settings file of a new stack from another stack's, without what two stacks must not share."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.settings import environments
from components.settings.base import PROJECT
from components.settings.networks import PRIVATE
from review.program import CHECKOUT
from review.stack_files import configuration, stack_files

# `headwater-<name>` begins the names of AWS, and has 36 letters at most (components/settings).
NAME = re.compile(r"[a-z][a-z0-9-]{0,24}[a-z0-9]")
# What ties a file to one stack's key: `pulumi stack init` writes the new one's.
_KEYS = ("encryptionsalt", "encryptedkey", "secretsprovider")
_AWS, _KUBERNETES = "headwater:aws", "headwater:kubernetes"
# What only one stack can have: path below `config`, and what the new one has in its place.
_OWN: dict[tuple[str, ...], str | None] = {
    (_AWS, "ci"): "no roles of CI: aws.ci names a key of its own (docs/pull-requests.md; in the account of {model} "
    "with oidc_provider, which an account has once)",
    ("headwater:storage", "bucket"): "the lake's bucket is called after the stack",
    ("headwater:serving", "domain"): "no domain: serving.domain must be set, with serving.zone or serving.certificate",
    ("headwater:serving", "zone"): None,
    ("headwater:serving", "certificate"): None,
}


class StackError(ValueError):
    """The stack can't be made; the message names the value and the way out."""


@dataclass(frozen=True)
class NewStack:
    """The text of a stack file, what differs from its model, and which secrets it needs of its own.

    checks: what is as in the model, and may have to be another's.
    """

    name: str
    text: str
    differences: tuple[str, ...]
    secrets: tuple[str, ...]
    checks: tuple[str, ...] = ()


def make(name: str, model: str, checkout: Path = CHECKOUT) -> NewStack:
    """Write Pulumi.<name>.yaml after Pulumi.<model>.yaml, and return what was written.

    Raises StackError, and StackFileError for a stack's file that can't be read.
    """
    stacks = stack_files(checkout)
    if not NAME.fullmatch(name) or "--" in name:
        raise StackError(f"name={name!r} is not allowed; 2 to 26 of a-z 0-9 -, first a letter, last no -, no two -")
    try:
        environments.own(name)
    except ValueError as error:
        raise StackError(f"name={name!r} is not allowed; {error}") from error
    if name in stacks:
        raise StackError(f"name={name!r}: there is a {stacks[name].name} already; take another name, or edit that file")
    if model not in stacks:
        raise StackError(f"from={model!r}: there is no Pulumi.{model}.yaml; stacks: {', '.join(stacks)}")
    configs = {each: configuration(file) for each, file in stacks.items()}
    for other, config in configs.items():
        if (config.get(_AWS) or {}).get("name") == f"{PROJECT}-{name}":
            raise StackError(
                f"name={name!r}: stack {other} has headwater:aws.name {PROJECT}-{name}, with which the names of the "
                "new one's roles and buckets would begin; take another name"
            )
    used = [cidr for config in configs.values() if (cidr := _cidr(config)) is not None]
    made = render(name, model, stacks[model].read_text(), used)
    with (checkout / f"Pulumi.{name}.yaml").open("x") as file:
        file.write(made.text)
    return made


def render(name: str, model: str, text: str, used: list[str]) -> NewStack:
    """Return the file of a new stack. text: the model's file. used: ranges that the new network must not overlap.

    Comments and order stay. Raises StackError when the model shares its cluster, so that two stacks would collide.
    """
    config = _config(text)
    if (config.get(_KUBERNETES) or {}).get("kind") != "eks":
        raise StackError(
            f"from={model!r} stands on a cluster that it did not make: a second stack would take its namespaces and "
            "ports. Take a stack with kubernetes.kind eks, or copy the file by hand and change namespace and exposure"
        )
    cuts: list[tuple[int, int, str]] = []
    differences, secrets = [], []
    root = yaml.compose(text)
    gone: tuple[str, ...] = ("",)
    for path, key, value in _walk(root):
        if path[: len(gone)] == gone:
            continue
        if path[1:] in _OWN:
            gone, told = path, _OWN[path[1:]]
            cuts.append(_whole(text, key, value))
            differences += [] if told is None else [told.format(model=model)]
        elif path[0] in _KEYS and len(path) == 1:
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
    head = (
        "# yaml-language-server: $schema=headwater.schema.json\n"
        f"# Made from Pulumi.{model}.yaml by `make stack`. Every setting and its default: docs/settings.md.\n"
    )
    return NewStack(name, head + body, tuple(differences), tuple(secrets), tuple(_checks(model, config)))


def _checks(model: str, config: dict[str, Any]) -> Iterator[str]:
    """Yield what a reader must look at: with the model's value, two stacks may be in one another's way."""
    yield "account, region, sizes, retention and deletion_protection in it"
    catalog, serving = config.get("headwater:catalog") or {}, config.get("headwater:serving") or {}
    if catalog.get("kind") == "glue":
        yield f"account and region: one of them must not be that of {model}, for Glue's databases have the same names"
    if catalog.get("uri") is not None:
        yield f"catalog.uri and catalog.warehouse: the tables of {model} are there"
    if serving.get("oidc") is not None:
        yield "serving.oidc: the clients must allow the new domain, or be others"


def next_range(taken: str, used: list[str]) -> str:
    """Return the next range of the size of `taken` that overlaps none of `used`, within its private network.

    Raises StackError when there is none.
    """
    network = ipaddress.IPv4Network(taken)
    private = next((each for each in PRIVATE if network.subnet_of(each)), None)
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
    lines += [f"  check:   {each}" for each in made.checks]
    lines += [
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
    found = ((config.get(_AWS) or {}).get("network") or {}).get("cidr")
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
    """Return the span of an entry's lines, with the comment lines right above it.

    Raises StackError when something stands before it on its line: that would go, too.
    """
    start = text.rfind("\n", 0, key.start_mark.index) + 1
    if text[start : key.start_mark.index].strip():
        raise StackError(
            f"line {key.start_mark.line + 1} of the model has {key.value} beside other settings, and the new stack "
            "must not have it; write a setting a line"
        )
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
