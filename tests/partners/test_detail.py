from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from partners.models import Flag, Partner
from portal.accounts.models import User
from tests.conftest import SETUP, Browse
from tests.page import page

pytestmark = pytest.mark.django_db


def test_partner_details_are_for_network_users(cast: list[User], acme: Partner, browse: Browse) -> None:
    answers = {user.name: browse(user).get(f"/partners/{acme.pk}/").status_code for user in cast}

    assert answers == {"Sonia": 200, "Nadia": 200, "Amir": 200, "Vera": 200, "Paul": 404, "Otto": 404}


@pytest.mark.parametrize("number", [999, 10**30])
def test_a_partner_that_does_not_exist_is_not_found(number: int, vera: User, browse: Browse) -> None:
    assert browse(vera).get(f"/partners/{number}/").status_code == 404
    assert browse(vera).get(f"/partners/{number}/edit/").status_code == 404
    assert browse(vera).get(f"/partners/{number}/flags/raise/").status_code == 404


def test_partner_details_say_who_the_partner_is(vera: User, acme: Partner, paul: User, browse: Browse) -> None:
    acme.change(by=SETUP, manager=vera, country_code="SE", notes="Prefers mail.\nNever call.", status="paused")

    shown = page(browse(vera).get(f"/partners/{acme.pk}/"))

    assert shown.heading == "Acme Media"
    for text in ("Paused", "Vera", "Sweden", "Ada Park", "ada@acme.example", "Prefers mail. Never call.", "Paul"):
        assert text in shown.text


def test_what_is_missing_says_what_to_do(vera: User, browse: Browse) -> None:
    bare = Partner.create(by=SETUP, name="Bare")

    shown = page(browse(vera).get(f"/partners/{bare.pk}/")).text

    assert "Nobody yet" in shown
    assert "Nobody to send a key to" in shown
    assert "Nobody of this partner can sign in yet" in shown
    assert "No flags" in shown


def test_texts_from_strangers_are_text_and_never_markup(vera: User, browse: Browse) -> None:
    attack = '"><img src=x onerror=alert(1)>'
    partner = Partner.create(by=SETUP, name=attack, notes=attack, technical_contact_name=attack, country_code="<b")
    partner.raise_flag(kind=Flag.Kind.FRAUD, note=attack, by=SETUP)
    User.invite(email="x@partner.example", name=attack, partner=partner, by=SETUP)

    for path in ("", "edit/", "flags/raise/", f"flags/{partner.flags.get().pk}/close/"):
        assert "<img" not in browse(vera).get(f"/partners/{partner.pk}/{path}").content.decode()


def test_a_users_row_views_as_them_unless_they_are_deactivated(
    vera: User, acme: Partner, paul: User, browse: Browse
) -> None:
    left = User.invite(email="left@acme.example", name="Lea", partner=acme, by=SETUP)
    left.deactivate(by=SETUP)
    browser = browse(vera)

    users = page(browser.get(f"/partners/{acme.pk}/")).region("user-list")

    assert "Lea Deactivated left@acme.example" in users.text
    viewing = browser.post("/view-as/", users.form("/view-as/").fields, follow=True)
    assert viewing.redirect_chain[-1][0] == "/dashboard/"
    assert "Acme Media" in page(viewing).text


def test_a_partner_that_nobody_signs_in_for_can_get_its_first_user(vera: User, acme: Partner, browse: Browse) -> None:
    users = page(browse(vera).get(f"/partners/{acme.pk}/")).region("user-list")

    assert "Nobody of this partner can sign in yet" in users.text
    assert users.links["Invite"] == f"/control-center/accounts/partners/invite/?partner={acme.pk}"


def test_the_history_of_a_partner_is_one_click_away(sonia: User, acme: Partner, browse: Browse) -> None:
    browser = browse(sonia)

    link = page(browser.get(f"/partners/{acme.pk}/")).links["Who did what to this partner and its keys"]

    assert "Partner created" in page(browser.get(link)).text


def test_the_page_takes_as_many_queries_for_many_flags_and_users_as_for_one(
    vera: User, acme: Partner, browse: Browse
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(f"/partners/{acme.pk}/").status_code == 200
        return len(captured)

    def add(number: int) -> None:
        acme.raise_flag(kind=Flag.Kind.FRAUD, note=f"Odd clicks {number}", by=SETUP)
        User.invite(email=f"user{number}@acme.example", name=f"User {number}", partner=acme, by=SETUP)

    browser = browse(vera)
    add(0)
    for_one = queries()
    for number in range(1, 20):
        add(number)

    assert queries() == for_one
