"""`make emulator`: the emulator of this machine, started for real at a free port."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from localstack.aws import emulator
from localstack.aws.emulator import Address
from localstack.cluster.layout import NODE_ADDRESS
from localstack.console import Console
from localstack.errors import LocalError, StepFailed
from localstack.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    home.create()
    yield home
    emulator.destroy(home)


@pytest.fixture
def console(home: Home) -> Console:
    return Console("emulator", home.logs)


def free_address() -> Address:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Address("127.0.0.1", probe.getsockname()[1])


def checkout(folder: Path, endpoint: str) -> Path:
    (folder / "Pulumi.localstack.yaml").write_text(f"config:\n  headwater:aws:\n    endpoint: {endpoint}\n")
    return folder


def test_it_listens_on_the_nodes_bridge() -> None:
    """An address that pods can't reach, or one that other machines can: the packet filter closes the node's only."""
    assert emulator.address().host == NODE_ADDRESS


def test_it_starts_once_and_keeps_its_data_until_it_is_stopped(home: Home, console: Console) -> None:
    """A second `make emulator` that empties the first's lake, or a stop that leaves the process behind."""
    place = free_address()
    assert emulator.status_line(home) is None
    emulator.up(home, console, place)
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    s3 = boto3.client("s3", endpoint_url=place.url, **keys)
    s3.create_bucket(Bucket="lake")
    emulator.up(home, console, place)
    assert [each["Name"] for each in s3.list_buckets()["Buckets"]] == ["lake"]
    line = emulator.status_line(home)
    assert line is not None
    assert place.url in line
    with pytest.raises(StepFailed, match="another address"):
        emulator.up(home, console, free_address())
    assert emulator.down(home, console)
    assert emulator.status_line(home) is None
    assert not emulator.answers(place)
    assert not emulator.down(home, console)


def test_a_port_in_use_is_named(home: Home, console: Console) -> None:
    """moto's traceback in a log that nobody looks at, or somebody else's server taken for the emulator."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StepFailed, match=f"port {port} on 127.0.0.1 is taken"):
            emulator.up(home, console, Address("127.0.0.1", port))
    assert emulator.daemon(home).record() is None


def test_an_address_that_this_machine_lacks_says_who_makes_it(home: Home, console: Console) -> None:
    """`make emulator` before `make up`: the node's address is not there yet."""
    # Reserved for documentation, RFC 5737.
    with pytest.raises(StepFailed, match=r"192\.0\.2\.1 is no address of this machine: `make up`"):
        emulator.up(home, console, Address("192.0.2.1", 4566))


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ("https://10.231.77.1:4566", "plain HTTP"),
        ("http://10.231.77.1", "plain HTTP at a port"),
        ("http://0.0.0.0:4566", "everybody else could"),
        ("http://emulator.example.com:4566", "nothing to start here"),
        ("null", "nothing to start here"),
    ],
)
def test_an_endpoint_that_can_not_be_started_is_named(tmp_path: Path, endpoint: str, message: str) -> None:
    """An emulator open to the network, or one started elsewhere than where every client looks."""
    with pytest.raises(LocalError, match=message) as error:
        emulator.address(checkout(tmp_path, endpoint))
    assert "headwater:aws.endpoint" in str(error.value)
