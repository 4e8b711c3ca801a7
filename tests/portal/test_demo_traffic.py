from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from io import StringIO
from typing import Any, cast

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Count, F, Q, Sum
from django.utils import timezone

from partners.models import Partner
from partners.offers.models import (
    Advertiser,
    Category,
    Creative,
    Offer,
    PayoutType,
    Revenue,
    RevenueType,
    Terms,
)
from partners.reporting.models import Day
from partners.traffic.agents import agent_of
from partners.traffic.models import CapCount, Click, Conversion, Hold, Impression, Receipt, Refusal
from partners.traffic.models.recording import Report, Source
from portal.demo.traffic import TrafficExists, load_traffic
from portal.demo.traffic.flow import COLUMNS
from portal.network.models import Network
from portal.postgres import PROJECT
from portal.web.ids import moment_of
from portal.web.progress import Progress
from tests.conftest import SETUP
from tests.partners.traffic.conftest import clicked

UNTIL = datetime(2026, 5, 29, 15, tzinfo=UTC)
# Seconds until somebody else must have done what is waited for.
PATIENCE = 60
LONG_AGO = UNTIL - timedelta(days=300)
# Killed when PostgreSQL has taken the first clicks and is given more.
KILLED = textwrap.dedent(
    """
    import os, signal, sys
    from datetime import datetime
    import django
    from django.conf import settings
    settings.DATABASES["default"]["NAME"] = sys.argv[1]
    settings.DATABASES["default"]["OPTIONS"].pop("pool", None)
    django.setup()
    from portal.demo.traffic import load_traffic

    come = 0

    def count(more):
        global come
        come += more
        if come > 60_000:
            os.kill(os.getpid(), signal.SIGKILL)

    load_traffic(clicks=80_000, days=20, seed=7, until=datetime.fromisoformat(sys.argv[2]), progress=count)
    """
)
CENTS, NOTHING = Decimal("0.0001"), Decimal(0)


@pytest.fixture(autouse=True)
def market(network: Network) -> dict[str, Offer]:
    for name, country in [("Acme", "US"), ("Orbit", "GB"), ("Fernway", "DE"), ("Kestrel", "GB"), ("Zephyr", "JP")]:
        partner = Partner.create(name=name, by=SETUP, country_code=country, website=f"https://{name.lower()}.example/")
        partner.change(by=SETUP, status=Partner.Status.ACTIVE)
    offers = {
        "shoes": launch("Shoes", Terms(PayoutType.CPS, percentage=Decimal("7.5")), share(Decimal(11))),
        "cards": launch("Cards", Terms(PayoutType.CPA, Decimal(25)), per_action(Decimal(40)), holding_period_days=14),
        "hotels": launch("Hotels", Terms(PayoutType.CPC, Decimal("0.21")), Revenue(RevenueType.RPC, Decimal("0.3"))),
        "games": launch("Games", Terms(PayoutType.CPM, Decimal("1.35")), Revenue(RevenueType.RPM, Decimal(2))),
        "boxes": launch(
            "Boxes",
            Terms(PayoutType.CPA_CPS, Decimal(3), Decimal(4)),
            Revenue(RevenueType.RPA_RPS, Decimal(4), Decimal(6)),
            countries=["US", "GB"],
            conversion_approval=Offer.ConversionApproval.MANUAL,
        ),
        "yen": launch("Yen", Terms(PayoutType.CPS, percentage=Decimal(5)), share(Decimal(8)), currency="JPY"),
    }
    offers["boxes"].pay(
        Terms(PayoutType.CPA, Decimal(9)), earns=per_action(Decimal(12)), by=SETUP, event_name="renewal"
    )
    for name in ("shoes", "games"):
        offers[name].add_creative(
            name="Banner", creative_type=Creative.Type.IMAGE, resource_url="https://shop.example/b.png", by=SETUP
        )
    Partner.objects.update(created_at=LONG_AGO)
    Offer.objects.update(created_at=LONG_AGO)
    return offers


