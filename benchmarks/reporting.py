"""What reports, searches, streams and exports cost: over HTTP, against SQL written by hand on the same database, and
against DuckDB over the same rows.

    python -m benchmarks.reporting [--clicks 10000000] [--rounds 5] [--prepare]

The data is made once for each number of clicks and kept in var/bench: about 10 GB for ten million, and a tenth of them
beside it, for how times grow. Each question is asked in turn of all three, and medians are compared.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import re
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from uuid import UUID

import psutil
import psycopg

from benchmarks.gate import ROOT, VAR, Contender, run, serving, site
from benchmarks.report import write_section
from benchmarks.reporting_traffic import PREPARE
from portal.postgres import Server

PORT = 9327
# What a small production server has; PostgreSQL's defaults are for a much smaller machine.
SETTINGS = {
    "shared_buffers": "2GB",
    "effective_cache_size": "8GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
}
PARTNERS = {"the largest": 1, "the twentieth": 20}
MONTH = ("2026-10-15", "2026-11-13")
DAY = ("2026-11-10", "2026-11-10")
FORTNIGHT = ("2026-11-01", "2026-11-14")
ALL = ("2026-09-22", "2026-11-19")
GOAL_SQL, GOAL_DUCKDB = 1.3, 2.0

Times = dict[str, list[float]]


@dataclass(frozen=True)
class Asked:
    """A report, as our API is asked for it and as SQL groups it."""

    name: str
    columns: tuple[str, ...]
    keys: str
    days: tuple[str, str] = MONTH


REPORTS = (
    Asked("30 days by offer", ("offer",), "offer_id"),
    Asked("30 days by date", ("date",), "date_trunc('day', at)"),
    Asked("30 days by offer and sub1", ("offer", "sub1"), "offer_id, sub1"),
    Asked("30 days by country and device", ("country", "device_type"), "country_code, device_type"),
    Asked("a day by hour", ("hour",), "date_trunc('hour', at)", DAY),
)
# Asked of the engine itself, in a process of its own, because the two partners' keys do not open the Network API.
NETWORK_WIDE = Asked("the network by affiliate and date", ("affiliate", "date"), "partner_id, date_trunc('day', at)")

# The same for PostgreSQL and DuckDB: what somebody writes who wants the same figures from the three tables.
BY_HAND = """
SELECT {names}, sum(imp), sum(valid), sum(uniq), sum(invalid), sum(cv), sum(vt), sum(ev), sum(held),
       round(sum(revenue), 2), round(sum(redirected), 2), round(sum(held_revenue), 2), round(sum(sales), 2){more},
       coalesce(round(100.0 * sum(valid) / nullif(sum(imp), 0), 3), 0),
       coalesce(round(100.0 * sum(cv) / nullif(sum(valid), 0), 3), 0),
       coalesce(round(100.0 * sum(ev) / nullif(sum(cv), 0), 3), 0),
       coalesce(round(sum(revenue) / nullif(sum(valid), 0), 4), 0),
       coalesce(round(1000 * sum(revenue) / nullif(sum(imp), 0), 4), 0)
