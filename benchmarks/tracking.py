"""What a click costs: recorded and redirected, against a bare Django view that redirects and does nothing else.

``make bench`` runs it and writes the ratio into docs/benchmarks.md. Both servers run at the same time under the same
settings and are asked in turn, for the same links. The clicks are those of many partners at many offers, by visitors of
many kinds who come again, and every one that was answered is looked for in the database.

The processor time of the web process and of PostgreSQL is told beside the rates: it hardly changes with what else the
machine is busy with, and the rates do.
"""

from __future__ import annotations

import json
import os
import platform
import random
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import psutil
import psycopg

from benchmarks.gate import (
    CONNECTIONS,
    ROUNDS,
    SECONDS,
    THREADS,
    WORKERS,
    Contender,
    own_postgres,
    run,
    serving,
    site,
)
from benchmarks.load import Figures, ask_for, request_for
from benchmarks.report import write_section
from portal.postgres import Server

PARTNERS, OFFERS, VISITORS, LINKS = 200, 50, 20_000, 40_000

PREPARE = """
import json, os, django
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()
from decimal import Decimal
from django.core.management import call_command
from django.db import connection
from django.utils.timezone import now
call_command("migrate", verbosity=0)
from partners.models import Partner
from partners.offers.codes import code_of_offer, code_of_partner
from partners.offers.models import Advertiser, Category, Offer, PayoutType, Terms
from partners.traffic.partitions import create_ahead
from portal.accounts.actors import Actor
create_ahead(now().date())
by = Actor.system("benchmarks")
if not Offer.objects.exists():
    for number in range(%d):
        Partner.create(by=by, name=f"Partner {number}", status="active")
    facts = {"advertiser": Advertiser.sign_up(name="A", by=by), "category": Category.add(name="C", by=by)}
    for number in range(%d):
        Offer.launch(name=f"Offer {number}", status="active", visibility="public", by=by, **facts,
            pays=Terms(PayoutType.CPC if number %% 4 == 0 else PayoutType.CPA, Decimal("0.5")),
            destination_url="https://shop.example/buy?click={transaction_id}&s={sub1}")
connection.cursor().execute("TRUNCATE traffic_click, traffic_visitor; ANALYZE")
print(json.dumps([
    [code_of_partner(pk) for pk in Partner.objects.values_list("pk", flat=True)],
    [code_of_offer(pk) for pk in Offer.objects.values_list("pk", flat=True)],
]))
"""

AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{}.1 Safari/605",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 14; SM-S928B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0 Mobile Safari/537.36",
]


def main() -> None:
    load = os.getloadavg()[0]
    with ExitStack() as stack:
        database = stack.enter_context(own_postgres())
        contenders = [Contender("bare", "benchmarks.bare:application", Path(sys.executable), 9331, {}, {})]
        tracking, requests = prepared(database)
        contenders.append(tracking)
        for contender in contenders:
            stack.enter_context(serving(contender))
            ask_for(contender.port, requests, connections=CONNECTIONS, seconds=2)
        figures: dict[str, list[Figures]] = {contender.name: [] for contender in contenders}
        before = rows(database)
        spent: dict[str, list[tuple[float, float]]] = {contender.name: [] for contender in contenders}
        for _ in range(ROUNDS):
            for contender in contenders:
                started = processor_seconds(contender.port, database)
                seen = ask_for(contender.port, requests, connections=CONNECTIONS, seconds=SECONDS)
                ended = processor_seconds(contender.port, database)
                web, postgres = (
                    (after - at_first) / seen.statuses.total() * 1e6
                    for at_first, after in zip(started, ended, strict=True)
                )
                spent[contender.name].append((web, postgres))
                assert set(seen.statuses) == {302}, f"{contender.name} answered {seen.statuses}"
                figures[contender.name].append(seen)
                print(f"{contender.name:8} {seen.per_second:8.0f}/s  p50 {seen.p50:6.1f} ms  p99 {seen.p99:6.1f} ms")
        answered = sum(seen.statuses[302] for seen in figures["tracking"])
        recorded = rows(database) - before
    assert recorded >= answered, f"{answered} clicks were redirected, {recorded} recorded"
    write_section("tracking", report(figures, spent, answered, load))


