from __future__ import annotations

import json
from datetime import timedelta

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from keys.models import Key
from partners.models import Partner
from portal.accounts.impersonation import may_impersonate
from portal.accounts.models import Event, Role, User
from tests.conftest import PASSWORD, SETUP, Browse
from tests.page import page

pytestmark = pytest.mark.django_db

ACQUIRE, RELEASE = "/view-as/", "/view-as/stop/"
HISTORY = "/control-center/history/"


def view_as(client: Client, user: User, **more: str):
    return client.post(ACQUIRE, {"user_pk": user.pk, **more})


def signed_in_as(client: Client) -> str | None:
    return client.session.get("_auth_user_id")


def test_viewing_as_somebody_shows_what_they_see_and_who_one_is(sonia: User, vera: User, browse: Browse) -> None:
    client = browse(sonia)

    answer = view_as(client, vera)

    assert answer.status_code == 303
    assert signed_in_as(client) == str(vera.pk)
    shown = client.get("/partners/")
    assert shown.status_code == 200
    assert "You are viewing as Vera" in page(shown).text
    assert "signed in as Sonia" in page(shown).text


def test_the_way_back_leads_to_where_one_was(sonia: User, vera: User, browse: Browse) -> None:
    client = browse(sonia)
    view_as(client, vera, back="/control-center/accounts/?q=vera")

    answer = client.post(page(client.get("/partners/")).form(RELEASE).action)

    assert answer["Location"] == "/control-center/accounts/?q=vera"
    assert signed_in_as(client) == str(sonia.pk)
    assert "You are viewing as" not in page(client.get("/partners/")).text


def test_the_way_back_never_leads_outside(sonia: User, vera: User, browse: Browse) -> None:
    client = browse(sonia)
    view_as(client, vera, back="https://evil.example/")

    assert client.post(RELEASE)["Location"] == "/"


def test_both_ways_get_a_new_session_and_the_old_one_is_gone(sonia: User, vera: User, browse: Browse) -> None:
    client = browse(sonia)
    first = client.session.session_key

    view_as(client, vera)
    second = client.session.session_key
    client.post(RELEASE)
    third = client.session.session_key

    assert len({first, second, third}) == 3
    assert not Session.objects.filter(pk__in=[first, second]).exists()
    old = Client()
    for key in (first, second):
        old.cookies["sessionid"] = str(key)
        assert old.get("/partners/")["Location"].startswith("/sign-in/")


def test_both_ends_leave_an_event_with_both_users(sonia: User, paul: User, acme: Partner, browse: Browse) -> None:
    client = browse(sonia)

    view_as(client, paul)
    client.post(RELEASE)

    events = Event.objects.filter(kind__startswith="impersonation.").order_by("pk")
    assert [(event.kind, event.actor_id, event.subject_id, event.partner_id) for event in events] == [
        ("impersonation.started", sonia.pk, paul.pk, acme.pk),
        ("impersonation.ended", sonia.pk, paul.pk, acme.pk),
    ]


def test_what_is_done_meanwhile_names_both(sonia: User, nadia: User, acme: Partner, browse: Browse) -> None:
    client = browse(sonia)
    view_as(client, nadia)

    client.get(f"{HISTORY}export.json")

    event = Event.objects.get(kind="history.exported")
    assert (event.actor_id, event.impersonator_id) == (nadia.pk, sonia.pk)


def test_looking_as_somebody_is_not_their_sign_in(sonia: User, vera: User, browse: Browse) -> None:
    client = browse(sonia)
    sonia.refresh_from_db()
    before = sonia.last_login

    view_as(client, vera)
    client.post(RELEASE)

    vera.refresh_from_db()
    sonia.refresh_from_db()
    assert (vera.last_login, sonia.last_login) == (None, before)


def test_who_may_view_as_whom(cast: list[User]) -> None:
    allowed = {
        user.name: [other.name for other in cast if may_impersonate(hijacker=user, hijacked=other)] for user in cast
    }

    assert allowed == {
        "Sonia": ["Nadia", "Amir", "Vera", "Paul", "Otto"],
        "Nadia": ["Amir", "Vera", "Paul", "Otto"],
        "Amir": ["Vera", "Paul", "Otto"],
        "Vera": ["Paul", "Otto"],
        "Paul": [],
        "Otto": [],
    }


@pytest.mark.parametrize("who", ["sonia", "nadia", "amir"])
def test_nobody_views_as_an_equal_or_someone_higher(
    who: str, sonia: User, nadia: User, amir: User, key_manager: Role, browse: Browse
) -> None:
    equal = User.invite(email="e@latchkey.example", name="Equal", role=key_manager, by=SETUP)
    client = browse(amir)

    for target in ({"sonia": sonia, "nadia": nadia, "amir": amir}[who], equal):
        answer = client.post(ACQUIRE, {"user_pk": target.pk}, headers={"HX-Request": "true"})

        assert answer.status_code == 403
        assert "is not below you" in json.loads(answer["HX-Trigger"])["toast"][0]["text"]
    assert signed_in_as(client) == str(amir.pk)
    assert not Event.objects.filter(kind="impersonation.started").exists()


def test_nobody_views_as_who_is_deactivated(sonia: User, vera: User, browse: Browse) -> None:
    vera.deactivate(by=SETUP)

    assert view_as(browse(sonia), vera).status_code == 403


@pytest.mark.parametrize("user_pk", ["", "x", "0", "-1", "999999", "99999999999999999999"])
def test_somebody_there_is_not(user_pk: str, sonia: User, browse: Browse) -> None:
    assert browse(sonia).post(ACQUIRE, {"user_pk": user_pk}).status_code == 404