def launch(name: str, pays: Terms, earns: Revenue, **fields: Any) -> Offer:
    return Offer.launch(
        name=name,
        advertiser=Advertiser.sign_up(name=f"House of {name}", by=SETUP),
        category=Category.add(name=name, by=SETUP),
        status=Offer.Status.ACTIVE,
        visibility=fields.pop("visibility", Offer.Visibility.PUBLIC),
        destination_url="https://shop.example/",
        pays=pays,
        earns=earns,
        by=SETUP,
        **fields,
    )


def share(percentage: Decimal) -> Revenue:
    return Revenue(RevenueType.RPS, percentage=percentage)


def per_action(amount: Decimal) -> Revenue:
    return Revenue(RevenueType.RPA, amount)


def demo_traffic(*arguments: str, clicks: int = 6000, until: datetime = UNTIL) -> str:
    said = StringIO()
    call_command("demo_traffic", f"--clicks={clicks}", f"--until={until.isoformat()}", *arguments, stdout=said)
    return said.getvalue()


def rows_of(*tables: type[Click | Impression | Conversion | Hold | Receipt]) -> int:
    """All that stands in the tables, in one number."""
    digest = 0
    for table in tables:
        # A hold's own number goes on rising.
        known = [column.name for column in table._meta.concrete_fields if (table, column.name) != (Hold, "id")]
        order = "digest" if table is Receipt else "conversion_id" if table is Hold else "id"
        for row in table._default_manager.order_by(order).values_list(*known):
            digest = zlib.crc32(repr(row).encode(), digest)
    return digest


def test_there_are_as_many_clicks_as_were_asked_for_within_the_days_that_were() -> None:
    said = demo_traffic("--days=20")

    clicks = Click.objects.order_by("id")
    assert said.startswith("6,000 clicks, ")
    assert clicks.count() == 6000
    assert UNTIL - timedelta(days=20) <= clicks[0].at < UNTIL - timedelta(days=19)
    assert UNTIL - timedelta(days=1) < cast(Click, clicks.last()).at < UNTIL
    assert Conversion.objects.filter(at__gte=UNTIL).count() == 0


def test_a_rows_id_is_of_its_own_time() -> None:
    demo_traffic()

    for table in (Click, Impression, Conversion):
        assert all(moment_of(row.id) == row.at for row in table._default_manager.all())
        assert all(row.id.version == 7 for row in table._default_manager.all()[:50])


def test_clicks_are_of_every_kind_in_believable_parts() -> None:
    # So many that the rarest status is among them whatever the numbers of the partners and offers are.
    number = 60_000
    demo_traffic(clicks=number)

    clicks = Click.objects.aggregate(
        valid=Count("pk", filter=Q(error_code=0)),
        unique=Count("pk", filter=Q(is_unique=True)),
        robots=Count("pk", filter=Q(error_code=Refusal.ROBOT)),
        abroad=Count("pk", filter=Q(error_code=Refusal.COUNTRY_NOT_ALLOWED)),
    )
    assert 0.93 < clicks["valid"] / number < 0.99
    assert 0.8 < clicks["unique"] / clicks["valid"] < 0.97
    assert 0.01 < clicks["robots"] / number < 0.03
    assert 0 < clicks["abroad"] / number < 0.03
    conversions = Conversion.objects.filter(is_event=False).count()
    assert 0.02 < conversions / clicks["valid"] < 0.05
    assert set(Conversion.objects.values_list("status", flat=True)) == set(Conversion.Status)
    assert Conversion.objects.filter(event_name="renewal").exists()
    assert Conversion.objects.filter(is_view_through=True, clicked_at=None).exists()
    assert 0.25 < Impression.objects.count() / number < 0.75