def prepared(database: Server) -> tuple[Contender, list[bytes]]:
    """The server of the clicks, and the clicks: a few partners and offers have most of them."""
    environment = site(database, "tracking", DATABASE_POOL_MAX="40", TRUSTED_PROXIES="127.0.0.1")
    partners, offers = json.loads(run([sys.executable, "-c", PREPARE % (PARTNERS, OFFERS)], environment))
    dice = random.Random(7)
    visitors = [
        {
            "User-Agent": dice.choice(AGENTS).format(dice.randrange(90, 140)),
            "X-Forwarded-For": f"203.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(256)}",
            "Accept-Language": dice.choice(["de-DE,de;q=0.9", "en-US,en;q=0.9", "fr"]),
            "Referer": f"https://blog{dice.randrange(50)}.example/",
        }
        for _ in range(VISITORS)
    ]
    requests = []
    for number in range(LINKS):
        partner = partners[min(int(dice.paretovariate(0.7)) - 1, len(partners) - 1)]
        offer = offers[min(int(dice.paretovariate(0.7)) - 1, len(offers) - 1)]
        said = f"sub1=c{dice.randrange(500)}&sub2={number}&source_id=s{dice.randrange(20)}"
        requests.append(request_for(f"/t/{partner}/{offer}/?{said}", dice.choice(visitors)))
    server = Contender("tracking", "portal.wsgi:application", Path(sys.executable), 9332, environment, {})
    return server, requests


def processor_seconds(port: int, database: Server) -> tuple[float, float]:
    """What the web server at that port, and what PostgreSQL, has had of the processors so far."""
    servers = [child for child in psutil.Process().children() if str(port) in child.cmdline()]
    return sum(map(seconds_of, servers)), seconds_of(psutil.Process(database.pid))


def seconds_of(process: psutil.Process) -> float:
    each = [process, *process.children(recursive=True)]
    return float(sum(times.user + times.system for times in (one.cpu_times() for one in each)))


def rows(database: Server) -> int:
    with psycopg.connect(database.url("tracking")) as connection:
        found = connection.execute("SELECT count(*) FROM traffic_click").fetchone()
    assert found is not None
    return int(found[0])


def report(
    figures: dict[str, list[Figures]], spent: dict[str, list[tuple[float, float]]], answered: int, load: float
) -> str:
    """``spent``: processor time of the web process and of PostgreSQL, in µs an answer. ``load``: that of the machine
    before it began."""
    rate = {name: median(seen.per_second for seen in rounds) for name, rounds in figures.items()}
    names = {"bare": "(a) bare Django redirect", "tracking": "(b) a click: decided, recorded, redirected"}
    lines = [
        (
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({platform.machine()}), Python "
            f"{platform.python_version()}; {CONNECTIONS} connections, granian with {WORKERS} worker(s) of {THREADS} "
            f"threads, client and PostgreSQL on the same machine; {PARTNERS} partners, {OFFERS} offers, {VISITORS:,} "
            f"visitors; medians of {ROUNDS} rounds of {SECONDS:g} s in turn, on a machine with a load of "
            f"{load:.1f}."
        ),
        "",
        "| | clicks/s | of bare | p50 ms | p99 ms | web µs | PostgreSQL µs |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    web = {name: median(web for web, _ in rounds) for name, rounds in spent.items()}
    postgres = median(postgres for _, postgres in spent["tracking"])
    for name, rounds in figures.items():
        p50, p99 = median(seen.p50 for seen in rounds), median(seen.p99 for seen in rounds)
        ratio, database = rate[name] / rate["bare"], f"{postgres:.0f}" if name == "tracking" else ""
        lines.append(
            f"| {names[name]} | {rate[name]:.0f} | {ratio:.2f} | {p50:.1f} | {p99:.1f} | {web[name]:.0f} | {database} |"
        )
    lines += [
        "",
        (
            f"A click is **{rate['tracking'] / rate['bare']:.2f} × a bare redirect** (goal: 0.4). All {answered:,} "
            "clicks that were redirected are in the database. The web process spends "
            f"{web['tracking'] / web['bare']:.1f} × the processor time of the bare one."
        ),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
