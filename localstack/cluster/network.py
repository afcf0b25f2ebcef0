"""The machine's network settings for the cluster: the node's bridge, kernel switches, packet filter rules."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from localstack.cluster.layout import (
    NODE_ADDRESS,
    NODE_BRIDGE,
    POD_BRIDGE,
    POD_NETWORK,
    POD_NETWORK_NAME,
    SERVICE_NETWORK,
)
from localstack.errors import LocalError
from localstack.process import ask, output
from localstack.registry.server import ADDRESS

SWITCHES = {
    "net.ipv4.ip_forward": "1",
    "net.bridge.bridge-nf-call-iptables": "1",
    "fs.inotify.max_user_instances": "8192",
    "fs.inotify.max_user_watches": "524288",
}
FORWARD, INPUT, OUTPUT = "HEADWATER-FORWARD", "HEADWATER-INPUT", "HEADWATER-OUTPUT"
PREROUTING = "HEADWATER-PREROUTING"


def packet_rules() -> dict[tuple[str, str], tuple[str, ...]]:
    """Rules by table and chain. Pods reach pods and this machine, nothing else; nothing outside reaches any of it.

    What comes from elsewhere is dropped before kube-proxy gives it another destination and marks it as allowed. The
    kernel lets others send to 127.0.0.0/8 as well, since NodePorts on loopback need `route_localnet`.
    The registry asks for no password: only root gets there, or any user could push what the next `make up` deploys.
    """
    registry = ADDRESS.rpartition(":")[2]
    return {
        ("raw", PREROUTING): (
            "-i lo -j RETURN",
            f"-i {POD_BRIDGE} -j RETURN",
            *(f"-d {each} -j DROP" for each in ("127.0.0.0/8", SERVICE_NETWORK, POD_NETWORK, f"{NODE_ADDRESS}/32")),
        ),
        ("filter", FORWARD): (
            f"-i {POD_BRIDGE} -o {POD_BRIDGE} -j ACCEPT",
            f"-i {POD_BRIDGE} -j REJECT",
            f"-o {POD_BRIDGE} -j REJECT",
        ),
        ("filter", OUTPUT): (
            f"-d 127.0.0.1/32 -o lo -p tcp --dport {registry}"
            " -m owner ! --uid-owner 0 -j REJECT --reject-with tcp-reset",
        ),
        ("filter", INPUT): (
            f"-d {NODE_ADDRESS}/32 -i lo -j RETURN",
            f"-d {NODE_ADDRESS}/32 -i {POD_BRIDGE} -j RETURN",
            f"-d {NODE_ADDRESS}/32 -j REJECT",
        ),
    }


def up(switch_record: Path) -> None:
    """Make the bridge, the route to services, kernel switches (old values into `switch_record`) and rules."""
    if not Path("/sys/class/net", NODE_BRIDGE).exists():
        _refuse_foreign_address()
        _run("ip", "link", "add", NODE_BRIDGE, "type", "bridge")
    _run("ip", "address", "replace", f"{NODE_ADDRESS}/32", "dev", NODE_BRIDGE)
    _run("ip", "link", "set", NODE_BRIDGE, "up")
    _run("ip", "route", "replace", SERVICE_NETWORK, "dev", NODE_BRIDGE, "src", NODE_ADDRESS)
    _switch(switch_record)
    _rules()
    _share_mounts()


def down(switch_record: Path) -> None:
    """Take all of that away again, with the rules of kube-proxy, the kubelet and the pods' network."""
    for bridge in (POD_BRIDGE, NODE_BRIDGE):
        if Path("/sys/class/net", bridge).exists():
            _run("ip", "link", "delete", bridge)
    for save, restore in (("iptables-save", "iptables-restore"), ("ip6tables-save", "ip6tables-restore")):
        if shutil.which(save) is not None:
            script = removal(_run(save).splitlines())
            if script:
                _run(restore, "--noflush", input=script)
    if switch_record.exists():
        for name, value in json.loads(switch_record.read_text()).items():
            _switch_file(name).write_text(value)
        switch_record.unlink()


