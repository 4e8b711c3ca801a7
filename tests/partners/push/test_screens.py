from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils.timezone import now

from partners.firehose.models import Firehose
from partners.firehose.push.models import FAILURES_TO_PAUSE, Push
from partners.models import Partner
from portal.accounts.models import Event, Role, User
from tests.conftest import SETUP, Browse, person
from tests.page import page
from tests.partners.postbacks.receiver import answering
from tests.partners.push.conftest import Click, Inbox

pytestmark = pytest.mark.django_db

OWN = "/account/api/push/"
URL = "https://events.example.com/latchkey"
DIALOG = {"HX-Request": "true", "HX-Target": "dialog-body"}
REGION = {"HX-Request": "true", "HX-Target": "firehose-push"}


@pytest.fixture(params=["own", "core"])
def look(request: pytest.FixtureRequest, acme: Partner, browse: Browse) -> tuple[Client, str, str]:
    """A browser, where it finds Acme's push, and who looks: Paul at his own, Vera on Partner Details."""
    user: User = request.getfixturevalue("paul" if request.param == "own" else "vera")
    return browse(user), OWN if request.param == "own" else f"/partners/{acme.pk}/api/push/", user.name


@pytest.fixture
def somewhere(firehose: Firehose, acme: Partner) -> tuple[Push, str]:
    """A push to a server that is nowhere."""
    return Push.add(partner=acme, url=URL, by=SETUP)


def text_of(browser: Client, where: str) -> str:
    return page(browser.get(where)).region("firehose-push").text


def test_the_pages_of_keys_load_it(acme_key: object, acme: Partner, paul: User, vera: User, browse: Browse) -> None:
    for user, where, region in (
        (paul, "/account/api/", OWN),
        (vera, f"/partners/{acme.pk}/api/", f"/partners/{acme.pk}/api/push/"),
    ):
        element = page(browse(user).get(where)).element.select_one("#firehose-push")
        assert element is not None
        assert element["hx-get"] == region
        assert element.select_one(f'a[href="{region}"]') is not None


def test_without_a_firehose_it_says_who_can_enable_it(look: tuple[Client, str, str]) -> None:
    browser, where, _ = look

    shown, region = browser.get(where), browser.get(where, headers=REGION)

    assert "The Firehose is not enabled" in page(shown).text
    assert page(region).text == ""
    assert not page(shown).element.select("[href$='/add/']")


def test_a_partner_sets_it_up_and_sees_the_secret_once(
    firehose: Firehose, acme: Partner, paul: User, browse: Browse
) -> None:
    browser = browse(paul)

    asked = browser.get(f"{OWN}add/", headers=DIALOG)
    response = browser.post(f"{OWN}add/", {"url": URL})
    later = browser.get(OWN)

    push = Push.objects.get(partner=acme)
    secret = push.secrets.get().unsealed()
    assert page(asked).form().action == f"{OWN}add/"
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    assert secret in page(response).text
    assert secret not in later.content.decode()
    assert Event.objects.get(kind="push.added").actor_label == "Paul"


@pytest.mark.parametrize("wrong", ["", "http://events.example.com/", "https://10.0.0.1/", "nonsense"])
@pytest.mark.parametrize("verb", ["add", "edit"])
def test_what_may_not_be_called_is_said_beside_the_field_and_nothing_is_lost(
    wrong: str, verb: str, somewhere: tuple[Push, str], paul: User, browse: Browse
) -> None:
    browser = browse(paul)

    response = browser.post(f"{OWN}{verb}/", {"url": wrong}, headers=DIALOG)

    assert response.status_code == 422
    assert page(response).element.select("[data-error]")
    assert page(response).form().fields["url"] == wrong
    assert Push.objects.get().url == URL


def test_a_second_one_is_not_set_up(somewhere: tuple[Push, str], paul: User, browse: Browse) -> None:
    response = browse(paul).post(f"{OWN}add/", {"url": "https://other.example.com/"}, follow=True)

    assert "There is a push already" in page(response).text
    assert Push.objects.get().url == URL


def test_none_is_set_up_without_a_firehose(paul: User, browse: Browse) -> None:
    response = browse(paul).post(f"{OWN}add/", {"url": URL}, follow=True)

    assert response.redirect_chain == [(OWN, 303)]
    assert "The Firehose is not enabled." in page(response).text


def test_the_state_is_shown_to_both(look: tuple[Client, str, str], push: Push, inbox: Inbox, click: Click) -> None:
    browser, where, _ = look
    click(3)
    Push.objects.update(failures=2, problem="It answered 500.", problem_at=now(), confirmed_at=now(), seq=1)
    Firehose.objects.update(last_seq=3)

    text = text_of(browser, where)

    assert inbox.url("/events") in text
    assert "Failing 2 attempts in a row failed" in text
    assert "up to 1-1" in text
    assert "Waiting 2 events" in text
    assert "It answered 500." in text


