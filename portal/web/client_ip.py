"""Where a request came from."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.http import HttpRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

UNIX = "unix"
WITH_PORT = re.compile(r"\[(?P<bracketed>[^\]]+)\](?::\d{1,5})?|(?P<bare>[^:]+):\d{1,5}", re.ASCII)


def client_ip(request: HttpRequest) -> Address | None:
    """The address of the client, or None when there is none (behind a Unix socket that is not trusted).

    It is the socket's peer, unless that is one of ``TRUSTED_PROXIES`` ("unix" there trusts whoever reaches a Unix
    socket, which has no address); then X-Forwarded-For is walked from
    right to left past trusted networks, and the first address that is not trusted is the client. Nothing that
    stands to the left of it can change the result, so a client cannot choose its own address. An entry that is
    not an address ends the walk at the last proxy that is known.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    return walk(
        str(request.META.get("REMOTE_ADDR", "")),
        forwarded,
        trusted_networks(tuple(settings.TRUSTED_PROXIES)),
        trusts_unix_sockets=UNIX in settings.TRUSTED_PROXIES,
    )


def walk(
    peer: str, forwarded: str, trusted: tuple[Network, ...], *, trusts_unix_sockets: bool = False
) -> Address | None:
    client = parse_address(peer)
    if not (trusts_unix_sockets if client is None else is_in(client, trusted)):
        return client
    for entry in reversed(forwarded.split(",")):
        hop = parse_address(entry)
        if hop is None:
            return client
        client = hop
        if not is_in(client, trusted):
            return client
    return client


# The same few proxies and the same many visitors come again and again.
@lru_cache(maxsize=16_384)
def parse_address(text: str) -> Address | None:
    """Reads an address as proxies write it: with a port, in brackets, with a zone; IPv4-mapped IPv6 is unwrapped."""
    text = text.strip().strip('"')
    with_port = WITH_PORT.fullmatch(text)
    if with_port is not None:
        text = with_port["bracketed"] or with_port["bare"]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return unwrap(address)


def unwrap(address: Address) -> Address:
    """The address itself: without the IPv6 form that carries it, and without a zone, which only its own host knows."""
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or ipaddress.IPv6Address(int(address))
    return address


def is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


@lru_cache(maxsize=8)
def trusted_networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text.strip()) for text in texts if text != UNIX)


@register()
def trusted_proxies_are_networks(app_configs: object, **kwargs: object) -> list[CheckMessage]:
    try:
        trusted_networks(tuple(settings.TRUSTED_PROXIES))
    except ValueError as error:
        hint = "List addresses and networks such as 10.0.0.0/8, separated by commas, or the word unix."
        return [Error(f"TRUSTED_PROXIES cannot be read: {error}.", hint=hint, id="latchkey.E003")]
    return []