def test_a_few_partners_and_offers_have_most_of_the_traffic_and_a_few_words_come_up_most() -> None:
    demo_traffic(clicks=20_000)

    partners = list(
        Click.objects.values("partner_id").annotate(n=Count("pk")).order_by("-n").values_list("n", flat=True)
    )
    offers = list(Click.objects.values("offer_id").annotate(n=Count("pk")).order_by("-n").values_list("n", flat=True))
    words = list(Click.objects.values("sub2").annotate(n=Count("pk")).order_by("-n").values_list("n", flat=True))
    assert partners[0] > 2 * partners[-1]
    assert offers[0] > 2 * offers[-1]
    assert len(words) > 300
    assert sum(words[:10]) > 10 * sum(words[-10:])


def test_people_click_when_they_are_awake() -> None:
    demo_traffic(clicks=20_000)

    by_hour: defaultdict[int, int] = defaultdict(int)
    for at in Click.objects.filter(country_code="GB").values_list("at", flat=True):
        by_hour[(at.hour + 1) % 24] += 1
    night, evening = sum(by_hour[hour] for hour in (2, 3, 4)), sum(by_hour[hour] for hour in (19, 20, 21))
    assert evening > 5 * night
    first, last = UNTIL - timedelta(days=60), UNTIL - timedelta(days=14)
    assert Click.objects.between(last, UNTIL).count() > Click.objects.between(first, first + timedelta(days=14)).count()


def test_the_same_seed_and_moment_make_the_same_rows_and_another_seed_others() -> None:
    def traffic(*arguments: str) -> int:
        demo_traffic(*arguments, clicks=1500)
        digest = rows_of(Click, Impression, Conversion, Hold, Receipt)
        for table in (Click, Impression, Conversion, Hold, Receipt):
            table._default_manager.all().delete()
        return digest

    first = traffic("--seed=3")

    assert traffic("--seed=3") == first
    assert traffic("--seed=4") != first


def test_a_click_is_unique_unless_the_same_visitor_clicked_within_a_day() -> None:
    demo_traffic("--days=3")

    last: dict[tuple[object, ...], datetime] = {}
    for click in Click.objects.valid().order_by("id"):
        visitor = (click.partner_id, click.offer_id, click.ip, click.user_agent)
        assert click.is_unique == (visitor not in last or click.at - last[visitor] >= timedelta(days=1))
        if click.is_unique:
            last[visitor] = click.at
    assert Click.objects.valid().filter(is_unique=False).exists()


def test_money_follows_the_terms_of_the_offer_and_of_the_partner(market: dict[str, Offer]) -> None:
    acme = Partner.objects.get(name="Acme")
    market["shoes"].pay_partner(acme, Terms(PayoutType.CPS, percentage=Decimal("9.25")), by=SETUP)

    demo_traffic(clicks=20_000)

    def sales(name: str, **of: Any) -> list[tuple[Decimal, Decimal, Decimal]]:
        found = Conversion.objects.filter(offer=market[name], **of).values_list("sale_amount", "payout", "revenue")
        assert found
        return list(found)

    def part(sale: Decimal, percentage: str) -> Decimal:
        return (sale * Decimal(percentage) / 100).quantize(CENTS, ROUND_HALF_UP)

    assert all(paid == part(sale, "9.25") for sale, paid, _ in sales("shoes", partner=acme))
    others = Partner.objects.exclude(pk=acme.pk)
    assert all(paid == part(sale, "7.5") for sale, paid, _ in sales("shoes", partner__in=others))
    assert all(earned == part(sale, "11") for sale, _, earned in sales("shoes"))
    assert all((paid, earned) == (Decimal(25), Decimal(40)) for _, paid, earned in sales("cards"))
    assert all(paid == earned == 0 for _, paid, earned in sales("hotels"))
    assert all(paid == 3 + part(sale, "4") for sale, paid, _ in sales("boxes", is_event=False))
    assert all((paid, earned) == (Decimal(9), Decimal(12)) for _, paid, earned in sales("boxes", is_event=True))
    assert all(sale == int(sale) for sale, _, _ in sales("yen"))
    clicks = Click.objects.filter(offer=market["hotels"])
    assert set(clicks.filter(is_unique=True).values_list("payout", "revenue")) == {(Decimal("0.21"), Decimal("0.3"))}
    assert set(clicks.filter(is_unique=False).values_list("payout", "revenue")) == {(NOTHING, NOTHING)}
    assert set(Click.objects.exclude(offer=market["hotels"]).values_list("payout", "revenue")) == {(NOTHING, NOTHING)}
    shown = Impression.objects.filter(offer=market["games"]).values_list("payout", flat=True)
    assert set(shown) == {Impression._meta.get_field("payout").to_python("0.00135").quantize(scale_of("payout"))}


