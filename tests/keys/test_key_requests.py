from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from keys.models import (
    AlreadyDecided,
    AlreadyRequested,
    HasLiveKey,
    Key,
    KeyRequest,
    PartnerPaused,
    RequestsTurnedOff,
)
from keys.networks import parse_network
from keys.secret import LOOKS_LIKE_A_KEY
from partners.models import Flag, Partner
from portal.accounts.actors import Actor
from portal.accounts.models import Event, User
from portal.network.models import Network
from tests.conftest import SETUP, Browse
from tests.htmx import DIALOG, HTMX, told
from tests.page import page

pytestmark = pytest.mark.django_db

ACCOUNT = "/account/api/"
REQUEST = "/account/api/request/"
WISH = {"purpose": "Nightly import", "contact_email": "ada@acme.example", "networks": "203.0.113.7\n2001:db8::/48"}
OFFICE, SERVERS = parse_network("203.0.113.7"), parse_network("2001:db8::/48")


def url(name: str, *args: object) -> str:
    return reverse(f"keys:{name}", args=args)


@pytest.fixture
def wish(acme: Partner, paul: User) -> KeyRequest:
    return requested(acme, by=Actor.of(paul))


def requested(partner: Partner, *, by: Actor = SETUP) -> KeyRequest:
    return KeyRequest.make(
        partner=partner, purpose="Nightly import", contact_email="ada@acme.example", networks=[OFFICE, SERVERS], by=by
    )


def approve(client: Client, wish: KeyRequest, **data: str) -> Any:
    form = {"label": "Import", "networks": "203.0.113.7\r\n2001:db8::/48", **data}
    return client.post(url("approve", wish.partner_id, wish.pk), form)


def decline(client: Client, wish: KeyRequest, reason: str = "Finish the set-up first.") -> Any:
    return client.post(url("decline", wish.partner_id, wish.pk), {"reason": reason})


def work() -> None:
    """Sends the mails that wait."""
    for job in ProcrastinateJob.objects.filter(task_name="notifications.send_mail").order_by("id"):
        app.tasks[job.task_name](**job.args)


def told_of(user: User) -> list[str]:
    return [each.subject for each in user.notifications.filter(kind__startswith="key_request.").order_by("pk")]


def mails_about(words: str, outbox: list[EmailMultiAlternatives]) -> dict[str, EmailMultiAlternatives]:
    """By whom they are to."""
    return {mail.to[0]: mail for mail in outbox if words in mail.subject}


# Asking


def test_a_partner_without_a_key_asks_for_one_and_sees_that_it_waits(acme: Partner, paul: User, browse: Browse) -> None:
    client = browse(paul)
    assert page(client.get(ACCOUNT)).links["Request a key"] == REQUEST
    assert page(client.get("/account/")).links["Request a key"] == REQUEST

    answer = client.post(REQUEST, WISH)

    assert (answer.status_code, answer["Location"]) == (303, ACCOUNT)
    wish = acme.key_requests.get()
    assert (wish.state, wish.purpose, wish.contact_email) == ("waiting", "Nightly import", "ada@acme.example")
    assert (wish.addresses, wish.requested_by) == (["203.0.113.7", "2001:db8::/48"], "Paul")
    shown = page(client.get(ACCOUNT)).region("key-list")
    for said in ("Waiting", "Nightly import", "ada@acme.example", "203.0.113.7", "2001:db8::/48", "by Paul"):
        assert said in shown.text
    assert "Request a key" not in shown.links
    assert "has not answered yet" in page(client.get("/account/")).text


def test_the_form_is_a_dialog_and_a_page_and_knows_the_technical_contact(paul: User, browse: Browse) -> None:
    client = browse(paul)

    as_page = page(client.get(REQUEST))
    as_dialog = page(client.get(REQUEST, headers=DIALOG))

    assert as_page.heading == "Request an API key"
    assert as_dialog.element.find("html") is None
    for shown in (as_page, as_dialog):
        assert shown.form(REQUEST).fields["contact_email"] == "ada@acme.example"


