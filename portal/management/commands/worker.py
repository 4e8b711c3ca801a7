from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress
from typing import Any

import psycopg
from django.core.management.base import BaseCommand
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import ConnectorException

log = logging.getLogger(__name__)

# After so many seconds a shift at the postbacks is told to end; jobs of other kinds are brief, and waited for.
GRACE_SECONDS = 5.0
AGAIN_SECONDS = 1.0
CONNECT_SECONDS = 5


class Command(BaseCommand):
    help = "Does the background jobs until it is asked to stop (SIGTERM, Ctrl-C). Without a database it waits for one."

    def handle(self, **options: Any) -> None:
        asyncio.run(until_asked_to_stop())


async def until_asked_to_stop() -> None:
    """procrastinate's worker ends when it loses the database for a moment, without an error for whoever started it.
    Its jobs are nobody's until somebody starts another: this does, as soon as there is a database to start it with."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    while not stop.is_set():
        working, asked = asyncio.create_task(work()), asyncio.create_task(stop.wait())
        await asyncio.wait([working, asked], return_when=asyncio.FIRST_COMPLETED)
        for task in (working, asked):
            # The worker takes this for being asked to stop.
            task.cancel()
        with suppress(asyncio.CancelledError):
            try:
                await working
            except (ConnectorException, psycopg.Error) as reason:
                log.error("The worker has no database and waits for it (%s)", reason.__cause__ or reason)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), AGAIN_SECONDS)


async def work() -> None:
    """:raises psycopg.Error: when there is no database to begin with"""
    connector = app.connector
    assert isinstance(connector, DjangoConnector)
    # Its pool would try less and less often; whoever comes back every second finds the database at once.
    connection = await psycopg.AsyncConnection.connect(
        **{**connector_params(connector.alias), "connect_timeout": CONNECT_SECONDS}
    )
    await connection.close()
    with app.replace_connector(connector.get_worker_connector()):
        async with app.open_async():
            await app.run_worker_async(install_signal_handlers=False, shutdown_graceful_timeout=GRACE_SECONDS)
