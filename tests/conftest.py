"""The cast, and how to act as one of them. Everybody the tests speak of is here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, settings

from keys.models import Key
from partners.models import Partner
from portal.accounts.actors import Actor
from portal.accounts.models import Role, User
from portal.network.models import Network
from tests.leaks import every_secret_is_noted, pytest_runtest_call, pytest_runtest_setup

__all__ = ["every_secret_is_noted", "pytest_runtest_call", "pytest_runtest_setup"]

PASSWORD = "correct horse battery staple"
SETUP = Actor.system("tests")

# How long an example takes to invent or to try says how busy the machine is.
settings.register_profile("latchkey", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("latchkey")

Browse = Callable[[User], Client]


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """A hash that is slow on purpose would be most of what the tests wait for."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def patience_with_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which a question takes more than a second has a database all the same."""
    monkeypatch.setattr("portal.status.database.PATIENCE_SECONDS", 60.0)
    monkeypatch.setattr("portal.status.database.ANSWER_SECONDS", 120.0)


@pytest.fixture(autouse=True)
def no_loop_but_ones_own(request: pytest.FixtureRequest) -> Iterator[None]:
    """Once a browser was started, Playwright's loop goes on in this thread, and no other one could run in it."""
    loop = None if "browser" in request.path.parts else asyncio.events._get_running_loop()
    if loop is None:
        yield
        return
    asyncio.events._set_running_loop(None)
    yield
    asyncio.events._set_running_loop(loop)


@pytest.fixture
def network(db: None) -> Network:
    network = Network(name="Northwind Affiliates")
    network.change(by=SETUP, support_name="Partner Support", support_email="support@northwind.example")
    return network


@pytest.fixture
def network_admin(db: None) -> Role:
    return Role.create(
        name="Network Admin",
        by=SETUP,
        security="full_control",
        accounts_history_logs="full_access",
        system_settings="full",
        partners="full",
    )


@pytest.fixture
def key_manager(db: None) -> Role:
    return Role.create(name="Key Manager", by=SETUP, accounts_history_logs="full_access", partners="full")


@pytest.fixture
def affiliate_manager(db: None) -> Role:
    return Role.create(name="Affiliate Manager", by=SETUP, partners="full")


@pytest.fixture
def acme(db: None) -> Partner:
    return Partner.create(
        by=SETUP,
        name="Acme Media",
        status="active",
        technical_contact_name="Ada Park",
        technical_contact_email="ada@acme.example",
    )


@pytest.fixture
def other_partner(db: None) -> Partner:
    return Partner.create(by=SETUP, name="Orbit Deals", status="active", technical_contact_email="tech@orbit.example")


def person(name: str, **standing: Any) -> User:
    user = User.invite(email=f"{name.lower()}@latchkey.example", name=name, by=SETUP, **standing)
    user.choose_password(PASSWORD, by=SETUP)
    return user


@pytest.fixture
def sonia(network: Network) -> User:
    return person("Sonia", is_superuser=True)


@pytest.fixture
def nadia(network: Network, network_admin: Role) -> User:
    return person("Nadia", role=network_admin)


@pytest.fixture
def amir(network: Network, key_manager: Role) -> User:
    return person("Amir", role=key_manager)


@pytest.fixture
def vera(network: Network, affiliate_manager: Role) -> User:
    return person("Vera", role=affiliate_manager)


@pytest.fixture
def paul(network: Network, acme: Partner) -> User:
    return person("Paul", partner=acme)


@pytest.fixture
def otto(network: Network, other_partner: Partner) -> User:
    return person("Otto", partner=other_partner)


@pytest.fixture
def cast(sonia: User, nadia: User, amir: User, vera: User, paul: User, otto: User) -> list[User]:
    return [sonia, nadia, amir, vera, paul, otto]


@pytest.fixture
def browse() -> Browse:
    """``browse(user)``: a browser in which the user is signed in."""

    def signed_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return signed_in


@pytest.fixture
def acme_key(acme: Partner) -> tuple[Key, str]:
    return Key.issue(partner=acme, label="Reporting", by=SETUP)


@pytest.fixture
def call() -> Callable[..., Client]:
    """``call(secret)``: an API client that presents the key and speaks JSON."""

    def with_key(secret: str | None = None, **headers: str) -> Client:
        if secret is not None:
            headers = {"Authorization": f"Bearer {secret}", **headers}
        return Client(headers={"Accept": "application/json", **headers})

    return with_key


@pytest.fixture
def network_call(network: Network, call: Callable[..., Client]) -> Client:
    """An API client that presents the network's own key."""
    return call(Key.generate_network_key(by=SETUP, replacing=None)[1])
