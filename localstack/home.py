"""Where everything local lives, and the environment in which the project's tools run."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
"""The folder of the project."""
KUBE_CONTEXT = "HEADWATER_KUBE_CONTEXT"
"""The variable that names the kubeconfig context of a cluster that is there already."""
CONTEXT = "headwater"
"""The kubeconfig context of the cluster that is made here."""


def external_context() -> str | None:
    """Return the kubeconfig context of a cluster that is there already, or None."""
    return os.environ.get(KUBE_CONTEXT)


def default_root(environ: Mapping[str, str], uid: int) -> Path:
    """Folder of all local state: $HEADWATER_HOME, else /var/lib/headwater for root, else the user's data folder.

    Raises ValueError when $HEADWATER_HOME is set but not an absolute path.
    """
    chosen = environ.get("HEADWATER_HOME")
    if chosen is not None:
        root = Path(chosen)
        if not root.is_absolute():
            raise ValueError(f"HEADWATER_HOME={chosen!r} must be an absolute path, for example /var/lib/headwater")
        return root
    if uid == 0:
        return Path("/var/lib/headwater")
    data = environ.get("XDG_DATA_HOME")
    base = Path(environ["HOME"]) / ".local/share" if data is None else Path(data)
    return base / "headwater"


class Home:
    """The one folder, `root`, that holds every local file of Headwater outside the repository."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache = root / "cache"
        """Rebuildable, keyed by pins: tool builds, virtual environments, compiler caches."""
        self.bin = root / "bin"
        """Links to the pinned tools."""
        self.cluster = root / "cluster"
        """The single-node Kubernetes: etcd, containerd, certificates, volumes."""
        self.registry = root / "registry"
        """The image registry's store."""
        self.state = root / "state"
        """Pulumi's file backend and its keys, and what was installed on the machine; mode 0700."""
        self.logs = root / "logs"
        """Full logs of every long step and every process."""
        self.run = root / "run"
        """Process records (pid and start time) of what was started."""
        self.pulumi = self.cache / "pulumi"
        """PULUMI_HOME: plugins."""
        self.kubeconfig = root / "kubeconfig"
        """Administrator's kubeconfig of the local cluster, context `headwater`."""
        self.passphrase = self.state / "passphrase"
        """File with the passphrase of Pulumi's state encryption, mode 0600."""
        self.root_secret = self.state / "root-secret"
        """File with the dev stack's root secret, mode 0600."""
        self.source_passwords = self.state / "source-passwords.json"
        """File with the passwords of the sources that `make source` added, mode 0600; not there without one."""

    @classmethod
    def default(cls) -> Home:
        """The home that the environment of this process asks for."""
        return cls(default_root(os.environ, os.getuid()))

    def create(self) -> None:
        """Make the folders; those with keys, volumes, images or logs are closed to other users."""
        for folder in (self.root, self.cache, self.bin):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.state, self.cluster, self.logs, self.run, self.registry):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Earlier ones were open.
            folder.chmod(0o700)

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Environment for pulumi, kubectl and everything they start; `base` defaults to this process's.

        The active virtual environment comes first on PATH: Pulumi's Python host takes the first python3 there.
        """
        environ = dict(os.environ if base is None else base)
        path = [str(self.bin), environ.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")]
        if sys.prefix != sys.base_prefix:
            path.insert(0, str(Path(sys.prefix) / "bin"))
        if KUBE_CONTEXT not in environ:
            environ["KUBECONFIG"] = str(self.kubeconfig)
        environ |= {
            "PATH": os.pathsep.join(path),
            "HEADWATER_HOME": str(self.root),
            "HEADWATER_ROOT_SECRET_FILE": str(self.root_secret),
            "HEADWATER_SOURCE_PASSWORDS_FILE": str(self.source_passwords),
            "PULUMI_HOME": str(self.pulumi),
            "PULUMI_BACKEND_URL": f"file://{self.state}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.passphrase),
            "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK": "true",
        }
        return environ