FROM (
    SELECT {keys}, 0 AS imp, count(*) FILTER (WHERE error_code = 0) AS valid,
           count(*) FILTER (WHERE error_code = 0 AND is_unique) AS uniq,
           count(*) FILTER (WHERE error_code <> 0) AS invalid, 0 AS cv, 0 AS vt, 0 AS ev, 0 AS held,
           sum({money}) AS revenue, sum({money}) FILTER (WHERE redirected_from IS NOT NULL) AS redirected,
           0 AS held_revenue, 0 AS sales, sum(payout) AS paid
    FROM traffic_click WHERE {where} GROUP BY {groups}
    UNION ALL
    SELECT {keys}, count(*), 0, 0, 0, 0, 0, 0, 0, sum({money}), 0, 0, 0, sum(payout)
    FROM traffic_impression WHERE {where} GROUP BY {groups}
    UNION ALL
    SELECT {keys}, 0, 0, 0, 0, count(*) FILTER (WHERE status = 'approved' AND NOT is_event),
           count(*) FILTER (WHERE status = 'approved' AND NOT is_event AND is_view_through),
           count(*) FILTER (WHERE status = 'approved' AND is_event),
           count(*) FILTER (WHERE status = 'on_hold' AND NOT is_event),
           sum({money}) FILTER (WHERE status = 'approved'),
           sum({money}) FILTER (WHERE status = 'approved' AND redirected_from IS NOT NULL),
           sum({money}) FILTER (WHERE status = 'on_hold'), sum(sale_amount) FILTER (WHERE status = 'approved'),
           sum(payout) FILTER (WHERE status = 'approved')
    FROM traffic_conversion WHERE {where} AND status IN ('approved', 'on_hold') GROUP BY {groups}
) AS parts GROUP BY {groups} ORDER BY sum(revenue) DESC NULLS LAST {limit}
"""
# What an answer of the click stream shows of a row.
OF_A_CLICK = """id, at, is_unique, tracking_url, source_id, sub1, sub2, sub3, sub4, sub5, sub6, sub7, sub8, sub9, sub10,
    revenue_type, payout, referer, error_code, ip, offer_id, country_code, region, city, dma, carrier, isp, platform,
    os_version, device_make, device_model, browser, browser_version, device_type, language, is_robot"""
# What the file of conversions has of each.
OF_A_CONVERSION = """id, transaction_id, at, clicked_at, updated_at, offer_id, payout, sale_amount, is_event,
    is_view_through, dma, sub1, sub2, sub3, sub4, sub5, sub6, sub7, sub8, sub9, sub10, source_id, payout_type, order_id,
    coupon_code, event_name, ip, conversion_ip, country_code, region, city, carrier, isp, platform, os_version,
    device_type, device_make, browser, language, user_agent, referer, adv1, adv2, adv3, adv4, adv5, status,
    error_message"""
# DuckDB's copy of the rows, with their types.
COPIED = {
    "traffic_click": {
        "id": "VARCHAR", "partner_id": "BIGINT", "at": "TIMESTAMP", "is_unique": "BOOLEAN", "tracking_url": "VARCHAR",
        "source_id": "VARCHAR", **{f"sub{n}": "VARCHAR" for n in range(1, 11)}, "revenue_type": "VARCHAR",
        "payout": "DECIMAL(14,4)", "revenue": "DECIMAL(14,4)", "referer": "VARCHAR", "error_code": "SMALLINT",
        "ip": "VARCHAR", "offer_id": "BIGINT", "country_code": "VARCHAR", "region": "VARCHAR", "city": "VARCHAR",
        "dma": "VARCHAR", "carrier": "VARCHAR", "isp": "VARCHAR", "platform": "VARCHAR", "os_version": "VARCHAR",
        "device_make": "VARCHAR", "device_model": "VARCHAR", "browser": "VARCHAR", "browser_version": "VARCHAR",
        "device_type": "VARCHAR", "language": "VARCHAR", "is_robot": "BOOLEAN", "redirected_from": "BIGINT",
    },
    "traffic_impression": {
        "partner_id": "BIGINT", "at": "TIMESTAMP", "offer_id": "BIGINT", "sub1": "VARCHAR", "country_code": "VARCHAR",
        "device_type": "VARCHAR", "payout": "DECIMAL(17,7)", "revenue": "DECIMAL(17,7)",
    },
    "traffic_conversion": {
        "id": "VARCHAR", "partner_id": "BIGINT", "at": "TIMESTAMP", "offer_id": "BIGINT", "sub1": "VARCHAR",
        "country_code": "VARCHAR", "device_type": "VARCHAR", "payout": "DECIMAL(14,4)", "revenue": "DECIMAL(14,4)",
        "status": "VARCHAR", "is_event": "BOOLEAN", "is_view_through": "BOOLEAN", "sale_amount": "DECIMAL(14,4)",
        "redirected_from": "BIGINT", "order_id": "VARCHAR", "transaction_id": "VARCHAR", "source_id": "VARCHAR",
        "city": "VARCHAR", "browser": "VARCHAR", "user_agent": "VARCHAR", "referer": "VARCHAR",
    },
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clicks", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prepare", action="store_true", help="only make the data")
    asked = parser.parse_args()
    VAR.mkdir(parents=True, exist_ok=True)
    database = Server(VAR / "reporting-postgres", settings=SETTINGS)
    with ExitStack() as stack:
        database.start()
        stack.callback(database.stop)
        sites = {clicks: prepared(database, clicks) for clicks in (asked.clicks, asked.clicks // 10)}
        copies = {clicks: copied(database, clicks) for clicks in sites}
        if asked.prepare:
            return
        seen = {clicks: measured(site, copies[clicks], asked.rounds) for clicks, site in sites.items()}
        lines = [
            *report(seen, asked),
            "",
            *exports(sites[asked.clicks], asked.rounds),
            "",
            *beside(sites[asked.clicks]),
        ]
        write_section("reporting", "\n".join(lines))


# The three ways.


@dataclass
class Site:
    environment: dict[str, str]
    keys: list[str]

    @property
    def url(self) -> str:
        return self.environment["DATABASE_URL"]

    def contender(self) -> Contender:
        return Contender("reporting", "portal.wsgi:application", Path(sys.executable), PORT, self.environment, {})


class Client:
    """One connection to the site, with a partner's key."""

    def __init__(self, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=600)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def post(self, path: str, body: object, accept: str = "application/json") -> bytes:
        headers = {**self._headers, "Accept": accept}
        self._connection.request("POST", f"/v1/affiliates{path}", json.dumps(body), headers)
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content[:300]
        return content

    def get(self, path: str) -> None:
        self._connection.request(
            "GET", f"/v1/affiliates{path}", headers={**self._headers, "Accept": "application/json"}
        )
        answer = self._connection.getresponse()
        answer.read()
        assert answer.status == 200


