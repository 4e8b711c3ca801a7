from __future__ import annotations

from ipaddress import ip_address

import pytest

from partners.postbacks.targets import is_public, refusal_of


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.8",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:a00:1::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_addresses_that_only_some_reach_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_addresses_that_everybody_reaches_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost.",
        "api.localhost",
        "printer.local",
        "vault.internal",
        "router.home.arpa",
        "intranet",
        "127.0.0.1",
        "127.0.0.1.",
        "::1",
        "::ffff:192.168.0.1",
        "2130706433",
        "127.1",
        "0x7f000001",
        "0x7f.0.0.1",
        "017700000001",
        "0177.0.0.1",
        "1.2.3.4.5",
        "example.0x7f",
    ],
)
def test_a_host_inside_is_refused_with_a_sentence(host: str) -> None:
    refusal = refusal_of(host)

    assert refusal.startswith(host.rstrip("."))
    assert refusal.endswith(".")


@pytest.mark.parametrize(
    "host", ["example.com", "example.com.", "a.b.example", "8.8.8.8", "2606:4700::1111", "0x7f.example", "1.example"]
)
def test_a_host_outside_is_not_refused(host: str) -> None:
    assert refusal_of(host) == ""
