from __future__ import annotations

import pytest

from keys.models import Key
from partners.models import Flag, Partner
from portal.accounts.events import EventKind
from portal.accounts.models import Event, Role, User
from portal.network.models import Network
from tests.conftest import SETUP, Browse
from tests.page import page

pytestmark = pytest.mark.django_db

DIALOG = {"HX-Request": "true", "HX-Target": "dialog-body"}


def test_my_account_is_for_partner_users_and_shows_their_own_partner(cast: list[User], browse: Browse) -> None:
    answers = {user.name: browse(user).get("/account/") for user in cast}

    assert {name: answer.status_code for name, answer in answers.items()} == {
        "Sonia": 404,
        "Nadia": 404,
        "Amir": 404,
        "Vera": 404,
        "Paul": 200,
        "Otto": 200,
    }
    assert "Name Acme Media" in page(answers["Paul"]).text
    assert "Name Orbit Deals" in page(answers["Otto"]).text


def test_my_account_says_whom_to_ask(vera: User, acme: Partner, paul: User, browse: Browse) -> None:
    acme.change(by=SETUP, manager=vera)

    shown = page(browse(paul).get("/account/")).text

    assert "Vera vera@latchkey.example" in shown
    assert "Partner Support support@northwind.example" in shown


def test_without_a_manager_and_a_support_contact_the_page_says_so(
    network: Network, acme: Partner, paul: User, browse: Browse
) -> None:
    network.change(by=SETUP, support_name="", support_email="")

    shown = page(browse(paul).get("/account/")).text

    assert "Nobody is assigned to you yet." in shown
    assert "has not named a support contact" in shown


def test_a_partner_never_sees_notes_and_flags(acme: Partner, paul: User, browse: Browse) -> None:
    acme.change(by=SETUP, notes="Late payer")
    acme.raise_flag(kind=Flag.Kind.FRAUD, note="Odd clicks", by=SETUP)

    content = browse(paul).get("/account/").content.decode()

    assert "Late payer" not in content
    assert "Odd clicks" not in content


@pytest.mark.parametrize(("status", "notice"), [("paused", "Your account is paused"), ("onboarding", "Welcome")])
def test_a_partner_is_told_about_its_status(
    status: str, notice: str, acme: Partner, paul: User, browse: Browse
) -> None:
    acme.change(by=SETUP, status=status)

    assert notice in page(browse(paul).get("/account/")).text


def test_the_tab_api_is_there_while_there_is_a_live_key(acme: Partner, paul: User, browse: Browse) -> None:
    assert "API" not in page(browse(paul).get("/account/")).links

    key, _ = Key.issue(partner=acme, label="Reports", by=SETUP)
    assert "API" in page(browse(paul).get("/account/")).links

    key.revoke(by=SETUP)
    assert "API" not in page(browse(paul).get("/account/")).links


def test_a_partner_names_its_own_technical_contact(acme: Partner, paul: User, browse: Browse) -> None:
    browser = browse(paul)
    fields = page(browser.get("/account/contact/")).form("/account/contact/").fields

    response = browser.post(
        "/account/contact/",
        {**fields, "technical_contact_name": "Bo Lind", "technical_contact_email": "bo@acme.example", "name": "Evil"},
        headers=DIALOG,
    )

    assert response.status_code == 204
    assert "contact:changed" in response["HX-Trigger"]
    acme.refresh_from_db()
    assert (acme.technical_contact_name, acme.technical_contact_email, acme.name) == (
        "Bo Lind",
        "bo@acme.example",
        "Acme Media",
    )
    event = Event.objects.get(kind=EventKind.PARTNER_CHANGED)
    assert (event.actor_label, event.partner_id) == ("Paul", acme.pk)


def test_a_technical_contact_can_be_replaced_but_not_taken_away(acme: Partner, paul: User, browse: Browse) -> None:
    browser = browse(paul)
    fields = page(browser.get("/account/contact/")).form("/account/contact/").fields

    response = browser.post("/account/contact/", {**fields, "technical_contact_email": ""}, headers=DIALOG)

    assert response.status_code == 422
    acme.refresh_from_db()
    assert acme.technical_contact_email == "ada@acme.example"


def test_a_contact_that_the_network_changed_meanwhile_is_not_overwritten(
    acme: Partner, paul: User, browse: Browse
) -> None:
    browser = browse(paul)
    fields = page(browser.get("/account/contact/")).form("/account/contact/").fields
    acme.change(by=SETUP, technical_contact_email="cleo@acme.example")

    response = browser.post(
        "/account/contact/", {**fields, "technical_contact_email": "bo@acme.example"}, headers=DIALOG
    )

    assert response.status_code == 422
    assert "E-mail is now “ cleo@acme.example ”" in page(response).text
    acme.refresh_from_db()
    assert acme.technical_contact_email == "cleo@acme.example"


def test_a_contact_is_the_partners_own_to_change(cast: list[User], acme: Partner, browse: Browse) -> None:
    for user in cast[:4]:
        assert browse(user).post("/account/contact/", {"technical_contact_email": "x@x.example"}).status_code == 404

    otto = cast[5]
    browse(otto).post("/account/contact/", {"technical_contact_email": "otto@orbit.example"})

    acme.refresh_from_db()
    assert acme.technical_contact_email == "ada@acme.example"


def test_whoever_views_as_a_partner_needs_partners_full_to_change_its_contact(
    acme: Partner, paul: User, vera: User, browse: Browse
) -> None:
    auditor_role = Role.create(name="Auditor", by=SETUP, accounts_history_logs="full_access", partners="view")
    auditor = User.invite(email="ada@latchkey.example", name="Ada", role=auditor_role, by=SETUP)
    answers = {}
    for viewer in (auditor, vera):
        browser = browse(viewer)
        browser.post("/view-as/", {"user_pk": paul.pk})
        assert browser.get("/account/").status_code == 200
        contact = {"technical_contact_email": f"{viewer.name.lower()}@acme.example"}
        answers[viewer.name] = browser.post("/account/contact/", contact).status_code

    assert answers == {"Ada": 403, "Vera": 303}
    event = Event.objects.filter(kind=EventKind.PARTNER_CHANGED).get()
    assert (event.actor_label, event.impersonator_label) == ("Paul", "Vera")
