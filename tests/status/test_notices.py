from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from portal.accounts.models import Event, Role, User
from portal.network.models import Network
from portal.status.models import AlreadyEnded, Notice
from tests.conftest import SETUP, Browse, person
from tests.htmx import DIALOG, told
from tests.page import page

pytestmark = pytest.mark.django_db
PAGE, ADD = "/system/status/", "/system/status/notices/add/"
SAID: dict[str, Any] = {"text": "Maintenance on Sunday.", "severity": "caution"}


def texts(queryset) -> list[str]:
    return list(queryset.values_list("text", flat=True))


def test_a_notice_is_shown_from_its_start_to_its_end() -> None:
    now = timezone.now()
    Notice.post(text="now", severity="info", by=SETUP)
    Notice.post(text="later", severity="info", starts_at=now + timedelta(hours=1), by=SETUP)
    over = Notice.post(text="over", severity="info", starts_at=now - timedelta(hours=2), by=SETUP)
    Notice.objects.filter(pk=over.pk).update(until_at=now - timedelta(hours=1))
    Notice.post(text="ended", severity="info", by=SETUP).end(by=SETUP)

    now = timezone.now()

    assert texts(Notice.objects.current(now)) == ["now"]
    assert texts(Notice.objects.not_over(now).for_listing()) == ["now", "later"]
    assert texts(Notice.objects.current(now + timedelta(hours=1))) == ["now", "later"]


def test_posting_and_ending_leave_events(nadia: User) -> None:
    notice = Notice.post(**SAID, until_at=timezone.now() + timedelta(days=1), by=SETUP)
    notice.end(by=SETUP)

    ended, posted = Event.objects.filter(kind__startswith="notice.").for_listing()

    assert (posted.kind, posted.subject_label, posted.actor_label) == ("notice.posted", SAID["text"], "tests")
    assert {"severity", "from", "until"} == set(posted.details)
    assert (ended.kind, ended.subject_id) == ("notice.ended", notice.pk)


def test_a_notice_ends_once() -> None:
    notice = Notice.post(**SAID, by=SETUP)
    same = Notice.objects.get(pk=notice.pk)
    notice.end(by=SETUP)

    with pytest.raises(AlreadyEnded):
        same.end(by=SETUP)

    assert Event.objects.filter(kind="notice.ended").count() == 1


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"text": ""}, "notice_says_something"),
        ({"severity": "loud"}, "notice_severity_is_known"),
        ({"until_at": datetime(2020, 1, 1, tzinfo=UTC)}, "notice_ends_after_its_start"),
        ({"ended_at": datetime(2020, 1, 1, tzinfo=UTC)}, "notice_ended_at_and_by"),
        ({"ended_by": "Nadia"}, "notice_ended_at_and_by"),
    ],
)
def test_the_database_refuses_a_notice_that_makes_no_sense(fields: dict[str, object], constraint: str) -> None:
    notice = Notice.post(**SAID, by=SETUP)

    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Notice.objects.filter(pk=notice.pk).update(**fields)


def test_notices_are_written_by_those_who_may_change_system_settings(cast: list[User], browse: Browse) -> None:
    notice = Notice.post(**SAID, by=SETUP)

    for path in (ADD, f"/system/status/notices/{notice.pk}/end/"):
        answers = {user.name: browse(user).get(path).status_code for user in cast}
        assert answers == {"Sonia": 200, "Nadia": 200, "Amir": 403, "Vera": 403, "Paul": 404, "Otto": 404}
    assert browse(cast[2]).post(ADD, SAID).status_code == 403
    assert Notice.objects.count() == 1


def test_who_may_only_look_sees_the_page_and_is_told_what_is_missing(network: Network, browse: Browse) -> None:
    analyst = person("Anna", role=Role.create(name="Analyst", by=SETUP, system_settings="view"))
    client = browse(analyst)

    looked, answer = client.get(PAGE), client.post(ADD, SAID, headers=DIALOG)

    assert (looked.status_code, answer.status_code) == (200, 403)
    assert "Post a notice" in page(looked).buttons
    assert told(answer)["toast"][0]["title"] == "Forbidden"
    assert not Notice.objects.exists()


