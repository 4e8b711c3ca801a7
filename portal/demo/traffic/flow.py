"""Visits as they come in over the days, in COPY's binary format: hour by hour, at the hours when people are awake."""

from __future__ import annotations

import heapq
import sys
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import accumulate
from math import exp, log
from operator import itemgetter
from random import Random
from zoneinfo import ZoneInfo

from partners.traffic.jobs import THE_HOLDING_PERIOD
from partners.traffic.models import Refusal
from partners.traffic.models.recording import digest_of
from portal.demo.traffic.binary import (
    EIGHT,
    EMPTY,
    EPOCH_MS,
    NULL,
    SIXTEEN,
    address,
    bigint,
    boolean,
    row_start,
    text,
    timestamp,
    value,
)
from portal.demo.traffic.lanes import LINK_COLUMNS, Goal, Lane, Link, click_comes_to, money
from portal.demo.traffic.visitors import COUNTRIES, NOBODY, VISITOR_COLUMNS, Visitor, robots, visitors_of

# By the hour where the visitors are: from midnight on, and by the day: from Monday on.
AWAKE = (21, 13, 8, 6, 6, 10, 19, 33, 47, 56, 62, 66, 69, 66, 63, 64, 67, 72, 80, 91, 100, 97, 75, 44)
WEEKDAYS = (1.0, 1.03, 1.02, 0.99, 0.9, 0.94, 1.08)
# How much more there is at the end of sixty days than at their beginning.
GROWTH = 0.45

RETURNING = 0.13
# Of all who do not.
ROBOTS = 0.02
DAY_MS = 24 * 3600 * 1000
HOUR_MS = 3600 * 1000
VIEW_THROUGH = 0.0008
# How many sales a coupon code brings by itself, for one that a click brings.
BY_COUPON = 0.12
DECIDER = "Tomás Rivera"
# Of the conversions; of all that offers with a holding period or an approval by hand do not decide otherwise.
REJECTED, INVALID = 0.045, 0.012
DECIDED_AFTER = 9 * DAY_MS

COMMON = ("id", "at", *LINK_COLUMNS, "ip", *VISITOR_COLUMNS, "sub4", "payout", "revenue")
COLUMNS = {
    # The address that was clicked is last: it may end with what is different in every click.
    "traffic_click": (*COMMON, "is_unique", "error_code", "parameters", "redirected_from", "tracking_url"),
    "traffic_impression": COMMON,
    "traffic_conversion": (
        *COMMON,
        *("redirected_from", "transaction_id", "clicked_at", "status", "is_event", "event_name", "is_view_through"),
        *("order_id", "sale_amount", "conversion_ip", "adv1", "adv2", "adv3", "adv4", "adv5", "error_message", "notes"),
        "updated_at",
    ),
    "traffic_receipt": ("digest", "partner_id", "conversion_id", "received_at"),
    "traffic_hold": ("partner_id", "conversion_id", "until", "created_at", "ended_at", "ended_by", "outcome"),
}
A_CLICK, AN_IMPRESSION, A_CONVERSION, A_RECEIPT, A_HOLD = map(row_start, COLUMNS.values())
# What a click comes to that is not the visitor's first within a day, or that is refused.
AGAIN = click_comes_to(0, 0, is_unique=False)
ROBOT, COUNTRY_NOT_ALLOWED = (
    click_comes_to(0, 0, is_unique=False, refusal=refusal) for refusal in (Refusal.ROBOT, Refusal.COUNTRY_NOT_ALLOWED)
)
# Of a UUIDv7: its version and variant, and what is drawn beside its time.
FIXED_BITS = bytes.fromhex("00000000000070008000000000000000")
DRAWN_BITS = bytes.fromhex("0000000000000fff3fffffffffffffff")
# The last two bytes of an address.
HOSTS = [number.to_bytes(2) for number in range(256 * 256)]
REASONS = (
    "The order was cancelled.",
    "The goods were returned.",
    "The customer had an account before.",
    "The payment failed.",
)
MISTAKES = ("The order is a test of the advertiser's.", "The order was reported under another number before.")


