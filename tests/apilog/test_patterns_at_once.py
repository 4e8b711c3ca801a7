from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apilog.patterns.models import Habit, Pattern
from apilog.patterns.scan import scan
from keys.gate import Outcome
from keys.models import Key
from portal.accounts.models import Event
from tests.apilog.conftest import Log
from tests.conftest import SETUP
from tests.keys.test_at_once import at_once, kinds

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def refused(acme_key: tuple[Key, str], log: Log) -> Key:
    """A revoked key that goes on calling."""
    key, _ = acme_key
    for minute in range(12):
        log(key, at=timezone.now() - timedelta(minutes=10 + minute), outcome=Outcome.REVOKED_KEY)
    return key


def test_workers_that_scan_at_once_count_each_call_once(refused: Key) -> None:
    now = timezone.now()

    answers = at_once(*[lambda: scan(now)] * 4)

    assert kinds(answers) == ["NoneType"] * 4
    scan(now)
    assert [pattern.calls for pattern in Pattern.objects.all()] == [12]
    assert Habit.objects.get(kind="refused").calls == 12


def test_of_people_who_dismiss_at_once_one_does_and_the_others_are_told_who(refused: Key) -> None:
    scan(timezone.now())
    copies = list(Pattern.objects.all()) * 6

    answers = at_once(
        *[lambda pattern=pattern: pattern.dismiss(reason="The partner knows", by=SETUP) for pattern in copies]
    )

    assert kinds(answers) == ["AlreadyClosed"] * 5 + ["NoneType"]
    assert {str(answer) for answer in answers if answer is not None} == {"tests"}
    assert Event.objects.filter(kind="pattern.dismissed").count() == 1
