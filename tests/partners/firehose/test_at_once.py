"""Events of transactions that are open at the same time: none is skipped, none is told twice, and all are in order."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils.timezone import now

from partners.firehose.cursor import Cursor
from partners.firehose.log import postgres
from partners.firehose.models import Firehose, number_events
from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.models import Conversion, Followed, OutboxEntry, TrafficIsBusy
from partners.traffic.models.recording import Report, Source
from tests.conftest import SETUP
from tests.partners.firehose.at_once import Open, click, elsewhere, until
from tests.partners.firehose.conftest import Read
from tests.partners.traffic.conftest import clicked

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("offer")]


def is_waited_for(table: str) -> bool:
    """Whether somebody waits for a lock on the table."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE relation = %s::regclass AND NOT granted)", [table])
        return bool(cursor.fetchone()[0])


def click_of(partner: Partner, offer: Offer, sub1: str) -> Callable[[], None]:
    return lambda: click(partner, offer, f"sub1={sub1}")


def convert(partner: Partner, offer: Offer, **said: Any) -> Conversion:
    source = Source.of_visit(clicked(partner, offer, at=now()))
    return Conversion.record(source=source, report=Report(**said), by=SETUP)[0]


def test_what_was_written_first_and_is_committed_last_is_not_skipped(
    firehose: Firehose, acme: Partner, offer: Offer, read: Read
) -> None:
    early = Open(lambda: click(acme, offer, "sub1=early")).written()
    click(acme, offer, "sub1=late")
    first = read(acme)

    early.commit()
    second = read(acme, Cursor(1, 1))

    numbers = {event["data"]["sub1"]: event["cursor"] for event in first + second}
    assert numbers == {"late": "1-1", "early": "1-2"}


def test_what_is_open_keeps_nobody_waiting(
    firehose: Firehose, acme: Partner, other_partner: Partner, offer: Offer, read: Read
) -> None:
    Firehose.enable(other_partner, by=SETUP)

    def click_and_convert() -> None:
        click(acme, offer, "sub1=open")
        convert(other_partner, offer)

    blocking = Open(click_and_convert).written()

    click(acme, offer, "sub1=done")
    click(other_partner, offer, "sub1=other")

    assert [event["data"]["sub1"] for event in read(acme)] == ["done"]
    assert [event["data"]["sub1"] for event in read(other_partner)] == ["other"]
    blocking.commit()
    assert [event["type"] for event in read(other_partner)] == ["click", "conversion"]


def test_two_readers_number_the_same_events_once(firehose: Firehose, acme: Partner, offer: Offer, read: Read) -> None:
    for _ in range(20):
        click(acme, offer)
    numbering = Open(lambda: number_events(acme.pk)).written()

    with elsewhere(lambda: number_events(acme.pk)) as second:
        until(waits_for_a_row)
        assert second.is_alive()
        numbering.commit()

    assert [event["cursor"] for event in read(acme)] == [f"1-{number}" for number in range(1, 21)]


def waits_for_a_row() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock' AND query LIKE '%%firehose_firehose%%FOR UPDATE%%')"
        )
        return bool(cursor.fetchone()[0])


def test_a_reader_that_dies_while_it_numbers_has_numbered_nothing(
    firehose: Firehose, acme: Partner, offer: Offer, read: Read
) -> None:
    click(acme, offer)

    with transaction.atomic():
        number_events(acme.pk)
        transaction.set_rollback(True)

    assert OutboxEntry.objects.count() == 1
    assert [event["cursor"] for event in read(acme)] == ["1-1"]


def test_enabling_waits_for_what_is_being_written_so_that_nothing_committed_after_it_is_missing(
    acme: Partner, offer: Offer, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("partners.traffic.models.outbox.ATTEMPTS", 100_000)
    # It has read that Acme is not followed, and would be committed after the enabling.
    before = Open(lambda: click(acme, offer, "sub1=before")).written()

    with elsewhere(lambda: Firehose.enable(acme, by=SETUP)):
        until(lambda: is_waited_for("traffic_followed"))
        assert not Firehose.objects.exists()
        before.commit()
    click(acme, offer, "sub1=after")

    assert [event["data"]["sub1"] for event in read(acme)] == ["after"]


def test_who_writes_while_a_firehose_is_being_enabled_waits_for_it_and_is_told(
    acme: Partner, offer: Offer, read: Read
) -> None:
    enabling = Open(lambda: Firehose.enable(acme, by=SETUP)).written()

    def click_and_convert() -> None:
        click(acme, offer)
        convert(acme, offer)

    with elsewhere(click_and_convert):
        until(lambda: is_waited_for("traffic_followed"))
        enabling.commit()

    assert [event["type"] for event in read(acme)] == ["click", "conversion"]


def test_enabling_gives_up_on_who_writes_for_too_long(
    acme: Partner, offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("partners.traffic.models.outbox.ATTEMPTS", 2)
    endless = Open(lambda: convert(acme, offer)).written()

    with pytest.raises(TrafficIsBusy):
        Firehose.enable(acme, by=SETUP)

    endless.commit()
    assert not Firehose.objects.exists()
    assert not Followed.objects.exists()


def test_many_writers_in_any_order_of_commits_are_told_once_each_without_a_gap_and_each_conversion_in_its_order(
    firehose: Firehose, acme: Partner, offer: Offer
) -> None:
    dice = random.Random(4711)
    conversions = [convert(acme, offer, order_id=f"O-{number}") for number in range(4)]
    expected = {number: ["approved"] for number in range(4)}
    after = Cursor(1, 0)
    told: list[Any] = []

    def poll() -> None:
        nonlocal after
        for event in postgres.read(acme.pk, after, dice.choice([1, 3, 100])):
            told.append(event)
            after = event.cursor

    for round_number in range(12):
        decided = dice.sample(range(4), 2)
        writers = [Open(click_of(acme, offer, f"{round_number}-{number}")).written() for number in range(4)]
        for number in decided:
            conversion = Conversion.objects.get(id=conversions[number].id)
            is_approved = conversion.status == "approved"
            writers.append(Open(decision(conversion, is_approved)).written())
            expected[number].append("rejected" if is_approved else "approved")
        dice.shuffle(writers)
        for writer in writers:
            writer.commit()
            if dice.random() < 0.7:
                poll()
    while after != postgres.last(acme.pk):
        poll()

    assert [event.cursor.seq for event in told] == list(range(1, len(told) + 1))
    assert len({event.id for event in told}) == len(told) == 4 + 12 * 6
    assert not OutboxEntry.objects.exists()
    by_conversion = defaultdict(list)
    for event in told:
        if event.kind in (OutboxEntry.Kind.CONVERSION, OutboxEntry.Kind.CONVERSION_UPDATE):
            data = json.loads(event.data)
            by_conversion[int(data["order_id"].removeprefix("O-"))].append(data["status"])
    assert dict(by_conversion) == expected


def decision(conversion: Conversion, is_approved: bool) -> Callable[[], None]:
    if is_approved:
        return lambda: conversion.reject(by=SETUP, reason="No.")
    return lambda: conversion.approve(by=SETUP)
