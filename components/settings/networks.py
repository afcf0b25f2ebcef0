"""Which networks can be a VPC's, from which ones somebody can come, and which host is only the asker itself."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

# RFC 1918: what AWS recommends for a VPC (https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html). EKS
# takes 10.100.0.0/16 or 172.20.0.0/16 for services, that of the two which the VPC's range does not overlap.
PRIVATE = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
# Nobody sends from these: this host, loopback, link-local, multicast, reserved.
NOBODYS = tuple(
    map(ipaddress.IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"))
)


def private(text: str) -> ipaddress.IPv4Network:
    """Return the network. Raises ValueError for one that is not within the private ranges."""
    network = ipaddress.ip_network(text)
    if isinstance(network, ipaddress.IPv4Network) and any(network.subnet_of(each) for each in PRIVATE):
        return network
    raise ValueError(f"a VPC's range is a private IPv4 network: one within {', '.join(map(str, PRIVATE))}")


def senders(texts: Iterable[str], too_large: str) -> list[str]:
    """Return networks that may come in, as AWS writes them: an address alone is a network of one.

    too_large: said of a network above /8. Raises ValueError for one that is no IPv4 network, too large, nobody's, or
    there twice.
    """
    found: list[ipaddress.IPv4Network] = []
    for text in texts:
        network = ipaddress.ip_network(text)
        if not isinstance(network, ipaddress.IPv4Network) or network.prefixlen < 8:
            raise ValueError(f"{text} is {too_large}: name IPv4 networks of /8 or smaller")
        if any(network.overlaps(each) for each in NOBODYS):
            raise ValueError(f"no packet comes from {text}: it is loopback, link-local, multicast or reserved")
        if network in found:
            raise ValueError(f"{text} is there twice; AWS refuses the second rule")
        found.append(network)
    return [str(each) for each in found]


def public(networks: Iterable[str]) -> None:
    """Raise ValueError for a private network: nobody comes from it over the internet."""
    for text in networks:
        if any(ipaddress.IPv4Network(text).overlaps(each) for each in PRIVATE):
            raise ValueError(
                f"{text} is a private network, from which nobody comes over the internet; put a VPN's or a peered "
                "VPC's into private_access, and here the addresses that an office has on the internet"
            )


def is_the_machine_itself(place: str) -> bool:
    """Return whether the place is for every machine the machine itself. place: host, host:port, or an http(s) URL."""
    host = place.rpartition("://")[2].partition("/")[0].rpartition("@")[2]
    if host.startswith("["):
        return host.startswith(("[::1]", "[::]"))
    host = host.partition(":")[0]
    if host.rstrip(".").rsplit(".", 1)[-1] == "localhost":
        return True
    try:
        # As the resolver reads it: 127.1 is an address, too.
        address = ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return False
    return address.is_loopback or address.is_unspecified or address.is_link_local
