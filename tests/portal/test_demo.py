from __future__ import annotations

import time
from datetime import timedelta
from io import StringIO
from threading import Thread

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import Sum
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from apilog.models import LoggedCall, Tally
from apilog.patterns.models import Pattern
from apilog.tallies import MINUTE
from keys.gate import Outcome
from keys.models import Key, KeyRequest
from keys.secret import LOOKS_LIKE_A_KEY
from partners.models import Flag, Partner
from partners.offers.models import Application, Deal, Offer, OfferPayout, PayoutType, ProductFeed
from partners.postbacks.models import Postback
from partners.traffic.models import TrafficBlock, TrafficControl
from portal.accounts.models import Event
from portal.demo.resuming import wait_for_others
from portal.demo.story import CAST
from portal.network.models import Network
from portal.notifications.models import Notification
from tests.conftest import SETUP

pytestmark = pytest.mark.django_db

PATIENCE = 120


def demo(*arguments: str) -> str:
    said = StringIO()
    call_command("demo", *arguments, stdout=said)
    return said.getvalue()


def test_the_demo_tells_of_a_network_in_every_state() -> None:
    said = demo("--password", "open-sesame-please")

    assert "open-sesame-please" in said
    assert all(f"{short}@latchkey.example" in said for short, *_ in CAST)
    assert Network.load().budget_requests == 3000
    assert Partner.objects.count() >= 40
    assert set(Partner.objects.values_list("status", flat=True)) == set(Partner.Status.values)
    assert set(Flag.objects.open().values_list("kind", flat=True)) == set(Flag.Kind.values)
    assert Partner.objects.filter(technical_contact_email="").exists()
    assert Partner.objects.filter(manager=None).exists()
    assert {key.state for key in Key.objects.all()} == set(Key.State)
    assert Key.objects.exclude(allowlist=None).exists()
    assert Key.objects.live().filter(partner__users__email="paul@latchkey.example").exists()
    assert not Key.objects.filter(partner__users__email="otto@latchkey.example").exists()
    assert KeyRequest.objects.open().filter(partner__users__email="otto@latchkey.example").exists()
    assert {postback.status for postback in Postback.objects.all()} == set(Postback.Status)
    assert set(TrafficControl.objects.values_list("is_active", "control_type")) >= {
        (True, "blacklist"),
        (False, "whitelist"),
    }
    assert TrafficBlock.objects.standing().filter(partner__users__email="paul@latchkey.example").exists()
    assert TrafficBlock.objects.exclude(lifted_at=None).exists()
    assert set(LoggedCall.objects.values_list("outcome", flat=True)) == set(Outcome) - {Outcome.ERROR}


def test_the_demo_runs_a_programme_with_offers_of_every_kind() -> None:
    demo()

    acme = Partner.objects.get(name="Acme Media")
    assert Offer.objects.count() >= 24
    assert set(Offer.objects.values_list("status", flat=True)) == set(Offer.Status.values)
    assert set(Offer.objects.values_list("visibility", flat=True)) == set(Offer.Visibility.values)
    assert set(OfferPayout.objects.values_list("payout_type", flat=True)) == set(PayoutType.values)
    assert not OfferPayout.objects.filter(revenue_amount=0, revenue_percentage=0).exists()
    assert Offer.objects.filter(created_at__gt=timezone.now() - timedelta(days=60)).count() == 0
    assert {application.status for application in acme.applications.all()} == set(Application.Status)
    assert Offer.objects.filter(visibility="private").visible_to_partner(acme).count() == 0
    assert Offer.objects.runnable_by(acme).count() >= 15
    assert acme.coupon_codes.exists() and acme.payouts.exists()
    assert {deal.standing(timezone.now().date()) for deal in Deal.objects.all()} == {"active"}
    assert ProductFeed.objects.filter(items__isnull=False).distinct().count() == 2
    first = Event.objects.filter(kind="offer.launched").earliest("pk")
    assert first.occurred_at == Offer.objects.earliest("created_at").created_at


