"""A report worked out the plain way: a loop over all rows in Python, with decimals. It shares no code with ours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.models import Click, Conversion, Impression

EXACT = Context(prec=80)
SAME = ["coupon_code", "country_code", "region", "city", "dma", "carrier", "isp", "connection_type", "platform"]
SAME += ["os_version", "device_type", "device_make", "device_model", "browser", "language", "source_id", "referer"]
SAME += ["tracking_domain", *[f"sub{number}" for number in range(1, 11)]]
TIMES = ("hour", "date", "week", "month", "year")
STATUSES = {
    "approved": "Approved",
    "pending": "Pending",
    "rejected": "Rejected",
    "invalid": "Invalid",
    "on_hold": "On hold",
}
DECIMALS = {"USD": 2, "EUR": 2, "JPY": 0}

Visit = Click | Impression | Conversion


@dataclass
class World:
    rows: list[Visit]
    offers: dict[int, Offer]
    partners: dict[int, Partner]
    names: dict[str, dict[int, str]]
    countries: dict[str, str]
    # Units of the network's currency for one, by day, in order; the network's is USD.
    rates: dict[str, list[tuple[date, Decimal]]]


def worth(world: World, currency: str, day: date) -> Decimal:
    if currency == "USD":
        return Decimal(1)
    rates = world.rates[currency]
    before = [rate for since, rate in rates if since <= day]
    return before[-1] if before else rates[0][1]


def time_of(unit: str, at: datetime, zone: ZoneInfo) -> tuple[int, str]:
    local = at.astimezone(zone)
    if unit == "hour":
        second = int(at.timestamp())
        # Back to the first second that shows the same hour at the same offset.
        while same_hour(datetime.fromtimestamp(second - 1, tz=UTC).astimezone(zone), local):
            second -= 1
        return second, f"{local:%Y-%m-%d %H}:00"
    day = local.date()
    first = {
        "date": day,
        "week": day - timedelta(days=day.isoweekday() - 1),
        "month": date(day.year, day.month, 1),
        "year": date(day.year, 1, 1),
    }[unit]
    begun = datetime.combine(first, datetime.min.time(), tzinfo=zone)
    form = {"date": "%Y-%m-%d", "week": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}[unit]
    return int(begun.timestamp()), first.strftime(form)


def same_hour(one: datetime, other: datetime) -> bool:
    shape = "%Y-%m-%d %H %z"
    return one.strftime(shape) == other.strftime(shape)


def cell(world: World, column: str, row: Visit, zone: ZoneInfo) -> tuple[Any, str, str]:
    """What orders the column, the id and the label."""
    if column in TIMES:
        second, label = time_of(column, row.at, zone)
        return second, str(second), label
    if column in SAME:
        text = getattr(row, column)
        return text, text, text
    if column == "country":
        return row.country_code, row.country_code, world.countries.get(row.country_code, row.country_code)
    if column == "event_name":
        text = row.event_name if isinstance(row, Conversion) else ""
        return text, text, text
    if column == "conversion_status":
        text = row.status if isinstance(row, Conversion) else ""
        return text, text, STATUSES.get(text, "")
    offer, partner = world.offers[row.offer_id], world.partners[row.partner_id]
    number = {
        "offer": row.offer_id,
        "creative": row.creative_id,
        "offer_url": row.offer_url_id,
        "affiliate": row.partner_id,
        "advertiser": offer.advertiser_id,
        "category": offer.category_id,
        "affiliate_manager": partner.manager_id or 0,
    }[column]
    default = "Default" if column == "offer_url" and number == 0 else ""
    return number, str(number), world.names[column].get(number, default)


def boundary(text: str, zone: ZoneInfo, *, after: bool) -> datetime:
    moment = datetime.fromisoformat(text)
    if after and len(text) == 10:
        moment += timedelta(days=1)
    moment = moment.replace(tzinfo=zone).astimezone(UTC)
    return moment + timedelta(seconds=1) if after and len(text) > 10 else moment


def chosen(world: World, asked: dict[str, Any], partner: Partner | None, zone: ZoneInfo) -> Iterable[Visit]:
    start, end = boundary(asked["from"], zone, after=False), boundary(asked["to"], zone, after=True)
    query = asked["query"]
    wanted: dict[str, set[str]] = defaultdict(set)
    for each in query["filters"]:
        wanted[each["resource_type"]].add(str(each["filter_id_value"]))
    for row in world.rows:
        redirected = getattr(row, "redirected_from", None) is not None
        if not start <= row.at < end or (partner is not None and row.partner_id != partner.pk):
            continue
        if query["settings"].get("ignore_fail_traffic") and redirected:
            continue
        if query["settings"].get("only_include_fail_traffic") and not redirected:
            continue
        if any(cell(world, column, row, zone)[1] not in values for column, values in wanted.items()):
            continue
        if any(cell(world, e["resource_type"], row, zone)[1] == str(e["filter_id_value"]) for e in query["exclusions"]):
            continue
        yield row


def figures(world: World, rows: list[Visit], asked: dict[str, Any], *, is_network: bool) -> dict[str, Any]:
    currency = asked["currency_id"]
    about = [each["column"] for each in asked["columns"]]
    about += [each["resource_type"] for each in (*asked["query"]["filters"], *asked["query"]["exclusions"])]
    any_status = "conversion_status" in about
    clicks = [row for row in rows if isinstance(row, Click)]
    impressions = [row for row in rows if isinstance(row, Impression)]
    conversions = [row for row in rows if isinstance(row, Conversion)]
    counted = [row for row in conversions if any_status or row.status == "approved"]
    held = [row for row in conversions if row.status == "on_hold"]

    def money(of: Iterable[Visit], field: str) -> Decimal:
        added = Decimal(0)
        for row in of:
            day, own = row.at.astimezone(UTC).date(), world.offers[row.offer_id].currency
            amount = getattr(row, field)
            if own != currency:
                amount = EXACT.multiply(amount, worth(world, own, day) / worth(world, currency, day))
            added = EXACT.add(added, amount)
        return added

    field = "revenue" if is_network else "payout"
    valid = [row for row in clicks if row.error_code == 0]
    paying: list[Visit] = [*clicks, *impressions, *counted]
    revenue, payout = money(paying, field), money(paying, "payout")
    redirected = money((row for row in paying if getattr(row, "redirected_from", None) is not None), field)
    imp, total = len(impressions), len(valid)
    cv = sum(not row.is_event for row in counted)
    events = sum(row.is_event for row in counted)

    def rounded(amount: Decimal, decimals: int) -> float:
        return float(amount.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP, context=EXACT))

    def divided(one: Decimal | int, other: Decimal | int, decimals: int) -> float:
        return rounded(EXACT.divide(Decimal(one), Decimal(other)), decimals) if other else 0

    places = DECIMALS[currency]
    found: dict[str, Any] = {
        "imp": imp,
        "total_click": total,
        "unique_click": sum(row.is_unique for row in valid),
        "invalid_click": len(clicks) - total,
        "duplicate_click": sum(not row.is_unique for row in valid),
        "gross_click": len(clicks),
        "ctr": divided(100 * total, imp, 3),
        "cv": cv,
        "view_through_cv": sum(row.is_view_through and not row.is_event for row in counted),
        "event": events,
        "cvr": divided(100 * cv, total, 3),
        "evr": divided(100 * events, cv, 3),
        "rpc": divided(revenue, total, places + 2),
        "rpm": divided(1000 * revenue, imp, places + 2),
        "revenue": rounded(revenue, places),
        "redirect_traffic_revenue": rounded(redirected, places),
        "on_hold_conversion_count": sum(not row.is_event for row in held),
        "on_hold_potential_revenue": rounded(money(held, field), places),
        "sale_amount": rounded(money(counted, "sale_amount"), places),
    }
    if is_network:
        found |= {
            "payout": rounded(payout, places),
            "profit": rounded(revenue - payout, places),
            "margin": divided(100 * (revenue - payout), revenue, 3),
            "cpc": divided(payout, total, places + 2),
            "cpa": divided(payout, cv, places + 2),
        }
    return {**found, "exactly": revenue}


COMPARE: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "equal": lambda one, other: one == other,
    "not_equal": lambda one, other: one != other,
    "greater_than": lambda one, other: one > other,
    "greater_than_or_equal": lambda one, other: one >= other,
    "less_than": lambda one, other: one < other,
    "less_than_or_equal": lambda one, other: one <= other,
}


def counts(row: Visit, any_status: bool) -> bool:
    return not isinstance(row, Conversion) or any_status or row.status in {"approved", "on_hold"}


def table(world: World, asked: dict[str, Any], partner: Partner | None, zone: ZoneInfo) -> list[dict[str, Any]]:
    columns = [each["column"] for each in asked["columns"]]
    about = columns + [e["resource_type"] for e in (*asked["query"]["filters"], *asked["query"]["exclusions"])]
    lines: dict[tuple[Any, ...], list[Visit]] = defaultdict(list)
    for row in chosen(world, asked, partner, zone):
        if counts(row, "conversion_status" in about):
            lines[tuple(cell(world, column, row, zone) for column in columns)].append(row)
    found = []
    for cells, rows in lines.items():
        told = figures(world, rows, asked, is_network=partner is None)
        exactly = told.pop("exactly")
        bounds = asked["query"]["metric_filters"]
        if not all(
            COMPARE[b["operator"]](Decimal(str(told[b["metric_type"]])), Decimal(str(b["metric_value"])))
            for b in bounds
        ):
            continue
        times = [c[0] for c, column in zip(cells, columns, strict=True) if column in TIMES]
        others = [
            c[0].encode() if isinstance(c[0], str) else c[0]
            for c, column in zip(cells, columns, strict=True)
            if column not in TIMES
        ]
        order = (times, -exactly, -told["gross_click"], -told["imp"], others)
        shown = [{"column_type": column, "id": c[1], "label": c[2]} for c, column in zip(cells, columns, strict=True)]
        found.append((order, {"columns": shown, "reporting": told}))
    return [line for _, line in sorted(found, key=lambda each: each[0])]


def total(world: World, asked: dict[str, Any], partner: Partner | None, zone: ZoneInfo) -> dict[str, Any]:
    told = figures(world, list(chosen(world, asked, partner, zone)), asked, is_network=partner is None)
    del told["exactly"]
    return told