def removal(saved: Iterable[str]) -> str:
    """Input of `iptables-restore --noflush` that removes this cluster's chains and rules from what was saved.

    Only removals, so that what others change meanwhile stays. Chains of the container network plugins are ours where
    the comment of a jump to them names our network: buildah and podman have such chains too.
    """
    lines = list(saved)
    named = {line for line in lines if f'name: \\"{POD_NETWORK_NAME}\\"' in line}
    plugin_chains = {chain for line in named for chain in re.findall(r" -j (CNI-(?:DN-)?[0-9a-f]+)$", line)}
    script: list[str] = []
    for table, entries in _tables(lines):
        chains = [entry.split()[0][1:] for entry in entries if entry.startswith(":")]
        ours = [chain for chain in chains if chain.startswith(("HEADWATER-", "KUBE-")) or chain in plugin_chains]
        jump = re.compile(rf" -[jg] (?:{'|'.join(map(re.escape, ours))})(?: |$)") if ours else None
        rules = [entry for entry in entries if entry.startswith("-A ") and entry.split()[1] not in ours]
        away = [rule for rule in rules if rule in named or (jump is not None and jump.search(rule) is not None)]
        if ours or away:
            script += [f"*{table}", *(f"-D{rule[2:]}" for rule in away), *(f"-F {chain}" for chain in ours)]
            script += [*(f"-X {chain}" for chain in ours), "COMMIT"]
    return "".join(f"{line}\n" for line in script)


def _tables(lines: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """The saved tables: name, and lines of chains (`:NAME policy`) and rules (`-A CHAIN …`)."""
    name, entries = "", list[str]()
    for line in lines:
        if line.startswith("*"):
            name, entries = line[1:], []
        elif line == "COMMIT":
            yield name, entries
        elif not line.startswith("#"):
            entries.append(line)


def _refuse_foreign_address() -> None:
    """Raise LocalError when the machine uses the node's address for something else."""
    if f" {NODE_ADDRESS}/" in _run("ip", "-o", "-4", "address", "show"):
        raise LocalError(f"the address {NODE_ADDRESS} of the cluster's node is in use here: `ip address show`")


def _switch_file(name: str) -> Path:
    """Where the kernel keeps a switch."""
    return Path("/proc/sys", *name.split("."))


def _switch(record: Path) -> None:
    """Set the kernel's switches; values that are larger already are left."""
    if not _switch_file("net.bridge.bridge-nf-call-iptables").exists():
        _run("modprobe", "br_netfilter")
    old = {name: _switch_file(name).read_text().strip() for name in SWITCHES}
    change = {name: value for name, value in SWITCHES.items() if int(old[name]) < int(value)}
    if change and not record.exists():
        record.write_text(json.dumps({name: old[name] for name in change}))
    for name, value in change.items():
        _switch_file(name).write_text(value)


def _rules() -> None:
    """Put our chains, with exactly our rules, in front of the machine's own."""
    for (table, chain), rules in packet_rules().items():
        builtin = chain.removeprefix("HEADWATER-")
        # One transaction: the chain is never seen empty.
        body = "".join(f"-A {chain} {rule}\n" for rule in rules)
        _run("iptables-restore", "--noflush", input=f"*{table}\n:{chain} - [0:0]\n{body}COMMIT\n")
        jump = [builtin, "-j", chain]
        if ask(["iptables", "-w", "-t", table, "-C", *jump]).returncode != 0:
            _run("iptables", "-w", "-t", table, "-I", *jump)


def _share_mounts() -> None:
    """Let mounts of containers propagate, as systemd does at boot."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[4] == "/" and not any(field.startswith("shared:") for field in fields[6:]):
            _run("mount", "--make-rshared", "/")
            return


def _run(*words: str, input: str | None = None) -> str:
    return output(words, input=input)
