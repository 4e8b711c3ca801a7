from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from procrastinate.contrib.django import app

from portal.status import snapshot
from portal.status.jobs import probe_what_is_due
from portal.status.models import Check
from portal.status.probes import PROBES
from tests.status.conftest import Checked

pytestmark = pytest.mark.django_db
ALL = [probe.slug for probe in PROBES]


def test_every_minute_each_probe_is_run_and_the_snapshot_written(snapshot_path: Path) -> None:
    now = timezone.now()

    ran = probe_what_is_due(now)

    kept = snapshot.read()
    assert ran == ALL
    assert sorted(Check.objects.values_list("probe", flat=True)) == sorted(ALL)
    assert kept is not None
    assert [row.slug for row in kept.rows] == ALL
    assert list(snapshot_path.parent.iterdir()) == [snapshot_path]


def test_a_probe_whose_interval_has_not_passed_waits_for_its_turn(checked: Checked) -> None:
    now = timezone.now()
    checked("database", at=now - timedelta(seconds=20))
    checked("api-log", at=now - timedelta(seconds=58))

    ran = probe_what_is_due(now)

    assert ran == [slug for slug in ALL if slug != "database"]


def test_checks_are_dropped_after_eight_days(checked: Checked) -> None:
    now = timezone.now()
    old = checked("database", at=now - timedelta(days=8, minutes=1))
    young = checked("database", at=now - timedelta(days=7, hours=23))

    probe_what_is_due(now)

    left = set(Check.objects.values_list("pk", flat=True))
    assert young.pk in left
    assert old.pk not in left


def test_probes_run_every_minute_in_the_worker() -> None:
    crons = {periodic.task.name: periodic.cron for periodic in app.periodic_registry.periodic_tasks.values()}

    assert crons["status.probe"] == "* * * * *"
    assert app.tasks["status.probe"].queueing_lock == "status.probe"
