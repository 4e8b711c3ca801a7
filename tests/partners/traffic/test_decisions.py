from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils.timezone import now

from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic import changes
from partners.traffic.changes import Change
from partners.traffic.jobs import THE_HOLDING_PERIOD, end_holds
from partners.traffic.models import (
    AlreadyDecided,
    Conversion,
    Hold,
    HoldAlreadyEnded,
    IsOnHold,
    NotOnHold,
)
from portal.accounts.models import Event
from tests.conftest import SETUP
from tests.partners.traffic.conftest import NOON, converted

pytestmark = pytest.mark.django_db

Decide = Callable[[Conversion], None]
Status = Conversion.Status

VERBS: dict[str, Decide] = {
    "approve": lambda conversion: conversion.approve(by=SETUP),
    "reject": lambda conversion: conversion.reject(by=SETUP, reason="Returned"),
    "invalidate": lambda conversion: conversion.invalidate(by=SETUP, reason="A test"),
    "release": lambda conversion: conversion.release(by=SETUP),
}
BECOMES = {
    ("approve", "pending"): "approved",
    ("approve", "rejected"): "approved",
    ("approve", "invalid"): "approved",
    ("reject", "approved"): "rejected",
    ("reject", "pending"): "rejected",
    ("reject", "on_hold"): "rejected",
    ("invalidate", "approved"): "invalid",
    ("invalidate", "pending"): "invalid",
    ("invalidate", "rejected"): "invalid",
    ("invalidate", "on_hold"): "invalid",
    ("release", "on_hold"): "approved",
}


@pytest.fixture
def heard() -> Iterator[list[Change]]:
    told: list[Change] = []
    changes.listen(told.append)
    yield told
    changes.forget(told.append)


def held(partner: Partner, offer: Offer, *, days: int = 30, **said: Any) -> tuple[Conversion, Hold]:
    conversion = converted(partner, offer, status="on_hold", **said)
    until = now() + timedelta(days=days)
    return conversion, Hold.objects.create(partner=partner, conversion_id=conversion.id, until=until)


def of_status(status: str, partner: Partner, offer: Offer) -> Conversion:
    return held(partner, offer)[0] if status == "on_hold" else converted(partner, offer, status=status)


@pytest.mark.parametrize(("verb", "status"), BECOMES)
def test_a_decision_changes_the_status_and_leaves_its_event(
    acme: Partner, offer: Offer, heard: list[Change], verb: str, status: str
) -> None:
    conversion = of_status(status, acme, offer)
    before = conversion.updated_at

    VERBS[verb](conversion)

    stored = Conversion.objects.get(id=conversion.id)
    becomes = BECOMES[verb, status]
    assert (stored.status, conversion.status) == (becomes, becomes)
    assert stored.updated_at == conversion.updated_at > before
    assert stored.error_message == {"reject": "Returned", "invalidate": "A test"}.get(verb, "")
    event = Event.objects.filter(subject_type="conversion").get()
    assert (event.partner_id, event.details["conversion_id"]) == (acme.pk, conversion.id.hex)
    assert event.details["status"] == [status, becomes]
    assert [(change.conversion, change.was, change.by) for change in heard] == [(conversion, status, SETUP)]


@pytest.mark.parametrize(
    ("verb", "status"),
    [(verb, str(status)) for verb in VERBS for status in Status if (verb, str(status)) not in BECOMES],
)
def test_what_is_decided_is_not_decided_again(
    acme: Partner, offer: Offer, heard: list[Change], verb: str, status: str
) -> None:
    conversion = of_status(status, acme, offer)

    with pytest.raises(AlreadyDecided) as refusal:
        VERBS[verb](conversion)

    assert refusal.value.status == status
    assert Conversion.objects.get(id=conversion.id).status == status
    assert not Event.objects.filter(subject_type="conversion").exists()
    assert heard == []


def test_a_refusal_says_whether_a_hold_is_in_the_way(acme: Partner, offer: Offer) -> None:
    with pytest.raises(IsOnHold):
        held(acme, offer)[0].approve(by=SETUP)
    with pytest.raises(NotOnHold):
        converted(acme, offer, status="pending").release(by=SETUP)


@pytest.mark.parametrize(("verb", "outcome"), [("release", "released"), ("reject", "rejected")])
def test_a_decision_ends_the_hold_and_says_who_ended_it(acme: Partner, offer: Offer, verb: str, outcome: str) -> None:
    conversion, hold = held(acme, offer)

    VERBS[verb](conversion)

    hold.refresh_from_db()
    assert (hold.outcome, hold.ended_by, hold.ended_at) == (outcome, "tests", conversion.updated_at)
    assert hold.status == {"release": "approved", "reject": "rejected"}[verb]


