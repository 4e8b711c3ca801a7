from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings

from portal.network.models import Network

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(settings: Settings) -> Client:
    """A browser or machine that has come to the tracking domain, which is none of the portal's own names."""
    settings.ALLOWED_HOSTS = ["latchkey.example"]
    return Client(headers={"Host": "go.latchkey.example"})


@pytest.mark.parametrize("path", ["/", "/sign-in/", "/docs/", "/guide/", "/partners/", "/livez", "/readyz", "/nothing"])
def test_the_tracking_domain_has_no_page_of_the_portal(client: Client, network: Network, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/t/none/none/", 404),
        ("GET", "/i/none/none/", 404),
        ("POST", "/postback", 401),
        ("GET", "/v1/meta/timezones", 200),
        ("GET", "/v1/affiliates/affiliate", 401),
        ("POST", "/leaks", 401),
    ],
)
def test_the_tracking_domain_answers_what_proves_itself_without_a_session(
    client: Client, network: Network, method: str, path: str, status: int
) -> None:
    answer = client.generic(method, path)

    assert answer.status_code == status
    assert not answer.cookies
