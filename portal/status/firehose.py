"""Whether whatever carries the Firehose's events does, how much room it has, and what waits for it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Max
from django.template.defaultfilters import filesizeformat
from nats.aio.client import Client
from nats.js import JetStreamContext

from partners.firehose.backlog import Backlog, unnumbered, unrelayed
from partners.firehose.chosen import jetstream
from partners.firehose.jetstream import JetStreamLog
from partners.firehose.log import Away
from partners.firehose.models import Firehose
from partners.firehose.room import Room, room
from portal.status.judgement import Figures
from portal.status.timing import readings_of, spoken

# The worker sees to events that nobody reads every ten minutes. What waits for three of these it cannot see to.
WAIT = timedelta(minutes=30)
NEARLY_FULL = 0.8


def measure_firehose(now: datetime) -> Figures:
    """Whatever carries the events of the Firehose, and what waits for it."""
    log = jetstream()
    return measure_postgresql(now) if log is None else measure_jetstream(now, log)


def measure_postgresql(now: datetime) -> Figures:
    readings = readings_of(unnumbered)
    waiting = unnumbered()
    told = spoken_backlog(waiting, "for a number", now)
    if is_late(waiting, now):
        # Nobody misses them: whoever reads numbers them first.
        return Figures(readings, readings, warning=f"{told} The worker should have given it.")
    return Figures(readings, readings, note=told)


def measure_jetstream(now: datetime, log: JetStreamLog) -> Figures:
    waiting = unrelayed()
    told = spoken_backlog(waiting, "in the database", now)
    try:
        readings = readings_of(lambda: log.server.ask(reached))
        taken = log.server.ask(room)
    except Away as away:
        return Figures(outage=f"NATS cannot be asked: {str(away).rstrip('.')}. {told}", note=spoken_relay(now))
    outage = ""
    if refusal := Firehose.objects.refused().values_list("refusal", flat=True).first():
        outage = f"JetStream takes no more events: {refusal}. {told}"
    elif is_late(waiting, now):
        outage = f"JetStream does not get the events, and the log says why. {told}"
    is_nearly_full = taken.share is not None and taken.share >= NEARLY_FULL
    warning = f"JetStream is nearly full: {spoken_room(taken)}." if is_nearly_full else ""
    holds = f"JetStream holds {filesizeformat(taken.bytes)}, {spoken_room(taken)}."
    note = " ".join([holds, spoken_relay(now), *([] if outage else [told])])
    return Figures(readings, readings, outage=outage, warning=warning, note=note)


async def reached(client: Client, jetstream: JetStreamContext) -> None:
    await jetstream.account_info()


def is_late(waiting: Backlog, now: datetime) -> bool:
    return waiting.since is not None and now - waiting.since > WAIT


def spoken_backlog(waiting: Backlog, what_for: str, now: datetime) -> str:
    if waiting.since is None:
        return f"No event waits {what_for}."
    many = "1 event waits" if waiting.events == 1 else f"{waiting.events:,} events wait"
    return f"{many} {what_for}, the first for {spoken(now - waiting.since)}."


def spoken_relay(now: datetime) -> str:
    at = Firehose.objects.enabled().aggregate(at=Max("relayed_at"))["at"]
    return f"It last took some {spoken(now - at)} ago." if at else "It has taken none yet."


def spoken_room(taken: Room) -> str:
    return "limited by the disk alone" if taken.share is None else f"{taken.share:.0%} of {taken.of}"
