from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import runpy
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings as project
from django.db import IntegrityError, connection, transaction
from django.utils.timezone import now
from procrastinate.contrib.django import app
from procrastinate.job_context import AbortReason, JobContext
from procrastinate.jobs import Job

from partners.firehose.log import NotEnabled
from partners.firehose.models import Firehose, NumberedEvent, forget_before
from partners.firehose.push import jobs, sending
from partners.firehose.push.models import (
    GRACE,
    LEASE,
    PAUSES,
    AlreadyAdded,
    AlreadyPaused,
    AlreadyRemoved,
    AlreadyResumed,
    Push,
    Pushed,
    PushSecret,
    Unfit,
    settle,
)
from partners.firehose.push.sending import UNREADABLE, Batch, Shift, claim, send_test
from partners.firehose.push.sending import push as send
from partners.models import Partner
from partners.postbacks import sending as wire
from partners.postbacks.sending import Answer
from portal.accounts.models import Event, User
from portal.notifications.models import Notification
from tests.conftest import SETUP
from tests.partners.postbacks.receiver import answering, dripping
from tests.partners.push.conftest import Arrived, Click, Inbox

pytestmark = pytest.mark.django_db

EXAMPLE = runpy.run_path(str(project.BASE_DIR / "docs" / "examples" / "verify-push.py"))["is_from_latchkey"]
# Only a failure waits so long.
PATIENCE = 120


def deliver_due() -> list[Pushed]:
    """One turn of a worker: a batch of each push is sent, and what came of it written down."""
    results = [Pushed(batch.push_id, batch.claim, batch.last, asyncio.run(send(batch))) for batch in claim(8)]
    settle(results)
    return results


def outcome(batch: Batch, problem: str = "") -> Pushed:
    status = 500 if problem else 200
    return Pushed(batch.push_id, batch.claim, batch.last, Answer(now(), batch.url, status, problem, "", 12))


def fail_until_paused() -> None:
    while not Push.objects.get().is_paused:
        Push.objects.update(due_at=now())
        settle([outcome(batch, "It answered 500.") for batch in claim(8)])


def is_signed(arrived: Arrived, secret: str) -> bool:
    """As the guide describes it, and by nothing of ours."""
    said = arrived.headers["latchkey-signature"].split(",")
    at = said[0].removeprefix("t=")
    expected = hmac.new(secret.encode(), at.encode() + b"." + arrived.body, hashlib.sha256).hexdigest()
    return f"v1={expected}" in said[1:]


def test_events_are_posted_in_their_order_and_what_is_confirmed_is_not_sent_again(
    added: tuple[Push, str], inbox: Inbox, click: Click
) -> None:
    push, secret = added
    click(3)

    deliver_due()

    [batch] = inbox.batches
    assert inbox.heads[0].startswith("POST /events HTTP/1.1\r\n")
    assert batch.cursors == ["1-1", "1-2", "1-3"]
    assert [event["type"] for event in batch.events] == ["click"] * 3
    assert batch.headers["content-type"] == "application/x-ndjson"
    assert batch.headers["latchkey-cursor"] == "first=1-1,last=1-3"
    assert is_signed(batch, secret)
    push.refresh_from_db()
    assert (str(push.cursor), push.failures, push.leased_until) == ("1-3", 0, None)
    assert push.confirmed_at is not None
    assert deliver_due() == []


def test_the_example_of_the_guide_tells_what_is_ours_from_what_is_not(
    added: tuple[Push, str], inbox: Inbox, click: Click
) -> None:
    click()
    deliver_due()
    [batch] = inbox.batches
    header = batch.headers["latchkey-signature"]

    assert EXAMPLE(batch.body, header, added[1]) is True
    assert EXAMPLE(batch.body + b" ", header, added[1]) is False
    assert EXAMPLE(batch.body, header, "fhs_another") is False
    assert EXAMPLE(batch.body, header, added[1], now=now().timestamp() + 301) is False
    assert EXAMPLE(batch.body, "t=1", added[1], now=1) is False


