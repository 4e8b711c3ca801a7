"""Sixty days of traffic by two hundred partners of very different size, the same each time: written by PostgreSQL.

The largest partner has a sixth of all clicks, the twentieth one in a hundred, the smallest one in six hundred. Each
runs ten offers; sub ids have a long tail. benchmarks/reporting.py loads it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

DAYS = 60
PARTNERS, OFFERS = 200, 300
ENDS = datetime(2026, 11, 20, tzinfo=UTC)
STARTS = ENDS - timedelta(days=DAYS)

# Time goes forward with n, as it does when traffic comes in; ids are UUIDv7 of it.
VISITS = """
WITH drawn AS MATERIALIZED (
    SELECT n, date_trunc('milliseconds', %(starts)s::timestamptz + (n + 0.5) * %(days)s * interval '1 day' / %(rows)s)
               AS at,
           1 + floor({partners} * power(random(), 3))::int AS partner_id,
           random() AS o, random() AS s, random() AS c, random() AS d, random() AS v, random() AS k
    FROM generate_series(0, %(rows)s::bigint - 1) AS n
)
SELECT lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(n %% 4096), 3, '0')
           || '8' || lpad(to_hex(n), 15, '0') AS hex,
       at, partner_id, 1 + (partner_id * 7 + floor(10 * o * o)::int) %% {offers} AS offer_id,
       CASE WHEN s < 0.4 THEN 'placement-' || floor(s * 100)::int
            ELSE 'c' || floor(20000 * power((s - 0.4) / 0.6, 3))::int END AS sub1,
       (ARRAY['US', 'US', 'US', 'GB', 'DE', 'FR', 'CA', 'AU', 'IN', 'BR', 'MX', 'ES', 'IT', 'NL', 'SE', 'PL', 'JP'])
           [1 + floor(17 * c * c)::int] AS country_code,
       (ARRAY['mobile', 'mobile', 'desktop', 'tablet'])[1 + floor(4 * d)::int] AS device_type,
       'Browser ' || floor(12 * v * v)::int AS browser, 'city-' || floor(400 * v * c)::int AS city,
       n, k
FROM drawn
""".replace("{partners}", str(PARTNERS)).replace("{offers}", str(OFFERS))
COMMON = """partner_id, id, at, offer_id, offer_url_id, creative_id, coupon_code, source_id, sub1, sub2, sub3, sub4,
    sub5, sub6, sub7, sub8, sub9, sub10, referer, ip, user_agent, country_code, region, city, dma, carrier, isp,
    connection_type, place, platform, os_version, device_type, device_make, device_model, browser, browser_version,
    language, is_robot, tracking_domain, payout_type, payout, revenue_type, revenue"""
SAID = """partner_id, hex::uuid, at, offer_id, 0, 0, '', 'source-' || n %% 50, sub1, 's' || n %% 1000, '', '',
    '', '', '', '', '', '', 'https://blog-' || n %% 500 || '.example/articles/' || n %% 9973,
    ('198.51.' || n %% 100 || '.' || n %% 250)::inet,
    'Mozilla/5.0 (Linux; Android 15; Pixel ' || n %% 9 || ') AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0',
    country_code, 'Region', city, '', 'Carrier', 'Provider', 'broadband', '{{}}'::jsonb, 'Android', '15',
    device_type, 'Make', 'Model', browser, '140.0', 'en', false, 'go.example.com', 'cpa', {payout}, 'rpa', {revenue}"""
CLICKS = f"""
INSERT INTO traffic_click ({COMMON}, is_unique, error_code, redirected_from, tracking_url, parameters)
SELECT {SAID.format(payout="0", revenue="0")}, k > 0.12, CASE WHEN k < 0.04 THEN 11 ELSE 0 END,
    CASE WHEN n %% 200 = 0 THEN 1 END, '/t/abc/def/?sub1=' || sub1, '{{}}'::jsonb
FROM ({VISITS}) AS visits
"""
IMPRESSIONS = f"""
INSERT INTO traffic_impression ({COMMON})
SELECT {SAID.format(payout="0.0012", revenue="0.002")} FROM ({VISITS}) AS visits
"""
CONVERSIONS = f"""
INSERT INTO traffic_conversion ({COMMON}, transaction_id, clicked_at, status, is_event, event_name, is_view_through,
    order_id, sale_amount, conversion_ip, adv1, adv2, adv3, adv4, adv5, redirected_from, error_message, notes,
    updated_at)
SELECT {SAID.format(payout="round((2 + 30 * k)::numeric, 2)", revenue="round((3 + 40 * k)::numeric, 2)")},
    hex::uuid, at - interval '1 hour',
    CASE WHEN k < 0.05 THEN 'rejected' WHEN k < 0.08 THEN 'on_hold' WHEN k < 0.1 THEN 'pending' ELSE 'approved' END,
    n %% 6 = 0, CASE WHEN n %% 6 = 0 THEN 'Upsell' ELSE '' END, n %% 50 = 0, 'order-' || n,
    round((20 + 100 * k)::numeric, 2), '198.51.100.7'::inet, '', '', '', '', '', NULL, '', '', at
FROM ({VISITS}) AS visits
"""
LOADS = (("clicks", CLICKS, 1.0), ("impressions", IMPRESSIONS, 0.3), ("conversions", CONVERSIONS, 0.03))

# Run by itself, with the number of clicks: makes the database, unless it is there, and prints the keys of the largest
# and of the twentieth partner.
PREPARE = """
import os, sys, django
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()
from decimal import Decimal
from django.core.management import call_command
from django.db import connection
from django.utils.timezone import now
call_command("migrate", verbosity=0)
from apilog.partitions import create_ahead
from benchmarks.reporting_traffic import DAYS, ENDS, LOADS, OFFERS, PARTNERS, STARTS
from keys.models import Key, OperationLimit
from partners.models import Partner
from partners.offers.models import Advertiser, Category, Offer
from partners.traffic.models import Click
from partners.traffic.partitions import create_partitions
from portal.accounts.actors import Actor
from portal.network.models import Network
from portal.web.api import OPERATION_LIMITS
by = Actor.system("benchmarks")
create_ahead(now().date())
if not Click.objects.exists():
    create_partitions(STARTS.date(), ENDS.date())
    Network.load().change(by=by, name="Benchmark", budget_requests=1_000_000, budget_seconds=60)
    for limit in OPERATION_LIMITS:
        OperationLimit.change(limit, requests=100_000, seconds=60, by=by)
    Partner.objects.bulk_create(Partner(name=f"Partner {n}", status="active") for n in range(1, PARTNERS + 1))
    advertiser, category = Advertiser.sign_up(name="Advertiser", by=by), Category.add(name="Category", by=by)
    Offer.objects.bulk_create(
        Offer(name=f"Offer {n}", advertiser=advertiser, category=category, destination_url="https://a.example/")
        for n in range(1, OFFERS + 1)
    )
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("SET work_mem = '256MB'")
        cursor.execute("SELECT setseed(0.5)")
        for name, statement, share in LOADS:
            rows = int(int(sys.argv[1]) * share)
            cursor.execute(statement, {"starts": STARTS, "days": Decimal(DAYS), "rows": rows})
            print(f"{rows:,} {name}", file=sys.stderr, flush=True)
call_command("rollups", verbosity=0)
with connection.cursor() as cursor:
    cursor.execute("VACUUM ANALYZE")
for name in ("Partner 1", "Partner 20"):
    partner = Partner.objects.get(name=name)
    print(Key.issue(partner=partner, label="Benchmark", by=by)[1])
"""
