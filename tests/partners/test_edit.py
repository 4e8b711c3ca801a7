from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from partners.models import Partner
from portal.accounts.events import EventKind
from portal.accounts.models import Event, Role, User
from portal.web.edits import ChangedMeanwhile
from tests.conftest import SETUP, Browse
from tests.page import page

pytestmark = pytest.mark.django_db


def form_of(browser: Any, partner: Partner) -> dict[str, Any]:
    url = f"/partners/{partner.pk}/edit/"
    return page(browser.get(url)).form(url).fields


def test_a_change_is_saved_with_its_event(vera: User, acme: Partner, browse: Browse) -> None:
    browser = browse(vera)
    fields = form_of(browser, acme)

    response = browser.post(
        f"/partners/{acme.pk}/edit/", {**fields, "status": "paused", "manager": vera.pk}, follow=True
    )

    assert response.redirect_chain == [(f"/partners/{acme.pk}/", 303)]
    acme.refresh_from_db()
    assert (acme.status, acme.manager, acme.name) == ("paused", vera, "Acme Media")
    event = Event.objects.get(kind=EventKind.PARTNER_CHANGED)
    assert event.details == {"status": ["active", "paused"], "manager": [None, "Vera"]}


def test_saving_without_a_change_leaves_no_event(vera: User, acme: Partner, browse: Browse) -> None:
    acme.change(by=SETUP, notes="Two\r\nlines", website="https://acme.example/")
    Event.objects.all().delete()
    browser = browse(vera)

    browser.post(f"/partners/{acme.pk}/edit/", form_of(browser, acme))

    assert not Event.objects.filter(kind=EventKind.PARTNER_CHANGED).exists()


def test_invalid_input_is_refused_and_the_page_shows_what_is_saved(vera: User, acme: Partner, browse: Browse) -> None:
    browser = browse(vera)
    fields = form_of(browser, acme)

    response = browser.post(
        f"/partners/{acme.pk}/edit/",
        {**fields, "name": "New name", "technical_contact_email": "nonsense", "timezone": "Mars/Base"},
    )

    assert response.status_code == 422
    assert page(response).heading == "Acme Media"
    assert page(response).form(f"/partners/{acme.pk}/edit/").fields["name"] == "New name"
    acme.refresh_from_db()
    assert acme.name == "Acme Media"


def test_two_people_who_edit_a_partner_lose_nothing_unseen(
    vera: User, amir: User, acme: Partner, browse: Browse
) -> None:
    url = f"/partners/{acme.pk}/edit/"
    veras, amirs = browse(vera), browse(amir)
    fields_of_vera, fields_of_amir = form_of(veras, acme), form_of(amirs, acme)
    amirs.post(url, {**fields_of_amir, "status": "paused", "notes": "Paused by Amir"})

    refused = veras.post(url, {**fields_of_vera, "notes": "Written by Vera"})

    assert refused.status_code == 422
    assert "Somebody else saved a change while you were editing" in page(refused).text
    assert "Status is now “ Paused ”" in page(refused).text
    assert "Internal notes is now “ Paused by Amir ”" in page(refused).text
    acme.refresh_from_db()
    assert (acme.status, acme.notes) == ("paused", "Paused by Amir")
    offered = page(refused).form(url).fields
    assert (offered["status"], offered["notes"]) == ("paused", "Written by Vera")

    saved = veras.post(url, offered)

    assert saved.status_code == 303
    acme.refresh_from_db()
    assert (acme.status, acme.notes) == ("paused", "Written by Vera")
    assert Event.objects.filter(kind=EventKind.PARTNER_CHANGED).order_by("-pk")[0].details == {
        "notes": ["Paused by Amir", "Written by Vera"]
    }


def test_a_conflict_under_htmx_answers_the_form_alone(vera: User, acme: Partner, browse: Browse) -> None:
    browser = browse(vera)
    fields = form_of(browser, acme)
    acme.change(by=SETUP, manager=vera)

    response = browser.post(
        f"/partners/{acme.pk}/edit/",
        {**fields, "name": "New name"},
        headers={"HX-Request": "true", "HX-Target": "partner-form"},
    )

    assert response.status_code == 422
    assert page(response).heading == ""
    assert page(response).form().fields["manager"] == str(vera.pk)


@pytest.mark.django_db(transaction=True)
def test_of_several_people_who_save_at_the_same_moment_one_is_first_and_the_others_are_told(acme: Partner) -> None:
    together = Barrier(4)

    def rename(name: str) -> str:
        own = Partner.objects.get(pk=acme.pk)
        try:
            together.wait()
            own.change(by=SETUP, seen=acme.updated_at, name=name)
        except ChangedMeanwhile as moved:
            return f"told of {moved.current}"
        finally:
            connection.close()
        return name

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(rename, ["North", "South", "East", "West"]))

    acme.refresh_from_db()
    assert sorted(results) == sorted([acme.name, *[f"told of {acme.name}"] * 3])
    assert Event.objects.filter(kind=EventKind.PARTNER_CHANGED).count() == 1


def test_a_broken_version_is_refused(vera: User, acme: Partner, browse: Browse) -> None:
    browser = browse(vera)

    response = browser.post(
        f"/partners/{acme.pk}/edit/", {**form_of(browser, acme), "name": "New name", "version": "yesterday"}
    )

    assert response.status_code == 422
    acme.refresh_from_db()
    assert acme.name == "Acme Media"


def test_a_deactivated_manager_stays_until_somebody_chooses_another(
    vera: User, amir: User, acme: Partner, browse: Browse
) -> None:
    acme.change(by=SETUP, manager=amir)
    amir.deactivate(by=SETUP)
    browser = browse(vera)

    browser.post(f"/partners/{acme.pk}/edit/", {**form_of(browser, acme), "notes": "Amir has left"})

    acme.refresh_from_db()
    assert (acme.manager, acme.notes) == (amir, "Amir has left")


def test_editing_needs_partners_full(cast: list[User], acme: Partner, browse: Browse) -> None:
    analyst = Role.create(name="Analyst", by=SETUP, partners="view")
    viewer = User.invite(email="priya@latchkey.example", name="Priya", role=analyst, by=SETUP)
    url = f"/partners/{acme.pk}/edit/"

    answers = {user.name: browse(user).post(url, {"name": ""}).status_code for user in [*cast, viewer]}

    assert answers == {
        "Sonia": 422,
        "Nadia": 422,
        "Amir": 422,
        "Vera": 422,
        "Paul": 404,
        "Otto": 404,
        "Priya": 403,
    }