def test_a_push_begins_with_what_happens_after_it_was_set_up(
    inside: None, firehose: Firehose, acme: Partner, inbox: Inbox, click: Click
) -> None:
    click(2)

    Push.add(partner=acme, url=inbox.url(), by=SETUP)
    click()
    deliver_due()

    assert inbox.cursors == ["1-3"]


def test_a_batch_is_so_many_events_and_the_next_goes_on_after_it(
    push: Push, inbox: Inbox, click: Click, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "MOST_EVENTS", 2)
    click(5)

    while deliver_due():
        pass

    assert [batch.cursors for batch in inbox.batches] == [["1-1", "1-2"], ["1-3", "1-4"], ["1-5"]]


def test_a_batch_is_so_many_bytes_but_at_least_one_event(
    push: Push, inbox: Inbox, click: Click, monkeypatch: pytest.MonkeyPatch
) -> None:
    click(3)
    line = len(claim(8)[0].body) // 3
    Push.objects.update(leased_until=None)

    monkeypatch.setattr(sending, "MOST_BYTES", line * 2 + line // 2)
    deliver_due()
    monkeypatch.setattr(sending, "MOST_BYTES", 1)
    deliver_due()

    assert [batch.cursors for batch in inbox.batches] == [["1-1", "1-2"], ["1-3"]]


@pytest.mark.parametrize("status", [302, 307, 400, 410, 500, 503])
def test_what_is_not_confirmed_is_sent_again_the_same(push: Push, inbox: Inbox, click: Click, status: int) -> None:
    inbox.reply = answering(status, "", Location=inbox.url("/elsewhere"))
    click(2)

    deliver_due()
    inbox.reply = answering(204, "")
    Push.objects.update(due_at=now())
    deliver_due()

    first, second = inbox.batches
    assert first.body == second.body
    # No redirect was followed.
    assert inbox.paths == ["/events", "/events"]
    push.refresh_from_db()
    assert (str(push.cursor), push.failures, push.problem) == ("1-2", 0, f"It answered {status}.")


def test_who_takes_too_long_has_confirmed_nothing(
    push: Push, inbox: Inbox, click: Click, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "WHOLE_SECONDS", 0.3)
    inbox.reply = dripping(b"", b"")
    click()

    [pushed] = deliver_due()

    assert pushed.answer.problem.startswith("There was no answer within")
    assert str(Push.objects.get().cursor) == "1-0"


def test_a_receiver_that_is_away_is_tried_again_with_growing_pauses(push: Push, click: Click) -> None:
    click()
    paused = []

    while not (current := Push.objects.get()).is_paused:
        with time_machine.travel(current.due_at + timedelta(milliseconds=1), tick=False):
            settle([outcome(batch, "It answered 500.") for batch in claim(8)])
            paused.append((Push.objects.get().due_at - now()).total_seconds())

    assert len(paused) == 10
    for pause, planned in zip(paused, PAUSES, strict=False):
        assert 0.85 < pause / planned < 1.15


def test_ten_failures_in_a_row_pause_it_and_tell_the_partner_and_its_manager(
    push: Push, click: Click, acme: Partner, paul: User, vera: User, otto: User
) -> None:
    acme.change(by=SETUP, manager=vera)
    click()

    fail_until_paused()

    push.refresh_from_db()
    assert (push.paused_for, push.paused_by) == ("failing", "The Firehose's push")
    event = Event.objects.get(kind="push.paused")
    assert event.details == {"reason": "Ten attempts in a row failed", "the last problem": "It answered 500."}
    own, managers = Notification.objects.filter(kind="push.stopped").order_by("path")
    assert (own.user, own.path) == (paul, "/account/api/push/")
    assert (managers.user, managers.path) == (vera, f"/partners/{acme.pk}/api/push/")
    Push.objects.update(due_at=now())
    assert claim(8) == []


def test_a_push_goes_on_where_it_was_when_it_is_resumed(push: Push, inbox: Inbox, click: Click) -> None:
    click(2)
    fail_until_paused()
    click()

    Push.objects.get().resume(by=SETUP)
    deliver_due()

    assert inbox.cursors == ["1-1", "1-2", "1-3"]
    assert Push.objects.get().failures == 0
    assert Event.objects.get(kind="push.resumed").details == {}


def forgotten(partner: Partner) -> None:
    """A day passes after which what there is now is kept no longer."""
    forget_before((datetime.now(UTC) + timedelta(days=1)).date())
    assert not NumberedEvent.objects.filter(partner_id=partner.pk).exists()


def test_a_push_that_is_further_behind_than_events_are_kept_is_paused_and_says_what_it_leaves_out(
    push: Push, inbox: Inbox, click: Click, acme: Partner, paul: User
) -> None:
    click(2)
    settle([outcome(batch, "It answered 500.") for batch in claim(8)])
    forgotten(acme)
    Push.objects.update(due_at=now())

    assert claim(8) == []
    stopped = Push.objects.get()
    stopped.resume(by=SETUP)

    assert (stopped.run, stopped.seq) == (1, 2)
    assert Notification.objects.get(kind="push.stopped", user=paul).facts[1] == [
        "Why",
        "What comes next is kept no longer",
    ]
    assert Event.objects.get(kind="push.resumed").details == {"left out": "1-0 to 1-2"}


def test_what_a_killed_worker_had_claimed_is_sent_again_when_its_lease_ends(
    push: Push, inbox: Inbox, click: Click
) -> None:
    click(2)
    [killed] = claim(8)
    click()

    assert claim(8) == []
    with time_machine.travel(now() + LEASE + timedelta(seconds=1)):
        deliver_due()
        settle([outcome(killed, "It answered 500.")])

    assert inbox.cursors == ["1-1", "1-2", "1-3"]
    assert (str(Push.objects.get().cursor), Push.objects.get().failures) == ("1-3", 0)


def test_a_late_confirmation_of_an_earlier_claim_moves_nothing_back(push: Push, click: Click) -> None:
    click(2)
    [late] = claim(8)
    click()
    with time_machine.travel(now() + LEASE + timedelta(seconds=1)):
        deliver_due()

    settle([outcome(late)])

    assert str(Push.objects.get().cursor) == "1-3"


def test_the_firehose_of_another_run_is_pushed_from_its_beginning(
    push: Push, inbox: Inbox, click: Click, firehose: Firehose, acme: Partner
) -> None:
    click()
    firehose.disable(by=SETUP)
    assert deliver_due() == []
    Firehose.enable(acme, by=SETUP)
    click(2)

    deliver_due()

    assert inbox.cursors == ["2-1", "2-2"]


def test_partners_get_their_own_events_signed_by_their_own_secret(
    added: tuple[Push, str], inbox: Inbox, click: Click, other_partner: Partner
) -> None:
    Firehose.enable(other_partner, by=SETUP)
    _, theirs = Push.add(partner=other_partner, url=inbox.url("/theirs"), by=SETUP)
    click()
    click(2, partner=other_partner)

    deliver_due()

    arrived = dict(zip(inbox.paths, inbox.batches, strict=True))
    assert len(arrived["/events"].events) == 1
    assert len(arrived["/theirs"].events) == 2
    assert is_signed(arrived["/events"], added[1])
    assert not is_signed(arrived["/events"], theirs)
    assert is_signed(arrived["/theirs"], theirs)


def test_after_a_rotation_both_secrets_sign_for_a_day(added: tuple[Push, str], inbox: Inbox, click: Click) -> None:
    push, old = added
    new = push.rotate_secret(by=SETUP)

    click()
    deliver_due()
    with time_machine.travel(now() + GRACE + timedelta(seconds=1)):
        click()
        deliver_due()

    during, after = inbox.batches
    assert during.headers["latchkey-signature"].count("v1=") == 2
    assert is_signed(during, old)
    assert is_signed(during, new)
    assert is_signed(after, new)
    assert not is_signed(after, old)
    assert Event.objects.filter(kind="push.secret_rotated").count() == 1


def test_of_several_rotations_the_last_two_secrets_sign(added: tuple[Push, str], inbox: Inbox, click: Click) -> None:
    push, first = added
    second, third = push.rotate_secret(by=SETUP), push.rotate_secret(by=SETUP)

    click()
    deliver_due()

    [batch] = inbox.batches
    assert [is_signed(batch, secret) for secret in (first, second, third)] == [False, True, True]
    assert PushSecret.objects.count() == 2


def test_no_secret_is_in_the_database_or_in_the_events_as_it_is(added: tuple[Push, str]) -> None:
    push, secret = added
    rotated = push.rotate_secret(by=SETUP)

    stored = [bytes(row.ciphertext) for row in PushSecret.objects.all()]
    told = json.dumps(list(Event.objects.values_list("details", flat=True)))
    for each in (secret, rotated):
        assert not any(each.encode() in ciphertext for ciphertext in stored)
        assert each not in told


def test_a_secret_that_cannot_be_read_is_a_problem_of_that_push_alone(
    added: tuple[Push, str], inbox: Inbox, click: Click, other_partner: Partner
) -> None:
    Firehose.enable(other_partner, by=SETUP)
    Push.add(partner=other_partner, url=inbox.url("/theirs"), by=SETUP)
    PushSecret.objects.filter(push=added[0]).update(ciphertext=b"x" * 60)
    click()
    click(partner=other_partner)

    deliver_due()

    assert inbox.paths == ["/theirs"]
    assert Push.objects.get(pk=added[0].pk).problem == UNREADABLE


def test_a_test_is_signed_says_what_it_is_and_moves_nothing(added: tuple[Push, str], inbox: Inbox) -> None:
    push, secret = added

    answer = send_test(push, by=SETUP)

    [batch] = inbox.batches
    assert (answer.status, answer.problem) == (200, "")
    assert batch.headers["latchkey-test"] == "1"
    assert batch.events == [{"cursor": "1-0", "type": "test"}]
    assert is_signed(batch, secret)
    assert Push.objects.get().confirmed_at is None
    assert Event.objects.get(kind="push.tested").details == {"result": "It arrived."}


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://events.example.com/", "https://"),
        ("https://127.0.0.1/", "private network"),
        (f"https://events.example.com/?key=lk_aff_{'k' * 38}", "holds an API key"),
        ("https://[::1]/", "private network"),
        ("https://localhost/", "inside one network"),
        ("https://db.internal/", "inside one network"),
        ("https://2130706433/", "number in place of a name"),
        ("https://events.example.com:6379/", "Port 6379"),
        ("https://user:secret@events.example.com/", "password"),
        ("https://events.example.com/{sub1}", "macro"),
        ("ftp://events.example.com/", "http"),
        ("https://events.example.com/" + "x" * 2000, "2,000"),
    ],
)
def test_a_url_that_may_not_be_pushed_to_is_refused(firehose: Firehose, acme: Partner, url: str, why: str) -> None:
    with pytest.raises(Unfit, match=why):
        Push.add(partner=acme, url=url, by=SETUP)

    push, _ = Push.add(partner=acme, url="https://events.example.com/", by=SETUP)
    with pytest.raises(Unfit, match=why):
        push.change(by=SETUP, url=url)


