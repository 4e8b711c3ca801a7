from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from partners.firehose.cursor import Cursor, NotACursor
from partners.firehose.jobs import keep_partitions, number_unread
from partners.firehose.log import Forgotten, NotEnabled, NotYetThere, postgres
from partners.firehose.models import Firehose, NumberedEvent, forget_before, number_events
from partners.firehose.partitions import EVENT_PARTITIONS
from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.models import OutboxEntry
from portal.web.ids import first_id_at
from tests.conftest import SETUP
from tests.partners.firehose.conftest import Read

pytestmark = pytest.mark.django_db

TODAY = datetime(2031, 3, 10, 12, tzinfo=UTC)


def happened(partner: Partner, at: datetime) -> None:
    """An update of a conversion at that time, numbered."""
    kind = OutboxEntry.Kind.CONVERSION_UPDATE
    OutboxEntry.objects.create(partner_id=partner.pk, kind=kind, id=first_id_at(at), data='{"status":"approved"}')
    number_events(partner.pk)


def test_who_was_away_for_longer_than_events_are_kept_is_told_where_to_begin(
    firehose: Firehose, acme: Partner, read: Read
) -> None:
    for days in (9, 8, 7, 0):
        EVENT_PARTITIONS.create((TODAY - timedelta(days=days)).date(), (TODAY - timedelta(days=days)).date())
        happened(acme, TODAY - timedelta(days=days))

    with time_machine.travel(TODAY, tick=False):
        keep_partitions(timestamp=0)

    with pytest.raises(Forgotten) as forgotten:
        postgres.read(acme.pk, Cursor(1, 1), 10)
    assert str(forgotten.value.oldest) == str(postgres.oldest(acme.pk)) == "1-2"
    assert [event["cursor"] for event in read(acme)] == ["1-3", "1-4"]
    assert TODAY.date() + timedelta(days=3) in EVENT_PARTITIONS.starts()
    assert TODAY.date() - timedelta(days=8) not in EVENT_PARTITIONS.starts()


def test_what_is_forgotten_of_one_run_is_not_of_another(firehose: Firehose, acme: Partner, read: Read) -> None:
    happened(acme, TODAY - timedelta(days=9))
    firehose.disable(by=SETUP)
    Firehose.enable(acme, by=SETUP)
    happened(acme, TODAY)

    forget_before(TODAY.date())

    assert [event["cursor"] for event in read(acme)] == ["2-1"]


def test_events_that_go_while_they_are_read_are_never_a_gap(
    firehose: Firehose, acme: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    for days in (2, 1, 0):
        happened(acme, TODAY - timedelta(days=days))
    standing = postgres._standing(acme.pk)  # type: ignore[attr-defined]
    forget_before(TODAY.date())
    monkeypatch.setattr(postgres, "_standing", lambda partner_id: standing)

    with pytest.raises(Forgotten) as forgotten:
        postgres.read(acme.pk, Cursor(1, 0), 10)

    assert str(forgotten.value.oldest) == "1-2"


def test_a_cursor_that_leads_nowhere_is_told_why(firehose: Firehose, acme: Partner, other_partner: Partner) -> None:
    happened(acme, TODAY)

    with pytest.raises(NotYetThere) as too_far:
        postgres.read(acme.pk, Cursor(1, 2), 10)
    assert str(too_far.value.last) == "1-1"
    for partner_id, cursor in ((acme.pk, Cursor(2, 0)), (other_partner.pk, Cursor(1, 0))):
        with pytest.raises(NotEnabled):
            postgres.read(partner_id, cursor, 10)
    firehose.disable(by=SETUP)
    for ask in (postgres.last, postgres.oldest):
        with pytest.raises(NotEnabled):
            ask(acme.pk)


def test_what_nobody_reads_is_numbered_all_the_same(
    firehose: Firehose, acme: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("partners.firehose.models.MOST_NUMBERED", 2)
    monkeypatch.setattr("partners.firehose.jobs.MOST_NUMBERED", 2)
    for _ in range(5):
        OutboxEntry.objects.create(
            partner_id=acme.pk, kind=OutboxEntry.Kind.CONVERSION_UPDATE, id=first_id_at(TODAY), data="{}"
        )

    number_unread(timestamp=0)

    assert not OutboxEntry.objects.exists()
    assert sorted(NumberedEvent.objects.values_list("seq", flat=True)) == [1, 2, 3, 4, 5]
    assert str(Firehose.objects.get(pk=acme.pk).last) == "1-5"


def test_no_cursor_is_what_is_not_written_like_one() -> None:
    assert Cursor.parse("3-4711") == Cursor(3, 4711)
    assert str(Cursor(3, 4711)) == "3-4711"
    for text in (
        "",
        "1",
        "1-",
        "-1",
        "0-1",
        "01-1",
        "1-01",
        "1-1 ",
        "1-1\n",
        "1--1",
        "1-٣",
        "1-99999999999999999999",
        "a-b",
    ):
        with pytest.raises(NotACursor):
            Cursor.parse(text)


def test_the_last_is_behind_everything_that_was_committed(
    firehose: Firehose, acme: Partner, offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("partners.firehose.models.MOST_NUMBERED", 2)
    monkeypatch.setattr("partners.firehose.log.MOST_NUMBERED", 2)
    for _ in range(5):
        OutboxEntry.objects.create(
            partner_id=acme.pk, kind=OutboxEntry.Kind.CONVERSION_UPDATE, id=first_id_at(TODAY), data="{}"
        )

    assert str(postgres.last(acme.pk)) == "1-5"
