from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from partners.models import Partner
from partners.offers.models import Offer
from partners.postbacks.models import Postback
from partners.postbacks.models import postbacks as models
from partners.postbacks.vocabulary import POSTBACK
from portal.accounts.models import Event, Role, User
from tests.conftest import SETUP, Browse
from tests.page import page
from tests.partners.postbacks.conftest import URL, Add

pytestmark = pytest.mark.django_db

Launch = Callable[..., Offer]

OWN = "/my/postbacks/"
DIALOG = {"HX-Request": "true", "HX-Target": "dialog-body"}
FIELDS = {"pixel_type": "conversion", "delivery_method": "postback", "url": URL, "delay_ms": "0"}


@pytest.fixture(params=["own", "core"])
def look(request: pytest.FixtureRequest, acme: Partner, browse: Browse) -> tuple[Client, str, str]:
    """A browser, where it finds Acme's postbacks, and who looks: Paul at his own, Vera on Partner Details."""
    user: User = request.getfixturevalue("paul" if request.param == "own" else "vera")
    return browse(user), OWN if request.param == "own" else f"/partners/{acme.pk}/postbacks/", user.name


def form_of(browser: Client, url: str) -> dict[str, Any]:
    return page(browser.get(url)).form(url).fields


def table(response: Any) -> list[dict[str, str]]:
    return page(response).region("postback-table").records


def test_the_list_says_what_each_postback_does(look: tuple[Client, str, str], add: Add, launch: Launch) -> None:
    browser, where, _ = look
    every = add(delay_ms=1500)
    one = add(offer=launch(), pixel_type="post_conversion", delivery_method="html", html_code="<b>{sub1}{x}</b>")
    one.pause(by=SETUP)

    response = browser.get(where)

    assert [list(row.values())[:5] for row in table(response)] == [
        [str(every.pk), "Every offer", "Conversion", page_text(URL), "1.5 s"],
        [str(one.pk), "Candles", "Event", "<b> {sub1} {x}</b> HTML code", "None"],
    ]
    assert [row["Status"].split()[0] for row in table(response)] == ["Active", "Paused"]
    marks = [mark.text for mark in page(response).element.select("mark")]
    assert marks == ["{transaction_id}", "{sub1}", "{sub1}"]


def page_text(url: str) -> str:
    """A URL as tests/page.py reads it, each macro being an element of its own."""
    return re.sub(r" +", " ", re.sub(r"(\{\w+\})", r" \1 ", url)).strip()


def test_a_postback_is_added_by_who_looks_at_them(look: tuple[Client, str, str], acme: Partner, launch: Launch) -> None:
    browser, where, name = look
    offer = launch()

    response = browser.post(f"{where}add/", {**FIELDS, "offer": offer.pk}, follow=True)

    postback = acme.postbacks.get()
    assert response.redirect_chain == [(where, 303)]
    assert f"Postback {postback.pk} was added." in page(response).text
    assert (postback.offer, postback.url) == (offer, URL)
    assert Event.objects.get(kind="postback.added").actor_label == name


def test_htmx_is_told_that_the_postbacks_changed(look: tuple[Client, str, str], add: Add) -> None:
    browser, where, _ = look

    response = browser.post(f"{where}add/", FIELDS, headers=DIALOG)
    region = browser.get(where, headers={"HX-Request": "true", "HX-Target": "postback-table"})

    assert response.status_code == 204
    assert "postbacks:changed" in response["HX-Trigger"]
    assert len(table(region)) == 1
    assert page(region).heading == ""


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"url": ""}, "Say which URL is called."),
        ({"url": "https://acme.example/?c={clickid}"}, "{clickid} is not a macro"),
        ({"url": "http://192.168.0.1/"}, "private network"),
        ({"delay_ms": "300001"}, "less than or equal to 300000"),
        ({"delivery_method": "html"}, "Say which HTML is shown."),
        ({"pixel_type": "click"}, "click is not one of the available choices"),
        ({"offer": "999999"}, "not one of the available choices"),
    ],
)
def test_what_breaks_a_rule_is_said_beside_its_field(
    wrong: dict[str, str], why: str, look: tuple[Client, str, str], add: Add, acme: Partner
) -> None:
    browser, where, _ = look
    edit = f"{where}{add().pk}/edit/"

    added = browser.post(f"{where}add/", {**FIELDS, **wrong}, headers=DIALOG)
    changed = browser.post(edit, {**form_of(browser, edit), **wrong}, headers=DIALOG)

    for response in (added, changed):
        assert response.status_code == 422
        assert any(why in error.text for error in page(response).element.select("[data-error]"))
    assert (acme.postbacks.count(), Postback.objects.get().url) == (1, URL)


