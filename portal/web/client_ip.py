"""Where a request came from."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def client_ip(request: HttpRequest) -> Address | None:
    """The address of the client, or None when the socket has none (a Unix socket without a trusted proxy).

    It is the socket's peer, unless that is one of ``TRUSTED_PROXIES``; then X-Forwarded-For is walked from
    right to left past trusted networks, and the first address that is not trusted is the client. Nothing that
    stands to the left of it can change the result, so a client cannot choose its own address. An entry that is
    not an address ends the walk at the last proxy that is known.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    return walk(
        str(request.META.get("REMOTE_ADDR", "")),
        forwarded,
        trusted_networks(tuple(settings.TRUSTED_PROXIES)),
    )


def walk(peer: str, forwarded: str, trusted: tuple[Network, ...]) -> Address | None:
    client = parse_address(peer)
    if client is None or not is_in(client, trusted):
        return client
    for entry in reversed(forwarded.split(",")):
        hop = parse_address(entry)
        if hop is None:
            return client
        client = hop
        if not is_in(client, trusted):
            return client
    return client


def parse_address(text: str) -> Address | None:
    """Reads an address as proxies write it: with a port, in brackets, with a zone; IPv4-mapped IPv6 is unwrapped."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return unwrap(address)


def unwrap(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


@lru_cache(maxsize=8)
def trusted_networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text.strip()) for text in texts)