def test_one_views_as_one_person_at_a_time(sonia: User, nadia: User, vera: User, browse: Browse) -> None:
    client = browse(sonia)
    view_as(client, nadia)

    answer = view_as(client, vera)

    assert answer.status_code == 403
    assert "You are viewing as Nadia already" in page(answer).text
    assert signed_in_as(client) == str(nadia.pk)
    client.post(RELEASE)
    assert signed_in_as(client) == str(sonia.pk)


def test_links_cannot_start_or_end_it(sonia: User, vera: User, browse: Browse) -> None:
    client = browse(sonia)

    assert client.get(f"{ACQUIRE}?user_pk={vera.pk}").status_code == 405
    assert client.get(RELEASE).status_code == 405


def test_another_site_cannot_start_it(sonia: User, vera: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(sonia)

    assert view_as(client, vera).status_code == 403
    assert signed_in_as(client) == str(sonia.pk)


def test_stopping_twice_changes_nothing(sonia: User, vera: User, browse: Browse) -> None:
    client = browse(sonia)
    view_as(client, vera)

    client.post(RELEASE)
    answer = client.post(RELEASE)

    assert answer["Location"] == "/"
    assert signed_in_as(client) == str(sonia.pk)
    assert Event.objects.filter(kind="impersonation.ended").count() == 1


def test_it_ends_after_an_hour(sonia: User, vera: User, browse: Browse) -> None:
    client = browse(sonia)
    view_as(client, vera)
    started = timezone.now()

    with time_machine.travel(started + timedelta(minutes=59)):
        assert client.get("/partners/").status_code == 200
    with time_machine.travel(started + timedelta(minutes=61)):
        answer = client.get("/partners/")

    assert answer["Location"] == "/"
    assert signed_in_as(client) == str(sonia.pk)
    assert "Viewing as Vera has ended" in page(client.get("/partners/")).text
    assert Event.objects.filter(kind="impersonation.ended", actor_id=sonia.pk, subject_id=vera.pk).count() == 1


def test_it_ends_when_the_one_at_the_keyboard_may_no_longer(
    nadia: User, vera: User, key_manager: Role, browse: Browse
) -> None:
    client = browse(nadia)
    view_as(client, vera)

    nadia.change_role(role=None, by=SETUP)

    assert client.get("/partners/")["Location"] == "/"
    assert signed_in_as(client) == str(nadia.pk)


def test_it_ends_when_the_one_who_is_viewed_is_deactivated(sonia: User, vera: User, browse: Browse) -> None:
    client = browse(sonia)
    view_as(client, vera)

    vera.deactivate(by=SETUP)

    assert client.get("/partners/")["Location"] == "/"
    assert signed_in_as(client) == str(sonia.pk)
    assert Event.objects.get(kind="impersonation.ended").subject_id == vera.pk


@pytest.mark.parametrize("happens", ["deactivated", "password changed"])
def test_it_ends_with_the_sessions_of_the_one_at_the_keyboard(
    happens: str, nadia: User, vera: User, browse: Browse
) -> None:
    client = browse(nadia)
    view_as(client, vera)

    if happens == "deactivated":
        nadia.deactivate(by=SETUP)
    else:
        nadia.choose_password("another correct horse", by=SETUP)

    assert client.get("/partners/")["Location"].startswith("/sign-in/")
    assert signed_in_as(client) is None


def test_signing_out_meanwhile_ends_both(sonia: User, vera: User, browse: Browse) -> None:
    client = browse(sonia)
    view_as(client, vera)

    answer = client.post("/sign-out/")

    assert answer["Location"] == "/sign-in/"
    assert signed_in_as(client) is None
    assert client.get("/partners/")["Location"].startswith("/sign-in/")
    ended = Event.objects.filter(kind__in=["impersonation.ended", "user.signed_out"]).order_by("pk")
    assert [(event.kind, event.actor_id) for event in ended] == [
        ("impersonation.ended", sonia.pk),
        ("user.signed_out", sonia.pk),
    ]


def test_the_session_of_an_ordinary_sign_in_can_be_switched(sonia: User, vera: User, client: Client) -> None:
    client.post("/sign-in/", {"email": sonia.email, "password": PASSWORD})

    view_as(client, vera)

    assert signed_in_as(client) == str(vera.pk)
    assert client.session["_auth_user_backend"] == "portal.accounts.backends.EmailBackend"


def test_a_super_user_who_views_as_vera_cannot_issue_keys(
    sonia: User, vera: User, acme: Partner, browse: Browse
) -> None:
    client = browse(sonia)
    url = f"/partners/{acme.pk}/api/add/"
    assert client.get(url).status_code == 200

    view_as(client, vera)
    answer = client.post(url, {"label": "Billing"}, headers={"HX-Request": "true", "HX-Target": "dialog-body"})

    assert answer.status_code == 403
    assert "Security: full control" in json.loads(answer["HX-Trigger"])["toast"][0]["text"]
    assert not Key.objects.exists()


def test_who_may_not_issue_keys_reveals_none_as_a_partner(
    vera: User, amir: User, paul: User, acme_key: tuple[Key, str], browse: Browse
) -> None:
    key, secret = acme_key
    url = f"/account/api/keys/{key.pk}/reveal/"
    of_vera, of_amir = browse(vera), browse(amir)
    view_as(of_vera, paul)
    view_as(of_amir, paul)
    assert of_vera.get("/account/api/").status_code == 200

    refused, shown = of_vera.post(url), of_amir.post(url)

    assert refused.status_code == 403
    assert "which Vera does not have" in page(refused).text
    assert shown.status_code == 200
    assert secret in shown.content.decode()
    assert not Event.objects.filter(kind="key.revealed", impersonator_id=vera.pk).exists()
