from __future__ import annotations

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from portal.accounts.models import Event, User
from tests.conftest import PASSWORD, SETUP, Browse
from tests.page import page

pytestmark = pytest.mark.django_db

URL = "/sign-in/"


def give(client: Client, user: User | str, password: str = PASSWORD, **more: str):
    email = user if isinstance(user, str) else user.email
    return client.post(URL, {"email": email, "password": password, **more})


def test_everybody_signs_in_by_email_and_password(cast: list[User], client: Client) -> None:
    for user in cast:
        answer = give(client, user)

        assert (answer.status_code, answer["Location"]) == (302, "/")
        assert client.session["_auth_user_id"] == str(user.pk)
        client.logout()


def test_the_case_of_the_address_does_not_matter(vera: User, client: Client) -> None:
    answer = give(client, "  VERA@Latchkey.Example ")

    assert answer.status_code == 302


def test_signing_in_leaves_an_event_with_the_address_it_came_from(vera: User, client: Client) -> None:
    give(client, vera)

    event = Event.objects.get(kind="user.signed_in")
    assert (event.actor_id, event.subject_label, event.ip) == (vera.pk, "Vera", "127.0.0.1")


def test_signing_in_gives_the_session_a_new_id(vera: User, client: Client) -> None:
    session = client.session
    session["before"] = True
    session.save()
    client.cookies["sessionid"] = str(session.session_key)

    give(client, vera)

    assert client.session.session_key != session.session_key
    assert not Session.objects.filter(pk=session.session_key).exists()


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(vera: User, client: Client) -> None:
    wrong = give(client, vera, "wrong horse")
    unknown = give(client, "nobody@latchkey.example", "wrong horse")

    assert wrong.status_code == unknown.status_code == 422
    assert page(wrong).region("main").text == page(unknown).region("main").text
    assert "do not open an account" in page(wrong).text


def test_a_deactivated_user_gets_that_answer_too(vera: User, client: Client) -> None:
    wrong = give(client, vera, "wrong horse")

    vera.deactivate(by=SETUP)
    answer = give(client, vera)

    assert answer.status_code == 422
    assert page(answer).region("main").text == page(wrong).region("main").text


def test_somebody_invited_cannot_sign_in_before_they_choose_a_password(network: object, client: Client) -> None:
    User.invite(email="new@latchkey.example", name="New", by=SETUP)

    assert give(client, "new@latchkey.example", "").status_code == 422
    assert give(client, "new@latchkey.example", "!").status_code == 422


def test_a_failed_attempt_leaves_an_event_without_the_password(vera: User, client: Client) -> None:
    give(client, vera, "hunter2 is mine")
    give(client, "nobody@latchkey.example", "hunter2 is mine")

    unknown, known = Event.objects.filter(kind="user.sign_in_failed")
    assert (known.subject_id, known.subject_label, known.actor_label) == (vera.pk, "Vera", "Not signed in")
    assert (unknown.subject_id, unknown.subject_label) == (None, "nobody@latchkey.example")
    assert "hunter2" not in str([vars(unknown), vars(known)])


def test_a_password_typed_into_the_address_is_not_kept(vera: User, client: Client) -> None:
    answer = give(client, "hunter2 is mine", PASSWORD)

    assert answer.status_code == 422
    assert not Event.objects.filter(kind="user.sign_in_failed").exists()


def test_the_form_never_gives_the_password_back(vera: User, client: Client) -> None:
    answer = give(client, vera, "wrong horse")

    assert "wrong horse" not in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]


def test_after_signing_in_one_is_where_one_wanted_to_be(nadia: User, client: Client) -> None:
    turned_away = client.get("/control-center/history/?kind=key.issued")
    form = page(client.get(turned_away["Location"])).form(URL)

    answer = give(client, nadia, next=form.fields["next"])

    assert answer["Location"] == "/control-center/history/?kind=key.issued"


@pytest.mark.parametrize(
    "outside", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example", "http:///evil"]
)
def test_signing_in_never_leads_outside(outside: str, vera: User, client: Client) -> None:
    assert give(client, vera, next=outside)["Location"] == "/"
    assert client.get(URL, {"next": outside})["Location"] == "/"


def test_who_is_signed_in_already_is_sent_on(vera: User, browse: Browse) -> None:
    answer = browse(vera).get(URL, {"next": "/partners/"})

    assert answer["Location"] == "/partners/"


def test_an_expired_session_sends_htmx_to_the_sign_in_page_and_back(client: Client) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/control-center/history/"}

    answer = client.get("/control-center/history/", headers=headers)

    assert answer.status_code == 204
    assert answer["HX-Redirect"].startswith("/sign-in/?next=")


def test_twenty_attempts_an_hour_at_one_account(vera: User, client: Client) -> None:
    with time_machine.travel("2026-03-01 12:00", tick=False):
        for attempt in range(20):
            address = f"10.0.0.{attempt}"
            assert client.post(URL, {"email": vera.email, "password": "no"}, REMOTE_ADDR=address).status_code == 422

        answer = client.post(URL, {"email": vera.email.upper(), "password": PASSWORD}, REMOTE_ADDR="10.0.0.99")

    assert answer.status_code == 429
    assert 1 <= int(answer["Retry-After"]) <= 3600
    assert "Try again in" in page(answer).text
    assert Event.objects.filter(kind="user.sign_in_failed").count() == 20


def test_after_the_pause_one_may_try_again(vera: User, client: Client) -> None:
    with time_machine.travel("2026-03-01 12:00", tick=False) as clock:
        for _ in range(21):
            answer = give(client, vera, "no")
        clock.shift(int(answer["Retry-After"]) + 1)

        answer = give(client, vera)

    assert answer.status_code == 302


def test_a_hundred_and_twenty_attempts_an_hour_from_one_address(network: object, client: Client) -> None:
    with time_machine.travel("2026-03-01 12:00", tick=False):
        answers = [give(client, f"user{n}@latchkey.example", "no").status_code for n in range(121)]

    assert answers == [422] * 120 + [429]


def test_all_addresses_of_an_ipv6_customer_count_as_one(network: object, client: Client) -> None:
    with time_machine.travel("2026-03-01 12:00", tick=False):
        answers = [
            client.post(
                URL, {"email": f"u{n}@latchkey.example", "password": "no"}, REMOTE_ADDR=f"2001:db8:1:2::{n:x}"
            ).status_code
            for n in range(121)
        ]

    assert answers[-1] == 429


def test_signing_out_ends_the_session(vera: User, browse: Browse) -> None:
    client = browse(vera)
    session_id = client.session.session_key

    answer = client.post(reverse("accounts:sign_out"))

    assert answer["Location"] == URL
    assert not Session.objects.filter(pk=session_id).exists()
    assert Event.objects.get(kind="user.signed_out").actor_id == vera.pk


def test_a_link_cannot_sign_anybody_out(vera: User, browse: Browse) -> None:
    client = browse(vera)

    assert client.get(reverse("accounts:sign_out")).status_code == 405
    assert client.get(reverse("accounts:password_change")).status_code == 200


def test_the_sign_in_page_asks_for_a_token(vera: User) -> None:
    client = Client(enforce_csrf_checks=True)

    answer = give(client, vera)

    # A page that was open too long: it starts over, and nobody is signed in.
    assert answer["Location"].startswith(URL)
    assert "_auth_user_id" not in client.session
