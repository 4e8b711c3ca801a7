from __future__ import annotations

import pytest
from django.template.loader import render_to_string
from django.test import Client

from portal.accounts.models import User
from tests.conftest import Browse
from tests.page import page


def test_a_network_user_has_the_sidebar_of_the_core_platform(nadia: User, browse: Browse) -> None:
    answer = page(browse(nadia).get("/no-such-page/"))

    sections = [section.get_text() for section in answer.region("navigation").element.select("h2")]

    assert sections == ["Partners", "Traffic", "Admin", "Control Center"]


@pytest.mark.parametrize(
    ("path", "current"),
    [
        ("/partners/", "Manage"),
        ("/control-center/accounts/", "Accounts"),
        ("/control-center/accounts/partners/", "Accounts"),
        ("/system/general/", "System Settings"),
    ],
)
def test_the_sidebar_marks_the_one_place_where_one_is(path: str, current: str, sonia: User, browse: Browse) -> None:
    navigation = page(browse(sonia).get(path)).region("navigation").element

    assert [link.get_text(strip=True) for link in navigation.select("nav [aria-current]")] == [current]


def test_a_partners_user_has_the_partners_name_and_no_sidebar(paul: User, browse: Browse) -> None:
    answer = page(browse(paul).get("/no-such-page/"))

    assert not answer.has("navigation")
    assert "Acme Media" in answer.text


def test_whoever_is_not_signed_in_has_neither(network: object, client: Client) -> None:
    answer = page(client.get("/no-such-page/"))

    assert answer.heading == "Not found"
    assert not answer.has("navigation")
    assert not answer.has("user-menu")


@pytest.mark.parametrize(("cookie", "scheme"), [("dark", "dark"), ("light", "light"), ("", None), ('"><script>', None)])
def test_the_page_comes_in_the_scheme_that_was_chosen(
    cookie: str, scheme: str | None, nadia: User, browse: Browse
) -> None:
    browser = browse(nadia)
    browser.cookies["theme"] = cookie

    answer = page(browser.get("/no-such-page/"))

    assert answer.element.html is not None
    assert answer.element.html.get("data-theme") == scheme


@pytest.mark.parametrize("template", ["400.html", "500.html"])
def test_an_error_page_needs_nothing_of_the_request(template: str) -> None:
    text = render_to_string(template)

    assert "</html>" in text
