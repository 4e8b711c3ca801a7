"""Whom a postback may call: hosts of the whole internet, never our own network.

Postbacks are sent from inside the network's machines, to URLs that strangers wrote. This judges what stands in the URL;
what a name resolves to is known only when it is called, and must be judged then, with ``is_public``.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

# Names that mean something inside one machine or one network (RFC 6761, 6762, 8375; .internal is reserved by ICANN).
INSIDE = ("localhost", "local", "internal", "home.arpa", "intranet", "lan", "corp", "home")
# What counts as a number to the resolvers of most systems: 127.1, 0x7f000001 and 017700000001 are all 127.0.0.1.
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Addresses that carry an IPv4 address, which a gateway would go on to, and IPv4's gateways to the same.
NAT64 = ip_network("64:ff9b::/96")
UNICAST6 = ip_network("2000::/3")
RELAYS = ip_network("192.88.99.0/24")
# Of these, Python 3.11 calls some global, depending on its patch release.
SPECIAL = tuple(map(ip_network, ("192.0.0.0/24", "100.64.0.0/10", "198.18.0.0/15", "2001::/23", "3fff::/20")))


def is_public(address: Address) -> bool:
    """Whether the whole internet reaches the address; one that carries another is as public as that."""
    if isinstance(address, IPv6Address):
        if (carried := carried_by(address)) is not None:
            return is_public(carried)
        if address not in UNICAST6:
            return False
    elif address in RELAYS:
        return False
    return address.is_global and not address.is_multicast and not any(address in special for special in SPECIAL)


def carried_by(address: IPv6Address) -> IPv4Address | None:
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def refusal_of(host: str) -> str:
    """A sentence why the host, as ``Template.host`` has it, may not be called; "" when nothing in it speaks against."""
    name = host.rstrip(".")
    if (address := address_in(name)) is not None:
        if is_public(address):
            return ""
        return (
            f"{name} is an address of a private network or of this machine: only what the internet reaches is called."
        )
    if NUMBER.fullmatch(name.rpartition(".")[2]):
        return f"{name} is a number in place of a name: write an address as 198.51.100.7, in four decimal numbers."
    if "." not in name or any(name.endswith(f".{inside}") for inside in INSIDE):
        return f"{name} is a name inside one network: only what the internet reaches is called."
    return ""


def address_in(name: str) -> Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None
