from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from keys.models import Key
from keys.networks import parse_network
from partners.models import Flag, Partner
from portal.accounts.models import Event, User
from tests.conftest import SETUP, Browse
from tests.htmx import DIALOG, HTMX, told
from tests.page import page

pytestmark = pytest.mark.django_db


def url(name: str, *args: object) -> str:
    return reverse(f"keys:{name}", args=args)


def add(client: Client, partner: Partner, *, label: str = "Billing", **data: str) -> Any:
    return client.post(url("add", partner.pk), {"label": label, "submission": str(uuid.uuid4()), **data})


def test_the_table_has_live_keys_first_and_newest_first(acme: Partner, amir: User, browse: Browse) -> None:
    oldest, _ = Key.issue(partner=acme, label="Oldest", by=SETUP)
    closed, _ = Key.issue(partner=acme, label="Closed", by=SETUP)
    newest, _ = Key.issue(partner=acme, label="Newest", by=SETUP)
    closed.revoke(by=SETUP)

    answer = browse(amir).get(url("partner", acme.pk))

    rows = page(answer).region("key-table").records
    assert [row["Label"] for row in rows] == ["Newest", "Oldest", "Closed"]
    assert newest.hint in rows[0]["Key"]
    assert (rows[0]["Created by"], rows[0]["Last used"]) == ("tests", "Never")
    assert rows[0]["IP allowlist"].startswith("Any address")
    assert [row["Status"].split()[0] for row in rows] == ["Live", "Live", "Revoked"]
    assert oldest.hint in rows[1]["Key"]


def test_the_table_says_when_and_from_where_a_key_was_last_used(
    acme_key: tuple[Key, str], amir: User, browse: Browse, call: Any
) -> None:
    key, secret = acme_key
    call(secret).get("/v1/affiliates/affiliate")

    answer = browse(amir).get(url("partner", key.partner_id))

    assert "from 127.0.0.1" in page(answer).region("key-table").records[0]["Last used"]


def test_a_partner_without_keys_is_told_to_have_the_first_one_added(acme: Partner, amir: User, browse: Browse) -> None:
    answer = browse(amir).get(url("partner", acme.pk))

    region = page(answer).region("key-table")
    assert "No keys yet" in region.text
    assert region.links["Add"] == url("add", acme.pk)


def test_the_table_takes_as_many_queries_for_twenty_keys_as_for_one(
    acme_key: tuple[Key, str], acme: Partner, amir: User, browse: Browse
) -> None:
    client = browse(amir)
    client.get(url("partner", acme.pk))
    with CaptureQueriesContext(
        connection,
    ) as for_one:
        client.get(url("partner", acme.pk))
    for number in range(19):
        key, _ = Key.issue(partner=acme, label=f"Key {number}", by=SETUP)
        key.allow(network=parse_network("203.0.113.0/24"), label="", by=SETUP)

    with CaptureQueriesContext(connection) as for_twenty:
        answer = client.get(url("partner", acme.pk))

    assert len(page(answer).region("key-table").rows) == 20
    assert len(for_twenty) == len(for_one)


def test_htmx_gets_the_table_alone(acme_key: tuple[Key, str], acme: Partner, amir: User, browse: Browse) -> None:
    answer = browse(amir).get(url("partner", acme.pk), headers={**HTMX, "HX-Target": "key-table"})

    assert page(answer).has("key-table")
    assert not page(answer).title


def test_the_table_sorts_by_last_use_with_the_never_used_as_the_longest_unused(
    acme: Partner, amir: User, browse: Browse, call: Any
) -> None:
    _, secret = Key.issue(partner=acme, label="Used", by=SETUP)
    Key.issue(partner=acme, label="Never used", by=SETUP)
    call(secret).get("/v1/affiliates/affiliate")

    rising = browse(amir).get(url("partner", acme.pk), {"sort": "last_used_at"})
    falling = browse(amir).get(url("partner", acme.pk), {"sort": "-last_used_at"})

    assert [row["Label"] for row in page(rising).region("key-table").records] == ["Never used", "Used"]
    assert [row["Label"] for row in page(falling).region("key-table").records] == ["Used", "Never used"]


def test_add_issues_a_key_and_leads_to_sending_it_safely(acme: Partner, amir: User, browse: Browse) -> None:
    answer = add(browse(amir), acme)

    key = acme.keys.get()
    assert (key.label, key.created_by) == ("Billing", "Amir")
    assert answer.status_code == 303
    assert answer["Location"] == url("send", acme.pk, key.pk)
    event = Event.objects.get(kind="key.issued")
    assert (event.actor_id, event.partner_id, event.subject_id) == (amir.pk, acme.pk, key.pk)


