"""OpenTofu or Terraform as the machine has it, with the AWS provider that lies on it; nothing is downloaded."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CACHE = "TF_PLUGIN_CACHE_DIR"
# Where both look by themselves for what somebody put there.
IMPLIED = ("~/.terraform.d/plugins", "/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins")
LONGEST_S = 1200


@dataclass(frozen=True)
class Tool:
    """A binary, and a folder that holds the AWS provider: <registry>/hashicorp/aws/<version>."""

    binary: str
    plugins: Path
    source: str
    version: str


def find(environment: Mapping[str, str] = os.environ) -> Tool | str:
    """Return what the check runs with, or what the machine lacks, as a sentence."""
    path = environment.get("PATH")
    binary = shutil.which("tofu", path=path) or shutil.which("terraform", path=path)
    if binary is None:
        return "neither OpenTofu (tofu) nor Terraform is on the PATH"
    places = [Path(each).expanduser() for each in (environment.get(CACHE), *IMPLIED) if each]
    for plugins in places:
        found = sorted(plugins.glob("*/hashicorp/aws/*/*"), key=lambda each: _version(each.parent.name))
        if found:
            version = found[-1].parent
            return Tool(binary, plugins, "/".join(version.parts[-4:-1]), version.name)
    where = ", ".join(map(str, places))
    return f"{binary} is there, and the AWS provider in none of {where}; {CACHE} names another folder"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


class Workspace:
    """A folder with one configuration. endpoints: of moto and of the stand-in for EKS."""

    def __init__(self, tool: Tool, folder: Path, region: str, endpoint: str, eks: str) -> None:
        self._tool, self._folder = tool, folder
        services = ("acm", "budgets", "cloudwatch", "ec2", "ecr", "elbv2", "glue", "iam", "kms", "logs", "rds",
                    "route53", "s3", "s3control", "scheduler", "secretsmanager", "sns", "sts")  # fmt: skip
        provider = {
            "region": region,
            "access_key": "a",
            "secret_key": "b",
            "skip_credentials_validation": True,
            "skip_metadata_api_check": True,
            # What fails here fails again: nothing is busy.
            "max_retries": 2,
            # As components/aws/account.py has it: S3 Control is asked at <account>.<endpoint>.
            "http_proxy": endpoint,
            "s3_use_path_style": True,
            "endpoints": [{**dict.fromkeys(services, endpoint), "eks": eks}],
        }
        required = {"aws": {"source": tool.source, "version": tool.version}}
        document = {"terraform": [{"required_providers": required}], "provider": {"aws": provider}}
        self._write("provider.tf.json", document)
        self._run("init", f"-plugin-dir={tool.plugins}")

    def schema(self) -> Mapping[str, Any]:
        """Return the schemas of the provider's resources."""
        found = json.loads(self._run("providers", "schema", "-json"))["provider_schemas"]
        return dict(found[self._tool.source]["resource_schemas"])

    def configure(self, resources: Mapping[str, Any]) -> None:
        """Make these resources the configuration, and validate it."""
        self._write("resources.tf.json", {"resource": resources})
        self._run("validate")

    def plan(self) -> list[dict[str, Any]]:
        """Plan; return what would change: address, actions, and the values before and after."""
        self._run("plan", "-out=plan")
        changes = json.loads(self._run("show", "-json", "plan")).get("resource_changes", [])
        return [{"address": each["address"], **each["change"]} for each in changes
                if each["change"]["actions"] not in (["no-op"], ["read"])]  # fmt: skip

    def apply(self) -> None:
        """Apply what was planned last."""
        self._run("apply", "plan")

    def destroy(self) -> None:
        """Destroy everything."""
        self._run("destroy", "-auto-approve")

    def left(self) -> list[str]:
        """Return the addresses of what is there."""
        return self._run("state", "list").split()

    def _write(self, name: str, document: Mapping[str, Any]) -> None:
        (self._folder / name).write_text(json.dumps(document, indent=1))

    def _run(self, command: str, *arguments: str) -> str:
        # Nothing of the user's own: a configuration file may forbid the mirror, credentials may lead to an account.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "AWS_"))}
        quiet = () if command in {"show", "providers", "state"} else ("-no-color",)
        asked = ("-input=false",) if command in {"init", "plan", "apply", "destroy"} else ()
        first = arguments[:1] if command in {"providers", "state"} else ()
        done = subprocess.run(
            [self._tool.binary, command, *first, *quiet, *asked, *arguments[len(first) :]],
            cwd=self._folder,
            env={**kept, "CHECKPOINT_DISABLE": "1"},
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
        assert done.returncode == 0, f"{command} failed:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done.stdout


def differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Yield the arguments in which two values of a resource differ: performance_insights_enabled, ingress.from_port."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from differences(before.get(key), after.get(key), f"{path}.{key}" if path else key)
    elif before != after:
        yield path
