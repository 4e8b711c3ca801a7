"""Whether a page of the API Log takes longer when there are a thousand times as many calls.

``make bench`` runs it. Two databases on one server get the same day of calls, in ten thousand and in ten million rows,
with the worker's tallies; then the same pages are asked for in turn, and their medians compared.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from statistics import median

from benchmarks.gate import ROOT, own_postgres, run, site
from benchmarks.report import write_section
from portal.postgres import Server

SMALL, LARGE = 10_000, int(os.environ.get("ROWS", "10_000_000"))
ROUNDS = int(os.environ.get("ROUNDS", "15"))

# A day of calls by forty partners of very different size. One in a hundred goes to each of the rarer outcomes.
LOAD = """
INSERT INTO apilog_call
SELECT
    (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(n %% 4096), 3, '0')
        || '8' || lpad(to_hex(n), 15, '0'))::uuid,
    moment, CASE WHEN n %% 20 = 0 THEN 'network' ELSE 'affiliate' END, 'GET', '/v1/affiliates/affiliate', '',
    (ARRAY['read_affiliate_account', 'read_network', 'list_affiliates'])[1 + n %% 3],
    CASE n %% 100 WHEN 1 THEN 429 WHEN 2 THEN 403 WHEN 3 THEN 401 WHEN 4 THEN 500 ELSE 200 END,
    CASE n %% 100 WHEN 1 THEN 'rate_limited' WHEN 2 THEN 'ip_denied' WHEN 3 THEN 'revoked_key' WHEN 4 THEN 'error'
        ELSE 'ok' END,
    '', ('198.51.' || n %% 100 || '.' || n %% 250)::inet,
    1 + (40 * power((n * 7919 %% 10007) / 10007.0, 3))::bigint, 'lk_aff_…abcd',
    1 + (40 * power((n * 7919 %% 10007) / 10007.0, 3))::bigint, 2000 + n %% 5000, 400, 'benchmark/1'
FROM (SELECT n, now() - interval '1 day' + interval '23 hours' * n / %(rows)s AS moment
      FROM generate_series(1, %(rows)s::bigint) AS n) AS calls
"""

PREPARE = """
import os, sys, django
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()
from datetime import timedelta
from django.core.management import call_command
from django.db import connection
from django.utils.timezone import now
call_command("migrate", verbosity=0)
from apilog.models import LoggedCall
from apilog.partitions import create_ahead
from apilog.tallies import keep_up
from benchmarks.log import LOAD
from keys.models import Key
from partners.models import Partner
from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.network.models import Network
if LoggedCall.objects.exists():
    raise SystemExit
create_ahead((now() - timedelta(days=2)).date(), days=9)
by = Actor.system("benchmarks")
Network.load().change(by=by, name="Benchmark")
for number in range(1, 42):
    partner = Partner.create(by=by, name=f"Partner {number}", status="active")
    Key.issue(partner=partner, label="Benchmark", by=by)
User.invite(email="reader@latchkey.example", name="Reader", is_superuser=True, by=by)
with connection.cursor() as cursor:
    cursor.execute("SET statement_timeout = 0")
    cursor.execute(LOAD, {"rows": int(sys.argv[1])})
    keep_up(now())
    cursor.execute("VACUUM ANALYZE apilog_call")
    cursor.execute("VACUUM ANALYZE apilog_tally")
"""

MEASURE = """
import os, sys, json, time, django
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()
from statistics import median
from django.test import Client
from portal.accounts.models import User
client = Client()
client.force_login(User.objects.get(email="reader@latchkey.example"))
pages = json.loads(sys.argv[1])
times = {}
for name, path in pages.items():
    for round in range(int(sys.argv[2]) + 2):
        started = time.perf_counter()
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        assert len(answer.content) > 1000, path
        if round >= 2:
            times.setdefault(name, []).append((time.perf_counter() - started) * 1000)
print(json.dumps({name: median(found) for name, found in times.items()}))
"""

PAGES = {
    "the newest calls": "/system/api-log/?range=week",
    "one outcome (1 in 100)": "/system/api-log/?range=week&outcome=ip_denied",
    "one status class": "/system/api-log/?range=week&status=5xx",
    "one partner": "/system/api-log/?range=week&partner=1",
    "one key": "/system/api-log/?range=week&key=7",
    "one network of addresses": "/system/api-log/?range=week&ip=198.51.7.0/24",
    "a partner's own calls": "/partners/1/api/calls/?range=week",
}


def main() -> None:
    with own_postgres() as database:
        environments = {rows: prepared(database, rows) for rows in (SMALL, LARGE)}
        seen: dict[int, list[dict[str, float]]] = {rows: [] for rows in environments}
        for _ in range(3):
            for rows, environment in environments.items():
                seen[rows].append(measured(environment))
    figures = {rows: {name: median(one[name] for one in runs) for name in PAGES} for rows, runs in seen.items()}
    write_section("log", report(figures))


def prepared(database: Server, rows: int) -> dict[str, str]:
    quiet = {"SECURE_SSL_REDIRECT": "0", "DATABASE_STATEMENT_TIMEOUT_MS": "0", "LOG_LEVEL": "WARNING"}
    environment = site(database, f"log_{rows}", **quiet)
    started = time.monotonic()
    run([sys.executable, "manage.py", "collectstatic", "--noinput", "-v0"], environment)
    run([sys.executable, "-c", PREPARE, str(rows)], environment)
    print(f"{rows:,} rows are there after {time.monotonic() - started:.0f} s")
    return environment


def measured(environment: dict[str, str]) -> dict[str, float]:
    command = [sys.executable, "-c", MEASURE, json.dumps(PAGES), str(ROUNDS)]
    ended = subprocess.run(
        command,
        env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return found


def report(figures: dict[int, dict[str, float]]) -> str:
    lines = [
        (
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores; whole pages through the site, in milliseconds, "
            f"medians of 3 × {ROUNDS}, both databases in turn."
        ),
        "",
        f"| page | {SMALL:,} rows | {LARGE:,} rows | ratio |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name in PAGES:
        small, large = figures[SMALL][name], figures[LARGE][name]
        lines.append(f"| {name} | {small:.0f} | {large:.0f} | {large / small:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
