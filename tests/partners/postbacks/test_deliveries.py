from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.utils.timezone import now
from procrastinate.contrib.django import app
from procrastinate.job_context import AbortReason, JobContext
from procrastinate.jobs import Job

from partners.models import Partner
from partners.postbacks import jobs
from partners.postbacks.delivering import Shift
from partners.postbacks.models import (
    AlreadyResumed,
    Attempt,
    Claimed,
    Day,
    Delivery,
    NotWaiting,
    Overtaken,
    Postback,
    Sent,
)
from partners.postbacks.models.deliveries import CUT_SHORT, LEASE, PAUSES, TRIED_FOR
from portal.accounts.models import Event, User
from portal.notifications.models import Notification
from tests.conftest import SETUP
from tests.partners.postbacks.conftest import Add, Convert, deliver_due
from tests.partners.postbacks.receiver import Receiver, answering

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def inside(settings: Any) -> None:
    settings.POSTBACKS_ALLOW_PRIVATE = True


@pytest.fixture
def postback(add: Add, receiver: Receiver) -> Postback:
    return add(url=receiver.url("/in?c={conversion_id}&s={status}"))


def claim(most: int = 100, **options: Any) -> list[Claimed]:
    return Delivery.objects.all().claim(most, **options)


def outcome(claimed: Claimed, problem: str = "") -> Sent:
    return Sent(claimed, now(), claimed.url, 500 if problem else 200, problem, "", 12)


def settle(*results: Sent) -> None:
    Delivery.objects.all().settle(results)


def fail_until_paused(postback: Postback) -> None:
    while Postback.objects.get(pk=postback.pk).paused_at is None:
        Delivery.objects.update(due_at=now())
        settle(*[outcome(each, "It answered 500.") for each in claim()])


def test_a_conversion_is_told_and_the_attempt_kept(postback: Postback, convert: Convert, receiver: Receiver) -> None:
    conversion = convert()

    deliver_due()

    assert receiver.paths == [f"/in?c={conversion.id.hex}&s=approved"]
    delivery = Delivery.objects.get()
    assert delivery.delivered_at is not None
    assert f"Latchkey-Delivery: {delivery.pk}\r\n" in receiver.heads[0]
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.problem, attempt.answer, attempt.number) == (200, "", "ok", 1)
    assert attempt.url == receiver.url(receiver.paths[0])
    day = Day.objects.get()
    assert (day.delivered, day.failed) == (1, 0)
    assert deliver_due() == []


