from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from partners.models import Partner
from portal.accounts.jobs import send_invitation, send_password_reset
from portal.accounts.models import Event, User
from tests.conftest import PASSWORD, SETUP, Browse
from tests.page import page

pytestmark = pytest.mark.django_db

CHANGE = "/password/"
FORGOTTEN = "/password/forgotten/"
NEW = "staple battery horse correct"

Outbox = list[EmailMultiAlternatives]


def changed(client: Client, current: str = PASSWORD, new: str = NEW, again: str = NEW):
    given = {"current_password": current, "new_password": new, "repeated": again}
    return client.post(CHANGE, given)


def jobs(task: str) -> list[dict[str, int | None]]:
    return list(
        ProcrastinateJob.objects.filter(task_name=f"accounts.{task}").order_by("id").values_list("args", flat=True)
    )


@pytest.fixture
def work() -> Callable[[], None]:
    """``work()``: does what the worker would do with the waiting jobs."""

    def run() -> None:
        for job in ProcrastinateJob.objects.filter(status="todo").order_by("id"):
            app.tasks[job.task_name](**job.args)
        # The model is read-only; the worker's own functions need a worker.
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM procrastinate_events; DELETE FROM procrastinate_jobs")

    return run


def link_in(mail: EmailMultiAlternatives) -> str:
    found = re.search(r"http://localhost:8000(/password/choose/\S+)", str(mail.body))
    assert found is not None
    return found[1]


def test_a_changed_password_opens_the_account_and_the_old_one_does_not(vera: User, browse: Browse) -> None:
    answer = changed(browse(vera))

    assert answer.status_code == 303
    vera.refresh_from_db()
    assert vera.check_password(NEW)
    assert not vera.check_password(PASSWORD)
    assert Event.objects.filter(kind="user.password_changed", actor_id=vera.pk, subject_id=vera.pk).exists()


def test_changing_the_password_keeps_this_session_and_ends_the_others(vera: User, browse: Browse) -> None:
    here, elsewhere = browse(vera), browse(vera)
    before = here.session.session_key

    changed(here)

    assert here.get(CHANGE).status_code == 200
    assert here.session.session_key != before
    assert elsewhere.get(CHANGE)["Location"].startswith("/sign-in/")


def test_the_owner_is_told_that_the_password_was_changed(
    vera: User, browse: Browse, work: Callable[[], None], mailoutbox: Outbox
) -> None:
    changed(browse(vera))

    work()

    assert [(mail.to, mail.subject) for mail in mailoutbox] == [([vera.email], "Your Latchkey password was changed")]
    assert NEW not in str(mailoutbox[0].message())


@pytest.mark.parametrize(
    ("current", "new", "again", "complaint"),
    [
        ("wrong", NEW, NEW, "This is not your current password."),
        (PASSWORD, NEW, NEW + "!", "The two passwords differ."),
        (PASSWORD, "short1", "short1", "at least 10 characters"),
        (PASSWORD, "password123", "password123", "too common"),
        (PASSWORD, "8127364510", "8127364510", "entirely numeric"),
        (PASSWORD, "vera@latchkey", "vera@latchkey", "too similar"),
    ],
)
def test_a_password_that_will_not_do(
    current: str, new: str, again: str, complaint: str, vera: User, browse: Browse
) -> None:
    answer = changed(browse(vera), current, new, again)

    assert answer.status_code == 422
    assert complaint in " ".join(page(answer).errors)
    assert f'value="{new}"' not in answer.content.decode()
    vera.refresh_from_db()
    assert vera.check_password(PASSWORD)


def test_the_current_password_can_be_guessed_ten_times_an_hour(vera: User, browse: Browse) -> None:
    client = browse(vera)

    with time_machine.travel(timezone.now(), tick=False):
        answers = [changed(client, "guess").status_code for _ in range(11)]

    assert answers == [422] * 10 + [429]


def test_nobody_changes_the_password_of_whom_they_view_as(sonia: User, vera: User, browse: Browse) -> None:
    client = browse(sonia)
    client.post("/view-as/", {"user_pk": vera.pk})

    assert client.get(CHANGE).status_code == 403
    assert changed(client).status_code == 403
    vera.refresh_from_db()
    assert vera.check_password(PASSWORD)


def test_asking_for_a_new_password_answers_the_same_for_everybody(vera: User, amir: User, client: Client) -> None:
    amir.deactivate(by=SETUP)

    answers = [
        client.post(FORGOTTEN, {"email": email})
        for email in (vera.email, amir.email, "nobody@latchkey.example", vera.email.upper())
    ]

    assert {(answer.status_code, answer["Location"], answer.content) for answer in answers} == {
        (303, "/password/forgotten/sent/", b"")
    }
    assert len(jobs("send_password_reset")) == 4
    sent = client.get("/password/forgotten/sent/")
    assert "If there is an account" in page(sent).text


def test_the_job_holds_the_users_id_and_no_token(vera: User, client: Client) -> None:
    client.post(FORGOTTEN, {"email": vera.email})
    client.post(FORGOTTEN, {"email": "nobody@latchkey.example"})

    assert jobs("send_password_reset") == [{"user_id": vera.pk}, {"user_id": None}]


def test_the_worker_mails_only_who_can_use_the_link(
    vera: User, amir: User, client: Client, work: Callable[[], None], mailoutbox: Outbox
) -> None:
    for user in (vera, amir):
        client.post(FORGOTTEN, {"email": user.email})
    client.post(FORGOTTEN, {"email": "nobody@latchkey.example"})
    amir.deactivate(by=SETUP)

    work()

    assert [mail.to for mail in mailoutbox] == [[vera.email]]


