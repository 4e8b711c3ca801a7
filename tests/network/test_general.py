from __future__ import annotations

from typing import Any

import pytest

from portal.accounts.events import EventKind
from portal.accounts.models import Event, Role, User
from portal.network.models import Network
from tests.conftest import SETUP, Browse
from tests.page import page

pytestmark = pytest.mark.django_db

URL = "/system/general/"


@pytest.fixture
def priya(network: Network) -> User:
    analyst = Role.create(name="Analyst", by=SETUP, system_settings="view")
    return User.invite(email="priya@latchkey.example", name="Priya", role=analyst, by=SETUP)


def form_of(browser: Any) -> dict[str, Any]:
    return page(browser.get(URL)).form(URL).fields


def test_system_settings_are_looked_at_by_who_may_view_them(cast: list[User], priya: User, browse: Browse) -> None:
    answers = {user.name: browse(user).get(URL).status_code for user in [*cast, priya]}

    assert answers == {
        "Sonia": 200,
        "Nadia": 200,
        "Amir": 403,
        "Vera": 403,
        "Paul": 404,
        "Otto": 404,
        "Priya": 200,
    }


def test_settings_are_saved_for_everyone_with_an_event(nadia: User, browse: Browse) -> None:
    browser = browse(nadia)
    fields = form_of(browser)

    response = browser.post(
        URL, {**fields, "name": "Southwind", "timezone": "Europe/Berlin", "tracking_domain": "GO.Southwind.example"}
    )

    assert response.status_code == 303
    network = Network.load()
    assert (network.name, network.timezone, network.tracking_domain) == (
        "Southwind",
        "Europe/Berlin",
        "go.southwind.example",
    )
    event = Event.objects.filter(kind=EventKind.NETWORK_CHANGED, actor_label="Nadia").get()
    assert event.details["name"] == ["Northwind Affiliates", "Southwind"]
    assert "support_name" not in event.details


def test_who_may_only_view_is_told_what_is_missing_and_changes_nothing(priya: User, browse: Browse) -> None:
    browser = browse(priya)
    fields = form_of(browser)

    page_answer = browser.post(URL, {**fields, "name": "Southwind"})
    htmx_answer = browser.post(
        URL, {**fields, "name": "Southwind"}, headers={"HX-Request": "true", "HX-Target": "network-form"}
    )

    assert page_answer.status_code == htmx_answer.status_code == 403
    assert "System Settings: full" in page(page_answer).text
    assert "System Settings: full" in htmx_answer["HX-Trigger"]
    assert Network.load().name == "Northwind Affiliates"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("timezone", "Mars/Base"),
        ("currency", "XXX"),
        ("support_email", "nonsense"),
        ("tracking_domain", "https://go.northwind.example/path"),
        ("tracking_domain", "localhost"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(field: str, value: str, nadia: User, browse: Browse) -> None:
    browser = browse(nadia)

    response = browser.post(URL, {**form_of(browser), field: value})

    assert response.status_code == 422
    assert "Nothing was saved" in page(response).text
    assert Network.load().name == "Northwind Affiliates"


def test_two_admins_who_save_settings_lose_nothing_unseen(nadia: User, sonia: User, browse: Browse) -> None:
    nadias, sonias = browse(nadia), browse(sonia)
    fields_of_nadia, fields_of_sonia = form_of(nadias), form_of(sonias)
    sonias.post(URL, {**fields_of_sonia, "currency": "EUR"})

    refused = nadias.post(URL, {**fields_of_nadia, "name": "Southwind"})

    assert refused.status_code == 422
    assert "Currency is now “ EUR: Euro ”" in page(refused).text
    assert Network.load().name == "Northwind Affiliates"

    saved = nadias.post(URL, page(refused).form(URL).fields)

    assert saved.status_code == 303
    assert (Network.load().name, Network.load().currency) == ("Southwind", "EUR")


def test_a_change_of_what_the_page_does_not_show_is_in_nobodys_way(nadia: User, browse: Browse) -> None:
    browser = browse(nadia)
    fields = form_of(browser)
    Network.load().change(by=SETUP, kind=EventKind.BUDGET_CHANGED, budget_requests=600)

    response = browser.post(URL, {**fields, "name": "Southwind"})

    assert response.status_code == 303
    assert (Network.load().name, Network.load().budget_requests) == ("Southwind", 600)


def test_a_network_nobody_has_set_up_yet_is_set_up_here(network: Network, sonia: User, browse: Browse) -> None:
    network.delete()
    browser = browse(sonia)

    response = browser.post(URL, {**form_of(browser), "name": "Fresh", "support_email": "help@fresh.example"})

    assert response.status_code == 303
    assert Network.objects.get().name == "Fresh"
    assert Network.objects.get().support_email == "help@fresh.example"