def test_add_under_htmx_refreshes_the_table_and_goes_on_to_the_next_dialog(
    acme: Partner, amir: User, browse: Browse
) -> None:
    answer = browse(amir).post(
        url("add", acme.pk), {"label": "Billing", "submission": str(uuid.uuid4())}, headers=DIALOG
    )

    assert answer.status_code == 204
    key = acme.keys.get()
    assert told(answer)["keys:changed"] is True
    assert told(answer)["dialog:open"] == url("send", acme.pk, key.pk)
    assert "dialog:close" not in told(answer)


def test_the_same_form_submitted_twice_issues_one_key(acme: Partner, amir: User, browse: Browse) -> None:
    client, submission = browse(amir), str(uuid.uuid4())
    first = add(client, acme, submission=submission)

    second = add(client, acme, submission=submission)

    assert acme.keys.count() == 1
    assert second["Location"] == first["Location"]
    assert "there is one key" in page(client.get(second["Location"])).text


def test_every_opening_of_the_dialog_is_a_form_of_its_own(acme: Partner, amir: User, browse: Browse) -> None:
    client = browse(amir)

    forms = [page(client.get(url("add", acme.pk), headers=DIALOG)).form(url("add", acme.pk)) for _ in range(2)]

    assert forms[0].fields["submission"] != forms[1].fields["submission"]


@pytest.mark.parametrize("label", ["", "  ", "x" * 81, "lk_aff_0123456789", "a\x00b"])
def test_a_label_that_says_nothing_or_too_much_is_refused(
    label: str, acme: Partner, amir: User, browse: Browse
) -> None:
    answer = add(browse(amir), acme, label=label)

    assert answer.status_code == 422
    assert page(answer).form(url("add", acme.pk)).errors
    assert not acme.keys.exists()


def unready(partner: Partner) -> str:
    """Makes the partner fail every test of readiness; answers what the form must acknowledge."""
    partner.change(by=SETUP, status="onboarding", technical_contact_email="")
    fraud = partner.raise_flag(kind=Flag.Kind.FRAUD, note="Clicks from one address", by=SETUP)
    quality = partner.raise_flag(kind=Flag.Kind.QUALITY, note="Many returns", by=SETUP)
    return f"onboarding contact flag-{fraud.pk} flag-{quality.pk}"


def test_the_dialog_says_what_stands_against_a_key(acme: Partner, amir: User, browse: Browse) -> None:
    unready(acme)

    text = page(browse(amir).get(url("add", acme.pk))).text

    for said in ("still onboarding", "no technical contact", "Clicks from one address", "Many returns"):
        assert said in text


def test_a_key_against_which_something_stands_needs_a_second_deliberate_click(
    acme: Partner, amir: User, browse: Browse
) -> None:
    everything = unready(acme)
    client = browse(amir)

    without = add(client, acme)
    with_the_click = add(client, acme, anyway=everything)

    assert without.status_code == 422
    assert "tick this box" in page(without).text
    assert with_the_click.status_code == 303
    assert acme.keys.count() == 1


def test_the_second_click_does_not_stand_for_a_concern_raised_after_it_was_shown(
    acme: Partner, amir: User, browse: Browse
) -> None:
    seen = unready(acme)
    acme.raise_flag(kind=Flag.Kind.FRAUD, note="Stolen cards", by=SETUP)

    answer = add(browse(amir), acme, anyway=seen)

    assert answer.status_code == 422
    assert "Stolen cards" in page(answer).text
    assert not acme.keys.exists()


def test_a_closed_flag_stands_against_nothing(acme: Partner, amir: User, browse: Browse) -> None:
    acme.raise_flag(kind=Flag.Kind.FRAUD, note="Cleared", by=SETUP).close(by=SETUP)

    answer = add(browse(amir), acme)

    assert answer.status_code == 303


def test_the_text_to_send_leads_to_the_key_and_does_not_hold_it(
    acme_key: tuple[Key, str], acme: Partner, paul: User, amir: User, browse: Browse
) -> None:
    key, secret = acme_key

    answer = browse(amir).get(url("send", acme.pk, key.pk))

    text = page(answer).region("invitation").text
    assert "Hello Ada" in text
    assert "http://localhost:8000/account/api/" in text
    assert "http://localhost:8000/guide/" in text
    assert secret not in answer.content.decode()
    assert "Paul" in page(answer).text


def test_sending_says_when_nobody_of_the_partner_can_sign_in(
    acme_key: tuple[Key, str], acme: Partner, amir: User, browse: Browse
) -> None:
    answer = browse(amir).get(url("send", acme.pk, acme_key[0].pk))

    assert "Nobody at this partner can sign in yet" in page(answer).text


