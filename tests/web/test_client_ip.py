from __future__ import annotations

import ipaddress

import pytest
from django.test import RequestFactory
from django.test.utils import override_settings
from hypothesis import assume, given
from hypothesis import strategies as st

from portal.web.client_ip import client_ip, is_in, parse_address, trusted_networks, trusted_proxies_are_networks, walk

TRUSTED = trusted_networks(("10.0.0.0/8", "192.0.2.7", "2001:db8:ffff::/48"))

addresses = st.ip_addresses()
trusted_addresses = st.one_of(
    *(st.ip_addresses(network=network) for network in ("10.0.0.0/8", "192.0.2.7/32", "2001:db8:ffff::/48"))
)
strangers = addresses.filter(lambda address: not is_in(parse_address(str(address)) or address, TRUSTED))
garbage = st.text(st.characters(codec="latin-1", exclude_characters="\r\n,"), max_size=60)


def written(address: ipaddress.IPv4Address | ipaddress.IPv6Address, form: int) -> str:
    """The address in one of the forms that proxies write."""
    is_v6 = address.version == 6
    mapped = f"::ffff:{address}" if not is_v6 else str(address)
    return [
        str(address),
        f"[{address}]:443" if is_v6 else f"{address}:443",
        f"[{address}]",
        mapped,
        f" {address}\t",
        f'"[{address}]:1"' if is_v6 else f'"{address}"',
    ][form]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        # Not behind a proxy: the peer, whatever the header says.
        ("198.51.100.4", "", "198.51.100.4"),
        ("198.51.100.4", "203.0.113.9", "198.51.100.4"),
        ("::ffff:198.51.100.4", "203.0.113.9", "198.51.100.4"),
        # Behind one proxy, or several.
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, 10.0.0.2, 192.0.2.7", "203.0.113.9"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("2001:db8:ffff::1", "2001:db8::9", "2001:db8::9"),
        # What stands left of the first stranger was sent by that stranger.
        ("10.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.9, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        # Nobody but proxies: the farthest one that is known.
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2, 10.0.0.3", "10.0.0.2"),
        # The forms proxies write.
        ("10.0.0.1", "203.0.113.9:51234", "203.0.113.9"),
        ("10.0.0.1", "[2001:db8::9]:51234", "2001:db8::9"),
        ("10.0.0.1", "[2001:db8::9]", "2001:db8::9"),
        ("10.0.0.1", "fe80::1%eth0", "fe80::1"),
        ("10.0.0.1", '"[2001:db8::9]:51234"', "2001:db8::9"),
        ("10.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, ::ffff:10.0.0.2", "203.0.113.9"),
        # What is no address ends the walk at the last proxy that is known.
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, unknown, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "203.0.113.9,,10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "203.0.113.9:port", "10.0.0.1"),
        ("10.0.0.1", "[203.0.113.9]x", "10.0.0.1"),
        ("10.0.0.1", "010.1.1.1", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9/24", "10.0.0.1"),
        # A Unix socket has no address.
        ("", "203.0.113.9", None),
        ("", "", None),
    ],
)
def test_the_client_is_the_first_stranger_from_the_right(peer: str, forwarded: str, client: str | None) -> None:
    found = walk(peer, forwarded, TRUSTED)

    assert found == (ipaddress.ip_address(client) if client else None)


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [("203.0.113.9", "203.0.113.9"), ("1.1.1.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"), ("", None), ("junk", None)],
)
def test_a_trusted_unix_socket_says_whom_it_forwards(forwarded: str, client: str | None) -> None:
    found = walk("", forwarded, TRUSTED, trusts_unix_sockets=True)

    assert found == (ipaddress.ip_address(client) if client else None)


@given(peer=strangers, forwarded=garbage)
def test_nothing_an_untrusted_client_sends_changes_its_address(
    peer: ipaddress.IPv4Address | ipaddress.IPv6Address, forwarded: str
) -> None:
    assert walk(str(peer), forwarded, TRUSTED) == walk(str(peer), "", TRUSTED) == parse_address(str(peer))


@given(
    peer=trusted_addresses,
    left=st.lists(st.one_of(garbage, addresses.map(str)), max_size=4),
    stranger=strangers,
    proxies=st.lists(trusted_addresses, max_size=3),
    form=st.integers(0, 5),
)
def test_nothing_left_of_the_first_stranger_changes_the_address(
    peer: ipaddress.IPv4Address,
    left: list[str],
    stranger: ipaddress.IPv4Address,
    proxies: list[ipaddress.IPv4Address],
    form: int,
) -> None:
    header = ", ".join([*left, written(stranger, form), *(str(proxy) for proxy in proxies)])

    assert walk(str(peer), header, TRUSTED) == parse_address(str(stranger))


@given(peer=trusted_addresses, junk=garbage, proxies=st.lists(trusted_addresses, max_size=3))
def test_an_entry_that_is_no_address_never_becomes_one(
    peer: ipaddress.IPv4Address, junk: str, proxies: list[ipaddress.IPv4Address]
) -> None:
    assume(parse_address(junk) is None)

    found = walk(str(peer), ", ".join(["203.0.113.9", junk, *map(str, proxies)]), TRUSTED)

    assert found == parse_address(str(proxies[0] if proxies else peer))


@given(address=addresses, form=st.integers(0, 5))
def test_every_form_of_an_address_is_read_alike(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, form: int
) -> None:
    assert parse_address(written(address, form)) == parse_address(str(address))


@given(text=st.text(max_size=80))
def test_reading_an_address_never_fails(text: str) -> None:
    found = parse_address(text)

    assert found is None or getattr(found, "ipv4_mapped", None) is None


@pytest.mark.parametrize(
    ("proxies", "client"), [([], "127.0.0.1"), (["127.0.0.1"], "203.0.113.9"), (["127.0.0.0/8"], "203.0.113.9")]
)
def test_the_settings_say_which_proxies_are_trusted(proxies: list[str], client: str) -> None:
    request = RequestFactory().get("/", headers={"X-Forwarded-For": "203.0.113.9"})

    with override_settings(TRUSTED_PROXIES=proxies):
        assert str(client_ip(request)) == client


@pytest.mark.parametrize("header", ["X-Real-IP", "Forwarded", "X-Client-IP", "CF-Connecting-IP", "True-Client-IP"])
def test_other_headers_say_nothing(header: str) -> None:
    request = RequestFactory().get("/", headers={header: "for=203.0.113.9"})

    with override_settings(TRUSTED_PROXIES=["127.0.0.1"]):
        assert str(client_ip(request)) == "127.0.0.1"


@pytest.mark.parametrize(
    ("proxies", "problems"), [(["10.0.0.0/8", "unix"], 0), (["10.0.0.1/8"], 1), (["proxy.example"], 1)]
)
def test_proxies_that_cannot_be_read_stop_the_start(proxies: list[str], problems: int) -> None:
    with override_settings(TRUSTED_PROXIES=proxies):
        assert len(trusted_proxies_are_networks(None)) == problems