def test_why_it_was_paused_and_how_it_goes_on_is_said(
    look: tuple[Client, str, str], somewhere: tuple[Push, str]
) -> None:
    browser, where, _ = look
    push, _ = somewhere
    Push.objects.update(problem="It answered 500.", problem_at=now(), failures=FAILURES_TO_PAUSE)
    push.stop(Push.PausedFor.FAILING, "It answered 500.")

    text = text_of(browser, where)

    assert "Paused: 10 attempts in a row failed It answered 500." in text
    assert "then resume it: it goes on where it was. Events are kept for 7 days." in text


def test_what_resuming_leaves_out_is_said_before(look: tuple[Client, str, str], somewhere: tuple[Push, str]) -> None:
    browser, where, _ = look
    somewhere[0].pause(by=SETUP)
    Firehose.objects.update(last_seq=5, forgotten_seq=4)

    asked = browser.get(f"{where}resume/", headers=DIALOG)

    assert "What comes next is kept no longer" in text_of(browser, where)
    assert "goes on with the oldest event that is" in page(asked).text


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_it_is_paused_and_resumed_by_both(
    verb: str, look: tuple[Client, str, str], somewhere: tuple[Push, str]
) -> None:
    browser, where, name = look
    if verb == "resume":
        somewhere[0].pause(by=SETUP)
    url = f"{where}{verb}/"

    asked = browser.get(url, headers=DIALOG)
    by_htmx = browser.post(url, headers=DIALOG)
    again = browser.post(url, follow=True)

    assert page(asked).form().action == url
    assert by_htmx.status_code == 204
    assert "push:changed" in by_htmx["HX-Trigger"]
    assert "already" in page(again).text
    assert Event.objects.filter(kind=f"push.{verb}d", actor_label=name).count() == 1


def test_a_test_says_how_it_went(push: Push, inbox: Inbox, paul: User, browse: Browse) -> None:
    browser = browse(paul)

    arrived = browser.post(f"{OWN}test/", follow=True)
    inbox.reply = answering(500)
    failed = browser.post(f"{OWN}test/", follow=True)

    assert "The test arrived: it answered 200" in page(arrived).text
    assert "It answered 500." in page(failed).text
    assert [batch.events[0]["type"] for batch in inbox.batches] == ["test", "test"]


def test_a_new_secret_is_shown_once(somewhere: tuple[Push, str], paul: User, browse: Browse) -> None:
    browser = browse(paul)
    push, first = somewhere

    response = browser.post(f"{OWN}secret/", headers=DIALOG)

    secret = push.secrets.get(ends_at=None).unsealed()
    assert secret != first
    assert secret in page(response).text
    assert "no-store" in response["Cache-Control"]
    assert "Each batch is signed by the new one and, until" in text_of(browser, OWN)


def test_a_url_is_changed_and_who_was_slower_is_told(somewhere: tuple[Push, str], paul: User, browse: Browse) -> None:
    browser = browse(paul)
    fields: dict[str, Any] = page(browser.get(f"{OWN}edit/")).form(f"{OWN}edit/").fields

    saved = browser.post(f"{OWN}edit/", {**fields, "url": f"{URL}/new"})
    late = browser.post(f"{OWN}edit/", {**fields, "url": f"{URL}/other"}, headers=DIALOG)

    assert saved.status_code == 303
    assert late.status_code == 422
    assert f"URL is now “ {URL}/new ”" in page(late).text
    assert Push.objects.get().url == f"{URL}/new"


def test_it_is_removed_and_what_is_gone_is_not_found(somewhere: tuple[Push, str], paul: User, browse: Browse) -> None:
    browser = browse(paul)

    removed = browser.post(f"{OWN}remove/", follow=True)

    assert "The push was removed." in page(removed).text
    assert "No push yet" in page(removed).text
    for verb in ("edit", "secret", "test", "pause", "resume", "remove"):
        assert browser.post(f"{OWN}{verb}/").status_code == 404


def test_nobody_sees_or_changes_what_is_another_partners(
    somewhere: tuple[Push, str], otto: User, acme: Partner, browse: Browse
) -> None:
    browser = browse(otto)

    assert URL not in browser.get(OWN).content.decode()
    for verb in ("edit", "secret", "test", "pause", "resume", "remove"):
        assert browser.post(f"{OWN}{verb}/").status_code == 404
    assert browser.get(f"/partners/{acme.pk}/api/push/").status_code == 404
    assert Event.objects.filter(kind__startswith="push.").count() == 1


def test_who_views_as_a_partner_makes_no_secret_without_the_right_to_reveal(
    somewhere: tuple[Push, str], paul: User, vera: User, browse: Browse
) -> None:
    browser = browse(vera)
    browser.post("/view-as/", {"user_pk": paul.pk})

    assert browser.post(f"{OWN}secret/").status_code == 403
    assert browser.post(f"{OWN}pause/").status_code == 303
    assert Event.objects.get(kind="push.paused").actor_label == "Paul"


def test_who_may_look_at_partners_alone_does_not_pause(
    somewhere: tuple[Push, str], acme: Partner, network: object, browse: Browse
) -> None:
    browser = browse(person("Anna", role=Role.create(name="Looker", by=SETUP, partners="view")))

    assert URL in text_of(browser, f"/partners/{acme.pk}/api/push/")
    assert browser.post(f"/partners/{acme.pk}/api/push/pause/").status_code == 403