def test_show_answers_the_key_in_the_element_that_asked(
    acme_key: tuple[Key, str], acme: Partner, amir: User, browse: Browse
) -> None:
    key, secret = acme_key
    element = f"key-{key.pk}-secret"

    answer = browse(amir).post(url("reveal", acme.pk, key.pk), headers={**HTMX, "HX-Target": element})

    assert secret in page(answer).region(element).text
    assert not page(answer).title
    assert "no-store" in answer["Cache-Control"]
    event = Event.objects.get(kind="key.revealed")
    assert (event.actor_id, event.details) == (amir.pk, {"how": "shown"})


def test_show_without_javascript_is_a_page_with_the_key(
    acme_key: tuple[Key, str], acme: Partner, amir: User, browse: Browse
) -> None:
    key, secret = acme_key

    answer = browse(amir).post(url("reveal", acme.pk, key.pk), headers={"Accept": "text/html,*/*;q=0.8"})

    assert page(answer).heading == "Reporting"
    assert secret in page(answer).text
    assert "no-store" in answer["Cache-Control"]


def test_copy_answers_the_bare_key_without_showing_it(
    acme_key: tuple[Key, str], acme: Partner, amir: User, browse: Browse
) -> None:
    key, secret = acme_key

    answer = browse(amir).post(url("reveal", acme.pk, key.pk), headers={**HTMX, "Accept": "text/plain"})

    assert answer.content.decode() == secret
    assert answer["Content-Type"].startswith("text/plain")
    assert "no-store" in answer["Cache-Control"]
    assert Event.objects.get(kind="key.revealed").details == {"how": "copied"}


def test_a_key_is_never_revealed_by_following_a_link(
    acme_key: tuple[Key, str], acme: Partner, amir: User, browse: Browse
) -> None:
    answer = browse(amir).get(url("reveal", acme.pk, acme_key[0].pk))

    assert answer.status_code == 405


def test_a_key_revoked_a_moment_ago_is_not_shown_and_the_table_is_told(
    acme_key: tuple[Key, str], acme: Partner, amir: User, browse: Browse
) -> None:
    key, secret = acme_key
    key.revoke(by=SETUP)

    answer = browse(amir).post(url("reveal", acme.pk, key.pk), headers={**HTMX, "Accept": "text/plain"})

    assert answer.status_code == 204
    assert "is revoked" in told(answer)["toast"][0]["text"]
    assert secret.encode() not in answer.content
    assert not Event.objects.filter(kind="key.revealed").exists()


def test_a_key_whose_encryption_key_is_gone_is_explained(
    acme_key: tuple[Key, str], acme: Partner, amir: User, browse: Browse, settings: Any
) -> None:
    settings.KEY_ENCRYPTION_KEYS = ["2:" + "B" * 43 + "="]

    answer = browse(amir).post(url("reveal", acme.pk, acme_key[0].pk), follow=True)

    assert "encryption key 1, which KEY_ENCRYPTION_KEYS no longer names" in page(answer).text


@time_machine.travel(datetime.now(UTC), tick=False)  # all of it in one window
@time_machine.travel(datetime.now(UTC), tick=False)
def test_who_reveals_too_fast_is_told_when_to_try_again(
    acme_key: tuple[Key, str], acme: Partner, amir: User, browse: Browse
) -> None:
    client, path = browse(amir), url("reveal", acme.pk, acme_key[0].pk)
    for _ in range(30):
        assert client.post(path).status_code == 200

    on_a_page = client.post(path)
    under_htmx = client.post(path, headers=HTMX)

    assert on_a_page.status_code == under_htmx.status_code == 429
    assert int(on_a_page["Retry-After"]) >= 1
    assert "Try again in" in page(on_a_page).text
    assert told(under_htmx)["toast"][0]["title"] == "Too many requests"
    assert Event.objects.filter(kind="key.revealed").count() == 30


def test_the_revoke_dialog_names_the_key_and_what_will_happen(
    acme_key: tuple[Key, str], acme: Partner, amir: User, browse: Browse
) -> None:
    key, _ = acme_key

    text = page(browse(amir).get(url("revoke", acme.pk, key.pk), headers=DIALOG)).text

    assert "Reporting" in text
    assert key.hint in text
    assert "Never" in text
    assert "last live key of Acme Media" in text


def test_revoke_closes_the_key_and_says_so(
    acme_key: tuple[Key, str], acme: Partner, amir: User, browse: Browse
) -> None:
    key, _ = acme_key

    answer = browse(amir).post(url("revoke", acme.pk, key.pk), headers=DIALOG)

    key.refresh_from_db()
    assert (key.state, key.revoked_by) == (Key.State.REVOKED, "Amir")
    assert told(answer)["keys:changed"] is True
    assert told(answer)["dialog:close"] is True
    assert told(answer)["toast"][0]["text"] == f"{key} was revoked."


