from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from apilog.models import LoggedCall
from keys.gate import Outcome, Question, Realm, decide_together
from keys.models import AlreadyListed, AlreadyRevoked, Key, NetworkKeyChanged, NotRevealable
from keys.networks import parse_network
from keys.secret import digest_of
from partners.models import Partner
from portal.network.models import Network
from portal.web.client_ip import Network as IpNetwork
from portal.web.client_ip import parse_address
from tests.conftest import SETUP

pytestmark = pytest.mark.django_db

# A small world, so that networks and addresses meet.
ADDRESSES = ["10.0.0.1", "10.0.0.2", "10.0.1.1", "::ffff:10.0.0.1", "::ffff:a00:102", "2001:db8::1", "2001:db8:0:1::1"]
NETWORKS = [
    "10.0.0.1", "10.0.0.0/30", "10.0.0.0/23", "10.0.1.0/24", "::ffff:10.0.0.2", "::ffff:10.0.0.0/127", "10.0.0.0/31",
    "2001:db8::1", "2001:db8::/64", "2001:db8::/32", "0.0.0.0/1", "::/1",
]  # fmt: skip
PATHS = {Realm.AFFILIATE: "/v1/affiliates/affiliate", Realm.NETWORK: "/v1/networks/affiliates"}
STATUSES = {"ok": 200, "revoked_key": 401, "expired_key": 401, "wrong_realm": 403, "ip_denied": 403}


def bits(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """The address as the digits it is made of; an IPv4 address inside an IPv6 one is the IPv4 address."""
    if isinstance(address, ipaddress.IPv6Address) and int(address) >> 32 == 0xFFFF:
        address = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return f"{address.version}:{int(address):0{address.max_prefixlen}b}"


def naively_admits(networks: set[IpNetwork], address: str) -> bool:
    asked = bits(ipaddress.ip_address(address))
    return not networks or any(asked.startswith(bits(n.network_address)[: 2 + n.prefixlen]) for n in networks)


@dataclass
class Life:
    """What a key should be."""

    pk: int
    secret: str
    realm: Realm
    is_revoked: bool = False
    is_expired: bool = False
    networks: set[IpNetwork] = field(default_factory=set)

    @property
    def is_live(self) -> bool:
        return not (self.is_revoked or self.is_expired)

    @property
    def key(self) -> Key:
        return Key.objects.get(pk=self.pk)

    def outcome(self, realm: Realm, address: str) -> str:
        if self.is_revoked:
            return "revoked_key"
        if self.is_expired:
            return "expired_key"
        if realm is not self.realm:
            return "wrong_realm"
        return "ok" if naively_admits(self.networks, address) else "ip_denied"


class Lives(RuleBasedStateMachine):
    keys = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.example = transaction.atomic()
        self.example.__enter__()
        Network(name="Northwind").change(by=SETUP, budget_requests=1_000_000, budget_seconds=86_400)
        self.partners = [Partner.create(by=SETUP, name=name, status="active") for name in ("Acme", "Orbit")]
        self.lives: list[Life] = []

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    @rule(target=keys, partner=st.integers(0, 1))
    def issue(self, partner: int) -> Life:
        key, secret = Key.issue(partner=self.partners[partner], label="Key", by=SETUP)
        return self.remember(key, secret, Realm.AFFILIATE)

    @rule(target=keys, is_stale=st.booleans())
    def generate(self, is_stale: bool) -> Any:
        live = [life for life in self.lives if life.realm is Realm.NETWORK and life.is_live]
        if is_stale and live:
            with pytest.raises(NetworkKeyChanged):
                Key.generate_network_key(by=SETUP, replacing=None)
            return multiple()
        key, secret = Key.generate_network_key(by=SETUP, replacing=live[0].key if live else None)
        for life in live:
            life.is_revoked = True
        return self.remember(key, secret, Realm.NETWORK)

    def remember(self, key: Key, secret: str, realm: Realm) -> Life:
        self.lives.append(Life(key.pk, secret, realm))
        return self.lives[-1]

    @rule(life=keys)
    def reveal(self, life: Life) -> None:
        if life.is_live and life.realm is Realm.AFFILIATE:
            assert life.key.reveal(by=SETUP, how="shown") == life.secret
        else:
            with pytest.raises(NotRevealable):
                life.key.reveal(by=SETUP, how="shown")

    @rule(life=keys)
    def revoke(self, life: Life) -> None:
        if life.is_revoked:
            with pytest.raises(AlreadyRevoked):
                life.key.revoke(by=SETUP)
        else:
            life.key.revoke(by=SETUP)
            life.is_revoked = True

    @rule(life=keys, seconds=st.sampled_from([-1, 3600]))
    def expire(self, life: Life, seconds: int) -> None:
        if life.realm is Realm.AFFILIATE:
            Key.objects.filter(pk=life.pk).update(expires_at=timezone.now() + timedelta(seconds=seconds))
            life.is_expired = seconds < 0

    @rule(life=keys, text=st.sampled_from(NETWORKS))
    def allow(self, life: Life, text: str) -> None:
        network = parse_network(text)
        if network in life.networks:
            with pytest.raises(AlreadyListed):
                life.key.allow(network=network, label="", by=SETUP)
        else:
            life.key.allow(network=network, label="", by=SETUP)
            life.networks.add(network)

    @rule(life=keys, choice=st.integers(0, 20))
    def disallow(self, life: Life, choice: int) -> None:
        if life.networks:
            network = sorted(life.networks, key=str)[choice % len(life.networks)]
            entry = life.key.allowlist.get(network=network)
            life.key.disallow(entry, by=SETUP)
            life.networks.remove(network)

    @rule(life=keys, realm=st.sampled_from(list(Realm)), address=st.sampled_from(ADDRESSES))
    def call(self, life: Life, realm: Realm, address: str) -> None:
        answer = Client(REMOTE_ADDR=address).get(PATHS[realm], headers={"X-API-Key": life.secret})

        expected = life.outcome(realm, address)
        logged = LoggedCall.objects.get(pk=answer["X-Request-ID"])
        assert (logged.outcome, answer.status_code) == (expected, STATUSES[expected])
        assert (logged.key_id, logged.ip) == (life.pk, str(parse_address(address)))

    @rule(lives=st.lists(keys, min_size=1, max_size=6), address=st.sampled_from(ADDRESSES))
    def call_at_once(self, lives: list[Life], address: str) -> None:
        ip = parse_address(address)

        decisions = decide_together([Question(digest_of(life.secret), ip, Realm.AFFILIATE, None) for life in lives])

        assert [str(decision.verdict) for decision in decisions] == [
            life.outcome(Realm.AFFILIATE, address) for life in lives
        ]

    @rule(life=keys, address=st.sampled_from(ADDRESSES))
    def look(self, life: Life, address: str) -> None:
        ip = parse_address(address)
        assert ip is not None
        assert life.key.admits(ip) is naively_admits(life.networks, address)
        assert life.key.is_live is life.is_live
        assert life.key.state == ("revoked" if life.is_revoked else "expired" if life.is_expired else "live")

    @invariant()
    def the_live_ones_are_live(self) -> None:
        assert set(Key.objects.live().values_list("pk", flat=True)) == {life.pk for life in self.lives if life.is_live}


def test_whatever_happens_to_keys_each_call_ends_as_the_model_says() -> None:
    run_state_machine_as_test(Lives, settings=settings(max_examples=40, stateful_step_count=30, deadline=None))


v4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
v6 = st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address)
mapped = v4.map(lambda address: ipaddress.IPv6Address((0xFFFF << 32) | int(address)))