def test_holds_end_when_they_are_due_and_not_before(acme: Partner, offer: Offer, heard: list[Change]) -> None:
    due, hold = held(acme, offer, days=-1)
    later, _ = held(acme, offer, days=1)

    end_holds(0)

    hold.refresh_from_db()
    assert [Conversion.objects.get(id=one.id).status for one in (due, later)] == ["approved", "on_hold"]
    assert (hold.outcome, hold.ended_by) == ("approved", "The holding period")
    event = Event.objects.get(kind="conversion.hold_ended")
    assert (event.partner_id, event.details["conversion_id"]) == (acme.pk, due.id.hex)
    assert [(change.conversion.id, change.was) for change in heard] == [(due.id, "on_hold")]


def test_a_hold_ends_once(acme: Partner, offer: Offer) -> None:
    _, hold = held(acme, offer, days=-1)
    hold.end(by=SETUP)

    with pytest.raises(HoldAlreadyEnded):
        hold.end(by=SETUP)


def test_a_run_that_breaks_off_has_ended_whole_batches_and_the_next_one_ends_the_rest(
    acme: Partner, offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        held(acme, offer, days=-1)

    ended = Hold.objects.end_due(now(), by=THE_HOLDING_PERIOD, most=2)
    with monkeypatch.context() as broken:
        broken.setattr("partners.traffic.changes._listeners", [lambda change: 1 / 0])
        with pytest.raises(ZeroDivisionError):
            end_holds(0)

    assert (ended, Hold.objects.open().count()) == (2, 3)
    assert Conversion.objects.filter(status="on_hold").count() == 3
    end_holds(0)
    assert not Hold.objects.open().exists()
    assert set(Conversion.objects.values_list("status", flat=True)) == {"approved"}


def test_a_hold_without_its_conversion_does_not_come_up_for_ever(acme: Partner, offer: Offer) -> None:
    _, lost = held(acme, offer, days=-1)
    Conversion.objects.all().delete()

    end_holds(0)

    lost.refresh_from_db()
    assert lost.outcome == "approved"


@pytest.mark.django_db(transaction=True)
def test_of_two_decisions_at_once_exactly_one_is_made(acme: Partner, offer: Offer) -> None:
    conversion, _ = held(acme, offer, days=-1)
    refused: list[AlreadyDecided] = []

    def release() -> None:
        try:
            Conversion.objects.get(id=conversion.id).release(by=SETUP)
        except AlreadyDecided as refusal:
            refused.append(refusal)
        finally:
            connection.close()

    with transaction.atomic():
        conversion.release(by=SETUP)
        late = Thread(target=release)
        late.start()
        late.join(0.3)
        assert late.is_alive()
    late.join()

    assert [(type(refusal), refusal.status) for refusal in refused] == [(NotOnHold, "approved")]
    assert Event.objects.filter(kind="conversion.released").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_hold_that_somebody_decides_over_is_left_to_them(acme: Partner, offer: Offer) -> None:
    conversion, hold = held(acme, offer, days=-1)
    found: list[int] = []

    def come_by() -> None:
        found.append(Hold.objects.end_due(now(), by=THE_HOLDING_PERIOD, most=10))
        connection.close()

    with transaction.atomic():
        conversion.reject(by=SETUP, reason="Returned")
        worker = Thread(target=come_by)
        worker.start()
        worker.join()

    hold.refresh_from_db()
    assert found == [0]
    assert hold.outcome == "rejected"


def test_a_listener_that_fails_undoes_the_decision(acme: Partner, offer: Offer) -> None:
    conversion = converted(acme, offer, status="pending")

    def fails(change: Change) -> None:
        raise RuntimeError

    changes.listen(fails)
    try:
        with pytest.raises(RuntimeError):
            conversion.approve(by=SETUP)
    finally:
        changes.forget(fails)

    assert Conversion.objects.get(id=conversion.id).status == "pending"
    assert not Event.objects.filter(kind="conversion.approved").exists()


def test_conversions_tell_which_were_held_and_what_changed_since(acme: Partner, offer: Offer) -> None:
    waiting, _ = held(acme, offer, days=1)
    released, _ = held(acme, offer, days=1)
    plain = converted(acme, offer, updated_at=NOON)
    released.release(by=SETUP)

    assert set(acme.conversions.held()) == {waiting, released}
    assert list(acme.conversions.held(outcomes=[""])) == [waiting]
    assert plain not in acme.conversions.changed_since(NOON + timedelta(seconds=1))