def test_the_demo_tells_its_people_of_what_happened_and_mails_nobody_about_the_past() -> None:
    demo()

    # Waiting since before there was a worker, they would make System Status look slow, too.
    assert not ProcrastinateJob.objects.filter(task_name="notifications.send_mail").exists()
    assert Notification.objects.filter(user__email="paul@latchkey.example", kind="key.issued").exists()
    assert Notification.objects.filter(user__email="nadia@latchkey.example").unread().exists()


def test_the_demo_takes_its_password_from_the_environment(settings: Settings) -> None:
    settings.DEMO_PASSWORD = "from-the-environment"

    said = demo()

    assert "the password from-the-environment" in said
    assert Client().login(email="sonia@latchkey.example", password="from-the-environment")


def test_the_demos_calls_are_tallied_already() -> None:
    demo()

    settled = LoggedCall.objects.filter(received_at__lt=timezone.now() - timedelta(hours=2)).count()
    tallied = Tally.objects.filter(span=MINUTE).aggregate(calls=Sum("calls"))["calls"]
    assert settled <= tallied <= LoggedCall.objects.count()


def test_the_demo_shows_a_few_unusual_patterns_that_were_found_in_its_calls() -> None:
    demo()

    found = {pattern.rule: pattern for pattern in Pattern.objects.open()}
    assert found.keys() == {"new_network", "limit_burst", "refused_again", "unused"}
    assert Pattern.objects.count() <= 6
    moved = found["new_network"]
    calls = LoggedCall.objects.filter(key_id=moved.key_id, received_at__range=(moved.first_at, moved.last_at))
    assert calls.count() == moved.calls


def test_the_demo_never_says_a_key() -> None:
    said = demo()

    assert not LOOKS_LIKE_A_KEY.search(said)


def test_the_demos_past_is_in_the_order_it_happened() -> None:
    demo()

    happened = list(Event.objects.order_by("pk").values_list("occurred_at", flat=True))
    assert happened == sorted(happened)
    assert happened[-1] <= timezone.now()
    received = list(LoggedCall.objects.order_by("id").values_list("received_at", flat=True))
    assert received == sorted(received)
    assert not Key.objects.filter(created_at__gt=timezone.now() - timedelta(days=1)).exists()


def test_the_cast_of_the_demo_can_sign_in() -> None:
    demo("--password", "open-sesame-please")

    for short, *_ in CAST:
        assert Client().login(email=f"{short}@latchkey.example", password="open-sesame-please")


def test_the_demo_leaves_a_network_alone_that_is_there_already(network: Network) -> None:
    assert demo("--if-empty") == ""

    with pytest.raises(CommandError, match="Northwind Affiliates"):
        demo()
    assert Partner.objects.count() == 0


def test_the_demo_says_that_its_traffic_is_not_complete_until_it_is_billed() -> None:
    demo()

    said = [demo("--if-empty")]
    for command in (("demo_traffic", "--clicks=2000"), ("demo_invoices",)):
        call_command(*command, stdout=StringIO())
        said.append(demo("--if-empty"))

    untold = "\nNorthwind Affiliates is set up, but its traffic was not complete.\n"
    assert said == [untold, untold, ""]


def test_a_demo_that_has_become_somebodys_own_network_lacks_no_traffic() -> None:
    demo()

    Partner.create(name="Real Deals", by=SETUP)

    assert demo("--if-empty") == ""


@pytest.mark.django_db(transaction=True)
def test_a_command_of_the_demo_waits_for_one_that_is_still_at_work() -> None:
    ended: list[str] = []

    def work() -> None:
        try:
            with transaction.atomic():
                wait_for_others()
                ended.append("the second")
        finally:
            connection.close()

    second = Thread(target=work)
    with transaction.atomic():
        wait_for_others()
        second.start()
        until_one_waits()
        ended.append("the first")
    second.join(PATIENCE)

    assert ended == ["the first", "the second"]


def until_one_waits() -> None:
    """Until another connection stands before a lock that nothing but the demo has."""
    deadline = time.monotonic() + PATIENCE
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(
                "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
                "WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"
            )
            if cursor.fetchone() != (0,):
                return
            time.sleep(0.05)
    raise AssertionError("Nobody waits.")