def test_who_revokes_second_is_told_who_was_first(
    acme_key: tuple[Key, str], acme: Partner, amir: User, browse: Browse
) -> None:
    key, _ = acme_key
    key.revoke(by=SETUP)
    client = browse(amir)

    dialog = client.get(url("revoke", acme.pk, key.pk))
    answer = client.post(url("revoke", acme.pk, key.pk), follow=True)

    assert "Revoked already" in page(dialog).text
    assert "had been revoked already, by tests" in page(answer).text
    assert Event.objects.filter(kind="key.revoked").count() == 1


def test_a_key_can_be_given_another_label(acme_key: tuple[Key, str], acme: Partner, amir: User, browse: Browse) -> None:
    key, _ = acme_key

    answer = browse(amir).post(url("rename", acme.pk, key.pk), {"label": "Invoices"})

    key.refresh_from_db()
    assert answer.status_code == 303
    assert key.label == "Invoices"
    assert Event.objects.get(kind="key.renamed").details == {"label": ["Reporting", "Invoices"]}


def test_giving_a_key_the_label_it_has_leaves_no_event(
    acme_key: tuple[Key, str], acme: Partner, amir: User, browse: Browse
) -> None:
    browse(amir).post(url("rename", acme.pk, acme_key[0].pk), {"label": "Reporting"})

    assert not Event.objects.filter(kind="key.renamed").exists()


@pytest.mark.parametrize("form", ["csv", "json"])
def test_the_export_has_hints_and_never_keys(
    form: str, acme_key: tuple[Key, str], acme: Partner, amir: User, browse: Browse
) -> None:
    key, secret = acme_key
    key.allow(network=parse_network("203.0.113.7"), label="", by=SETUP)

    answer: Any = browse(amir).get(url("export", acme.pk), {"format": form})

    text = b"".join(answer.streaming_content).decode()
    assert "Reporting" in text
    assert key.hint in text or key.hint.encode("ascii", "backslashreplace").decode() in text
    assert "203.0.113.7" in text
    assert secret not in text
    assert f"api-keys-{acme.pk}.{form}" in answer["Content-Disposition"]
    assert Event.objects.get(kind="keys.exported").details == {"format": form}


def test_the_export_knows_no_other_formats(acme: Partner, amir: User, browse: Browse) -> None:
    assert browse(amir).get(url("export", acme.pk), {"format": "xls"}).status_code == 404


def test_who_may_do_what_to_the_keys_of_a_partner(
    acme_key: tuple[Key, str], acme: Partner, cast: list[User], browse: Browse
) -> None:
    key, _ = acme_key
    views = {
        "look": lambda client: client.get(url("partner", acme.pk)),
        "export": lambda client: client.get(url("export", acme.pk)),
        "allowlist": lambda client: client.get(url("allowlist", acme.pk, key.pk)),
        "add": lambda client: client.get(url("add", acme.pk)),
        "send": lambda client: client.get(url("send", acme.pk, key.pk)),
        "reveal": lambda client: client.post(url("reveal", acme.pk, key.pk)),
        "rename": lambda client: client.get(url("rename", acme.pk, key.pk)),
        "revoke": lambda client: client.get(url("revoke", acme.pk, key.pk)),
        "allow": lambda client: client.post(url("allow", acme.pk, key.pk), {"network": ""}),
        "disallow": lambda client: client.post(url("disallow", acme.pk, key.pk, 0)),
    }
    looking, doing = list(views)[:3], list(views)[3:]

    answers = {user.name: {name: view(browse(user)).status_code for name, view in views.items()} for user in cast}

    ok = {**dict.fromkeys(views, 200), "allow": 422, "disallow": 303}
    assert answers["Sonia"] == answers["Nadia"] == answers["Amir"] == ok
    assert answers["Vera"] == {**dict.fromkeys(looking, 200), **dict.fromkeys(doing, 403)}
    assert answers["Paul"] == answers["Otto"] == dict.fromkeys(views, 404)


def test_who_may_not_issue_a_key_is_told_which_permission_is_missing(acme: Partner, vera: User, browse: Browse) -> None:
    under_htmx = browse(vera).get(url("add", acme.pk), headers=DIALOG)
    on_a_page = add(browse(vera), acme)

    needed = "Security: full control or Accounts & History Logs: full access"
    assert under_htmx.status_code == on_a_page.status_code == 403
    assert told(under_htmx)["toast"][0]["title"] == "Forbidden"
    assert needed in told(under_htmx)["toast"][0]["text"]
    assert needed in page(on_a_page).text
    assert not acme.keys.exists()


def test_a_key_is_not_found_under_another_partner(
    acme_key: tuple[Key, str], other_partner: Partner, amir: User, browse: Browse
) -> None:
    key, _ = acme_key

    answer = browse(amir).post(url("revoke", other_partner.pk, key.pk))

    assert answer.status_code == 404
    key.refresh_from_db()
    assert key.is_live
