from __future__ import annotations

import pytest
from django.db import transaction
from procrastinate.contrib.django.models import ProcrastinateJob

from partners.models import Partner
from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.notifications.kinds import Kind
from portal.notifications.models import Choice, Notification, Preference
from tests.conftest import SETUP, person
from tests.keys.test_at_once import at_once
from tests.notifications.conftest import waiting_mails

pytestmark = pytest.mark.django_db(transaction=True)

PAUSED = Kind.POSTBACK_PAUSED


def test_of_several_who_tell_the_same_at_once_one_does(acme: Partner, paul: User, amir: User) -> None:
    person("Petra", partner=acme)

    answers = at_once(
        *[
            lambda: Notification.tell(PAUSED, subject="Paused", once="1", partner=acme, numbers=(1,), by=SETUP)
            for _ in range(6)
        ]
    )

    assert answers == [None] * 6
    assert Notification.objects.count() == 3
    assert sorted(waiting_mails()) == sorted(Notification.objects.values_list("pk", flat=True))


def test_of_two_windows_in_which_somebody_chooses_the_last_one_counts_as_a_whole(paul: User) -> None:
    kinds = [kind for kind in Preference.kinds_for(paul) if kind in (PAUSED, Kind.KEY_ISSUED, Kind.KEY_EXPIRING)]
    one = dict.fromkeys(kinds, Choice(in_portal=True, by_mail=False))
    other = dict.fromkeys(kinds, Choice(in_portal=False, by_mail=True))

    answers = at_once(
        *[lambda choices=each: Preference.choose(paul, choices, by=Actor.of(paul)) for each in (one, other)]
    )

    assert answers == [None, None]
    assert len(set(Preference.objects.values_list("in_portal", "by_mail"))) == 1


def test_a_worker_sees_no_mail_before_what_it_tells_of_is_committed(acme: Partner, paul: User) -> None:
    with transaction.atomic():
        Notification.tell(PAUSED, subject="Paused", once="1", partner=acme, numbers=(1,), by=SETUP)
        [seen_by_others] = at_once(jobs_in_the_queue)

    told = Notification.objects.get()
    assert isinstance(seen_by_others, set)
    assert told.pk not in seen_by_others
    assert waiting_mails() == [told.pk]


def jobs_in_the_queue() -> set[int]:
    jobs = ProcrastinateJob.objects.filter(task_name="notifications.send_mail")
    return {job.args["notification_id"] for job in jobs}
