"""Which log carries the Firehose of this deployment: the one place that says so."""

from __future__ import annotations

from functools import cache

from django.conf import settings

from partners.firehose.jetstream import JetStreamLog, Server
from partners.firehose.log import Log, postgres


def the_log() -> Log:
    return jetstream() or postgres


def jetstream() -> JetStreamLog | None:
    """None: PostgreSQL carries it by itself."""
    return at(settings.FIREHOSE_NATS_URL) if settings.FIREHOSE_NATS_URL else None


@cache
def at(urls: str) -> JetStreamLog:
    return JetStreamLog(Server(urls.split(",")))