def test_a_name_that_leads_inside_is_not_called_whatever_it_was_when_it_was_set(
    firehose: Firehose, acme: Partner, click: Click, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["169.254.169.254"]

    monkeypatch.setattr(wire, "resolve", resolve)
    Push.add(partner=acme, url="https://events.example.com/", by=SETUP)
    click()

    [pushed] = deliver_due()

    assert "events.example.com has the address 169.254.169.254" in pushed.answer.problem
    assert asked == ["events.example.com"]


def test_each_verb_leaves_its_event_and_happens_once(firehose: Firehose, acme: Partner, other_partner: Partner) -> None:
    push, _ = Push.add(partner=acme, url="https://events.example.com/", by=SETUP)
    with pytest.raises(AlreadyAdded):
        Push.add(partner=acme, url="https://events.example.com/", by=SETUP)
    with pytest.raises(NotEnabled):
        Push.add(partner=other_partner, url="https://events.example.com/", by=SETUP)
    push.change(by=SETUP, url="https://events.example.com/new")
    push.change(by=SETUP, url="https://events.example.com/new")
    push.pause(by=SETUP)
    with pytest.raises(AlreadyPaused):
        push.pause(by=SETUP)
    push.resume(by=SETUP)
    with pytest.raises(AlreadyResumed):
        push.resume(by=SETUP)
    again = Push.objects.get()
    push.remove(by=SETUP)
    for verb in (again.remove, again.pause, again.resume, again.rotate_secret, again.change):
        with pytest.raises(AlreadyRemoved):
            verb(by=SETUP)

    events = Event.objects.filter(partner_id=acme.pk, kind__startswith="push.").order_by("pk")
    assert sorted(events.values_list("kind", flat=True)) == [
        "push.added",
        "push.changed",
        "push.paused",
        "push.removed",
        "push.resumed",
    ]
    assert not PushSecret.objects.exists()


def test_a_push_that_is_paused_or_removed_while_it_is_sent_is_settled_all_the_same(push: Push, click: Click) -> None:
    click()
    [batch] = claim(8)
    push.pause(by=SETUP)

    settle([outcome(batch)])
    assert str(Push.objects.get().cursor) == "1-1"
    push.remove(by=SETUP)
    settle([outcome(batch, "It answered 500.")])

    assert not Push.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        ({"url": ""}, "push_has_a_url"),
        ({"run": 0}, "push_has_a_cursor"),
        ({"seq": -1}, "push_has_a_cursor"),
        ({"paused_by": "Vera"}, "push_paused_at_and_by"),
        ({"paused_at": "2026-05-10T12:00Z", "paused_by": "Vera"}, "push_paused_at_and_by"),
        ({"paused_for": "wish"}, "push_paused_at_and_by"),
    ],
)
def test_the_database_holds_what_must_be_true_of_a_push(push: Push, wrong: dict[str, Any], constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Push.objects.update(**wrong)


def test_a_push_has_one_secret_that_does_not_end(push: Push) -> None:
    with pytest.raises(IntegrityError, match="push_secret_is_one"), transaction.atomic():
        PushSecret.make(push)


@pytest.mark.django_db(transaction=True)
def test_a_shift_that_is_cut_short_is_begun_again_by_whoever_comes_next() -> None:
    context = JobContext(
        app=app, worker_name="", job=Job(id=1, queue="default", task_name="", lock=None, queueing_lock=None),
        start_timestamp=0, abort_reason=lambda: AbortReason.SHUTDOWN,
    )  # fmt: skip

    jobs.deliver(context, timestamp=60)
    jobs.deliver(context, timestamp=60)

    with connection.cursor() as cursor:
        cursor.execute("SELECT status, args ->> 'timestamp' FROM procrastinate_jobs WHERE task_name = 'push.deliver'")
        assert cursor.fetchall() == [("todo", "60")]


@pytest.mark.django_db(transaction=True)
def test_two_shifts_never_send_one_partners_batches_at_once(
    push: Push, inbox: Inbox, click: Click, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "MOST_EVENTS", 2)
    expected = [f"1-{number}" for number in range(1, 31)]
    at_once, most = 0, 0
    mutex, over = threading.Lock(), threading.Event()
    settled = 0

    def reply(connection: Any, path: str) -> None:
        nonlocal at_once, most
        with mutex:
            at_once += 1
            most = max(most, at_once)
        threading.Event().wait(0.005)
        with mutex:
            at_once -= 1
            if len(inbox.cursors) >= 30:
                over.set()
        answering(200, "")(connection, path)

    inbox.reply = reply
    shifts = [Shift(over.is_set, poll_seconds=0.01) for _ in range(2)]
    threads = [threading.Thread(target=shift.run, daemon=True) for shift in shifts]
    for thread in threads:
        thread.start()
    for _ in range(10):
        click(3)
    assert over.wait(PATIENCE)
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()

    settled = sum(shift.delivered for shift in shifts)
    assert inbox.cursors == expected
    assert most == 1
    assert settled == len(inbox.batches)
    assert str(Push.objects.get().cursor) == "1-30"