def scale_of(column: str) -> Decimal:
    return Decimal(1).scaleb(-cast(Any, Impression._meta.get_field(column)).decimal_places)


def test_conversions_come_after_their_clicks_and_keep_what_was_known_of_them() -> None:
    demo_traffic(clicks=10_000)

    conversions = Conversion.objects.exclude(clicked_at=None).order_by("id")
    clicks = {click.id: click for click in Click.objects.filter(id__in=conversions.values("transaction_id"))}
    assert conversions
    for conversion in conversions:
        click = clicks[conversion.transaction_id]
        assert click.error_code == 0
        assert conversion.clicked_at == click.at < conversion.at
        kept = (*COLUMNS["traffic_impression"][2:-2], "redirected_from")
        assert [getattr(conversion, name) for name in kept] == [getattr(click, name) for name in kept]


def test_what_is_on_hold_has_an_open_hold_and_what_was_has_one_that_ended(market: dict[str, Offer]) -> None:
    demo_traffic(clicks=10_000)

    holds = {hold.conversion_id: hold for hold in Hold.objects.all()}
    held = Conversion.objects.filter(offer=market["cards"])
    assert {conversion.id for conversion in held} == set(holds)
    for conversion in held:
        hold = holds[conversion.id]
        assert hold.until - conversion.at == timedelta(days=14)
        assert hold.status == ("rejected" if conversion.status == "invalid" else conversion.status)
        assert (hold.until > UNTIL) or hold.ended_at is not None
    assert not Conversion.objects.exclude(offer=market["cards"]).filter(status="on_hold").exists()


def test_nobody_sends_traffic_that_may_not(market: dict[str, Offer]) -> None:
    paused, applied = Partner.objects.get(name="Kestrel"), Partner.objects.get(name="Zephyr")
    paused.change(by=SETUP, status=Partner.Status.PAUSED)
    closed = launch("Closed", Terms(PayoutType.CPA, Decimal(5)), per_action(Decimal(7)), visibility="require_approval")
    Offer.objects.update(created_at=LONG_AGO)
    closed.apply(partner=Partner.objects.get(name="Orbit"), by=SETUP)
    admitted_at = UNTIL - timedelta(days=10)
    closed.admit(partner=applied, by=SETUP)
    closed.applications.filter(partner=applied).update(approved_at=admitted_at)
    launched_at = UNTIL - timedelta(days=5)
    Offer.objects.filter(pk=market["yen"].pk).update(created_at=launched_at)
    market["games"].change(by=SETUP, status=Offer.Status.PAUSED)

    demo_traffic(clicks=10_000)

    for table in (Click, Impression, Conversion):
        rows = table._default_manager.all()
        assert not rows.filter(partner=paused).exists()
        assert not rows.filter(offer=closed).exclude(partner=applied).exists()
        assert not rows.filter(offer=closed, at__lt=admitted_at).exists()
        assert not rows.filter(offer=market["yen"], at__lt=launched_at).exists()
        assert not rows.filter(offer=market["games"]).exists()
    assert Click.objects.filter(offer=closed).exists()
    assert Click.objects.filter(offer=market["yen"]).exists()


