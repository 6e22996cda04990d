"""Trusted proxies: whose address a request really comes from.

Behind a reverse proxy every request has the proxy's address, and what many do looks like what one
does. A proxy says in `X-Forwarded-For` who asked it, each adding one at the right; anybody may send
that header, so it counts only as far as it was written by proxies that the settings name, and is
read from the right until an address that is none of theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Some proxies write the port as well: `203.0.113.7:4711`, `[2001:db8::7]:4711`.
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::\d+)?|([\d.]+):\d+")


def network(text: str) -> Network:
    """An address or a network in CIDR notation. Raises ValueError on anything else."""
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no address or network: write 127.0.0.1 or 10.0.0.0/8"
        ) from None


class Proxies:
    """Raises ValueError where one of `trusted` is no address or network."""

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        self._trusted = tuple(map(network, trusted))

    def visitor(self, peer: str, forwarded: Iterable[str]) -> str:
        """The address that asked; `peer` is who is connected, `forwarded` the header's lines.
        Empty where a trusted proxy names something that is no address.
        """
        hops = [hop.strip() for line in forwarded for hop in line.split(",")]
        asking = _address(peer)
        while hops and self._trusts(asking):
            asking = _address(hops.pop())
        return "" if asking is None else str(asking)

    def are(self, peer: str) -> bool:
        """Is who is connected one of them?"""
        return self._trusts(_address(peer))

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in one for one in self._trusted)


def _address(text: str) -> Address | None:
    found = _WITH_PORT.fullmatch(text)
    try:
        address = ip_address((found[1] or found[2]) if found else text)
    except ValueError:
        return None
    # A socket for both families writes IPv4 in IPv6's way.
    return getattr(address, "ipv4_mapped", None) or address