class Duck:
    """DuckDB in its own environment, as a process that is asked line by line."""

    def __init__(self, file: Path) -> None:
        self._process = subprocess.Popen(
            [str(VAR / "venv" / "bin" / "python"), "-c", DUCK, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, statement: str) -> tuple[float, int]:
        """How long it took, in milliseconds, and how many rows there were."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(statement) + "\n")
        self._process.stdin.flush()
        took, rows = json.loads(self._process.stdout.readline())
        return float(took), int(rows)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=20)


DUCK = """
import duckdb, json, sys, time
database = duckdb.connect(sys.argv[1], read_only=True)
# Answers go out by the same way as its drawing of progress would.
database.execute("SET enable_progress_bar = false")
for line in sys.stdin:
    started = time.perf_counter()
    rows = database.execute(json.loads(line)).fetchall()
    print(json.dumps([(time.perf_counter() - started) * 1000, len(rows)]), flush=True)
"""
DUCK_LOAD = """
import duckdb, json, sys
database = duckdb.connect(sys.argv[1])
table, file, columns = sys.argv[2:]
rows = f"SELECT * FROM read_csv(?, header=false, columns={columns})"
database.execute(f"CREATE OR REPLACE TABLE {table} AS {rows}", [file])
"""


def copied(database: Server, clicks: int) -> Path:
    """DuckDB's copy of the rows, in its own form."""
    file = VAR / f"reporting_{clicks}.duckdb"
    python = VAR / "venv" / "bin" / "python"
    if not python.exists():
        venv.create(VAR / "venv", with_pip=True)
    run([str(python), "-m", "pip", "install", "-q", "-r", str(ROOT / "benchmarks" / "requirements.txt")], {})
    if file.exists():
        return file
    unfinished = file.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    for table, columns in COPIED.items():
        csv = VAR / f"{table}.csv"
        with psycopg.connect(database.url(f"reporting_{clicks}")) as connection, csv.open("wb") as out:
            query = f"COPY (SELECT {', '.join(columns)} FROM {table} ORDER BY id) TO STDOUT (FORMAT csv)"
            with connection.cursor().copy(query) as copy:
                for block in copy:
                    out.write(block)
        run([str(python), "-c", DUCK_LOAD, str(unfinished), table, str(csv), json.dumps(columns)], {})
        csv.unlink()
    unfinished.rename(file)
    return file


# What is asked.


@dataclass(frozen=True)
class Question:
    """The same question in three forms; ``rows`` says how many rows our answer has."""

    name: str
    ours: Callable[[], int]
    by_hand: str
    on_duckdb: str


def questions(client: Client, partner: int) -> Iterator[Question]:
    for asked in REPORTS:
        body = body_of(asked)
        yield Question(
            asked.name,
            lambda body=body: len(json.loads(client.post("/reporting/entity/table", body))["table"]),  # type: ignore[misc]
            sql_of(asked, partner, is_postgresql=True),
            sql_of(asked, partner, is_postgresql=False),
        )
    search = {
        **dates(MONTH),
        "query": {"filters": [{"resource_type": "sub1", "filter_id_value": "placement-3"}]},
    }
    found = f"FROM traffic_conversion WHERE {where(MONTH, partner)} AND sub1 = 'placement-3' AND NOT is_event"
    yield Question(
        "conversion search: a page of 50",
        lambda: len(json.loads(client.post("/reporting/conversions?page_size=50", search))["conversions"]),
        f"SELECT *, count(*) OVER () {found} ORDER BY id DESC LIMIT 50",
        f"SELECT *, count(*) OVER () {plain(found)} ORDER BY id DESC LIMIT 50",
    )
    clicks = f"SELECT {OF_A_CLICK} FROM traffic_click WHERE {where(FORTNIGHT, partner)} ORDER BY id DESC LIMIT 5000"
    yield Question(
        "click stream: 5,000 rows",
        lambda: len(json.loads(client.post("/reporting/clicks/stream", dates(FORTNIGHT)))["clicks"]),
        clicks,
        plain(clicks),
    )


def body_of(asked: Asked) -> dict[str, Any]:
    return {**dates(asked.days), "columns": [{"column": column} for column in asked.columns]}


def dates(days: tuple[str, str]) -> dict[str, Any]:
    return {"from": days[0], "to": days[1], "timezone_id": 67}


def where(days: tuple[str, str], partner: int | None) -> str:
    """In PostgreSQL the range of ids too, as somebody writes it who knows the tables."""
    since = datetime.fromisoformat(days[0]).replace(tzinfo=UTC)
    until = datetime.fromisoformat(days[1]).replace(tzinfo=UTC) + timedelta(days=1)
    ids = " AND ".join(
        f"id {operator} '{UUID(int=int(moment.timestamp() * 1000) << 80)}'"
        for operator, moment in ((">=", since), ("<", until))
    )
    whose = f"partner_id = {partner} AND " if partner is not None else ""
    return f"{whose}at >= '{since:%Y-%m-%d}' AND at < '{until:%Y-%m-%d}' /* ids */ AND {ids} /* end */"


def plain(statement: str) -> str:
    """As DuckDB takes it: without the ranges of ids, which mean nothing to it, and with its own keyword quoted."""
    return re.sub(r"\bat\b", '"at"', re.sub(r"/\* ids \*/.*?/\* end \*/", "", statement))


def sql_of(asked: Asked, partner: int | None, *, is_postgresql: bool, limit: str = "LIMIT 10000") -> str:
    keys = re.split(r", (?!at)", asked.keys)
    names = [f"k{n}" for n in range(len(keys))]
    statement = BY_HAND.format(
        names=", ".join(names),
        keys=", ".join(f"{value} AS {name}" for value, name in zip(keys, names, strict=True)),
        groups=", ".join(str(n + 1) for n in range(len(keys))),
        where=where(asked.days, partner),
        money="revenue" if partner is None else "payout",
        more=", round(sum(paid), 2)" if partner is None else "",
        limit=limit,
    )
    return statement if is_postgresql else plain(statement)


# Measuring.


def measured(site: Site, copy: Path, rounds: int) -> dict[str, Times]:
    """How long each question took, in milliseconds, in each of the three ways."""
    seen: dict[str, Times] = {}
    duck = Duck(copy)
    try:
        with serving(site.contender()), psycopg.connect(site.url, autocommit=True) as connection:
            connection.execute("SET timezone = 'UTC'")
            for (name, partner), key in zip(PARTNERS.items(), site.keys, strict=True):
                for question in questions(Client(key), partner):
                    seen[f"{question.name}, {name} partner"] = in_turn(question, connection, duck, rounds)
        network = Question(
            NETWORK_WIDE.name,
            lambda: 0,
            sql_of(NETWORK_WIDE, None, is_postgresql=True),
            sql_of(NETWORK_WIDE, None, is_postgresql=False),
        )
        with psycopg.connect(site.url, autocommit=True) as connection:
            connection.execute("SET timezone = 'UTC'")
            told = in_turn(network, connection, duck, rounds)
        arguments = [json.dumps(body_of(NETWORK_WIDE)), str(rounds)]
        told["ours"] = json.loads(run([sys.executable, "-c", ASK_THE_ENGINE, *arguments], site.environment))
        seen[f"{NETWORK_WIDE.name} (without HTTP)"] = told
    finally:
        duck.close()
    return seen


def in_turn(question: Question, connection: psycopg.Connection[Any], duck: Duck, rounds: int) -> Times:
    times: Times = {"ours": [], "by hand": [], "duckdb": []}
    for number in range(rounds + 1):
        started = time.perf_counter()
        ours = question.ours()
        first = time.perf_counter()
        rows = len(connection.execute(question.by_hand).fetchall())
        ended = time.perf_counter()
        took, on_duckdb = duck.ask(question.on_duckdb)
        assert rows == on_duckdb, (question.name, rows, on_duckdb)
        assert ours in {rows, 0}, (question.name, ours, rows)
        # The first time warms the caches of all three.
        if number:
            times["ours"].append((first - started) * 1000)
            times["by hand"].append((ended - first) * 1000)
            times["duckdb"].append(took)
    print(f"{question.name:36} " + "  ".join(f"{way} {median(each):.1f}" for way, each in times.items()), flush=True)
    return times


ASK_THE_ENGINE = """
import json, os, sys, time, django
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()
from partners.reporting.engine import ask
from partners.reporting.question import Question
times = []
for number in range(int(sys.argv[2]) + 1):
    started = time.perf_counter()
    ask(Question.of(json.loads(sys.argv[1]), partner=None))
    times.append((time.perf_counter() - started) * 1000)
print(json.dumps(times[1:]))
"""


def report(seen: dict[int, dict[str, Times]], asked: argparse.Namespace) -> list[str]:
    large, small = seen[asked.clicks], seen[asked.clicks // 10]
    lines = [
        (
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({platform.machine()}); {asked.clicks:,} clicks, "
            f"200 partners, 60 days; milliseconds, medians of {asked.rounds} in turn. Ours is over HTTP with a key. "
            f"Growth is ours from {asked.clicks // 10:,} clicks to {asked.clicks:,}."
        ),
        "",
        "| | ours | by hand | of by hand | DuckDB | of DuckDB | growth |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, times in large.items():
        ours, by_hand, duckdb = (median(times[way]) for way in ("ours", "by hand", "duckdb"))
        growth = ours / median(small[name]["ours"])
        lines.append(
            f"| {name} | {ours:.1f} | {by_hand:.1f} | {ours / by_hand:.2f} | {duckdb:.1f} | {ours / duckdb:.2f} "
            f"| {growth:.1f} |"
        )
    return lines


# Exports: how fast rows leave, and what that takes of memory.


def exports(site: Site, rounds: int) -> list[str]:
    partner, key = next(iter(PARTNERS.values())), site.keys[0]
    client = Client(key)
    by_day = Asked("", ("offer", "sub1", "date"), "offer_id, sub1, date_trunc('day', at)", ALL)
    conversions = f"SELECT {OF_A_CONVERSION} FROM traffic_conversion WHERE {where(ALL, partner)}"
    clicks = f"SELECT {OF_A_CLICK} FROM traffic_click WHERE {where(FORTNIGHT, partner)}"
    ways: dict[str, tuple[Callable[[], bytes], str]] = {
        "report by offer, sub1 and date as CSV": (
            lambda: client.post("/reporting/entity/table/export", {**body_of(by_day), "format": "csv"}),
            sql_of(by_day, partner, is_postgresql=True, limit=""),
        ),
        "conversions as CSV": (
            lambda: client.post("/reporting/conversions/export", {**dates(ALL), "format": "csv"}),
            conversions,
        ),
        "clicks as NDJSON": (
            lambda: client.post("/reporting/clicks/stream", dates(FORTNIGHT), "application/x-ndjson"),
            clicks,
        ),
    }
    lines = [
        "| export | rows | rows/s | COPY of the SQL by hand, rows/s | ratio | memory before, MB | at the peak, MB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    with serving(site.contender()), psycopg.connect(site.url, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        for name, (ours, by_hand) in ways.items():
            rates: Times = {"ours": [], "copy": []}
            with watched() as memory:
                for _ in range(rounds):
                    started = time.perf_counter()
                    rows = ours().count(b"\n")
                    rates["ours"].append(rows / (time.perf_counter() - started))
                    started = time.perf_counter()
                    with connection.cursor().copy(f"COPY ({by_hand}) TO STDOUT (FORMAT csv)") as copied:
                        copied_rows = sum(1 for _ in copied)
                    rates["copy"].append(copied_rows / (time.perf_counter() - started))
            mine, theirs = median(rates["ours"]), median(rates["copy"])
            lines.append(
                f"| {name} | {rows:,} | {mine:,.0f} | {theirs:,.0f} | {mine / theirs:.2f} | {memory[0]:.0f} "
                f"| {max(memory):.0f} |"
            )
            print(lines[-1], flush=True)
    return lines


@contextmanager
def watched() -> Iterator[list[float]]:
    """The memory of the site's processes in MB, ten times a second."""
    memory = [resident()]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            memory.append(resident())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield memory
    finally:
        over.set()
        thread.join()


def resident() -> float:
    total = 0
    for process in psutil.Process().children(recursive=True):
        try:
            if "granian" in " ".join(process.cmdline()):
                total += process.memory_info().rss
        except psutil.Error:
            continue
    return total / 1e6


# Whether streams and exports slow down others.


def beside(site: Site, seconds: float = 8) -> list[str]:
    with serving(site.contender()):
        alone = asked_for(site.keys[1], seconds)
        bodies = [
            ("/reporting/clicks/stream", dates(FORTNIGHT), "application/x-ndjson"),
            ("/reporting/conversions/export", {**dates(ALL), "format": "csv"}, "application/json"),
        ]
        others = [
            subprocess.Popen([sys.executable, "-c", KEEP_ASKING, site.keys[0], json.dumps(body)], cwd=ROOT)
            for body in bodies
        ]
        try:
            time.sleep(1)
            disturbed = asked_for(site.keys[1], seconds)
        finally:
            for other in others:
                other.terminate()
                other.wait(timeout=20)
    lines = ["| GET /v1/affiliates/affiliate | p50 ms | p95 ms |", "| --- | ---: | ---: |"]
    for name, (p50, p95) in (("alone", alone), ("beside a stream and an export", disturbed)):
        lines.append(f"| {name} | {p50:.1f} | {p95:.1f} |")
    lines.append(f"| ratio (goal: 2) | {disturbed[0] / alone[0]:.2f} | {disturbed[1] / alone[1]:.2f} |")
    return lines


def asked_for(key: str, seconds: float) -> tuple[float, float]:
    """The median and the 95th percentile of one client's calls, in milliseconds."""
    client = Client(key)
    times = []
    until = time.perf_counter() + seconds
    while (started := time.perf_counter()) < until:
        client.get("/affiliate")
        times.append((time.perf_counter() - started) * 1000)
    return median(times), quantiles(times, n=20)[-1]


KEEP_ASKING = """
import json, sys
from benchmarks.reporting import Client
client, asked = Client(sys.argv[1]), json.loads(sys.argv[2])
while True:
    client.post(*asked)
"""


def prepared(database: Server, clicks: int) -> Site:
    """A site with so many clicks, made if it is not there, with new keys for its two partners."""
    environment = site(database, f"reporting_{clicks}", DATABASE_STATEMENT_TIMEOUT_MS="0")
    return Site(environment, run([sys.executable, "-c", PREPARE, str(clicks)], environment).split())


if __name__ == "__main__":
    main()