def test_what_is_known_of_a_device_is_what_its_user_agent_says() -> None:
    demo_traffic()

    for click in Click.objects.all():
        said = agent_of(click.user_agent)
        assert (click.platform, click.device_type, click.device_model) == (
            said.platform,
            said.device_type,
            said.device_model,
        )
        assert (click.browser, click.is_robot) == (said.browser, said.is_robot)
    assert {"Mobile", "Tablet", "Desktop", "Robot"} == set(Click.objects.values_list("device_type", flat=True))


def test_the_caps_of_an_offer_have_had_what_came(market: dict[str, Offer]) -> None:
    market["hotels"].change(by=SETUP, monthly_click_cap=500_000)

    demo_traffic()

    today = UNTIL.astimezone(Network.load().zone).replace(hour=0)
    for span, since in {"daily": today, "monthly": today.replace(day=1), "global": today.replace(year=1971)}.items():
        counted = CapCount.objects.get(offer_id=market["hotels"].pk, span=span)
        clicks = Click.objects.valid().filter(offer=market["hotels"], at__gte=since)
        conversions = Conversion.objects.filter(offer=market["hotels"], at__gte=since)
        assert counted.clicks == clicks.count() > 0
        assert counted.conversions == conversions.exclude(status__in=["rejected", "invalid"]).count()
        assert counted.payout == clicks.aggregate(sum=Sum("payout"))["sum"]
    assert set(CapCount.objects.values_list("offer_id", flat=True)) == {market["hotels"].pk}


def test_sales_by_a_partners_coupon_code_need_no_click(market: dict[str, Offer]) -> None:
    acme = Partner.objects.get(name="Acme")
    market["shoes"].add_coupon(code="ACME10", partner=acme, by=SETUP)
    market["shoes"].add_coupon(code="ALL5", by=SETUP)

    demo_traffic(clicks=20_000)

    alone = Conversion.objects.filter(clicked_at=None, is_view_through=False)
    assert alone
    assert set(alone.values_list("partner", "offer", "coupon_code", "ip")) == {
        (acme.pk, market["shoes"].pk, "ACME10", None)
    }
    assert not alone.filter(transaction_id=F("id")).exists()


def test_what_an_advertiser_reports_again_is_the_conversion_that_is_there(market: dict[str, Offer]) -> None:
    partner = Partner.objects.get(name="Acme")
    coupon = market["shoes"].add_coupon(code="ACME10", partner=partner, by=SETUP)
    demo_traffic(clicks=20_000)
    by_click = Conversion.objects.filter(is_view_through=False).exclude(clicked_at=None).order_by("id")
    by_code = Conversion.objects.filter(clicked_at=None, coupon_code="ACME10", is_view_through=False).order_by("id")
    reported = [
        (Source.of_visit(Click.objects.get(id=found.transaction_id)), found)
        for found in (by_click.filter(is_event=False)[0], by_click.filter(is_event=True)[0])
    ]
    reported.append((Source.of_coupon(coupon), by_code[0]))

    for source, conversion in reported:
        report = Report(event_name=conversion.event_name, order_id=conversion.order_id)
        assert Conversion.record(source=source, report=report, by=SETUP) == (conversion, False)

    assert Receipt.objects.count() == Conversion.objects.count()


def test_traffic_is_not_mixed_with_what_there_is_unless_that_is_asked_for() -> None:
    demo_traffic(clicks=500)

    with pytest.raises(CommandError, match="--add"):
        demo_traffic(clicks=500)
    assert demo_traffic("--if-none", clicks=500) == ""
    assert Click.objects.count() == 500
    demo_traffic("--add", "--seed=8", clicks=500)
    assert Click.objects.count() == 1000


