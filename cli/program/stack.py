"""The dev stack: its keys, its state backend, and how `pulumi` runs without changing the checkout.

Pulumi stores the salt of a stack's encryption in Pulumi.<stack>.yaml, and writes it there at the next command. But the
salt belongs to this machine's state, not to the repository. So the commands here give Pulumi a copy of the committed
file with the salt added (`--config-file`). Any checkout can manage the stack, and no checkout is changed.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localstack.console import Step
from localstack.errors import LocalError, StepFailed
from localstack.home import CHECKOUT, Home
from localstack.process import output

STACK = "dev"
ON_THIS_MACHINE = (STACK, "localstack")
"""The stacks whose cluster and images are this machine's."""
_LINE = re.compile(
    r"^\s*(?P<op>[-+~<>=]+)?\s+(?P<type>\S+:\S+:\S+)\s+(?P<name>\S+)\s+(?P<state>\*\*[a-z ]+\*\*|[a-z]+)(?=[\s,]|$)"
)
_FINISHED = {"created", "updated", "deleted", "replaced", "read", "imported", "refreshed", "discarded"}
_RUNNING = {"creating", "updating", "deleting", "replacing", "reading", "importing", "refreshing"}


@dataclass
class Progress:
    """What `pulumi up` has done so far, read from its lines."""

    done: int = 0
    running: dict[str, None] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    diagnostics: list[str] = field(default_factory=list)
    in_diagnostics: bool = False

    def feed(self, line: str) -> str | None:
        """Take one output line; return the progress to show, or None when the line says nothing about it."""
        if line.startswith(("Diagnostics:", "Outputs:", "Resources:", "Duration:")):
            self.in_diagnostics = line.startswith("Diagnostics:")
        elif self.in_diagnostics and line.strip():
            self.diagnostics.append(line)
        match = None if self.in_diagnostics else _LINE.match(line)
        if match is None or match["type"] == "pulumi:pulumi:Stack":
            return line.strip() if line.startswith(("error:", "stopping ")) else None
        kind = match["type"].rsplit(":", 1)[-1]
        label = f"{kind} {match['name']}"
        if "failed" in match["state"]:
            self.running.pop(label, None)
            self.failed.append(label)
        elif match["state"] in _RUNNING:
            self.running[label] = None
        elif match["state"] in _FINISHED and label in self.running:
            del self.running[label]
            self.done += 1
        return self.text()

    def text(self) -> str:
        """Return e.g. `12 resources done; waiting for Image trino, Image catalog and 3 more`."""
        waiting = list(self.running)
        shown = ", ".join(waiting[:3]) + (f" and {len(waiting) - 3} more" if len(waiting) > 3 else "")
        failed = f"; failed: {', '.join(self.failed)}" if self.failed else ""
        return (
            f"{self.done} resource{'' if self.done == 1 else 's'} done"
            + (f"; waiting for {shown}" if waiting else "")
            + failed
        )


def ensure_keys(home: Home) -> None:
    """Create the state passphrase and the root secret, once, readable by their owner only."""
    home.create()
    for path in (home.passphrase, home.root_secret):
        if path.exists():
            continue
        # Written aside and linked: a file that is there is whole, and the first of two writers wins.
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as scratch:
            scratch.write(secrets.token_hex(32))
            scratch.flush()
            os.fsync(scratch.fileno())
        try:
            os.link(scratch.name, path)
        except FileExistsError:
            continue
        finally:
            os.unlink(scratch.name)


def with_salt(committed: str, salt: str) -> str:
    """Return the stack file's text with the salt; a file that brings its own salt is left alone."""
    if re.search(r"^encryptionsalt:", committed, re.M):
        return committed
    return f"{committed.rstrip()}\nencryptionsalt: {salt}\n"


def config_file(home: Home, checkout: Path = CHECKOUT) -> Path:
    """Write the stack file that Pulumi is given (committed settings plus salt) and return its path.

    Raises LocalError when the stack was never made on this machine.
    """
    committed = checkout / f"Pulumi.{STACK}.yaml"
    salt = home.state / "encryption-salt"
    if not salt.exists():
        raise LocalError(f"the stack {STACK} is not there yet; `make up` makes it")
    target = home.state / committed.name
    text = with_salt(committed.read_text(), salt.read_text().strip())
    if not target.exists() or target.read_text() != text:
        scratch = target.with_suffix(f".{os.getpid()}")
        scratch.write_text(text)
        scratch.replace(target)
    return target


def base_images_file(home: Home) -> Path:
    """Return the file with the base images that `make up` found or made, as {build argument: image}."""
    return home.state / "base-images.json"


def environment(home: Home) -> dict[str, str]:
    """Return the environment of pulumi on this stack: the home's, and the base images once they are known."""
    variables = home.environment()
    if base_images_file(home).exists():
        variables["HEADWATER_BASE_IMAGES_FILE"] = str(base_images_file(home))
    return variables


def pulumi(home: Home) -> str:
    """Return the path of the real pulumi, never of the shim. Raises LocalError when there is none."""
    own = str(Path(sys.prefix) / "bin")
    path = os.pathsep.join(part for part in home.environment()["PATH"].split(os.pathsep) if part != own)
    found = shutil.which("pulumi", path=path)
    if found is None:
        raise LocalError("there is no pulumi yet; `make up` installs it")
    return found


