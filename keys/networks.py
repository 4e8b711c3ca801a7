"""IP networks as people write them."""

from __future__ import annotations

import ipaddress

from portal.web.client_ip import Network


class HostBitsSet(ValueError):
    """The text names an address inside a network; ``meant`` is the network."""

    def __init__(self, meant: Network) -> None:
        self.meant = meant
        super().__init__(str(meant))


class MeansAnyAddress(ValueError):
    """0.0.0.0/0 and ::/0 let in everybody, which is what an empty allowlist does."""


def parse_network(text: str) -> Network:
    """Reads an address or a network in CIDR form; IPv4-mapped IPv6 is unwrapped.

    :raises HostBitsSet: when bits beyond the prefix are set, as in 10.0.0.5/24
    :raises MeansAnyAddress: when it is 0.0.0.0/0 or ::/0, or that with host bits
    :raises ValueError: when it is neither
    """
    if "%" in text:
        raise ValueError("A zone means something on one machine alone.")
    loose = ipaddress.ip_network(text.strip(), strict=False)
    if isinstance(loose, ipaddress.IPv6Network) and loose.prefixlen >= 96:
        mapped = loose.network_address.ipv4_mapped
        if mapped is not None:
            address = ipaddress.IPv6Address(text.strip().partition("/")[0]).ipv4_mapped
            text = f"{address}/{loose.prefixlen - 96}"
            loose = ipaddress.ip_network(text, strict=False)
    if loose.prefixlen == 0:
        raise MeansAnyAddress(str(loose))
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError:
        raise HostBitsSet(loose) from None


def written(network: Network) -> str:
    """The network as people write it: a single address without its prefix."""
    return str(network.network_address) if network.num_addresses == 1 else str(network)
