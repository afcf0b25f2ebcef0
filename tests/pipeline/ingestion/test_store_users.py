"""The users of the object store, as the image's `minio-init` makes them on a real MinIO."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from services import Services

from tests.lake import BUCKET, KEY

MINIO = Path(__file__).resolve().parents[3] / "pipeline_code" / "minio"
USERS = ("catalog", "ingestion", "trino")


def initialise(services: Services, folder: Path, generation: int) -> str:
    """Run minio-init with the keys of a generation; return what it says."""
    secrets = folder / str(generation)
    secrets.mkdir()
    keys = {"root-user": KEY, "root-password": services.lake.access.secret}
    for user in USERS:
        keys |= {f"{user}-access-key": f"{user}Key{generation}", f"{user}-secret-key": f"{user}-secret-of-{generation}"}
    for name, value in keys.items():
        (secrets / name).write_text(value)
    environment = {
        "PATH": f"{programs(services)}:{os.environ['PATH']}",
        "MINIO_ENDPOINT": f"http://127.0.0.1:{services.lake.access.store}",
        "MINIO_BUCKET": BUCKET,
        "MINIO_SECRETS": str(secrets),
        "MINIO_POLICIES": str(MINIO / "policies"),
    }
    done = subprocess.run(
        ["sh", str(MINIO / "minio-init")], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def programs(services: Services) -> Path:
    """The folder of the image's minio and mc."""
    return Path(services.lake.store.command[0]).parent


def lists(services: Services, folder: Path, access_key: str, secret_key: str) -> bool:
    """Whether these keys list the bucket."""
    place = f"http://{access_key}:{secret_key}@127.0.0.1:{services.lake.access.store}"
    environment = {"MC_HOST_store": place, "MC_CONFIG_DIR": str(folder / "mc"), "PATH": os.environ["PATH"]}
    argv = [str(programs(services) / "mc"), "ls", f"store/{BUCKET}"]
    return subprocess.run(argv, env=environment, capture_output=True, timeout=60, check=False).returncode == 0


def test_a_key_that_was_replaced_opens_nothing_any_more(private_services: Services, tmp_path: Path) -> None:
    """A key that leaked, and was rotated for it, lists and reads the lake for ever."""
    keys = {(generation, user): (f"{user}Key{generation}", f"{user}-secret-of-{generation}")
            for generation in (1, 2) for user in USERS}  # fmt: skip
    initialise(private_services, tmp_path, 1)
    assert all(lists(private_services, tmp_path, *keys[1, user]) for user in USERS)
    said = initialise(private_services, tmp_path, 2)
    assert said.count("is removed") == len(USERS)
    assert [user for user in USERS if lists(private_services, tmp_path, *keys[1, user])] == []
    assert all(lists(private_services, tmp_path, *keys[2, user]) for user in USERS)
    (tmp_path / "2").rename(tmp_path / "again")
    assert "is removed" not in initialise(private_services, tmp_path, 2), "nothing to do is nothing done"