@st.composite
def lists_and_addresses(draw: st.DrawFn) -> tuple[list[IpNetwork], str]:
    """An allowlist, and an address that has a fair chance of being on it."""
    seeds = draw(st.lists(st.one_of(v4, v6, mapped), min_size=1, max_size=4))
    networks = []
    for seed in seeds:
        shortest = 1 if seed.version == 4 or seed.ipv4_mapped is None else 97
        prefix = draw(st.integers(shortest, seed.max_prefixlen) | st.just(seed.max_prefixlen))
        networks.append(parse_network(str(ipaddress.ip_network(f"{seed}/{prefix}", strict=False))))
    near = draw(st.sampled_from(seeds))
    flipped = int(near) ^ (1 << draw(st.integers(0, near.max_prefixlen - 1)))
    address = draw(st.one_of(st.just(near), st.just(type(near)(flipped)), v4, v6, mapped))
    return sorted(set(networks), key=str), str(address)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lists_and_addresses())
def test_an_allowlist_admits_what_a_naive_one_admits(
    acme_key: tuple[Key, str], network: Network, case: tuple[list[IpNetwork], str]
) -> None:
    networks, address = case
    key, secret = acme_key
    ip = parse_address(address)
    with transaction.atomic():
        for each in networks:
            key.allow(network=each, label="", by=SETUP)
        fresh = Key.objects.get(pk=key.pk)
        [decision] = decide_together([Question(digest_of(secret), ip, Realm.AFFILIATE, None)])
        admits = fresh.admits(ip)
        transaction.set_rollback(True)

    expected = naively_admits(set(networks), address)
    assert admits is expected
    assert (decision.verdict is not Outcome.IP_DENIED) is expected
