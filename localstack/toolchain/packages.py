"""Debian packages: installs missing ones and remembers which it added to the machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from localstack.console import Step
from localstack.errors import LocalError
from localstack.home import Home
from localstack.process import output

POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = "#!/bin/sh\n# Packages of Headwater start no service of their own.\nexit 101\n"


def present(marker: str, path: str | None = None) -> bool:
    """Whether what a package is wanted for is there: `bin:<command>` on `path`, or a file."""
    kind, _, command = marker.partition(":")
    return shutil.which(command, path=path) is not None if kind == "bin" else Path(marker).exists()


def missing(wanted: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the packages whose marker is not there."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    return tuple(name for name, marker in wanted.items() if not present(marker, path))


def installed_file(home: Home) -> Path:
    """File with the packages that were added to the machine, one a line."""
    return home.state / "installed-packages"


def installed_by_us(home: Home) -> tuple[str, ...]:
    """Packages that `install` added to the machine, with their dependencies."""
    record = installed_file(home)
    return tuple(record.read_text().split()) if record.exists() else ()


def install(home: Home, wanted: Mapping[str, str], step: Step) -> None:
    """Install the missing packages from the machine's own package sources and record what came.

    Raises LocalError where there is no apt-get or a package's marker is missing even then.
    """
    names = missing(wanted)
    if not names:
        return
    if shutil.which("apt-get") is None:
        raise LocalError(
            f"missing: {', '.join(names)}; there is no apt-get here, install them with your package manager"
        )
    if os.geteuid() != 0:
        raise LocalError(f"installing packages needs root: `sudo apt-get install {' '.join(names)}`, then go on")
    home.create()
    before = _installed()
    environment = home.environment() | {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120"]
    step.update("package lists")
    step.run([*apt, "update"], env=environment)
    step.update(f"install {', '.join(names)}")
    try:
        with _no_services():
            step.run([*apt, "install", "--yes", "--no-install-recommends", *names], env=environment)
    finally:
        added = sorted(set(_installed()) - set(before))
        record = sorted({*installed_by_us(home), *added})
        installed_file(home).write_text("".join(f"{name}\n" for name in record))
    _disable_services(names, step)
    still = missing(wanted)
    if still:
        raise LocalError(f"installed, but not usable: {', '.join(f'{name} ({wanted[name]})' for name in still)}")


def _installed() -> tuple[str, ...]:
    """All packages that are installed on the machine."""
    listed = output(["dpkg-query", "-f", "${db:Status-Abbrev} ${Package}\n", "-W"])
    return tuple(line.split()[-1] for line in listed.splitlines() if line.startswith("ii"))


@contextmanager
def _no_services() -> Iterator[None]:
    """Keep packages from starting their services: docker-registry's listens on all addresses by default."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text(POLICY_TEXT)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def _disable_services(names: tuple[str, ...], step: Step) -> None:
    """Keep the services of just installed packages from starting with the machine, where systemd runs."""
    if not Path("/run/systemd/system").is_dir():
        return
    for service in ("docker-registry", "containerd", "postgresql", "redis-server"):
        if service in names:
            step.run(["systemctl", "disable", service])
