from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from time import sleep
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import call_command
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone

from partners.models import Partner
from partners.offers.models import Offer
from partners.reporting import engine, rollups
from partners.reporting.engine import ask, export_csv, total
from partners.reporting.models import DailySums, Day, HourlySums
from partners.reporting.question import Question
from partners.reporting.rollups import keep_up, note_horizons, seal, sealed_days, stretches, unseal
from partners.traffic.models import Click
from tests.partners.conftest import Launch
from tests.partners.traffic.conftest import NOON, clicked, converted, shown

DAY = NOON.date()
LATER = NOON + timedelta(days=5)
PATIENCE = 600
WHOLE_MONTH = {"from": "2026-05-01", "to": "2026-05-31", "timezone_id": 67, "columns": [{"column": "offer"}]}

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("network")]


@pytest.fixture
def shoes(launch: Launch) -> Offer:
    return launch("Summer Shoes")


@pytest.fixture(autouse=True)
def not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "LOCK_TIMEOUT", "300ms")


def is_sealed(day: date = DAY) -> bool:
    return Day.objects.filter(day=day, sealed_at__isnull=False).exists()


def sealed_by(moment: datetime) -> list[date]:
    """Seals all that is over by then. Sealing waits for the transactions of the whole server, and so for those of the
    tests that run beside these."""
    sealed = keep_up(moment)
    for _ in range(10 * PATIENCE):
        if not Day.objects.filter(sealed_at=None).exists():
            break
        sleep(0.1)
        sealed += keep_up(moment)
    return sealed


def wait_for_others() -> None:
    """Until the transactions of tests beside these have ended, which sealing waits for, too."""
    for _ in range(10 * PATIENCE):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT bool_and(horizon <= pg_snapshot_xmin(pg_current_snapshot())::text::bigint) FROM reporting_day"
            )
            if cursor.fetchone()[0]:
                return
        sleep(0.1)


def clicks(partner: Partner) -> Any:
    report = ask(Question.of(WHOLE_MONTH, partner=partner))
    return report.rows[0]["reporting"]["total_click"] if report.rows else 0


@contextmanager
def elsewhere(act: Callable[[], object]) -> Iterator[threading.Event]:
    """``act`` in a transaction of another connection, which is committed when the block ends."""
    acted, commit = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            with transaction.atomic():
                act()
                acted.set()
                commit.wait(PATIENCE)
        except BaseException as failure:  # noqa: BLE001
            failures.append(failure)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield acted
    finally:
        commit.set()
        thread.join(PATIENCE)
        assert not failures


def test_days_that_are_over_are_sealed_and_today_is_not(acme: Partner, shoes: Offer) -> None:
    clicked(acme, shoes)
    clicked(acme, shoes, NOON + timedelta(days=1))

    sealed = sealed_by(NOON + timedelta(days=1, hours=12, minutes=59))

    assert sealed == [DAY]
    assert sealed_by(NOON + timedelta(days=1, hours=13)) == [DAY + timedelta(days=1)]
    assert HourlySums.objects.count() == DailySums.objects.count() == 2


def test_a_report_reads_the_rollups_of_sealed_days(acme: Partner, shoes: Offer) -> None:
    clicked(acme, shoes)
    shown(acme, shoes)
    sealed_by(LATER)

    # Only a rollup that says something else can show that it is read.
    DailySums.objects.update(valid=5)

    assert clicks(acme) == 5


@pytest.mark.parametrize("change", ["insert", "update", "move", "delete", "truncate"])
def test_a_row_of_a_sealed_day_that_is_written_breaks_the_seal(acme: Partner, shoes: Offer, change: str) -> None:
    click = clicked(acme, shoes)
    clicked(acme, shoes)
    sealed_by(LATER)
    assert is_sealed()

    if change == "insert":
        clicked(acme, shoes)
    elif change == "update":
        Click.objects.filter(id=click.id).update(error_code=1, is_unique=False)
    elif change == "move":
        Click.objects.filter(id=click.id).update(at=timezone.now())
    elif change == "delete":
        Click.objects.filter(id=click.id).delete()
    else:
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE traffic_click")

    assert not is_sealed()
    assert clicks(acme) == {"insert": 3, "truncate": 0}.get(change, 1)
    assert sealed_by(LATER) or change == "truncate"
    assert clicks(acme) == {"insert": 3, "truncate": 0}.get(change, 1)


def test_todays_clicks_and_conversions_of_any_day_break_no_seal(acme: Partner, shoes: Offer) -> None:
    clicked(acme, shoes)
    sealed_by(LATER)

    clicked(acme, shoes, timezone.now())
    converted(acme, shoes)

    assert is_sealed()


def test_a_day_is_not_sealed_while_somebody_writes_into_it(acme: Partner, shoes: Offer) -> None:
    clicked(acme, shoes)
    note_horizons(DAY, DAY)

    with elsewhere(lambda: clicked(acme, shoes)) as written:
        assert written.wait(PATIENCE)
        while_writing = seal(DAY)
    note_horizons(DAY, DAY)
    wait_for_others()

    assert not while_writing
    assert seal(DAY)
    assert clicks(acme) == 2


