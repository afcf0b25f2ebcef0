"""kubectl for the commands, with just enough types to read workloads."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any

from cli.command import Call
from cli.platform import endpoints
from cli.platform.endpoints import Platform
from cli.program.stack import ON_THIS_MACHINE
from localstack.errors import LocalError
from localstack.home import CONTEXT, KUBE_CONTEXT, Home
from localstack.process import ask


def message(stderr: str) -> str:
    """Return what kubectl said, without the lines of its client library's log."""
    lines = [line for line in stderr.splitlines() if not re.match(r"[EWI]\d{4} ", line)]
    return "\n".join(lines).strip()


@dataclass(frozen=True)
class Kube:
    """kubectl against the cluster of a stack's platform."""

    home: Home
    platform: Platform

    @classmethod
    def of(cls, home: Home, stack: str) -> Kube:
        """Return kubectl of a stack. Raises UsageError for a stack that is not there, LocalError for its settings."""
        platform = endpoints.load(stack, os.environ)
        if platform.context is not None and stack in ON_THIS_MACHINE:
            # What this process starts (Pulumi, the tool chain) takes that cluster too, and makes none.
            os.environ[KUBE_CONTEXT] = platform.context
        return cls(home, platform)

    @classmethod
    def asked(cls, call: Call) -> Kube:
        """Return kubectl of the stack that a command is about. Raises LocalError where its cluster does not answer."""
        return cls.of(call.home, call.options.stack).require()

    def environment(self) -> dict[str, str]:
        """Return the environment of kubectl: it reads this machine's kubeconfig, or the user's own."""
        chosen, base = self.platform, dict(os.environ)
        if chosen.context is None:
            return self.home.environment(base)
        if chosen.kubeconfig is not None:
            base["KUBECONFIG"] = os.path.expanduser(chosen.kubeconfig)
        elif chosen.context != CONTEXT and base.get("KUBECONFIG") == str(self.home.kubeconfig):
            del base["KUBECONFIG"]  # of `make env`
        return self.home.environment({**base, KUBE_CONTEXT: chosen.context})

    def argv(self, *arguments: str) -> list[str]:
        """Return the whole command line for kubectl `arguments`. Raises LocalError when there is no kubectl."""
        kubectl = shutil.which("kubectl", path=self.home.environment()["PATH"])
        if kubectl is None:
            raise LocalError("there is no kubectl yet; `make up` installs it")
        context = self.platform.context
        return [kubectl, *([] if context is None else ["--context", context]), *arguments]

    def output(self, *arguments: str, input: str | None = None) -> str:
        """Return what kubectl prints. Raises LocalError with its message."""
        done = ask(self.argv(*arguments), env=self.environment(), input=input)
        if done.returncode != 0:
            raise LocalError(f"kubectl {' '.join(arguments[:3])}: {message(done.stderr)}")
        return done.stdout

    def get(self, kinds: str, namespace: str, *more: str) -> list[dict[str, Any]]:
        """Return the objects of `kinds` (comma separated) in `namespace`; an empty list when there are none."""
        reply = json.loads(self.output("get", kinds, "-n", namespace, "-o", "json", *more))
        items: list[dict[str, Any]] = reply["items"] if reply["kind"] == "List" else [reply]
        return items

    def problem(self) -> str | None:
        """Return why the cluster's API does not answer within 5 seconds, and the way out; None where it answers."""
        chosen = self.platform
        stopped = "the platform is stopped; `make up` starts it"
        if chosen.context is None and not self.home.kubeconfig.exists():
            return stopped
        try:
            self.output("get", "--raw", "/readyz", "--request-timeout=5s")
        except LocalError as error:
            if chosen.context is None:
                return stopped
            way_in = "" if chosen.way_in is None else f". `{chosen.way_in}` makes the context"
            return f"the cluster of stack {chosen.stack} does not answer: {error}{way_in}"
        return None

    def require(self) -> Kube:
        """Return this kubectl. Raises LocalError where the cluster does not answer."""
        if (problem := self.problem()) is not None:
            raise LocalError(problem)
        return self

    def secret(self, name: str, key: str) -> str:
        """Return one value of a Secret of the platform. Raises LocalError when it is not there."""
        namespace = self.platform.namespace
        encoded = self.output("get", "secret", name, "-n", namespace, "-o", f"jsonpath={{.data.{key}}}")
        if not encoded:
            raise LocalError(f"Secret {namespace}/{name} has no key {key!r}")
        return base64.b64decode(encoded).decode()

    def call(self, *arguments: str) -> int:
        """Run kubectl on this terminal (exec, logs -f) and return its exit status."""
        return subprocess.run(self.argv(*arguments), env=self.environment(), check=False).returncode
