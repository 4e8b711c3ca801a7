from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils.timezone import now

from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.models import CapCount, Click, Conversion, Hold, TrafficBlock, TrafficControl
from partners.traffic.partitions import CLICK_PARTITIONS, create_ahead, create_partitions
from tests.partners.traffic.conftest import NOON, clicked, converted, shown

pytestmark = pytest.mark.django_db


def partition_of(click: Click) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM traffic_click WHERE id = %s", [click.id])
        return str(cursor.fetchone()[0])


def test_a_click_stands_in_the_partition_of_its_month(acme: Partner, offer: Offer) -> None:
    create_partitions(date(2026, 5, 31), date(2026, 6, 1))

    last = clicked(acme, offer, datetime(2026, 5, 31, 23, 59, 59, tzinfo=UTC))
    first = clicked(acme, offer, datetime(2026, 6, 1, tzinfo=UTC))

    assert partition_of(last) == "traffic_click_202605"
    assert partition_of(first) == "traffic_click_202606"


def test_partitions_of_all_traffic_are_made_ahead_and_only_once() -> None:
    made = create_ahead(date(2031, 12, 10))

    assert made == [
        f"traffic_{kind}_{month}" for kind in ("click", "impression", "conversion") for month in ("203112", "203201")
    ]
    assert create_ahead(date(2031, 12, 10)) == []


def test_a_click_without_a_partition_is_kept_and_noticed(acme: Partner, offer: Offer) -> None:
    click = clicked(acme, offer, NOON)

    assert partition_of(click) == "traffic_click_default"
    assert CLICK_PARTITIONS.has_strays()


def test_a_span_of_time_has_what_happened_in_it_newest_first(acme: Partner, offer: Offer) -> None:
    early, late, after = (clicked(acme, offer, NOON + timedelta(hours=hours)) for hours in (0, 1, 2))

    found = acme.clicks.between(NOON, NOON + timedelta(hours=2)).newest_first()

    assert list(found) == [late, early]
    assert list(acme.clicks.newest_first().before(late.id)) == [early]
    assert after not in found


def test_an_invalid_click_counts_for_nothing(acme: Partner, offer: Offer) -> None:
    for said in ({"is_unique": True}, {"is_unique": False, "payout": 1}, {"is_unique": False, "revenue": 1}):
        with pytest.raises(IntegrityError, match="invalid_click_counts_for_nothing"), transaction.atomic():
            clicked(acme, offer, error_code=1, **said)


@pytest.mark.parametrize(
    ("said", "constraint"),
    [
        ({"status": "lost"}, "conversion_status_is_known"),
        ({"is_event": True}, "event_has_its_name"),
        ({"event_name": "deposit"}, "event_has_its_name"),
    ],
)
def test_the_database_refuses_a_conversion_that_cannot_be(
    acme: Partner, offer: Offer, said: dict[str, Any], constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        converted(acme, offer, **said)


def test_a_conversion_is_held_once_and_its_end_has_an_actor(acme: Partner, offer: Offer) -> None:
    conversion = converted(acme, offer, status=Conversion.Status.ON_HOLD)
    hold = Hold.objects.create(partner=acme, conversion_id=conversion.id, until=now())

    with pytest.raises(IntegrityError, match="conversion_is_held_once"), transaction.atomic():
        Hold.objects.create(partner=acme, conversion_id=conversion.id, until=now())
    with pytest.raises(IntegrityError, match="hold_ended_at_and_by"), transaction.atomic():
        Hold.objects.filter(pk=hold.pk).update(ended_at=now())


@pytest.mark.parametrize(
    ("said", "constraint"),
    [
        ({"variable": "sub11"}, "traffic_block_variable_is_known"),
        ({"value": ""}, "traffic_block_has_a_value"),
        ({"blocked_by": ""}, "traffic_block_blocked_at_and_by"),
        ({"lifted_at": NOON}, "traffic_block_lifted_at_and_by"),
    ],
)
def test_the_database_refuses_a_block_that_cannot_be(acme: Partner, said: dict[str, Any], constraint: str) -> None:
    facts = {"variable": "sub1", "value": "bad", "blocked_by": "tests", **said}

    with pytest.raises(IntegrityError, match=constraint):
        TrafficBlock.objects.create(partner=acme, **facts)


def test_the_same_traffic_is_blocked_once_until_that_is_lifted(acme: Partner) -> None:
    facts = {"partner": acme, "variable": "sub1", "value": "bad", "blocked_by": "tests"}
    TrafficBlock.objects.create(**facts, lifted_at=NOON, lifted_by="tests")
    TrafficBlock.objects.create(**facts)

    with pytest.raises(IntegrityError, match="traffic_is_blocked_once"):
        TrafficBlock.objects.create(**facts)


@pytest.mark.parametrize(
    ("said", "constraint"),
    [
        ({"control_type": "grey"}, "traffic_control_type_is_known"),
        ({"variable": "country"}, "traffic_control_variable_is_known"),
        ({"comparison_method": "regex"}, "traffic_control_comparison_is_known"),
        ({"values": []}, "traffic_control_has_values"),
    ],
)
def test_the_database_refuses_a_control_that_cannot_be(db: None, said: dict[str, Any], constraint: str) -> None:
    facts = {
        "name": "No coupons",
        "control_type": "blacklist",
        "variable": "source_id",
        "comparison_method": "exact",
        "values": ["coupons"],
        **said,
    }

    with pytest.raises(IntegrityError, match=constraint):
        TrafficControl.objects.create(**facts)


@pytest.mark.parametrize(
    ("said", "constraint"), [({"clicks": -1}, "cap_counts_are_not_negative"), ({"span": "hourly"}, "cap_span_is_known")]
)
def test_the_database_refuses_a_cap_count_that_cannot_be(db: None, said: dict[str, Any], constraint: str) -> None:
    facts = {"offer_id": 1, "span": "daily", "began_on": NOON.date(), **said}

    with pytest.raises(IntegrityError, match=constraint):
        CapCount.objects.create(**facts)


def test_an_impression_is_found_by_its_id_alone(acme: Partner, offer: Offer) -> None:
    impression = shown(acme, offer)

    assert impression.__class__.objects.get(id=impression.id) == impression