def test_a_day_is_not_sealed_while_a_transaction_goes_on_that_began_in_it(acme: Partner, shoes: Offer) -> None:
    now = timezone.now()
    today = now.astimezone(UTC).date()

    # Of today, so without a lock; the day is over before it commits.
    with elsewhere(lambda: clicked(acme, shoes, now)) as written:
        assert written.wait(PATIENCE)
        note_horizons(today, today)
        while_open = seal(today)

    wait_for_others()
    assert not while_open
    assert seal(today)
    assert DailySums.objects.get().valid == 1


def test_a_day_whose_seal_is_broken_beforehand_is_not_sealed_before_the_rows_are_there(
    acme: Partner, shoes: Offer
) -> None:
    clicked(acme, shoes)
    sealed_by(LATER)
    with transaction.atomic():
        unseal(DAY - timedelta(days=1), DAY)
    broken = not is_sealed()
    note_horizons(DAY, DAY)

    def write() -> None:
        unseal(DAY, DAY)
        clicked(acme, shoes)

    with elsewhere(write) as written:
        assert written.wait(PATIENCE)
        wait_for_others()
        sealed_meanwhile = seal(DAY)

    assert broken
    assert not sealed_meanwhile
    assert sealed_by(LATER)
    assert clicks(acme) == 2


def test_a_seal_that_is_broken_in_vain_is_broken_by_the_next_row(acme: Partner, shoes: Offer) -> None:
    clicked(acme, shoes)
    sealed_by(LATER)

    with transaction.atomic():
        point = transaction.savepoint()
        unseal(DAY, DAY)
        clicked(acme, shoes)
        transaction.savepoint_rollback(point)
        sealed_again = is_sealed()
        clicked(acme, shoes)

    assert sealed_again
    assert not is_sealed()
    assert clicks(acme) == 2


def test_who_writes_waits_for_the_sealing_and_breaks_what_was_sealed_meanwhile(acme: Partner, shoes: Offer) -> None:
    clicked(acme, shoes)
    note_horizons(DAY, DAY)

    def write() -> None:
        clicked(acme, shoes)
        connection.close()

    wait_for_others()
    fill, writer = rollups.fill, threading.Thread(target=write)

    def slowly(*told: Any) -> None:
        if not writer.ident:
            writer.start()
            writer.join(0.2)
        fill(*told)

    with patch.object(rollups, "fill", slowly):
        sealed = seal(DAY)
    writer.join(PATIENCE)

    assert sealed
    assert not is_sealed()
    assert clicks(acme) == 2


def until(done: threading.Event, act: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        while not done.is_set():
            act()
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_writers_and_sealers_at_once_never_lose_a_click(acme: Partner, shoes: Offer) -> None:
    clicked(acme, shoes)
    question = Question.of(WHOLE_MONTH, partner=acme)
    told: list[tuple[Any, int]] = []
    written, done = threading.Event(), threading.Event()

    def ask_both_ways() -> None:
        with engine.one_snapshot():
            told.append((total(question)["total_click"], Click.objects.count()))

    others = [until(done, lambda: keep_up(LATER)), until(done, ask_both_ways)]
    writers = [until(written, lambda: clicked(acme, shoes)) for _ in range(2)]
    written.wait(3)
    written.set()
    for thread in writers:
        thread.join()
    done.set()
    for thread in others:
        thread.join()
    sealed_by(LATER)

    assert [each for each in told if each[0] != each[1]] == []
    assert len(told) > 10
    assert is_sealed()
    assert clicks(acme) == Click.objects.count() > 20


def test_rows_of_earlier_days_are_refused_where_a_seal_cannot_be_seen(acme: Partner, shoes: Offer) -> None:
    def write_into_the_past() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            clicked(acme, shoes)

    with pytest.raises(ProgrammingError, match="READ COMMITTED"):
        write_into_the_past()


def test_an_export_begins_again_when_a_seal_is_broken_under_it(acme: Partner, shoes: Offer) -> None:
    clicked(acme, shoes)
    sealed_by(LATER)

    blocks = export_csv(Question.of(WHOLE_MONTH, partner=acme))
    clicked(acme, shoes)
    content = b"".join(blocks).decode()

    assert content.splitlines()[1].split(",")[3] == "2"


def test_the_command_works_out_all_of_them_anew(acme: Partner, shoes: Offer, capsys: Any) -> None:
    clicked(acme, shoes)
    sealed_by(LATER)
    DailySums.objects.update(valid=5)

    call_command("rollups", "--rebuild")

    assert "worked out" in capsys.readouterr().out
    assert clicks(acme) == 1


def test_what_a_zone_counts_across_midnight_is_read_from_hours(acme: Partner) -> None:
    start, end = datetime(2026, 5, 1, 4, tzinfo=UTC), datetime(2026, 5, 4, 4, tzinfo=UTC)
    days = {date(2026, 5, day) for day in range(1, 4)}

    plain = stretches(start, end, {"offer_id"}, [], days)
    by_day_in_new_york = stretches(start, end, {"offer_id"}, [start + timedelta(days=n) for n in range(3)], days)
    by_browser = stretches(start, end, {"browser"}, [], days)

    assert [each.rollup and each.rollup.table for each in plain] == ["reporting_hourly", "reporting_daily", None]
    assert [each.rollup and each.rollup.table for each in by_day_in_new_york] == ["reporting_hourly", None]
    assert [(each.start, each.end, each.rollup) for each in by_browser] == [(start, end, None)]
    assert sealed_days(start, end) == set()
