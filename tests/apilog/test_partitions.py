from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from procrastinate.contrib.django import app

from apilog import jobs, tallies
from apilog.models import LoggedCall, Tally
from apilog.partitions import CALL_PARTITIONS, create_ahead
from portal.network.models import Network
from tests.apilog.conftest import Log
from tests.conftest import SETUP

pytestmark = pytest.mark.django_db

TODAY = date(2031, 5, 10)


def partition_of(call: LoggedCall) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM apilog_call WHERE id = %s", [call.pk])
        return str(cursor.fetchone()[0])


def at(day: date, *, hour: int = 12) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def test_partitions_are_made_a_week_ahead_and_only_once() -> None:
    made = create_ahead(TODAY)

    assert made == [f"apilog_call_203105{day}" for day in range(10, 18)]
    assert create_ahead(TODAY) == []
    assert set(CALL_PARTITIONS.starts()) >= {TODAY, TODAY + timedelta(days=7)}


def test_a_call_stands_in_the_partition_of_its_day(log: Log) -> None:
    create_ahead(TODAY)

    calls = [log(at=at(TODAY, hour=0)), log(at=at(TODAY, hour=23)), log(at=at(TODAY + timedelta(days=1), hour=0))]

    assert [partition_of(call) for call in calls] == [
        "apilog_call_20310510",
        "apilog_call_20310510",
        "apilog_call_20310511",
    ]


def test_a_call_without_a_partition_is_kept_and_noticed(log: Log) -> None:
    assert not CALL_PARTITIONS.has_strays()

    stray = log(at=at(TODAY))

    assert partition_of(stray) == "apilog_call_default"
    assert CALL_PARTITIONS.has_strays()
    # Its day is left to the default partition; the next ones are made.
    assert create_ahead(TODAY)[0] == "apilog_call_20310511"


def test_days_past_the_retention_are_dropped_whole(log: Log) -> None:
    create_ahead(TODAY - timedelta(days=3), days=4)
    calls = {day: log(at=at(TODAY - timedelta(days=day))) for day in range(4)}
    stray = log(at=at(TODAY - timedelta(days=9)))

    dropped = CALL_PARTITIONS.drop_before(TODAY - timedelta(days=1))

    assert dropped == ["apilog_call_20310507", "apilog_call_20310508"]
    left = set(LoggedCall.objects.values_list("pk", flat=True))
    assert left == {calls[0].pk, calls[1].pk}
    assert stray.pk not in left


def test_the_job_keeps_as_many_days_as_the_network_wants(network: Network, log: Log) -> None:
    create_ahead(TODAY - timedelta(days=5), days=5)
    for day in range(6):
        log(at=at(TODAY - timedelta(days=day)))
    tallies.keep_up(at(TODAY))
    network.change(by=SETUP, log_retention_days=2)

    with time_machine.travel(at(TODAY), tick=False):
        jobs.maintain_partitions(timestamp=0)

    oldest = at(TODAY - timedelta(days=2), hour=0)
    assert LoggedCall.objects.count() == 3
    assert not LoggedCall.objects.filter(received_at__lt=oldest).exists()
    assert Tally.objects.exists()
    assert not Tally.objects.filter(began_at__lt=oldest).exists()
    assert TODAY + timedelta(days=7) in CALL_PARTITIONS.starts()


def test_an_operator_can_do_the_jobs_work_by_hand(network: Network) -> None:
    output = StringIO()

    with time_machine.travel(at(TODAY), tick=False):
        call_command("apilog_partitions", stdout=output)

    assert "made apilog_call_20310510" in output.getvalue()


def test_the_worker_runs_the_jobs_on_time() -> None:
    crons = {periodic.task.name: periodic.cron for periodic in app.periodic_registry.periodic_tasks.values()}

    assert crons["apilog.partitions"] == "*/10 * * * *"
    assert crons["apilog.tallies"] == "* * * * *"


@pytest.mark.parametrize("days", [0, 3651])
def test_the_database_refuses_a_retention_that_makes_no_sense(network: Network, days: int) -> None:
    with pytest.raises(IntegrityError, match="network_log_retention_days"), transaction.atomic():
        Network.objects.update(log_retention_days=days)
