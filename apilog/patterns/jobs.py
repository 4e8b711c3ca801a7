"""What the worker does about unusual patterns, and how often."""

from __future__ import annotations

from django.utils import timezone
from procrastinate.contrib.django import app

from apilog.patterns import scan


@app.periodic(cron="*/3 * * * *")
@app.task(name="patterns.scan", lock="patterns.scan", queueing_lock="patterns.scan")
def look_for_patterns(timestamp: int) -> None:
    scan.scan(timezone.now())


@app.periodic(cron="41 * * * *")
@app.task(name="patterns.forget", lock="patterns.scan", queueing_lock="patterns.forget")
def forget_old_patterns(timestamp: int) -> None:
    scan.forget(timezone.now())