def test_posting_in_the_dialog_closes_it_and_renews_the_page(nadia: User, browse: Browse) -> None:
    client = browse(nadia)

    answer = client.post(ADD, SAID, headers=DIALOG)

    notice = Notice.objects.get()
    assert answer.status_code == 204
    assert {"notices:changed", "dialog:close"} <= told(answer).keys()
    assert (notice.text, notice.severity, notice.created_by) == (SAID["text"], "caution", "Nadia")
    assert SAID["text"] in page(client.get(PAGE)).text


def test_posting_without_htmx_goes_back_to_the_page(nadia: User, browse: Browse) -> None:
    answer = browse(nadia).post(ADD, SAID)

    assert (answer.status_code, answer["Location"]) == (303, PAGE)


def test_a_notices_times_are_the_networks(nadia: User, network: Network, browse: Browse) -> None:
    network.change(by=SETUP, timezone="America/New_York")

    browse(nadia).post(ADD, {**SAID, "starts_at": "2036-07-01T10:00", "until_at": "2036-07-01T12:30"})

    notice = Notice.objects.get()
    assert notice.starts_at == datetime(2036, 7, 1, 14, tzinfo=UTC)
    assert notice.until_at == datetime(2036, 7, 1, 16, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"text": ""}, "Write what people should know."),
        ({"severity": "loud"}, "Select a valid choice"),
        ({"starts_at": "soon"}, "Enter a date and time such as"),
        ({"starts_at": "2036-07-01T10:00", "until_at": "2036-07-01T10:00"}, "must be later than"),
        ({"until_at": "2020-07-01T10:00"}, "must be later than"),
        ({"starts_at": "2020-07-01T10:00", "until_at": "2020-07-02T10:00"}, "over already"),
    ],
)
def test_a_notice_that_makes_no_sense_is_answered_with_the_form(
    fields: dict[str, str], error: str, nadia: User, browse: Browse
) -> None:
    answer = browse(nadia).post(ADD, {**SAID, **fields}, headers=DIALOG)

    assert answer.status_code == 422
    assert any(error in found for found in page(answer).errors)
    assert not Notice.objects.exists()


def test_ending_asks_first_and_then_nobody_sees_the_notice(nadia: User, paul: User, browse: Browse) -> None:
    notice = Notice.post(**SAID, by=SETUP)
    client, end = browse(nadia), f"/system/status/notices/{notice.pk}/end/"

    asked = page(client.get(end, headers=DIALOG))
    answer = client.post(asked.form(end).action, headers=DIALOG)

    assert SAID["text"] in asked.text
    assert "notices:changed" in told(answer)
    assert SAID["text"] not in page(client.get(PAGE)).text
    assert SAID["text"] not in page(browse(paul).get("/account/status/brief/")).text


def test_whoever_ends_a_notice_second_is_told(nadia: User, browse: Browse) -> None:
    notice = Notice.post(**SAID, by=SETUP)
    notice.end(by=SETUP)
    client, end = browse(nadia), f"/system/status/notices/{notice.pk}/end/"

    asked, answer = client.get(end), client.post(end, headers=DIALOG)

    assert "tests has ended this notice" in page(asked).text
    assert told(answer)["toast"][0]["text"] == "Somebody else has ended this notice already."


def test_partners_see_what_is_current_and_not_what_is_to_come(paul: User, browse: Browse) -> None:
    Notice.post(text="Right now", severity="danger", by=SETUP)
    Notice.post(text="Next week", severity="info", starts_at=timezone.now() + timedelta(days=7), by=SETUP)
    client = browse(paul)

    for path in ("/account/status/", "/account/status/brief/"):
        found = page(client.get(path)).text
        assert "Right now" in found
        assert "Next week" not in found


def test_admins_see_what_is_to_come_and_can_withdraw_it(nadia: User, browse: Browse) -> None:
    Notice.post(text="Next week", severity="info", starts_at=timezone.now() + timedelta(days=7), by=SETUP)

    found = page(browse(nadia).get(PAGE))

    assert "Will be shown from" in found.text
    assert any(button.startswith("Withdraw") for button in found.buttons)


def test_a_notice_cannot_bring_markup(nadia: User, browse: Browse) -> None:
    Notice.post(text="<script>alert(1)</script>", severity="info", by=SETUP)

    assert b"<script>alert(1)" not in browse(nadia).get(PAGE).content
