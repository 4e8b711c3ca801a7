from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils.timezone import now

from keys.models import Key
from partners.firehose.models import AlreadyDisabled, AlreadyEnabled, Firehose
from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic import rows
from partners.traffic.models import Click, Conversion, Followed, Impression, OutboxEntry
from partners.traffic.models.recording import Report, Source
from portal.accounts.models import Event
from portal.web.ids import new_id
from tests.conftest import SETUP
from tests.partners.firehose.conftest import Read
from tests.partners.traffic.arriving import click, launched, path_of, statements, visit
from tests.partners.traffic.conftest import clicked

pytestmark = pytest.mark.django_db


def convert(partner: Partner, offer: Offer, **said: Any) -> Conversion:
    source = Source.of_visit(clicked(partner, offer, at=now()))
    return Conversion.record(source=source, report=Report(**said), by=SETUP)[0]


def data_of(rows_of: Any, row: Click | Conversion, shape: rows.Shape) -> Any:
    [found] = rows.looked_up(rows_of, [row.id], shape)
    return json.loads(found)


def test_a_click_and_an_impression_are_told_as_the_api_answers_them(
    firehose: Firehose, acme: Partner, offer: Offer, read: Read
) -> None:
    click(acme, offer, "sub1=mail&utm_source=x")
    visit(path_of(acme, offer, "i"), "sub1=banner")

    told = read(acme)

    made, shown = Click.objects.get(), Impression.objects.get()
    assert [(event["cursor"], event["type"], event["id"]) for event in told] == [
        ("1-1", "click", made.id.hex),
        ("1-2", "impression", shown.id.hex),
    ]
    assert told[0]["data"] == data_of(acme.clicks.all(), made, rows.CLICKS)
    assert told[0]["unix_timestamp"] == told[0]["data"]["unix_timestamp"]
    assert told[1]["data"]["transaction_id"] == shown.id.hex
    assert told[1]["data"]["sub1"] == "banner"
    assert set(told[0]["data"]) - set(told[1]["data"]) == {"is_unique", "tracking_url", "error_code", "error_message"}


def test_a_click_that_is_invalid_is_told_with_its_reason(
    firehose: Firehose, acme: Partner, offer: Offer, read: Read
) -> None:
    offer.change(by=SETUP, status="paused")

    click(acme, offer)

    [told] = read(acme)
    assert (told["type"], told["data"]["error_code"]) == ("click", 1)


def test_a_conversion_is_told_as_it_was_at_each_change(
    firehose: Firehose, acme: Partner, network: object, read: Read
) -> None:
    offer = launched(holding_period_days=7)
    conversion = convert(acme, offer, order_id="A-1")
    conversion.release(by=SETUP)
    conversion.reject(by=SETUP, reason="Returned.")
    conversion.approve(by=SETUP)

    told = read(acme)

    assert [(event["type"], event["data"]["status"], event["data"]["error_message"]) for event in told] == [
        ("conversion", "on_hold", ""),
        ("conversion_update", "approved", ""),
        ("conversion_update", "rejected", "Returned."),
        ("conversion_update", "approved", ""),
    ]
    assert told[-1]["data"] == data_of(acme.conversions.all(), conversion, rows.CONVERSIONS)
    assert len({event["id"] for event in told}) == 4
    assert {event["data"]["conversion_id"] for event in told} == {conversion.id.hex}
    assert "notes" not in told[0]["data"]


def test_notes_of_the_network_are_nothing_that_a_partner_is_told(
    firehose: Firehose, acme: Partner, offer: Offer, read: Read
) -> None:
    conversion = convert(acme, offer)

    conversion.annotate(notes="Looks odd.", by=SETUP)

    assert [event["type"] for event in read(acme)] == ["conversion"]


def test_conversions_that_are_recorded_together_are_told_in_their_order(
    firehose: Firehose, acme: Partner, offer: Offer, read: Read, call: Any, other_partner: Partner
) -> None:
    client = call(Key.generate_network_key(by=SETUP, replacing=None)[1])
    visits = [clicked(partner, offer, at=now()) for partner in (acme, other_partner, acme, acme)]
    lines = [{"transaction_id": made.id.hex, "order_id": f"O-{number}"} for number, made in enumerate(visits)]

    answer = client.post("/v1/networks/conversions", {"conversions": lines}, content_type="application/json")

    assert answer.status_code == 200, answer.content
    assert [(event["type"], event["data"]["order_id"]) for event in read(acme)] == [
        ("conversion", "O-0"),
        ("conversion", "O-2"),
        ("conversion", "O-3"),
    ]


def test_what_is_rolled_back_is_not_told(firehose: Firehose, acme: Partner, offer: Offer, read: Read) -> None:
    with transaction.atomic():
        convert(acme, offer)
        click(acme, offer)
        assert OutboxEntry.objects.count() == 2
        transaction.set_rollback(True)

    assert read(acme) == []