def test_the_mail_is_text_and_html_with_one_link_to_this_deployment(vera: User, mailoutbox: Outbox, settings) -> None:
    settings.BASE_URL = "https://keys.northwind.example"

    send_password_reset(user_id=vera.pk)

    mail = mailoutbox[0]
    assert mail.subject == "Choose a new password for Latchkey"
    assert mail.reply_to == ["support@northwind.example"]
    links = set(re.findall(r"https?://[^\s\"<]+", str(mail.body)))
    assert len(links) == 1
    link = links.pop()
    assert link.startswith("https://keys.northwind.example/password/choose/")
    html, kind = mail.alternatives[0]
    assert kind == "text/html"
    assert f'href="{link}"' in str(html)
    assert "Northwind Affiliates" in str(html)


def test_a_name_cannot_put_markup_or_headers_into_a_mail(network: object, mailoutbox: Outbox) -> None:
    user = User.invite(email="x@latchkey.example", name="<a href='//evil'>O'Hara & Söhne", by=SETUP)

    send_invitation(user_id=user.pk)

    mail = mailoutbox[0]
    assert "<a href='//evil'>" not in str(mail.alternatives[0][0])
    assert "Hello <a href='//evil'>O'Hara & Söhne," in str(mail.body)


def test_the_link_sets_a_new_password_once(vera: User, browse: Browse, client: Client, mailoutbox: Outbox) -> None:
    elsewhere = browse(vera)
    send_password_reset(user_id=vera.pk)
    link = link_in(mailoutbox[0])
    assert vera.email in page(client.get(link)).text

    answer = client.post(link, {"new_password": NEW, "repeated": NEW})

    assert answer["Location"] == "/sign-in/"
    vera.refresh_from_db()
    assert vera.check_password(NEW)
    assert Event.objects.filter(kind="user.password_reset", subject_id=vera.pk).exists()
    assert elsewhere.get(CHANGE)["Location"].startswith("/sign-in/")
    again = client.post(link, {"new_password": PASSWORD, "repeated": PASSWORD})
    assert again.status_code == 404
    assert "This link is used up" in page(again).text


def test_whoever_is_signed_in_in_this_browser_is_signed_out_by_the_link(
    vera: User, nadia: User, browse: Browse, mailoutbox: Outbox
) -> None:
    client = browse(nadia)
    send_password_reset(user_id=vera.pk)

    client.post(link_in(mailoutbox[0]), {"new_password": NEW, "repeated": NEW})

    assert "_auth_user_id" not in client.session


def test_the_link_is_good_for_a_day(vera: User, client: Client, mailoutbox: Outbox) -> None:
    send_password_reset(user_id=vera.pk)
    link = link_in(mailoutbox[0])

    with time_machine.travel(timezone.now() + timedelta(hours=23, minutes=59)):
        assert client.get(link).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(hours=24, minutes=1)):
        assert client.get(link).status_code == 404


def test_a_deactivated_users_link_opens_nothing(vera: User, client: Client, mailoutbox: Outbox) -> None:
    send_password_reset(user_id=vera.pk)

    vera.deactivate(by=SETUP)

    assert client.get(link_in(mailoutbox[0])).status_code == 404


@pytest.mark.parametrize("who", ["MQ", "!!", "LTE", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "w6k"])
def test_a_link_that_is_none_of_ours(who: str, vera: User, client: Client) -> None:
    assert client.get(f"/password/choose/{who}/c0ffee-0123456789abcdef/").status_code == 404


def test_a_link_of_one_user_does_not_open_another(vera: User, amir: User, client: Client, mailoutbox: Outbox) -> None:
    send_password_reset(user_id=vera.pk)
    send_password_reset(user_id=amir.pk)
    of_vera, of_amir = (link_in(mail).strip("/").split("/") for mail in mailoutbox)

    answer = client.get(f"/password/choose/{of_amir[2]}/{of_vera[3]}/")

    assert answer.status_code == 404


def test_a_weak_password_is_refused_by_the_link_too(vera: User, client: Client, mailoutbox: Outbox) -> None:
    send_password_reset(user_id=vera.pk)

    answer = client.post(link_in(mailoutbox[0]), {"new_password": "short", "repeated": "short"})

    assert answer.status_code == 422


def test_five_mails_an_hour_to_one_address(vera: User, client: Client) -> None:
    with time_machine.travel(timezone.now(), tick=False):
        answers = [client.post(FORGOTTEN, {"email": vera.email}).status_code for _ in range(6)]
        unknown = [client.post(FORGOTTEN, {"email": "nobody@x.example"}).status_code for _ in range(6)]

    assert answers == unknown == [303] * 5 + [429]
    assert len(jobs("send_password_reset")) == 10


def test_an_invited_partner_user_chooses_a_password_and_signs_in(
    acme: Partner, network: object, client: Client, mailoutbox: Outbox
) -> None:
    user = User.invite(email="pia@acme.example", name="Pia", partner=acme, by=SETUP)
    send_invitation(user_id=user.pk)
    link = link_in(mailoutbox[0])
    assert mailoutbox[0].subject == "Northwind Affiliates invites you to Latchkey"
    assert "Acme Media" in str(mailoutbox[0].body)
    assert page(client.get(link)).heading == "Welcome, Pia"

    client.post(link, {"new_password": NEW, "repeated": NEW})
    answer = client.post("/sign-in/", {"email": "pia@acme.example", "password": NEW})

    assert answer["Location"] == "/"
    user.refresh_from_db()
    assert user.status == "active"


def test_no_invitation_goes_to_who_has_a_password_or_is_deactivated(vera: User, mailoutbox: Outbox) -> None:
    gone = User.invite(email="gone@latchkey.example", name="Gone", by=SETUP)
    gone.deactivate(by=SETUP)

    send_invitation(user_id=vera.pk)
    send_invitation(user_id=gone.pk)

    assert mailoutbox == []