def query(home: Home, name: str, *arguments: str, cwd: Path = CHECKOUT, input: str | None = None) -> str:
    """Return what a pulumi command on a stack prints. Raises LocalError with what it says."""
    argv = [pulumi(home), *arguments, "--stack", name, "--non-interactive"]
    failure = f"`pulumi {' '.join(arguments[:2])} --stack {name}`"
    return output(argv, failure=failure, env=environment_of(home, name), cwd=cwd, input=input)


def ensure_stack(home: Home, step: Step, checkout: Path = CHECKOUT) -> None:
    """Create the stack in the file backend when it is not there, and select it in the checkout."""
    ensure_keys(home)
    salt = home.state / "encryption-salt"
    with tempfile.TemporaryDirectory(prefix="headwater-stack-") as scratch:
        folder = Path(scratch)
        shutil.copy(checkout / "Pulumi.yaml", folder)
        try:
            export = query(home, STACK, "stack", "export", cwd=folder)
        except LocalError:
            # In a folder of its own: `stack init` writes the salt beside Pulumi.yaml.
            step.run([pulumi(home), "stack", "init", STACK, "--non-interactive"], env=home.environment(), cwd=folder)
            export = query(home, STACK, "stack", "export", cwd=folder)
        known = json.loads(export)["deployment"].get("secrets_providers", {}).get("state", {}).get("salt")
    if known is None:
        raise LocalError(f"the state of stack {STACK} in {home.state} has no passphrase encryption; `make destroy` it")
    salt.write_text(f"{known}\n")
    config_file(home, checkout)
    step.run([pulumi(home), "stack", "select", STACK, "--non-interactive"], env=home.environment(), cwd=checkout)


def remove_stale_locks(home: Home, alive: Callable[[int], bool] | None = None) -> list[Path]:
    """Remove locks of the file backend whose process on this machine is gone; return the removed files."""
    check = _alive if alive is None else alive
    removed = []
    for lock in sorted((home.state / ".pulumi" / "locks").rglob("*.json")):
        try:
            holder = json.loads(lock.read_text())
        except (json.JSONDecodeError, FileNotFoundError):
            continue
        if holder.get("hostname") == socket.gethostname() and not check(int(holder["pid"])):
            lock.unlink(missing_ok=True)
            removed.append(lock)
    return removed


def _alive(pid: int) -> bool:
    try:
        return "pulumi" in Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return False


def apply(home: Home, step: Step, checkout: Path = CHECKOUT) -> Progress:
    """Run `pulumi up` on the stack with live progress. Raises StepFailed with Pulumi's own diagnostics."""
    for lock in remove_stale_locks(home):
        step.update(f"removed the lock of an interrupted update: {lock}")
    progress = Progress()
    try:
        step.run(
            [pulumi(home), "up", "--yes", "--skip-preview", "--non-interactive", "--color", "never",
             "--stack", STACK, "--config-file", str(config_file(home, checkout))],
            env=environment(home),
            cwd=checkout,
            on_line=progress.feed,
        )  # fmt: skip
    except StepFailed as failure:
        if progress.diagnostics:
            reason = "\n    ".join(["Pulumi's diagnostics:", *progress.diagnostics[:40]])
            raise StepFailed(failure.title, reason, failure.log, failure.resume_command) from failure
        raise
    return progress


def environment_of(home: Home, name: str) -> dict[str, str]:
    """Return the environment of pulumi on a stack: this machine's, or the user's own backend and credentials."""
    return environment(home) if name in ON_THIS_MACHINE else elsewhere(home)


def outputs(home: Home, name: str, checkout: Path = CHECKOUT) -> dict[str, Any]:
    """Return what the deployed stack tells, secrets included. Raises LocalError with what Pulumi says."""
    found: dict[str, Any] = json.loads(query(home, name, "stack", "output", "--json", "--show-secrets", cwd=checkout))
    return found


def elsewhere(home: Home) -> dict[str, str]:
    """Return the environment of pulumi on a stack that is not this machine's: the user's own, and our Python first."""
    return {**os.environ, "PATH": home.environment()["PATH"], "PULUMI_SKIP_UPDATE_CHECK": "true"}


def command(
    home: Home, *arguments: str, name: str = STACK, checkout: Path = CHECKOUT
) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment of a pulumi operation on a stack.

    The settings of dev are handed over as a copy, with the salt.
    """
    copy = ["--config-file", str(config_file(home, checkout))] if name == STACK else []
    return [pulumi(home), *arguments, "--stack", name, *copy], environment_of(home, name)


def call(home: Home, *arguments: str, name: str = STACK, checkout: Path = CHECKOUT) -> int:
    """Run a pulumi operation on the stack on this terminal (preview, destroy, refresh); return its exit status."""
    argv, variables = command(home, *arguments, name=name, checkout=checkout)
    return subprocess.run(argv, env=variables, cwd=checkout, check=False).returncode


def ci_role_targets(name: str) -> tuple[str, str]:
    """Return the URNs, as patterns, of the CI roles of a stack and of the AWS provider that makes them."""
    project = f"urn:pulumi:{name}::headwater::"
    return f"{project}headwater:aws:CiRoles**", f"{project}pulumi:providers:aws::**"
