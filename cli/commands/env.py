"""`make env`: the shell variables with which plain pulumi and kubectl work on a stack's platform."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from cli.command import STACK, Call, Command
from cli.platform.kube import Kube
from cli.program.stack import ON_THIS_MACHINE
from localstack.home import Home


def export_lines(home: Home, environ: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Return `export` lines for a POSIX shell: what of `wanted` differs from `environ`, and PATH's new parts."""
    lines = [
        f"export {name}={shlex.quote(value)}"
        for name, value in sorted(wanted.items())
        if name != "PATH" and environ.get(name) != value
    ]
    ahead = [str(Path(sys.prefix) / "bin"), str(home.bin)]
    return [*lines, f'export PATH={shlex.quote(os.pathsep.join(ahead))}:"$PATH"']


def kubeconfig(kube: Kube) -> str:
    """Return what KUBECONFIG has to be so that kubectl takes the stack's context by itself."""
    known = kube.environment().get("KUBECONFIG", str(Path("~/.kube/config").expanduser()))
    context = kube.platform.context
    if context is None:
        return known
    # Of several files the first that names a current context counts, and it needs nothing else.
    file = kube.home.state / f"kubectl-{kube.platform.stack}"
    kube.home.create()
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": context}))
    others = [part for part in known.split(os.pathsep) if part != str(file)]
    return os.pathsep.join([str(file), *others])


def lines(kube: Kube, environ: Mapping[str, str]) -> list[str]:
    """Return the lines for a stack. One elsewhere has Pulumi's backend and keys as the user set them up."""
    stack, ours = kube.platform.stack, kube.home.environment(environ)
    wanted = {**ours, "KUBECONFIG": kubeconfig(kube)}
    if stack not in ON_THIS_MACHINE:
        left = [name for name in ours if name.startswith("PULUMI_") and environ.get(name) == ours[name]]
        wanted = {name: value for name, value in wanted.items() if not name.startswith(("PULUMI_", "HEADWATER_"))}
        return [f"unset {name}" for name in sorted(left)] + export_lines(
            kube.home, environ, {**wanted, "PULUMI_STACK": stack}
        )
    # Only in place of what another `make env` left: else `pulumi stack select` decides.
    return export_lines(kube.home, environ, {**wanted, "PULUMI_STACK": stack} if "PULUMI_STACK" in environ else wanted)


def run(call: Call) -> int:
    """Print the lines."""
    print("\n".join(lines(Kube.of(call.home, call.options.stack), os.environ)))
    return 0


COMMAND = Command("variables for plain pulumi and kubectl", 'eval "$(make -s env)"', run, [STACK])