def test_an_offer_that_the_partner_is_not_shown_cannot_be_chosen(
    look: tuple[Client, str, str], acme: Partner, launch: Launch
) -> None:
    browser, where, _ = look
    private, public = launch("Secret", visibility="private"), launch("Soap", status="paused")

    form = page(browser.get(f"{where}add/")).form(f"{where}add/")
    response = browser.post(f"{where}add/", {**FIELDS, "offer": private.pk}, headers=DIALOG)

    assert form.choices["offer"] == {"": "Every offer", str(public.pk): "Soap (paused)"}
    assert response.status_code == 422
    assert not acme.postbacks.exists()


def test_one_too_many_is_refused_in_the_form(
    look: tuple[Client, str, str], add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, where, _ = look
    monkeypatch.setattr(models, "MAXIMUM_PER_PARTNER", 1)
    add()

    response = browser.post(f"{where}add/", FIELDS, headers=DIALOG)

    assert response.status_code == 422
    assert "which is the maximum" in page(response).text


def test_an_edit_saves_what_was_touched(look: tuple[Client, str, str], add: Add, launch: Launch) -> None:
    browser, where, name = look
    offer = launch()
    postback = add(offer=offer)
    offer.change(by=SETUP, status="deleted")
    edit = f"{where}{postback.pk}/edit/"

    fields = form_of(browser, edit)
    unchanged = browser.post(edit, fields)
    saved = browser.post(edit, {**fields, "delay_ms": "250"}, follow=True)

    assert unchanged.status_code == 303
    assert f"Postback {postback.pk} was saved." in page(saved).text
    event = Event.objects.get(kind="postback.changed")
    assert (event.actor_label, event.details) == (name, {"delay_ms": [0, 250]})


def test_who_edits_what_somebody_else_changed_is_told(look: tuple[Client, str, str], add: Add) -> None:
    browser, where, _ = look
    postback = add()
    edit = f"{where}{postback.pk}/edit/"
    fields = form_of(browser, edit)
    Postback.objects.get(pk=postback.pk).change(by=SETUP, url="https://track.acme.example/new")

    refused = browser.post(edit, {**fields, "delay_ms": "250"}, headers=DIALOG)

    assert refused.status_code == 422
    assert "URL is now “ https://track.acme.example/new ”" in page(refused).text
    assert page(refused).form().fields["url"] == "https://track.acme.example/new"
    assert page(refused).form().fields["delay_ms"] == "250"


def test_the_preview_shows_the_url_with_invented_values(look: tuple[Client, str, str], acme: Partner) -> None:
    browser, where, _ = look
    preview = {"HX-Request": "true", "HX-Target": "postback-preview"}
    asked = {**FIELDS, "url": "https://acme.example/{offer_name}?c={sub1}", "preview": "1"}

    live = browser.post(f"{where}add/", asked, headers=preview)
    wrong = browser.post(f"{where}add/", {**asked, "url": "https://acme.example/{nothing}"}, headers=preview)
    nothing = browser.post(f"{where}add/", {**asked, "url": ""}, headers=preview)
    whole = browser.post(f"{where}add/", asked)

    assert "https://acme.example/Candle%20Club%20%26%20Co?c=sub1-value" in page(live).text
    assert not page(live).forms
    assert "{nothing} is not a macro." in page(wrong).text
    assert page(nothing).text == ""
    assert (live.status_code, wrong.status_code, whole.status_code) == (200, 200, 200)
    assert "?c=sub1-value" in page(whole).region("postback-preview").text
    assert page(whole).form(f"{where}add/").fields["url"] == asked["url"]
    assert not acme.postbacks.exists()


def test_the_form_lists_every_macro(look: tuple[Client, str, str]) -> None:
    browser, where, _ = look

    buttons = page(browser.get(f"{where}add/")).element.select("[data-insert]")

    assert [str(button["data-insert"]) for button in buttons] == [macro.text for macro in POSTBACK]
    assert {str(button["data-into"]) for button in buttons} == {"id_url"}


@pytest.mark.parametrize("verb", ["pause", "resume", "remove"])
def test_each_verb_asks_first_and_says_what_it_did(verb: str, look: tuple[Client, str, str], add: Add) -> None:
    browser, where, name = look
    postback = add(is_active=verb != "resume")
    url = f"{where}{postback.pk}/{verb}/"
    said = {"pause": "is paused", "resume": "works again", "remove": "was removed"}[verb]

    asked = browser.get(url, headers=DIALOG)
    response = browser.post(url, follow=True)

    assert page(asked).form().action == url
    assert page_text(URL) in page(asked).text
    assert response.redirect_chain == [(where, 303)]
    assert f"Postback {postback.pk} {said}" in page(response).text
    assert Event.objects.get(kind=f"postback.{verb}d").actor_label == name


@pytest.mark.parametrize(
    ("verb", "before", "said"), [("pause", "pause", "was paused already"), ("resume", None, "is active already")]
)
def test_a_button_pressed_twice_is_no_mistake(
    verb: str, before: str | None, said: str, look: tuple[Client, str, str], add: Add
) -> None:
    browser, where, _ = look
    postback = add()
    if before:
        postback.pause(by=SETUP)

    response = browser.post(f"{where}{postback.pk}/{verb}/", follow=True)

    assert said in page(response).text


@pytest.mark.parametrize("verb", ["edit", "pause", "resume", "remove"])
def test_what_somebody_else_removed_a_moment_ago_is_said_to_be_gone(
    verb: str, look: tuple[Client, str, str], add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, where, _ = look
    postback = add()
    url = f"{where}{postback.pk}/{verb}/"
    fields = {**form_of(browser, f"{where}{postback.pk}/edit/"), "delay_ms": "9"}
    stale = Postback.objects.select_related("offer", "partner").get()
    stale.remove(by=SETUP)
    stale = Postback.objects.select_related("offer", "partner").get()
    monkeypatch.setattr("partners.postbacks.views.screens.Place.postback", lambda place, number: stale)

    response = browser.post(url, fields, follow=True)

    assert "Somebody else removed this postback a moment ago." in page(response).text


def test_a_removed_postback_is_not_found(look: tuple[Client, str, str], add: Add) -> None:
    browser, where, _ = look
    postback = add()
    postback.remove(by=SETUP)

    answers = {browser.get(f"{where}{postback.pk}/{verb}/").status_code for verb in ("edit", "pause", "remove")}

    assert answers == {404}
    assert table(browser.get(where)) == []


def test_the_list_is_filtered_by_the_url(look: tuple[Client, str, str], add: Add, launch: Launch) -> None:
    browser, where, _ = look
    offer = launch()
    every, one = str(add().pk), str(add(offer=offer, url="https://zebra.example/").pk)
    html = str(add(delivery_method="html", html_code="<i>", pixel_type="post_conversion", is_active=False).pk)

    def ask(query: str) -> list[str]:
        return [row["No."] for row in table(browser.get(f"{where}?{query}"))]

    assert ask("") == ask("status=odd&offer=x") == [every, one, html]
    assert ask("q=zebra") == [one]
    assert ask("offer=0") == [every, html]
    assert ask(f"offer={offer.pk}") == [one]
    assert ask("status=inactive") == ask("pixel_type=post_conversion") == ask("delivery_method=html") == [html]
    assert ask("q=zebra&status=inactive") == []
    assert ask("sort=-number") == [html, one, every]


def test_the_empty_list_says_what_to_do_next(look: tuple[Client, str, str], add: Add) -> None:
    browser, where, _ = look

    empty = page(browser.get(where)).region("postback-table")
    add()
    unmatched = page(browser.get(f"{where}?q=zebra")).region("postback-table")

    assert empty.links["Add postback"] == f"{where}add/"
    assert unmatched.links["Clear the filters"] == where


def test_a_partner_sees_the_call_that_asks_the_same(paul: User, add: Add, browse: Browse) -> None:
    add()

    plain = page(browse(paul).get(OWN)).region("postback-table").text
    asked = page(browse(paul).get(f"{OWN}?status=active&q=track")).region("postback-table").text

    assert "/v1/affiliates/pixels/search" in plain
    assert '"resource_type": "pixel_status", "filter_id_value": "active"' in " ".join(asked.split())
    assert '"search_type": "text", "value": "track"' in " ".join(asked.split())


def test_nobody_reaches_another_partners_postbacks(otto: User, acme: Partner, add: Add, browse: Browse) -> None:
    postback = add()
    browser = browse(otto)

    assert table(browser.get(OWN)) == []
    for verb in ("edit", "pause", "resume", "remove"):
        assert browser.get(f"{OWN}{postback.pk}/{verb}/").status_code == 404
        assert browser.post(f"{OWN}{postback.pk}/{verb}/", FIELDS).status_code == 404
    assert browser.get(f"/partners/{acme.pk}/postbacks/").status_code == 404
    postback.refresh_from_db()
    assert (postback.removed_at, postback.paused_at) == (None, None)


def test_a_postback_is_found_at_its_own_partner_alone(
    vera: User, other_partner: Partner, add: Add, browse: Browse
) -> None:
    postback = add()

    assert browse(vera).get(f"/partners/{other_partner.pk}/postbacks/{postback.pk}/edit/").status_code == 404


def test_changing_them_needs_partners_full(cast: list[User], acme: Partner, add: Add, browse: Browse) -> None:
    analyst = Role.create(name="Analyst", by=SETUP, partners="view")
    viewer = User.invite(email="priya@latchkey.example", name="Priya", role=analyst, by=SETUP)
    where = f"/partners/{acme.pk}/postbacks/"
    everybody = [*cast, viewer]

    looks = {user.name: browse(user).get(where).status_code for user in everybody}
    adds = {user.name: browse(user).post(f"{where}add/", {"url": ""}).status_code for user in everybody}

    network = {"Sonia": 200, "Nadia": 200, "Amir": 200, "Vera": 200}
    assert looks == {**network, "Paul": 404, "Otto": 404, "Priya": 200}
    assert adds == {**dict.fromkeys(network, 422), "Paul": 404, "Otto": 404, "Priya": 403}


def test_who_views_as_a_partner_changes_nothing_without_the_right(
    amir: User, paul: User, add: Add, browse: Browse
) -> None:
    look_only = Role.create(name="Analyst", by=SETUP, partners="view", accounts_history_logs="full_access")
    viewer = User.invite(email="priya@latchkey.example", name="Priya", role=look_only, by=SETUP)
    browser = browse(viewer)
    browser.post("/view-as/", {"user_pk": paul.pk})

    assert browser.get(OWN).status_code == 200
    assert browser.post(f"{OWN}{add().pk}/pause/").status_code == 403


def test_a_long_list_takes_no_more_queries_than_a_short_one(
    look: tuple[Client, str, str], add: Add, launch: Launch
) -> None:
    browser, where, _ = look
    add(offer=launch("First"))
    browser.get(where)
    with CaptureQueriesContext(connection) as short:
        browser.get(where)
    for number in range(19):
        add(offer=launch(f"Offer {number}"))

    with CaptureQueriesContext(connection) as long:
        response = browser.get(where)

    assert len(table(response)) == 20
    assert len(long) == len(short)
