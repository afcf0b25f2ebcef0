"""A control plane of a test's own: etcd, API server and controllers on loopback. Without a node, no pod ever runs."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Of a server that lives as long as the test.
TOKEN = "only-for-this-test"
# Those that make pods, and those that they need.
CONTROLLERS = "deployment,replicaset,statefulset,job,namespace,serviceaccount"
READY_S = 120


@dataclass(frozen=True)
class ControlPlane:
    """The running control plane, and kubectl for it."""

    kubectl: Path
    kubeconfig: Path

    def attempt(self, *words: str, given: Any = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl, with `given` as JSON on its input; it may fail."""
        command = [str(self.kubectl), "--kubeconfig", str(self.kubeconfig), *words]
        text = None if given is None else json.dumps(given)
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=READY_S, check=False)

    def call(self, *words: str, given: Any = None) -> str:
        """Run kubectl and return its output; a failure fails the test."""
        done = self.attempt(*words, given=given)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr.strip()}"
        return done.stdout

    def create(self, objects: Sequence[Mapping[str, Any]]) -> None:
        """Make the objects, in their order."""
        self.call("create", "-f", "-", given={"apiVersion": "v1", "kind": "List", "items": list(objects)})

    def get(self, *words: str) -> list[dict[str, Any]]:
        """Return the items of a list."""
        found: list[dict[str, Any]] = json.loads(self.call("get", *words, "-o", "json"))["items"]
        return found


@contextmanager
def control_plane(binaries: Path, folder: Path, gates: Sequence[str], apis: Sequence[str]) -> Iterator[ControlPlane]:
    """Start it and stop it. gates: features beside the usual ones; apis: versions that are not served by themselves."""
    with ExitStack() as stack:
        peer, etcd, secure = (_free_port() for _ in range(3))
        key, tokens = folder / "sa.key", folder / "tokens.csv"
        subprocess.run(
            ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key)],
            check=True, capture_output=True,
        )  # fmt: skip
        tokens.write_text(f'{TOKEN},admin,admin,"system:masters"\n')
        url, kubeconfig = f"http://127.0.0.1:{etcd}", folder / "kubeconfig"
        kubeconfig.write_text(_kubeconfig(f"https://127.0.0.1:{secure}"))
        commands = {
            "etcd": [
                f"--data-dir={folder / 'etcd'}", f"--listen-client-urls={url}", f"--advertise-client-urls={url}",
                f"--listen-peer-urls=http://127.0.0.1:{peer}", "--unsafe-no-fsync",
                f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
                f"--initial-cluster=default=http://127.0.0.1:{peer}",
            ],
            "kube-apiserver": [
                "--bind-address=127.0.0.1", f"--secure-port={secure}", f"--cert-dir={folder}",
                f"--etcd-servers={url}", f"--token-auth-file={tokens}", "--authorization-mode=RBAC",
                f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
                "--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.0.0.0/24",
                f"--feature-gates={','.join(f'{gate}=true' for gate in gates)}",
                f"--runtime-config={','.join(f'{api}=true' for api in apis)}",
            ],
            "kube-controller-manager": [
                f"--kubeconfig={kubeconfig}", f"--controllers={CONTROLLERS}", "--leader-elect=false",
                "--bind-address=127.0.0.1", "--secure-port=0",
            ],
        }  # fmt: skip
        made = ControlPlane(binaries / "kubectl", kubeconfig)
        for name, options in commands.items():
            log = stack.enter_context((folder / f"{name}.log").open("w"))
            process = subprocess.Popen([binaries / name, *options], stdout=log, stderr=log)
            stack.callback(_stop, process)
            if name == "kube-apiserver":
                _await(made, process, folder / f"{name}.log")
        yield made


def _await(made: ControlPlane, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while made.attempt("get", "--raw", "/readyz").returncode != 0:
        assert process.poll() is None, f"the API server ended:\n{log.read_text()[-3000:]}"
        assert time.monotonic() < deadline, f"the API server is not ready:\n{log.read_text()[-3000:]}"


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(timeout=60)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _kubeconfig(server: str) -> str:
    # Its certificate is made as it starts, by itself, for loopback.
    cluster = {"server": server, "insecure-skip-tls-verify": True}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
    )