def test_a_failed_attempt_is_repeated_with_growing_pauses_for_three_days(
    postback: Postback, convert: Convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("partners.postbacks.models.deliveries.FAILURES_TO_PAUSE", 10**6)
    convert()
    began = Delivery.objects.get().created_at
    tried = []

    while (delivery := Delivery.objects.get()).is_open:
        assert delivery.due_at is not None
        with time_machine.travel(delivery.due_at + timedelta(milliseconds=1), tick=False):
            tried.append(now() - began)
            settle(*[outcome(each, "It answered 500.") for each in claim()])

    waited = [later - earlier for earlier, later in pairwise(tried)]
    assert len(tried) == 12
    for pause, planned in zip(waited[:9], PAUSES, strict=False):
        assert 0.85 < pause.total_seconds() / planned < 1.15
    assert all(later > earlier for earlier, later in pairwise(waited[:9]))
    assert tried[-1] >= TRIED_FOR > tried[-2]
    assert delivery.given_up_at is not None
    assert Attempt.objects.count() == len(tried)


def test_the_statuses_of_one_conversion_are_told_in_their_order(
    postback: Postback, convert: Convert, receiver: Receiver
) -> None:
    receiver.reply = answering(500)
    conversion = convert(status="pending")
    conversion.approve(by=SETUP)
    other = convert()

    deliver_due()
    receiver.reply = answering(200)
    Delivery.objects.filter(attempts_made=1).update(due_at=now())
    for _ in range(3):
        deliver_due()
        Delivery.objects.open().update(due_at=now())

    told = [path.rpartition("s=")[2] for path in receiver.paths if conversion.id.hex in path]
    assert told == ["pending", "pending", "approved"]
    assert any(other.id.hex in path for path in receiver.paths)


def test_whoever_is_behind_another_is_not_looked_at_all_the_time(postback: Postback, convert: Convert) -> None:
    conversion = convert(status="pending")
    conversion.approve(by=SETUP)
    [first] = claim()
    settle(outcome(first, "It answered 500."))

    with time_machine.travel(now() + timedelta(seconds=2)):
        assert claim() == []

    earlier, later = Delivery.objects.order_by("pk")
    assert earlier.due_at is not None
    assert later.due_at == earlier.due_at + timedelta(seconds=1)


def test_what_is_claimed_is_nobody_elses_until_the_lease_ends(postback: Postback, convert: Convert) -> None:
    convert()

    [claimed] = claim()

    assert claim() == []
    with time_machine.travel(now() + LEASE + timedelta(seconds=1)):
        [again] = claim()
    assert (again.delivery_id, again.number) == (claimed.delivery_id, 2)
    lost = Attempt.objects.get()
    assert (lost.number, lost.problem) == (1, CUT_SHORT)


def test_a_result_that_comes_after_the_lease_decides_nothing(postback: Postback, convert: Convert) -> None:
    convert()
    [late] = claim()
    with time_machine.travel(now() + LEASE + timedelta(seconds=1)):
        claim()

    settle(outcome(late, "It answered 500."))

    delivery = Delivery.objects.get()
    assert delivery.is_under_way
    assert Postback.objects.get().failures == 0


def test_ten_failures_in_a_row_pause_the_postback_and_tell_everybody(
    postback: Postback, convert: Convert, acme: Partner, paul: User, vera: User, otto: User
) -> None:
    acme.change(by=SETUP, manager=vera)
    for _ in range(12):
        convert()

    settle(*[outcome(each, "It answered 500.") for each in claim(9)])
    assert Postback.objects.get().paused_at is None
    settle(*[outcome(each, "It answered 503.") for each in claim(1)])

    postback.refresh_from_db()
    assert postback.is_given_up
    event = Event.objects.filter(kind="postback.paused").get()
    assert event.details == {"reason": "10 attempts in a row failed", "the last one": "It answered 503."}
    assert claim() == []
    own, managers = Notification.objects.filter(kind="postback.paused").order_by("path")
    assert (own.user, own.path) == (paul, f"/my/postbacks/{postback.pk}/")
    assert (managers.user, managers.path) == (vera, f"/partners/{acme.pk}/postbacks/{postback.pk}/")
    assert own.facts == [["URL", postback.url], ["Failed in a row", "10"], ["The last one", "It answered 503."]]


def test_a_success_ends_the_row_of_failures(postback: Postback, convert: Convert) -> None:
    for _ in range(12):
        convert()

    settle(*[outcome(each, "It answered 500.") for each in claim(9)])
    settle(*[outcome(each) for each in claim(1)])

    postback.refresh_from_db()
    assert (postback.failures, postback.paused_at) == (0, None)


def test_what_was_queued_waits_for_a_paused_postback_to_be_resumed(postback: Postback, convert: Convert) -> None:
    convert()
    postback.pause(by=SETUP)
    assert claim() == []
    convert()

    postback.resume(by=SETUP)

    assert len(claim()) == 1
    with pytest.raises(AlreadyResumed):
        postback.resume(by=SETUP)


def test_what_was_queued_for_a_postback_that_failed_goes_out_when_it_is_resumed(
    postback: Postback, convert: Convert, receiver: Receiver
) -> None:
    conversion = convert()
    fail_until_paused(postback)

    Postback.objects.get().resume(by=SETUP)
    deliver_due()

    assert receiver.paths == [f"/in?c={conversion.id.hex}&s=approved"]
    assert Postback.objects.get().failures == 0


def test_what_waits_for_too_long_is_given_up(postback: Postback, convert: Convert) -> None:
    convert()
    postback.pause(by=SETUP)

    with time_machine.travel(now() + TRIED_FOR + timedelta(minutes=11)):
        jobs.give_up(0)

    assert Delivery.objects.get().given_up_at is not None


def test_nothing_more_is_sent_for_a_removed_postback(postback: Postback, convert: Convert) -> None:
    convert()

    postback.remove(by=SETUP)

    assert claim() == []
    assert Delivery.objects.get().given_up_at is not None


def test_what_a_conversion_queued_while_its_postback_was_paused_is_put_aside(
    postback: Postback, convert: Convert
) -> None:
    convert()
    # The conversion read the postback as it was before somebody paused it.
    Postback.objects.update(paused_at=now(), paused_by="vera")

    assert claim() == []

    assert Delivery.objects.get().due_at is None


def test_a_mended_url_is_what_is_called(postback: Postback, convert: Convert, receiver: Receiver) -> None:
    convert(sub1="77")

    postback.change(by=SETUP, url=receiver.url("/mended?s={sub1}"))
    deliver_due()

    assert receiver.paths == ["/mended?s=77"]


def test_one_postback_does_not_take_every_place(add: Add, convert: Convert) -> None:
    slow = add()
    for _ in range(5):
        convert()
    quick = add()
    conversion = convert()

    claimed = claim(100, busy={slow.pk: 1}, share=3)

    places = Counter(each.postback_id for each in claimed)
    assert places == {slow.pk: 2, quick.pk: 1}
    assert conversion.id in {each.conversion_id for each in claimed}


def test_what_was_given_up_can_be_tried_again(postback: Postback, convert: Convert, receiver: Receiver) -> None:
    convert()
    Delivery.objects.update(given_up_at=now(), due_at=None)

    Delivery.objects.get().retry(by=SETUP)
    deliver_due()

    delivery = Delivery.objects.get()
    assert delivery.delivered_at is not None
    with pytest.raises(NotWaiting):
        delivery.retry(by=SETUP)


def test_a_status_that_was_overtaken_is_not_told_after_the_later_one(postback: Postback, convert: Convert) -> None:
    conversion = convert(status="pending")
    Delivery.objects.update(given_up_at=now(), due_at=None)
    conversion.approve(by=SETUP)
    deliver_due()

    with pytest.raises(Overtaken):
        Delivery.objects.earliest("pk").retry(by=SETUP)


def test_attempts_and_deliveries_are_dropped_after_thirty_days(postback: Postback, convert: Convert) -> None:
    convert()
    deliver_due()
    with time_machine.travel(now() + timedelta(days=29)):
        jobs.forget(0)
    assert Attempt.objects.count() == 1

    with time_machine.travel(now() + timedelta(days=31)):
        jobs.forget(0)

    assert not Attempt.objects.exists()
    assert not Delivery.objects.exists()
    assert Day.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_shift_that_is_cut_short_is_begun_again_by_whoever_comes_next() -> None:
    context = JobContext(
        app=app, worker_name="", job=Job(id=1, queue="default", task_name="", lock=None, queueing_lock=None),
        start_timestamp=0, abort_reason=lambda: AbortReason.SHUTDOWN,
    )  # fmt: skip

    jobs.deliver(context, timestamp=60)
    jobs.deliver(context, timestamp=60)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT status, args ->> 'timestamp' FROM procrastinate_jobs WHERE task_name = 'postbacks.deliver'"
        )
        assert cursor.fetchall() == [("todo", "60")]


@pytest.mark.django_db(transaction=True)
def test_two_shifts_divide_the_work_and_do_nothing_twice(
    postback: Postback, convert: Convert, receiver: Receiver
) -> None:
    with transaction.atomic():
        conversions = {convert().id.hex for _ in range(60)}

    def all_done() -> bool:
        return not Delivery.objects.open().exists()

    shifts = [Shift(threading_safe(all_done), poll_seconds=0.02) for _ in range(2)]
    threads = [threading.Thread(target=shift.run) for shift in shifts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(600)

    told = Counter(path.partition("c=")[2].partition("&")[0] for path in receiver.paths)
    assert told == dict.fromkeys(conversions, 1)
    assert sum(shift.delivered for shift in shifts) == 60


def threading_safe(asked: Any) -> Any:
    """The loop of a shift may not speak to the database; a thread of its own asks for it."""

    def answer() -> bool:
        said: list[bool] = []

        def ask() -> None:
            said.append(asked())
            connection.close()

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        return said[0]

    return answer