def test_htmx_is_told_that_the_request_was_made(acme: Partner, paul: User, browse: Browse) -> None:
    answer = browse(paul).post(REQUEST, WISH, headers=DIALOG)

    assert answer.status_code == 204
    assert told(answer).keys() >= {"requests:changed", "dialog:close", "toast"}
    assert acme.key_requests.open().count() == 1


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("purpose", "", "Say what the key is for"),
        ("purpose", "x" * 301, "at most 300 characters"),
        ("contact_email", "", "required"),
        ("contact_email", "ada", "valid email address"),
        ("networks", "203.0.113.5/24", "203.0.113.5/24 has host bits set; did you mean 203.0.113.0/24?"),
        ("networks", "0.0.0.0/0", "0.0.0.0/0 means any address"),
        ("networks", "::/0", "::/0 means any address"),
        ("networks", "203.0.113.7\nour server", "our server is neither an address"),
        ("networks", "fe80::1%eth0", "is neither an address"),
        ("networks", "\n".join(f"203.0.113.{number}" for number in range(51)), "more than 50"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_form(
    field: str, value: str, complaint: str, acme: Partner, paul: User, browse: Browse
) -> None:
    answer = browse(paul).post(REQUEST, {**WISH, field: value})

    assert answer.status_code == 422
    assert any(complaint in error for error in page(answer).errors)
    assert page(answer).form(REQUEST).fields["contact_email"] == {**WISH, field: value}["contact_email"]
    assert not acme.key_requests.exists()


def test_a_pasted_key_is_refused_as_a_purpose(acme_key: tuple[Key, str], paul: User, browse: Browse) -> None:
    acme_key[0].revoke(by=SETUP)

    answer = browse(paul).post(REQUEST, {**WISH, "purpose": f"Like {acme_key[1]}"})

    assert answer.status_code == 422
    assert "looks like an API key" in page(answer).errors[0]


def test_addresses_are_listed_once_however_they_are_written(acme: Partner, paul: User, browse: Browse) -> None:
    browse(paul).post(
        REQUEST, {**WISH, "networks": " 203.0.113.7 ,203.0.113.7/32\r\n\r\n::ffff:203.0.113.7\n10.0.0.0/8"}
    )

    assert acme.key_requests.get().addresses == ["203.0.113.7", "10.0.0.0/8"]


def test_without_addresses_the_page_says_that_any_may_use_the_key(acme: Partner, paul: User, browse: Browse) -> None:
    client = browse(paul)

    client.post(REQUEST, {**WISH, "networks": "", "purpose": "Nightly\r\nimport"})

    assert acme.key_requests.get().purpose == "Nightly import"
    assert "any address may use the key" in page(client.get(ACCOUNT)).region("key-list").text


def test_a_second_request_is_answered_kindly(wish: KeyRequest, paul: User, browse: Browse) -> None:
    client = browse(paul)

    looked, sent = client.get(REQUEST), client.post(REQUEST, WISH)

    assert [answer["Location"] for answer in (looked, sent)] == [ACCOUNT, ACCOUNT]
    assert "A key was requested already, by Paul." in page(client.get(ACCOUNT)).text
    assert wish.partner.key_requests.count() == 1
    with pytest.raises(AlreadyRequested):
        requested(wish.partner)


def test_a_partner_with_a_live_key_is_shown_it_instead(acme_key: tuple[Key, str], paul: User, browse: Browse) -> None:
    client = browse(paul)

    answer = client.get(REQUEST, headers=DIALOG)

    assert (answer.status_code, answer["HX-Redirect"]) == (204, ACCOUNT)
    assert "You have a live key" in page(client.get(ACCOUNT)).text
    assert "Request a key" not in page(client.get("/account/")).links
    with pytest.raises(HasLiveKey):
        requested(acme_key[0].partner)  # type: ignore[arg-type]


def test_a_paused_partner_is_told_to_become_active_first(acme: Partner, paul: User, browse: Browse) -> None:
    acme.change(by=SETUP, status="paused")
    client = browse(paul)

    shown = page(client.get(ACCOUNT))
    answer = client.post(REQUEST, WISH)

    assert "Request a key" not in shown.links
    assert "Your account is paused, so you cannot request one now." in shown.text
    assert answer["Location"] == ACCOUNT
    assert "Your account is paused. Ask your manager" in page(client.get(ACCOUNT)).text
    with pytest.raises(PartnerPaused):
        requested(acme)


def test_an_onboarding_partner_may_ask(acme: Partner, paul: User, browse: Browse) -> None:
    acme.change(by=SETUP, status="onboarding")

    assert browse(paul).post(REQUEST, WISH).status_code == 303
    assert acme.key_requests.open().exists()


def test_a_partner_whose_key_was_just_revoked_may_ask_and_the_decider_is_told(
    acme_key: tuple[Key, str], acme: Partner, paul: User, amir: User, browse: Browse
) -> None:
    acme_key[0].revoke(by=Actor.of(amir))

    browse(paul).post(REQUEST, WISH)

    wish = acme.key_requests.get()
    client = browse(amir)
    assert "A key of it was revoked lately" in page(client.get(url("approve", acme.pk, wish.pk))).text
    refused = approve(client, wish)
    assert refused.status_code == 422
    assert wish.is_open
    assert approve(client, wish, anyway=f"revoked-{acme_key[0].pk}").status_code == 303


def test_who_may_ask(acme: Partner, cast: list[User], browse: Browse) -> None:
    answers = {user.name: browse(user).get(REQUEST).status_code for user in cast}

    assert answers == {"Sonia": 404, "Nadia": 404, "Amir": 404, "Vera": 404, "Paul": 200, "Otto": 200}


def test_who_views_as_a_partner_needs_the_right_to_issue_keys(
    acme: Partner, amir: User, vera: User, paul: User, browse: Browse
) -> None:
    answers = {}
    for user in (amir, vera):
        client = browse(user)
        client.post(reverse("accounts:acquire"), {"user_pk": paul.pk})
        answers[user.name] = client.post(REQUEST, WISH).status_code

    assert answers == {"Amir": 303, "Vera": 403}
    assert acme.key_requests.get().requested_by == "Amir as Paul"


def test_nobody_signed_in_is_sent_to_sign_in_and_back(db: None) -> None:
    answer = Client().get(REQUEST)
    by_htmx = Client().post(REQUEST, WISH, headers={**DIALOG, "HX-Current-URL": f"http://testserver{ACCOUNT}"})

    assert answer["Location"] == f"/sign-in/?next={REQUEST}"
    assert by_htmx.status_code == 204
    assert by_htmx["HX-Redirect"].startswith("/sign-in/?next=") and by_htmx["HX-Redirect"].endswith(ACCOUNT)


def test_another_site_can_neither_ask_nor_decide(acme: Partner, wish: KeyRequest, paul: User, amir: User) -> None:
    paths = {
        paul: [REQUEST, url("withdraw", wish.pk)],
        amir: [url("approve", acme.pk, wish.pk), url("decline", acme.pk, wish.pk)],
    }
    answers = []
    for user, posts in paths.items():
        client = Client(enforce_csrf_checks=True)
        client.force_login(user)
        answers += [client.post(path, {**WISH, "label": "x", "reason": "x"}).status_code for path in posts]

    assert answers == [403] * 4
    wish.refresh_from_db()
    assert wish.is_open


# Withdrawing


def test_a_request_is_withdrawn_and_another_may_be_made(wish: KeyRequest, paul: User, browse: Browse) -> None:
    client = browse(paul)
    path = url("withdraw", wish.pk)
    assert page(client.get(ACCOUNT)).links["Withdraw"] == path
    assert page(client.get(path)).heading == "Withdraw the request?"

    answer = client.post(path)

    assert (answer.status_code, answer["Location"]) == (303, ACCOUNT)
    wish.refresh_from_db()
    assert (wish.state, wish.withdrawn_by) == ("withdrawn", "Paul")
    assert "Request a key" in page(client.get(ACCOUNT)).links
    assert client.post(REQUEST, WISH).status_code == 303


def test_what_was_decided_is_not_withdrawn(wish: KeyRequest, paul: User, browse: Browse) -> None:
    client = browse(paul)
    wish.decline(reason="No", by=SETUP)

    looked, sent = client.get(url("withdraw", wish.pk)), client.post(url("withdraw", wish.pk))

    assert page(looked).heading == "Nothing to withdraw"
    assert sent.status_code == 303
    assert "had been declined already" in page(client.get(ACCOUNT)).text
    with pytest.raises(AlreadyDecided):
        wish.withdraw(by=SETUP)


def test_a_stranger_finds_nothing_of_it(
    wish: KeyRequest, acme: Partner, otto: User, other_partner: Partner, amir: User, browse: Browse
) -> None:
    client = browse(otto)

    assert client.post(url("withdraw", wish.pk)).status_code == 404
    assert "Nightly import" not in page(client.get(ACCOUNT)).text
    assert [approve(client, wish).status_code, decline(client, wish).status_code] == [404, 404]
    # Nor does it belong to another partner's pages.
    assert browse(amir).get(url("approve", other_partner.pk, wish.pk)).status_code == 404
    wish.refresh_from_db()
    assert wish.is_open


# Deciding


def test_the_request_is_on_the_partners_page_with_what_it_asks(wish: KeyRequest, vera: User, browse: Browse) -> None:
    shown = page(browse(vera).get(url("partner", wish.partner_id))).region("key-request")

    for said in ("Requests a key", "Nightly import", "ada@acme.example", "203.0.113.7", "2001:db8::/48", "by Paul"):
        assert said in shown.text
    assert shown.links["Approve"] == url("approve", wish.partner_id, wish.pk)
    assert shown.links["Decline"] == url("decline", wish.partner_id, wish.pk)


def test_adding_a_key_says_that_a_request_waits(wish: KeyRequest, amir: User, browse: Browse) -> None:
    shown = page(browse(amir).get(url("add", wish.partner_id)))

    assert shown.links["Approve its request"] == url("approve", wish.partner_id, wish.pk)


def test_approving_issues_the_key_with_the_allowlist_asked_for(
    wish: KeyRequest, acme: Partner, amir: User, paul: User, browse: Browse, call: Callable[..., Client]
) -> None:
    client = browse(amir)
    form = page(client.get(url("approve", acme.pk, wish.pk))).form(url("approve", acme.pk, wish.pk))
    assert form.fields["label"] == "Nightly import"
    assert form.fields["networks"].split() == ["203.0.113.7", "2001:db8::/48"]

    answer = client.post(form.action, form.fields)

    key = acme.keys.get()
    assert (answer.status_code, answer["Location"]) == (303, url("send", acme.pk, key.pk))
    assert (key.label, key.created_by) == ("Nightly import", "Amir")
    assert [str(entry) for entry in key.allowlist.all()] == ["203.0.113.7", "2001:db8::/48"]
    wish.refresh_from_db()
    assert (wish.state, wish.approved_by, wish.key) == ("approved", "Amir", key)
    assert "Requests a key" not in page(client.get(url("partner", acme.pk))).text
    card = page(browse(paul).get(ACCOUNT)).region("key-list").text
    assert "Requested by Paul, approved" in card
    secret = key.reveal(by=SETUP, how="shown")
    assert call(secret, X_Forwarded_For="").get("/v1/affiliates/affiliate").status_code == 403
    assert not LOOKS_LIKE_A_KEY.search(answer.content.decode())


def test_label_and_allowlist_may_be_changed_before_approving(wish: KeyRequest, amir: User, browse: Browse) -> None:
    approve(browse(amir), wish, label="Warehouse", networks="203.0.113.0/24")

    key = wish.partner.keys.get()
    assert (key.label, [str(entry) for entry in key.allowlist.all()]) == ("Warehouse", ["203.0.113.0/24"])
    event = Event.objects.get(kind="key_request.approved")
    assert event.details == {"key": str(key), "allowlist": ["203.0.113.7, 2001:db8::/48", "203.0.113.0/24"]}


def test_htmx_goes_on_to_send_it_safely(wish: KeyRequest, amir: User, browse: Browse) -> None:
    path = url("approve", wish.partner_id, wish.pk)

    answer = browse(amir).post(path, {"label": "Import", "networks": ""}, headers=DIALOG)

    events = told(answer)
    assert events["dialog:open"] == url("send", wish.partner_id, wish.partner.keys.get().pk)
    assert "keys:changed" in events


@pytest.mark.parametrize(("field", "value"), [("label", ""), ("networks", "10.0.0.5/24")])
def test_an_approval_that_makes_no_sense_issues_nothing(
    field: str, value: str, wish: KeyRequest, amir: User, browse: Browse
) -> None:
    answer = approve(browse(amir), wish, **{field: value})

    assert answer.status_code == 422
    assert page(answer).errors
    assert not wish.partner.keys.exists()


def test_what_stands_against_it_is_read_before_a_key_is_issued(
    wish: KeyRequest, acme: Partner, amir: User, browse: Browse
) -> None:
    acme.change(by=SETUP, status="paused", technical_contact_email="")
    flag = acme.raise_flag(kind=Flag.Kind.FRAUD, note="Odd clicks", by=SETUP)
    key, _ = Key.issue(partner=acme, label="By hand", by=SETUP)
    client = browse(amir)

    shown = page(client.get(url("approve", acme.pk, wish.pk)))
    refused = approve(client, wish, anyway="paused")

    for said in ("Acme Media is paused", "Open fraud flag", "Acme Media has a live key", "By hand"):
        assert said in shown.text
    assert "no technical contact" not in shown.text
    assert refused.status_code == 422
    assert approve(client, wish, anyway=f"paused flag-{flag.pk} live-{key.pk}").status_code == 303


def test_the_contact_of_the_request_becomes_the_partners_when_it_has_none(
    wish: KeyRequest, acme: Partner, amir: User, browse: Browse
) -> None:
    acme.change(by=SETUP, technical_contact_email="")
    approve(browse(amir), wish)
    acme.refresh_from_db()
    assert acme.technical_contact_email == "ada@acme.example"


def test_the_contact_of_a_partner_that_has_one_stays(wish: KeyRequest, acme: Partner, amir: User) -> None:
    acme.change(by=SETUP, technical_contact_email="other@acme.example")

    wish.approve(label="Import", networks=[], by=SETUP)

    acme.refresh_from_db()
    assert acme.technical_contact_email == "other@acme.example"


def test_declining_needs_a_reason_and_the_partner_reads_it(
    wish: KeyRequest, amir: User, paul: User, browse: Browse
) -> None:
    client = browse(amir)
    without = decline(client, wish, reason="  ")
    assert (without.status_code, page(without).errors) == (422, ["Give the partner a reason."])

    answer = decline(client, wish)

    assert (answer.status_code, answer["Location"]) == (303, url("partner", wish.partner_id))
    wish.refresh_from_db()
    assert (wish.state, wish.declined_by, wish.reason) == ("declined", "Amir", "Finish the set-up first.")
    theirs = page(browse(paul).get(ACCOUNT))
    assert "Your request was declined" in theirs.text
    assert "Finish the set-up first." in theirs.text
    assert theirs.links["Request a key"] == REQUEST
    assert page(browse(paul).get("/account/")).links["see why"] == ACCOUNT


def test_a_decline_is_no_news_once_a_key_was_issued_all_the_same(
    wish: KeyRequest, acme: Partner, paul: User, browse: Browse
) -> None:
    wish.decline(reason="Finish the set-up first.", by=SETUP)
    Key.issue(partner=acme, label="By hand", by=SETUP)[0].revoke(by=SETUP)

    shown = page(browse(paul).get(ACCOUNT))

    assert "declined" not in shown.text
    assert shown.links["Request a key"] == REQUEST


def test_of_two_who_decide_the_second_is_told(wish: KeyRequest, amir: User, nadia: User, browse: Browse) -> None:
    first, second = browse(amir), browse(nadia)
    approve(first, wish)

    looked = second.get(url("decline", wish.partner_id, wish.pk))
    declined, approved = decline(second, wish), approve(second, wish, anyway=f"live-{wish.partner.keys.get().pk}")

    assert page(looked).heading == "Decided already"
    assert "was approved by Amir" in page(looked).text
    assert [declined.status_code, approved.status_code] == [303, 303]
    assert "The request had been approved already, by Amir." in page(second.get(declined["Location"])).text
    assert wish.partner.keys.count() == 1
    assert not Event.objects.filter(kind="key_request.declined").exists()


def test_a_request_that_is_withdrawn_while_somebody_decides(wish: KeyRequest, amir: User, browse: Browse) -> None:
    client = browse(amir)
    wish.withdraw(by=SETUP)

    answer = approve(client, wish)

    assert answer["Location"] == url("partner", wish.partner_id)
    assert "The request had been withdrawn already, by tests." in page(client.get(answer["Location"])).text
    assert not wish.partner.keys.exists()


@pytest.mark.parametrize("action", ["approve", "decline"])
def test_who_may_decide(action: str, wish: KeyRequest, cast: list[User], browse: Browse) -> None:
    path = url(action, wish.partner_id, wish.pk)

    answers = {
        user.name: (browse(user).get(path).status_code, browse(user).post(path, {}).status_code) for user in cast
    }

    looks_alone = {"Sonia", "Nadia", "Amir"}
    assert {name for name, answer in answers.items() if answer[0] == 200} == looks_alone
    assert answers["Vera"] == (403, 403)
    assert answers["Paul"] == answers["Otto"] == (404, 404)


def test_forbidden_names_the_right_and_leaves_the_request(wish: KeyRequest, vera: User, browse: Browse) -> None:
    answer = browse(vera).get(url("approve", wish.partner_id, wish.pk), headers=HTMX)

    assert answer.status_code == 403
    assert "Security: full control" in told(answer)["toast"][0]["text"]


# Manage, and the network's setting


def test_manage_counts_marks_and_filters_who_requests_a_key(
    wish: KeyRequest, acme: Partner, other_partner: Partner, vera: User, browse: Browse
) -> None:
    Key.issue(partner=acme, label="By hand", by=SETUP)
    Key.issue(partner=acme, label="By hand too", by=SETUP)
    client = browse(vera)

    everybody = page(client.get("/partners/"))
    those = page(client.get("/partners/?keys=requests")).region("partner-table")

    assert everybody.region("requesting").text == "1 requests a key"
    rows = {row["Name"]: row for row in everybody.region("partner-table").records}
    assert (rows["Acme Media"]["Status"], rows["Orbit Deals"]["Status"]) == ("Active Requests a key", "Active")
    assert rows["Acme Media"]["Live keys"] == "2"
    assert [row["Name"] for row in those.records] == ["Acme Media"]
    assert those.links["Requests a key"] == url("partner", acme.pk)
    wish.decline(reason="No", by=SETUP)
    assert not page(client.get("/partners/")).has("requesting")


def test_manage_asks_for_the_same_requests_as_the_keys_app(acme: Partner, other_partner: Partner) -> None:
    third = Partner.create(by=SETUP, name="Third", status="active")
    requested(acme).withdraw(by=SETUP)
    requested(acme)
    requested(other_partner).decline(reason="No", by=SETUP)
    requested(third).approve(label="Import", networks=[], by=SETUP)

    asking = Partner.objects.requesting_key()

    assert set(asking) == {wish.partner for wish in KeyRequest.objects.open()} == {acme}
    assert {p.name: p.requests_key for p in Partner.objects.with_requests()} == {
        "Acme Media": True,
        "Orbit Deals": False,
        "Third": False,
    }


def test_manage_takes_as_many_queries_for_twenty_requests_as_for_one(
    wish: KeyRequest, vera: User, browse: Browse
) -> None:
    client = browse(vera)
    client.get("/partners/")
    with CaptureQueriesContext(connection) as for_one:
        client.get("/partners/")
    for number in range(19):
        requested(Partner.create(by=SETUP, name=f"Partner {number}", status="active"))

    with CaptureQueriesContext(connection) as for_twenty:
        client.get("/partners/")

    assert len(for_twenty) == len(for_one)


def test_the_network_turns_requests_off_and_open_ones_can_still_be_decided(
    wish: KeyRequest, other_partner: Partner, nadia: User, amir: User, paul: User, otto: User, browse: Browse
) -> None:
    client = browse(nadia)
    path = "/system/api/requests/"
    assert page(client.get(path)).form(path).fields["partners_may_request_keys"] == "on"

    answer = client.post(path, {})

    assert (answer.status_code, answer["Location"]) == (303, "/system/api/")
    shown = page(client.get("/system/api/")).region("self-service")
    assert "Partners may not request keys." in shown.text
    assert shown.links["1 request waits"] == "/partners/?keys=requests"
    theirs = browse(otto)
    assert "Request a key" not in page(theirs.get(ACCOUNT)).links
    assert "Request a key" not in page(theirs.get("/account/")).links
    assert [theirs.get(REQUEST).status_code, theirs.post(REQUEST, WISH).status_code] == [404, 404]
    with pytest.raises(RequestsTurnedOff):
        requested(other_partner)
    assert "Waiting" in page(browse(paul).get(ACCOUNT)).text
    assert approve(browse(amir), wish).status_code == 303


def test_turning_it_off_is_in_the_history_and_on_again(nadia: User, amir: User, browse: Browse) -> None:
    client = browse(nadia)
    client.post("/system/api/requests/", {})
    client.post("/system/api/requests/", {"partners_may_request_keys": "on"})

    changes = [event.changes for event in Event.objects.filter(kind="network.changed", actor_id=nadia.pk)]
    assert changes == [["partners may request keys: no → yes"], ["partners may request keys: yes → no"]]
    assert Network.load().partners_may_request_keys
    assert browse(amir).get("/system/api/requests/").status_code == 403


# Events, and who is told


def test_the_history_has_what_both_sides_did(wish: KeyRequest, acme: Partner, amir: User, browse: Browse) -> None:
    wish.withdraw(by=SETUP)
    decline(browse(amir), requested(acme))
    approve(browse(amir), requested(acme))

    told = [
        (event.kind, event.actor_label, event.subject_label, event.partner_id)
        for event in Event.objects.filter(kind__startswith="key_request.").order_by("pk")
    ]

    assert told == [
        ("key_request.made", "Paul", "Nightly import", acme.pk),
        ("key_request.withdrawn", "tests", "Nightly import", acme.pk),
        ("key_request.made", "tests", "Nightly import", acme.pk),
        ("key_request.declined", "Amir", "Nightly import", acme.pk),
        ("key_request.made", "tests", "Nightly import", acme.pk),
        ("key_request.approved", "Amir", "Nightly import", acme.pk),
    ]
    assert Event.objects.filter(kind="key.issued", actor_label="Amir").count() == 1
    shown = page(browse(amir).get("/control-center/history/?kind=key_request.declined")).text
    assert "Key request declined" in shown
    assert "reason: Finish the set-up first." in shown


def text_and_html(mail: EmailMultiAlternatives) -> tuple[str, str]:
    return str(mail.body), str(mail.alternatives[0][0])


def test_the_partners_manager_is_told_of_a_request(
    acme: Partner, cast: list[User], mailoutbox: list[EmailMultiAlternatives]
) -> None:
    _, _, _, vera, paul, _ = cast
    acme.change(by=SETUP, manager=vera)
    requested(acme, by=Actor.of(paul))

    work()

    assert {user.name: told_of(user) for user in cast if told_of(user)} == {"Vera": ["Acme Media: A key is requested"]}
    mail = mails_about("A key is requested", mailoutbox)[vera.email]
    for written in text_and_html(mail):
        for said in (
            "Paul",
            "Nightly import",
            "ada@acme.example",
            "203.0.113.7, 2001:db8::/48",
            url("partner", acme.pk),
        ):
            assert said in written


def test_without_a_manager_each_who_may_issue_keys_is_told(cast: list[User], acme: Partner) -> None:
    _, nadia, *_, paul, _ = cast
    nadia.deactivate(by=SETUP)

    requested(acme, by=Actor.of(paul))

    assert {user.name for user in cast if told_of(user)} == {"Sonia", "Amir"}


def test_the_partners_users_are_told_of_an_approval_without_the_key(
    wish: KeyRequest, cast: list[User], mailoutbox: list[EmailMultiAlternatives]
) -> None:
    *_, paul, _ = cast
    colleague = User.invite(email="pia@latchkey.example", name="Pia", partner=wish.partner, by=SETUP)
    key, secret = wish.approve(label="Import", networks=[], by=SETUP)

    work()

    # Nobody is told of the same thing twice.
    assert not paul.notifications.filter(kind="key.issued").exists()
    approved = mails_about("Your request for a key was approved", mailoutbox)
    assert approved.keys() == {paul.email, colleague.email}
    assert told_of(paul) == ["Your request for a key was approved"]
    for written in text_and_html(approved[paul.email]):
        assert secret not in written
        assert not LOOKS_LIKE_A_KEY.search(written)
        assert str(key) in written
        assert ACCOUNT in written


def test_the_partners_users_are_told_of_a_decline_with_its_reason(
    wish: KeyRequest, paul: User, amir: User, mailoutbox: list[EmailMultiAlternatives]
) -> None:
    wish.decline(reason="Finish <b>the set-up</b> first.", by=Actor.of(amir))

    work()

    text, html = text_and_html(mails_about("Your request for a key was declined", mailoutbox)[paul.email])
    assert "Finish <b>the set-up</b> first." in text
    assert "Finish &lt;b&gt;the set-up&lt;/b&gt; first." in html
    for written in (text, html):
        assert "Nightly import" in written
        assert "request one again" in written
        assert "Amir" not in written


def test_whoever_views_as_the_partner_is_not_told_of_what_they_did(acme: Partner, amir: User, paul: User) -> None:
    acme.change(by=SETUP, manager=amir)

    requested(acme, by=Actor.of(paul, impersonator=amir))

    assert told_of(amir) == []


def test_a_key_that_was_not_issued_leaves_the_request_and_tells_nobody(
    wish: KeyRequest, paul: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise IntegrityError

    monkeypatch.setattr(Key, "issue", fail)
    with pytest.raises(IntegrityError), transaction.atomic():
        wish.approve(label="Import", networks=[], by=SETUP)

    wish.refresh_from_db()
    assert wish.is_open
    assert told_of(paul) == []
    assert not Event.objects.filter(kind="key_request.approved").exists()


# The database


@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("key_request_requested_at_and_by", {"requested_by": ""}),
        ("key_request_approved_at_and_by", {"approved_by": "Amir"}),
        ("key_request_declined_at_and_by", {"declined_by": "Amir"}),
        ("key_request_withdrawn_at_and_by", {"withdrawn_by": "Paul"}),
        ("key_request_has_a_reason_once_declined", {"declined_at": timezone.now(), "declined_by": "Amir"}),
        ("key_request_has_a_reason_once_declined", {"reason": "No"}),
        ("key_request_has_its_key_once_approved", {"approved_at": timezone.now(), "approved_by": "Amir"}),
        ("key_request_says_what_for", {"purpose": ""}),
        ("key_request_says_what_for", {"contact_email": ""}),
        (
            "key_request_has_one_end",
            {
                "declined_at": timezone.now(),
                "declined_by": "Amir",
                "reason": "No",
                "withdrawn_at": timezone.now(),
                "withdrawn_by": "Paul",
            },
        ),
    ],
)
def test_the_database_refuses_a_request_that_contradicts_itself(
    constraint: str, change: dict[str, object], wish: KeyRequest
) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        KeyRequest.objects.filter(pk=wish.pk).update(**change)


def test_the_database_refuses_a_second_open_request(wish: KeyRequest) -> None:
    with pytest.raises(IntegrityError, match="partner_has_one_open_key_request"), transaction.atomic():
        KeyRequest.objects.create(
            partner=wish.partner, purpose="x", contact_email="x@acme.example", requested_by="x", networks=[]
        )


def test_the_database_refuses_the_key_of_a_request_that_waits(wish: KeyRequest, acme_key: tuple[Key, str]) -> None:
    with pytest.raises(IntegrityError, match="key_request_has_its_key_once_approved"), transaction.atomic():
        KeyRequest.objects.filter(pk=wish.pk).update(key=acme_key[0])


def test_a_key_that_expired_lets_its_partner_ask_again(acme_key: tuple[Key, str], acme: Partner) -> None:
    Key.objects.filter(pk=acme_key[0].pk).update(expires_at=timezone.now() - timedelta(seconds=1))

    assert requested(acme).is_open