def test_nothing_is_kept_of_partners_without_a_firehose(
    firehose: Firehose, other_partner: Partner, offer: Offer
) -> None:
    click(other_partner, offer)
    visit(path_of(other_partner, offer, "i"))
    convert(other_partner, offer).reject(by=SETUP, reason="No.")

    assert not OutboxEntry.objects.exists()


def test_a_firehose_takes_no_statement_more_of_a_click(
    firehose: Firehose, acme: Partner, other_partner: Partner, offer: Offer
) -> None:
    with statements() as followed:
        click(acme, offer)
    with statements() as other:
        click(other_partner, offer)

    assert followed == other
    assert [entry.partner_id for entry in OutboxEntry.objects.all()] == [acme.pk]


def test_an_event_names_no_other_partner_and_none_of_the_networks_money(
    firehose: Firehose, acme: Partner, offer: Offer, other_partner: Partner, read: Read
) -> None:
    made = clicked(acme, offer, at=now(), revenue=Decimal("77.77"), is_unique=True)
    conversion, _ = Conversion.record(source=Source.of_visit(made), report=Report(), by=SETUP)
    Conversion.objects.filter(id=conversion.id).update(revenue=Decimal("88.88"), notes="secret note")
    conversion.refresh_from_db()
    conversion.reject(by=SETUP, reason="No.")
    click(other_partner, offer)

    told = json.dumps(read(acme))

    assert "88.88" not in told
    assert "77.77" not in told
    assert "secret note" not in told
    assert [event["data"]["conversion_id"] for event in json.loads(told)] == [conversion.id.hex] * 2


def test_enabling_and_disabling_leave_events_and_happen_once(acme: Partner) -> None:
    firehose = Firehose.enable(acme, by=SETUP)
    with pytest.raises(AlreadyEnabled):
        Firehose.enable(acme, by=SETUP)
    again = Firehose.objects.get(pk=firehose.pk)
    firehose.disable(by=SETUP)
    with pytest.raises(AlreadyDisabled):
        again.disable(by=SETUP)

    kinds = Event.objects.filter(partner_id=acme.pk, kind__startswith="firehose").values_list("kind", flat=True)
    assert sorted(kinds) == ["firehose.disabled", "firehose.enabled"]


def test_a_run_begins_with_each_enabling_and_knows_nothing_of_the_time_between(
    firehose: Firehose, acme: Partner, offer: Offer, read: Read
) -> None:
    click(acme, offer)
    assert [event["cursor"] for event in read(acme)] == ["1-1"]
    click(acme, offer)
    firehose.disable(by=SETUP)
    click(acme, offer)
    # As one leaves it that was being written while it was disabled.
    OutboxEntry.objects.create(partner_id=acme.pk, kind=OutboxEntry.Kind.CLICK, id=new_id())

    second = Firehose.enable(acme, by=SETUP)
    click(acme, offer)

    assert (second.run, str(second.last), str(second.oldest)) == (2, "2-0", "2-0")
    assert [event["cursor"] for event in read(acme)] == ["2-1"]
    assert read(acme)[0]["id"] == Click.objects.newest_first()[0].id.hex


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        ({"enabled_by": ""}, "firehose_enabled_at_and_by"),
        ({"disabled_by": "Vera"}, "firehose_disabled_at_and_by"),
        ({"disabled_at": "2026-05-10T12:00Z"}, "firehose_disabled_at_and_by"),
        ({"run": 0}, "firehose_forgets_what_it_numbered"),
        ({"forgotten_seq": 1}, "firehose_forgets_what_it_numbered"),
        ({"relayed_seq": 1}, "firehose_relays_what_it_numbered"),
        ({"refusal": "No room."}, "firehose_refused_at_and_why"),
        ({"refused_at": "2026-05-10T12:00Z"}, "firehose_refused_at_and_why"),
    ],
)
def test_the_database_holds_what_must_be_true_of_a_firehose(
    firehose: Firehose, wrong: dict[str, Any], constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Firehose.objects.filter(pk=firehose.pk).update(**wrong)


@pytest.mark.parametrize(("kind", "data"), [(1, "{}"), (2, "{}"), (3, None), (4, None), (5, None)])
def test_the_outbox_keeps_of_conversions_what_they_were(acme: Partner, kind: int, data: str | None) -> None:
    with pytest.raises(IntegrityError, match="outbox_keeps_what_changes"), transaction.atomic():
        OutboxEntry.objects.create(partner_id=acme.pk, kind=kind, id=new_id(), data=data)


def test_who_is_followed_is_who_has_an_enabled_firehose(acme: Partner, other_partner: Partner) -> None:
    Firehose.enable(acme, by=SETUP)
    Firehose.enable(other_partner, by=SETUP).disable(by=SETUP)

    assert list(Followed.objects.values_list("partner_id", flat=True)) == [acme.pk]
    assert Firehose.objects.enabled().get().partner == acme