@dataclass(slots=True)
class Lines:
    """What is ready to be written, by table."""

    click: list[bytes] = field(default_factory=list)
    impression: list[bytes] = field(default_factory=list)
    conversion: list[bytes] = field(default_factory=list)
    receipt: list[bytes] = field(default_factory=list)
    hold: list[bytes] = field(default_factory=list)

    def by_table(self) -> dict[str, list[bytes]]:
        return {
            "traffic_click": self.click,
            "traffic_impression": self.impression,
            "traffic_conversion": self.conversion,
            "traffic_receipt": self.receipt,
            "traffic_hold": self.hold,
        }


# The visit that a conversion comes from: who, by which link, from which address, with which click id in sub4; and the
# number that is the same for the same visitor with the same partner and offer. A plain tuple, as most are soon
# forgotten.
Origin = tuple[Lane, Link, Visitor, bytes, bytes, int]


class Flow:
    """All traffic of ``lanes`` from ``start`` to ``until``; the same random numbers make the same rows."""

    def __init__(
        self, lanes: list[Lane], *, clicks: int, impressions: float, start: datetime, until: datetime, random: Random
    ) -> None:
        self.lanes, self.clicks, self.random = lanes, clicks, random
        self.start, self.until = start, until
        self.until_ms = int(until.timestamp() * 1000)
        self.countries = sorted({code for lane in lanes for code in lane.audience})
        self.with_coupons = [lane for lane in lanes if lane.coupons]
        size = min(900, 40 + clicks // 400)
        self.visitors = {
            code: visitors_of(code, max(12, size * COUNTRIES[code].size // 340), random) for code in self.countries
        }
        self.robots = robots(40, random)
        banners = sum(lane.weight for lane in lanes if lane.shows_banners)
        # Only some show banners; they show so many more that the sum comes out.
        self.impressions_a_click = impressions / banners if banners else 0.0
        self.daily = Daily(lanes, start=start, until=until, random=random)
        self.seen: dict[int, int] = {}
        self.seen_before: dict[int, int] = {}
        # As many as come in half a day, so that most who return do so within one.
        self.remembered = max(20, round(clicks / ((until - start) / timedelta(hours=12))))
        self.recent: list[Origin] = []
        self.due: list[tuple[int, int, str, bytes]] = []
        self.orders = random.randrange(10_000, 90_000)

    def hours(self) -> Iterator[tuple[datetime, Lines]]:
        """The lines of each hour, in UTC, one after the other."""
        hours = self.plan()
        total = sum(sum(traffic.values()) for _, traffic in hours) or 1.0
        come, so_far = 0, 0.0
        for hour, traffic in hours:
            so_far += sum(traffic.values())
            wanted = round(self.clicks * so_far / total)
            lines = Lines()
            if wanted > come:
                self.let_come(hour, traffic, wanted - come, lines)
            self.redeem(hour, wanted - come)
            self.convert_until(min(millisecond(hour) + HOUR_MS, self.until_ms), lines)
            yield hour, lines
            come = wanted

    def plan(self) -> list[tuple[datetime, dict[str, float]]]:
        """The hours, and how much of all traffic each has from where."""
        hours = []
        hour = self.start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        while hour < self.until:
            part = (min(hour + timedelta(hours=1), self.until) - max(hour, self.start)) / timedelta(hours=1)
            hours.append((hour, {code: part * weight for code, weight in self.daily.traffic(hour).items()}))
            hour += timedelta(hours=1)
        return hours

    def let_come(self, hour: datetime, traffic: dict[str, float], count: int, lines: Lines) -> None:
        random = self.random
        chosen = random.choices(list(traffic), list(traffic.values()), k=count)
        whence = [
            (code, lane) for code in sorted(set(chosen)) for lane in self.daily.lanes(hour, code, chosen.count(code))
        ]
        first = max(millisecond(hour), millisecond(self.start))
        last = min(millisecond(hour) + HOUR_MS, self.until_ms)
        self.click(self.spread(whence, first, last), hour, lines.click)
        if self.impressions_a_click:
            rand, often = random.random, self.impressions_a_click
            shown = [
                pair for pair in whence if pair[1].shows_banners for _ in range(int(often * (0.5 + rand()) + rand()))
            ]
            self.show(self.spread(shown, first, last), hour, lines.impression)

    def spread(self, whence: list[tuple[str, Lane]], first: int, last: int) -> list[tuple[int, tuple[str, Lane]]]:
        """Each at a moment of its own from ``first`` to ``last``, in their order."""
        moments = self.random.choices(range(first, last), k=len(whence))
        return sorted(zip(moments, whence, strict=True), key=itemgetter(0))

    def click(self, arrivals: list[tuple[int, tuple[str, Lane]]], hour: datetime, lines: list[bytes]) -> None:
        """The inner loop: what can be is prepared outside of it, and nothing in it is a call that need not be one."""
        rand, recent, remembered = self.random.random, self.recent, self.remembered
        joined, keep = b"".join, lines.append
        if millisecond(hour) % DAY_MS == 0:
            self.seen_before, self.seen = self.seen, {}
        seen, seen_before = self.seen, self.seen_before
        moments = [moment for moment, _ in arrivals]
        ids, times = self.ids_at(moments), times_of(moments)
        click_ids = self.random.randbytes(len(arrivals) * 8).hex().encode()
        addresses = array("H", self.random.randbytes(len(arrivals) * 2))
        for number, (moment, (code, asked)) in enumerate(arrivals):
            if rand() < RETURNING and recent:
                origin, outcome = recent[int(len(recent) * rand())], AGAIN
            else:
                sub4 = click_ids[number * 16 : number * 16 + 16] if asked.has_click_ids else b""
                origin, outcome = self.arrive(code, asked, addresses[number], sub4)
            lane, link, visitor, ip, sub4, key = origin
            if outcome is AGAIN:
                last = seen.get(key) or seen_before.get(key)
                if last is None or moment - last >= DAY_MS:
                    seen[key] = moment
                    outcome = lane.clicked
            click_id, at = ids[number * 16 : number * 16 + 16], times[number * 8 : number * 8 + 8]
            who = (link.head, ip, visitor.fields, SIXTEEN if sub4 else EMPTY, sub4)
            keep(joined((A_CLICK, SIXTEEN, click_id, EIGHT, at, *who, outcome, link.clicked, sub4)))
            if outcome is ROBOT or outcome is COUNTRY_NOT_ALLOWED:
                continue
            if len(recent) < remembered:
                recent.append(origin)
            elif outcome is not AGAIN:
                recent[int(remembered * rand())] = origin
            if rand() < lane.conversion_rate:
                self.buy(origin, click_id, moment, EIGHT + at)

    def arrive(self, code: str, lane: Lane, address: int, click_id: bytes) -> tuple[Origin, bytes]:
        """Somebody new, or a robot; and what the click comes to, unless it is the visitor's first within a day."""
        rand, links, outcome = self.random.random, lane.links, AGAIN
        if rand() < ROBOTS:
            visitor, outcome = self.robots[int(len(self.robots) * rand())], ROBOT
        else:
            people = self.visitors[code]
            visitor = people[int(len(people) * rand())]
            if lane.countries and code not in lane.countries:
                outcome = COUNTRY_NOT_ALLOWED
        link = links[int(len(links) ** rand()) - 1]
        key = (lane.number << 40) + visitor.key + address
        return (lane, link, visitor, visitor.network + HOSTS[address], click_id, key), outcome

    def show(self, arrivals: list[tuple[int, tuple[str, Lane]]], hour: datetime, lines: list[bytes]) -> None:
        rand, visitors = self.random.random, self.visitors
        hosts, joined, keep = HOSTS, b"".join, lines.append
        moments = [moment for moment, _ in arrivals]
        ids, times = self.ids_at(moments), times_of(moments)
        addresses = array("H", self.random.randbytes(len(arrivals) * 2))
        for number, (moment, (code, lane)) in enumerate(arrivals):
            if lane.countries and code not in lane.countries:
                continue
            links, people = lane.links, visitors[code]
            link = links[int(len(links) ** rand()) - 1]
            visitor = people[int(len(people) * rand())]
            ip = visitor.network + hosts[addresses[number]]
            impression_id, at = ids[number * 16 : number * 16 + 16], times[number * 8 : number * 8 + 8]
            who = (link.head, ip, visitor.fields)
            keep(joined((AN_IMPRESSION, SIXTEEN, impression_id, EIGHT, at, *who, lane.shown)))
            if rand() < VIEW_THROUGH:
                self.buy((lane, link, visitor, ip, b"", 0), impression_id, moment, NULL)

    def redeem(self, hour: datetime, clicks: int) -> None:
        """Sales by coupon codes that people had from elsewhere: nothing is known of a click."""
        for lane in self.with_coupons:
            if lane.since <= hour and self.random.random() < clicks * lane.weight * lane.conversion_rate * BY_COUPON:
                moment = millisecond(hour) + self.random.randrange(HOUR_MS)
                code, coupon_id = self.random.choice(lane.coupons)
                origin = (lane, lane.coupon(code), NOBODY, NULL, b"", 0)
                self.convert(origin, b"", moment, NULL, lane.base, known_by=("coupon", str(coupon_id)))

    def buy(self, origin: Origin, visit_id: bytes, moment: int, clicked_at: bytes) -> None:
        """The conversion after a click, or an impression that was not clicked; and what the customer does then."""
        lane = origin[0]
        # Half of them within the hour, and some only after weeks.
        at = moment + 20_000 + int(exp(self.random.gauss(log(35 * 60_000), 2.0)))
        if at - moment >= lane.lifespan_days * DAY_MS:
            return
        known_by = ("visit", visit_id.hex())
        self.convert(origin, visit_id, at, clicked_at, lane.base, known_by=known_by)
        for goal in lane.events:
            if self.random.random() < goal.share:
                at += int(exp(self.random.gauss(log(30 * HOUR_MS), 1.1)))
                self.convert(origin, visit_id, at, clicked_at, goal, known_by=known_by)

    def convert(
        self, origin: Origin, visit_id: bytes, moment: int, clicked_at: bytes, goal: Goal, *, known_by: tuple[str, str]
    ) -> None:
        if moment >= self.until_ms:
            return
        random, (lane, link, visitor, ip, sub4, _) = self.random, origin
        conversion_id, at = SIXTEEN + self.id_at(moment), timestamp(moment)
        sale = 0
        if lane.basket:
            sale = round(lane.basket * random.lognormvariate(0, 0.55) / lane.smallest) * lane.smallest
        self.orders += random.randrange(1, 7)
        order_id = f"{lane.order_prefix}-{self.orders}"
        decision = self.decide(lane, moment)
        customer, article = random.choice(("new", "new", "returning")), random.randrange(100, 999)
        line = (
            *(A_CONVERSION, conversion_id, at, link.head, ip, visitor.fields, value(sub4)),
            *(money(goal.payout.of_conversion(sale)), money(goal.revenue.of_conversion(sale)), link.redirected_from),
            *(value(visit_id or self.id_at(moment)), clicked_at, text(decision.status)),
            *(boolean(bool(goal.event_name)), text(goal.event_name), boolean(bool(visit_id) and clicked_at == NULL)),
            *(text(order_id), money(sale), address(f"198.51.100.{lane.offer_id % 250 + 1}")),
            *map(text, (customer, f"SKU-{article}" if sale else "", "", "", "", decision.reason, "")),
            timestamp(decision.at),
        )
        self.keep(moment, "conversion", b"".join(line))
        # Who reports it again, now that it is history, is told so.
        digest = value(digest_of(known_by, goal.event_name, order_id))
        self.keep(moment, "receipt", b"".join((A_RECEIPT, digest, bigint(lane.partner_id), conversion_id, at)))
        if lane.holding_days:
            is_open = decision.status == "on_hold"
            outcome = "rejected" if decision.reason else "approved"
            ended_by = "" if is_open else THE_HOLDING_PERIOD.full_label if outcome == "approved" else DECIDER
            until = timestamp(moment + lane.holding_days * DAY_MS)
            ended = (NULL if is_open else timestamp(decision.at), text(ended_by), text("" if is_open else outcome))
            hold = (A_HOLD, bigint(lane.partner_id), conversion_id, until, at, *ended)
            self.keep(moment, "hold", b"".join(hold))

    def decide(self, lane: Lane, moment: int) -> Decision:
        """What has become of the conversion by now."""
        random = self.random
        luck = random.random()
        waits_until = moment + lane.holding_days * DAY_MS
        decided_at = min(
            moment + random.randrange(HOUR_MS, DECIDED_AFTER), waits_until - HOUR_MS if lane.holding_days else 2**63
        )
        if luck < INVALID + REJECTED and decided_at < self.until_ms:
            if luck < INVALID:
                return Decision("invalid", decided_at, random.choice(MISTAKES))
            return Decision("rejected", decided_at, random.choice(REASONS))
        if lane.holding_days:
            return Decision("on_hold", moment) if waits_until > self.until_ms else Decision("approved", waits_until)
        if lane.is_approved_by_hand:
            return Decision("pending", moment) if decided_at > self.until_ms else Decision("approved", decided_at)
        return Decision("approved", moment)

    def keep(self, moment: int, kind: str, line: bytes) -> None:
        heapq.heappush(self.due, (moment, len(self.due) + self.orders * 10, kind, line))

    def convert_until(self, end: int, lines: Lines) -> None:
        while self.due and self.due[0][0] < end:
            _, _, kind, line = heapq.heappop(self.due)
            getattr(lines, kind).append(line)

    def id_at(self, moment: int) -> bytes:
        return self.ids_at([moment])

    def ids_at(self, moments: Sequence[int]) -> bytes:
        """A UUIDv7 of each moment, one after the other; made as one number, because a number of each takes several
        times as long."""
        halves = array("Q", bytes(16 * len(moments)))
        halves[::2] = array("Q", [moment << 16 for moment in moments])
        if sys.byteorder == "little":
            halves.byteswap()
        fixed, drawn = int.from_bytes(FIXED_BITS * len(moments)), int.from_bytes(DRAWN_BITS * len(moments))
        drawn &= self.random.getrandbits(128 * len(moments) or 1)
        return (int.from_bytes(halves.tobytes()) | fixed | drawn).to_bytes(16 * len(moments))


@dataclass(frozen=True, slots=True)
class Decision:
    status: str
    at: int
    reason: str = ""


class Daily:
    """How much comes from where to whom on each day; the hour of the day is left to where the visitors are."""

    def __init__(self, lanes: list[Lane], *, start: datetime, until: datetime, random: Random) -> None:
        self.random = random
        self.zones = {code: ZoneInfo(country.timezone) for code, country in COUNTRIES.items()}
        self.first = start.astimezone(UTC).date()
        days = (until.astimezone(UTC).date() - self.first).days + 1
        self.by_day: list[dict[str, tuple[list[Lane], list[float]]]] = []
        moods = dict.fromkeys(range(len(lanes)), 0.0)
        for number in range(days):
            day = datetime.combine(self.first, time(), UTC) + timedelta(days=number)
            growth = (1 + GROWTH * number / days) * random.lognormvariate(0, 0.05)
            running: defaultdict[str, tuple[list[Lane], list[float]]] = defaultdict(lambda: ([], []))
            for lane in lanes:
                # A mood lasts some days; now and then a campaign of one day stands out of them.
                mood = moods[lane.number] = 0.85 * moods[lane.number] + random.gauss(0, 0.12)
                peak = 4.0 if random.random() < 0.006 else 1.0
                if lane.since <= max(day, start):
                    for code, part in lane.audience.items():
                        running[code][0].append(lane)
                        running[code][1].append(lane.weight * part * growth * peak * exp(mood))
            self.by_day.append(
                {code: (found, list(accumulate(weights))) for code, (found, weights) in sorted(running.items())}
            )

    def traffic(self, hour: datetime) -> dict[str, float]:
        """The countries, and how much comes from each in that hour."""
        traffic = {}
        for code, (_, weights) in self.by_day[(hour.date() - self.first).days].items():
            local = hour.astimezone(self.zones[code])
            traffic[code] = weights[-1] * AWAKE[local.hour] * WEEKDAYS[local.weekday()]
        return traffic

    def lanes(self, hour: datetime, code: str, count: int) -> list[Lane]:
        lanes, weights = self.by_day[(hour.date() - self.first).days][code]
        return self.random.choices(lanes, cum_weights=weights, k=count)


def millisecond(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def times_of(moments: Sequence[int]) -> bytes:
    """What `timestamp` has of each moment, one after the other, without its length."""
    times = array("q", [(moment - EPOCH_MS) * 1000 for moment in moments])
    if sys.byteorder == "little":
        times.byteswap()
    return times.tobytes()
