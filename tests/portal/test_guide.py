from __future__ import annotations

import re

import pytest
from django.test import Client
from pytest_django import Settings

from keys.gate import Outcome
from keys.models import Key
from keys.secret import LOOKS_LIKE_A_KEY
from partners.models import Partner
from portal.accounts.models import User
from portal.api import api
from portal.guide import ADDRESS, EXAMPLES, LANGUAGES
from portal.network.models import Network
from tests.conftest import SETUP, Browse
from tests.page import page

BASE_URL = "http://localhost:8000"

pytestmark = pytest.mark.django_db


def test_anyone_can_read_the_guide(network: Network, cast: list[User], browse: Browse) -> None:
    stranger = page(Client().get("/guide/"))

    assert stranger.heading == "Using your API key"
    assert stranger.links["Sign in"] == "/sign-in/"
    for user in cast:
        read = page(browse(user).get("/guide/"))
        assert read.heading == "Using your API key"
        assert "Make the first call" in read.text


def test_the_examples_call_this_deployment(network: Network, settings: Settings) -> None:
    settings.BASE_URL = "https://api.northwind.example"

    read = page(Client().get("/guide/"))

    for language in ("curl", "python", "javascript", "php"):
        example = read.region(f"first-call-{language}").text
        assert "https://api.northwind.example/v1/affiliates/affiliate" in example
        assert "LATCHKEY_KEY" in example
    assert "localhost" not in read.text
    assert "latchkey.example" not in read.text


def test_every_example_is_shown(network: Network) -> None:
    read = page(Client().get("/guide/"))

    for file in EXAMPLES.iterdir():
        shown = read.element.find(id=f"{file.stem}-{LANGUAGES[file.suffix].lower()}")
        assert shown is not None, f"The guide does not show {file}"
        assert shown.get_text() == file.read_text().replace(ADDRESS, BASE_URL).rstrip()


def test_the_guide_lists_what_a_partner_key_opens_and_nothing_else(network: Network) -> None:
    read = page(Client().get("/guide/")).text

    for path, operations in api.get_openapi_schema()["paths"].items():
        for method in operations:
            listed = f"{method.upper()} {path} " in read
            assert listed is path.startswith(("/v1/affiliates/", "/v1/meta/"))
    assert "/v1/networks" not in read


def test_the_guide_explains_every_outcome(network: Network) -> None:
    read = page(Client().get("/guide/")).text.lower()

    for outcome in set(Outcome) - {Outcome.OK}:
        assert outcome.replace("_", " ") in read


def test_the_guide_says_how_to_request_a_key_while_partners_may(
    network: Network, acme: Partner, paul: User, browse: Browse
) -> None:
    of_nobody, of_paul = page(Client().get("/guide/")), page(browse(paul).get("/guide/"))
    network.change(by=SETUP, partners_may_request_keys=False)
    without = page(browse(paul).get("/guide/"))

    assert "Request one under My Account" in of_nobody.text
    assert of_paul.links["Request one"] == "/account/api/request/"
    assert "Request one" not in without.text
    for shown in (of_nobody, of_paul, without):
        assert "ask Partner Support" in shown.text


def test_the_guide_names_all_three_headers_and_whom_to_ask(network: Network) -> None:
    read = page(Client().get("/guide/")).text

    for header in ("Authorization: Bearer KEY", "X-API-Key: KEY", "X-Eflow-API-Key: KEY"):
        assert header in read
    assert "support@northwind.example" in read


def test_the_guide_never_holds_a_key(network: Network, paul: User, acme_key: tuple[Key, str], browse: Browse) -> None:
    content = browse(paul).get("/guide/").content.decode()

    assert not LOOKS_LIKE_A_KEY.search(content)
    assert acme_key[1] not in content


def test_without_a_support_contact_the_guide_names_the_manager(network: Network) -> None:
    network.change(by=SETUP, support_name="", support_email="")

    assert "your manager at Northwind Affiliates" in page(Client().get("/guide/")).text


def test_every_link_within_the_guide_leads_somewhere(network: Network) -> None:
    content = Client().get("/guide/").content.decode()

    for anchor in re.findall(r'href="#([^"]+)"', content):
        assert f'id="{anchor}"' in content