def test_without_a_partner_who_may_run_an_offer_nothing_is_written() -> None:
    Partner.objects.update(status=Partner.Status.PAUSED)

    with pytest.raises(CommandError, match="No active partner"):
        demo_traffic()

    assert not Click.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_outside_of_a_transaction_it_is_committed_as_a_whole(market: dict[str, Offer]) -> None:
    demo_traffic(clicks=3000)

    assert Click.objects.count() == 3000
    assert Conversion.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_load_that_is_killed_leaves_nothing_and_can_be_run_again() -> None:
    command = [sys.executable, "-c", KILLED, connection.settings_dict["NAME"], UNTIL.isoformat()]

    killed = subprocess.run(command, cwd=PROJECT, check=False)

    assert killed.returncode == -signal.SIGKILL
    demo_traffic(clicks=500)
    assert Click.objects.count() == 500
    assert Receipt.objects.count() == Conversion.objects.count()


def on_another_connection(act: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        try:
            act()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.django_db(transaction=True)
def test_of_two_loads_at_once_the_second_finds_the_traffic_of_the_first() -> None:
    others: list[threading.Thread] = []
    refused = []

    def load_more() -> None:
        with pytest.raises(TrafficExists):
            load_traffic(clicks=500, days=60, seed=8, until=UNTIL)
        refused.append(True)

    def begin_another(count: int) -> None:
        if not others:
            others.append(on_another_connection(load_more))
            wait_until_one_waits()

    load_traffic(clicks=1000, days=60, seed=7, until=UNTIL, progress=begin_another)
    others[0].join(PATIENCE)

    assert refused
    assert Click.objects.count() == 1000


def wait_until_one_waits() -> None:
    another = connection.copy()
    try:
        with another.cursor() as cursor:
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                cursor.execute(
                    "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
                    "WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"
                )
                if cursor.fetchone()[0]:
                    return
                time.sleep(0.05)
    finally:
        another.close()


@pytest.mark.django_db(transaction=True)
def test_what_is_clicked_while_history_is_loaded_stays(market: dict[str, Offer]) -> None:
    acme, today = Partner.objects.get(name="Acme"), timezone.now()
    seen: list[bool] = []

    def click(count: int) -> None:
        if not seen:
            on_another_connection(lambda: clicked(acme, market["shoes"], today)).join(PATIENCE)
            seen.append(True)

    load_traffic(clicks=1000, days=3, seed=7, until=today, progress=click)

    assert Click.objects.count() == 1001
    assert Click.objects.filter(tracking_url="/t/", at=today).exists()


@pytest.mark.django_db(transaction=True)
def test_traffic_of_sealed_days_breaks_their_seals() -> None:
    # Beside rows that are there, and as whole partitions.
    demo_traffic("--days=10", clicks=500)
    sealed = [(UNTIL - timedelta(days=number)).date() for number in range(1, 61)]
    Day.objects.bulk_create(Day(day=day, horizon=0, sealed_at=UNTIL) for day in sealed)

    demo_traffic("--add", "--seed=8", clicks=3000)

    assert Click.objects.count() == 3500
    assert not Day.objects.filter(sealed_at__isnull=False).exists()


@pytest.mark.django_db(transaction=True)
def test_history_that_finds_no_free_moment_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.web.postgresql.staging.LOCK_TIMEOUT", "20ms")
    monkeypatch.setattr("portal.web.postgresql.staging.TURNS", 1)
    monkeypatch.setattr("portal.web.postgresql.staging.PAUSE_SECONDS", 0)
    reader = connection.copy()
    reader.set_autocommit(False)

    try:
        with reader.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM traffic_click")
        with pytest.raises(CommandError, match="nothing was written"):
            demo_traffic(clicks=500)
    finally:
        reader.close()

    assert not Click.objects.exists()
    assert not Receipt.objects.exists()


def test_progress_is_shown_at_a_terminal_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, file = StringIO(), StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("portal.web.progress.SECONDS", 0)

    for out in (terminal, file):
        with Progress(out, total=400, unit="clicks") as progress:
            progress.advance(100)

    assert " 25%  100 clicks, " in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")
    assert file.getvalue() == ""
