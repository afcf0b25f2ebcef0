"""kubectl for the commands: typed enough to read workloads, and nothing more."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any

from localstack.home import Home
from localstack.reporting import LocalError

NAMESPACES = ("headwater", "petco")
"""The platform's namespace, and that of the example company's source system."""


def context() -> str | None:
    """Return the kubeconfig context that the user chose instead of the local cluster, or None."""
    return os.environ.get("HEADWATER_KUBE_CONTEXT")


def message(stderr: str) -> str:
    """Return what kubectl said, without the lines of its client library's log."""
    lines = [line for line in stderr.splitlines() if not re.match(r"[EWI]\d{4} ", line)]
    return "\n".join(lines).strip()


@dataclass(frozen=True)
class Kube:
    """kubectl against the platform's cluster."""

    home: Home

    def argv(self, *arguments: str) -> list[str]:
        """Return the whole command line for kubectl `arguments`. Raises LocalError when there is no kubectl."""
        kubectl = shutil.which("kubectl", path=self.home.environment()["PATH"])
        if kubectl is None:
            raise LocalError("there is no kubectl yet; `make up` brings it")
        chosen = context()
        return [kubectl, *([] if chosen is None else ["--context", chosen]), *arguments]

    def output(self, *arguments: str, input: str | None = None) -> str:
        """Return what kubectl prints. Raises LocalError with its message."""
        done = subprocess.run(
            self.argv(*arguments),
            env=self.home.environment(),
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise LocalError(f"kubectl {' '.join(arguments[:3])}: {message(done.stderr)}")
        return done.stdout

    def get(self, kinds: str, namespace: str, *more: str) -> list[dict[str, Any]]:
        """Return the objects of `kinds` (comma separated) in `namespace`; an empty list when there are none."""
        reply = json.loads(self.output("get", kinds, "-n", namespace, "-o", "json", *more))
        items: list[dict[str, Any]] = reply["items"] if reply["kind"] == "List" else [reply]
        return items

    def require(self) -> Kube:
        """Return this kubectl. Raises LocalError when the cluster does not answer."""
        if not self.reachable():
            raise LocalError("the platform is stopped; `make up` starts it")
        return self

    def reachable(self) -> bool:
        """Return whether the cluster's API answers within 5 seconds."""
        if context() is None and not self.home.kubeconfig.exists():
            return False
        try:
            self.output("get", "--raw", "/readyz", "--request-timeout=5s")
        except LocalError:
            return False
        return True

    def secret(self, name: str, key: str, namespace: str = "headwater") -> str:
        """Return one value of a Secret. Raises LocalError when it is not there."""
        encoded = self.output("get", "secret", name, "-n", namespace, "-o", f"jsonpath={{.data.{key}}}")
        if not encoded:
            raise LocalError(f"Secret {namespace}/{name} has no key {key!r}")
        return base64.b64decode(encoded).decode()

    def call(self, *arguments: str) -> int:
        """Run kubectl on this terminal (exec, logs -f) and return its exit status."""
        return subprocess.run(self.argv(*arguments), env=self.home.environment(), check=False).returncode
