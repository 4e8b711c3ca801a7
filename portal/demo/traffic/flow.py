"""Visits as they come in over the days, in COPY's text format: hour by hour, at the hours when people are awake."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import accumulate
from math import exp, log
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from partners.traffic.jobs import THE_HOLDING_PERIOD
from partners.traffic.models import Refusal
from partners.traffic.models.recording import digest_of
from portal.demo.traffic.lanes import LINK_COLUMNS, Goal, Lane, Link, money
from portal.demo.traffic.visitors import COUNTRIES, NOBODY, VISITOR_COLUMNS, Visitor, robots, visitors_of

# By the hour where the visitors are: from midnight on, and by the day: from Monday on.
AWAKE = (21, 13, 8, 6, 6, 10, 19, 33, 47, 56, 62, 66, 69, 66, 63, 64, 67, 72, 80, 91, 100, 97, 75, 44)
WEEKDAYS = (1.0, 1.03, 1.02, 0.99, 0.9, 0.94, 1.08)
# How much more there is at the end of sixty days than at their beginning.
GROWTH = 0.45

RETURNING = 0.13
ROBOTS = 0.018
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
    "traffic_click": (*COMMON, "is_unique", "error_code", "redirected_from", "tracking_url", "parameters"),
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
ROBOT, COUNTRY_NOT_ALLOWED = int(Refusal.ROBOT), int(Refusal.COUNTRY_NOT_ALLOWED)
NULL = r"\N"
MINUTES = [f"{minute:02}:{second:02}" for minute in range(60) for second in range(60)]
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

    click: list[str] = field(default_factory=list)
    impression: list[str] = field(default_factory=list)
    conversion: list[str] = field(default_factory=list)
    receipt: list[str] = field(default_factory=list)
    hold: list[str] = field(default_factory=list)

    def by_table(self) -> dict[str, list[str]]:
        return {
            "traffic_click": self.click,
            "traffic_impression": self.impression,
            "traffic_conversion": self.conversion,
            "traffic_receipt": self.receipt,
            "traffic_hold": self.hold,
        }


class Origin(NamedTuple):
    """The visit that a conversion comes from: who, by which link, from which address."""

    lane: Lane
    link: Link
    visitor: Visitor
    ip: str
    sub4: str


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
        self.seen: dict[tuple[int, str, str], int] = {}
        self.seen_before: dict[tuple[int, str, str], int] = {}
        # As many as come in half a day, so that most who return do so within one.
        self.remembered = max(20, round(clicks / ((until - start) / timedelta(hours=12))))
        self.recent: list[Origin] = []
        self.due: list[tuple[int, int, str, str]] = []
        self.orders = random.randrange(10_000, 90_000)

    def hours(self) -> Iterator[tuple[int, Lines]]:
        """So many clicks more each time, and the lines of an hour."""
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
            yield wanted - come, lines
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
        random.shuffle(whence)
        first = max(millisecond(hour), millisecond(self.start))
        last = min(millisecond(hour) + HOUR_MS, self.until_ms)
        moments = sorted(random.choices(range(first, last), k=count))
        prefix, begin = f"{hour:%Y-%m-%d %H}:", millisecond(hour)
        self.click(moments, whence, prefix, begin, lines.click)
        if self.impressions_a_click:
            self.show(moments, whence, prefix, begin, lines.impression)

    def click(
        self, moments: list[int], whence: list[tuple[str, Lane]], prefix: str, begin: int, lines: list[str]
    ) -> None:
        """The inner loop: what can be is prepared outside of it, and nothing in it is a call that need not be one."""
        rand, minutes, recent, remembered = self.random.random, MINUTES, self.recent, self.remembered
        if begin % DAY_MS == 0:
            self.seen_before, self.seen = self.seen, {}
        seen, seen_before = self.seen, self.seen_before
        noise = self.random.randbytes(len(moments) * 16).hex()
        place = 0
        for moment, (code, asked) in zip(moments, whence, strict=True):
            digits = noise[place : place + 32]
            place += 32
            origin, error = self.arrive(code, asked, digits)
            lane, link, visitor, ip, sub4 = origin
            unique, payout, revenue = "f", "0", "0"
            if not error:
                key = (lane.number, ip, visitor.agent)
                last = seen.get(key) or seen_before.get(key)
                if last is None or moment - last >= DAY_MS:
                    seen[key] = moment
                    unique, payout, revenue = "t", lane.click_payout, lane.click_revenue
            click_id = f"{moment:012x}7{digits[4:7]}{'89ab'[moment & 3]}{digits[7:22]}"
            since = moment - begin
            at = f"{prefix}{minutes[since // 1000]}.{since % 1000:03}+00"
            url = f"{link.url}&sub4={sub4}" if sub4 else link.url
            lines.append(
                f"{click_id}\t{at}\t{link.head}\t{ip}\t{visitor.text}\t{sub4}\t{payout}\t{revenue}"
                f"\t{unique}\t{error}\t{link.redirected_from}\t{url}\t{{}}\n"
            )
            if error:
                continue
            if len(recent) < remembered:
                recent.append(origin)
            elif unique == "t":
                recent[int(remembered * rand())] = origin
            if rand() < lane.conversion_rate:
                self.buy(origin, click_id, moment, at)

    def arrive(self, code: str, lane: Lane, digits: str) -> tuple[Origin, int]:
        """Who clicks, and why not if it does not count: somebody new, somebody who was here before, a robot."""
        rand = self.random.random
        luck = rand()
        if luck < RETURNING and self.recent:
            return self.recent[int(len(self.recent) * rand())], 0
        error = 0
        if luck > 1 - ROBOTS:
            visitor, error = self.robots[int(len(self.robots) * rand())], ROBOT
        else:
            people = self.visitors[code]
            visitor = people[int(len(people) * rand())]
            if lane.countries and code not in lane.countries:
                error = COUNTRY_NOT_ALLOWED
        ip = f"{visitor.network}.{int(digits[:2], 16)}.{int(digits[2:4], 16)}"
        links = lane.links
        link = links[int(len(links) ** rand()) - 1]
        return Origin(lane, link, visitor, ip, digits[16:] if lane.has_click_ids else ""), error

    def show(
        self, moments: list[int], whence: list[tuple[str, Lane]], prefix: str, begin: int, lines: list[str]
    ) -> None:
        rand, minutes, visitors = self.random.random, MINUTES, self.visitors
        shown = [
            pair
            for pair in whence
            if pair[1].shows_banners
            for _ in range(int(self.impressions_a_click * (0.5 + rand()) + rand()))
        ]
        self.random.shuffle(shown)
        times = sorted(self.random.choices(range(moments[0], moments[-1] + 1), k=len(shown)))
        noise = self.random.randbytes(len(shown) * 13).hex()
        place = 0
        for moment, (code, lane) in zip(times, shown, strict=True):
            digits = noise[place : place + 26]
            place += 26
            if lane.countries and code not in lane.countries:
                continue
            link = lane.links[int(len(lane.links) ** rand()) - 1]
            people = visitors[code]
            visitor = people[int(len(people) * rand())]
            ip = f"{visitor.network}.{int(digits[:2], 16)}.{int(digits[2:4], 16)}"
            impression_id = f"{moment:012x}7{digits[4:7]}{'89ab'[moment & 3]}{digits[7:22]}"
            since = moment - begin
            at = f"{prefix}{minutes[since // 1000]}.{since % 1000:03}+00"
            lines.append(
                f"{impression_id}\t{at}\t{link.head}\t{ip}\t{visitor.text}\t\t{lane.shown_payout}\t{lane.shown_revenue}\n"
            )
            if rand() < VIEW_THROUGH:
                self.buy(Origin(lane, link, visitor, ip, ""), impression_id, moment, NULL)

    def redeem(self, hour: datetime, clicks: int) -> None:
        """Sales by coupon codes that people had from elsewhere: nothing is known of a click."""
        for lane in self.with_coupons:
            if lane.since <= hour and self.random.random() < clicks * lane.weight * lane.conversion_rate * BY_COUPON:
                moment = millisecond(hour) + self.random.randrange(HOUR_MS)
                code, coupon_id = self.random.choice(lane.coupons)
                origin = Origin(lane, Link(lane.head(code), "", NULL), NOBODY, NULL, "")
                self.convert(origin, "", moment, NULL, lane.base, known_by=("coupon", str(coupon_id)))

    def buy(self, origin: Origin, visit_id: str, moment: int, clicked_at: str) -> None:
        """The conversion after a click, or an impression that was not clicked; and what the customer does then."""
        lane = origin.lane
        # Half of them within the hour, and some only after weeks.
        at = moment + 20_000 + int(exp(self.random.gauss(log(35 * 60_000), 2.0)))
        if at - moment >= lane.lifespan_days * DAY_MS:
            return
        known_by = ("visit", visit_id)
        self.convert(origin, visit_id, at, clicked_at, lane.base, known_by=known_by)
        for goal in lane.events:
            if self.random.random() < goal.share:
                at += int(exp(self.random.gauss(log(30 * HOUR_MS), 1.1)))
                self.convert(origin, visit_id, at, clicked_at, goal, known_by=known_by)

    def convert(
        self, origin: Origin, visit_id: str, moment: int, clicked_at: str, goal: Goal, *, known_by: tuple[str, str]
    ) -> None:
        if moment >= self.until_ms:
            return
        random, lane = self.random, origin.lane
        conversion_id = self.id_at(moment)
        sale = 0
        if lane.basket:
            sale = round(lane.basket * random.lognormvariate(0, 0.55) / lane.smallest) * lane.smallest
        self.orders += random.randrange(1, 7)
        order_id = f"{lane.order_prefix}-{self.orders}"
        decision = self.decide(lane, moment)
        at = moment_text(moment)
        is_event = bool(goal.event_name)
        texts = (
            *(conversion_id, at, origin.link.head, origin.ip, origin.visitor.text, origin.sub4),
            *(money(goal.payout.of_conversion(sale)), money(goal.revenue.of_conversion(sale))),
            *(origin.link.redirected_from, visit_id or self.id_at(moment), clicked_at, decision.status),
            *("ft"[is_event], goal.event_name, "ft"[bool(visit_id) and clicked_at == NULL]),
            *(order_id, money(sale), f"198.51.100.{lane.offer_id % 250 + 1}"),
            *(
                random.choice(("new", "new", "returning")),
                f"SKU-{random.randrange(100, 999)}" if sale else "",
                "",
                "",
                "",
            ),
            *(decision.reason, "", moment_text(decision.at)),
        )
        self.keep(moment, "conversion", "\t".join(texts) + "\n")
        # Who reports it again, now that it is history, is told so.
        digest = digest_of(known_by, goal.event_name, order_id).hex()
        self.keep(moment, "receipt", f"\\\\x{digest}\t{lane.partner_id}\t{conversion_id}\t{at}\n")
        if lane.holding_days:
            is_open = decision.status == "on_hold"
            outcome = "rejected" if decision.reason else "approved"
            ended_by = "" if is_open else THE_HOLDING_PERIOD.full_label if outcome == "approved" else DECIDER
            hold = (
                *(str(lane.partner_id), conversion_id, moment_text(moment + lane.holding_days * DAY_MS), at),
                *(NULL if is_open else moment_text(decision.at), ended_by, "" if is_open else outcome),
            )
            self.keep(moment, "hold", "\t".join(hold) + "\n")

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

    def keep(self, moment: int, kind: str, line: str) -> None:
        heapq.heappush(self.due, (moment, len(self.due) + self.orders * 10, kind, line))

    def convert_until(self, end: int, lines: Lines) -> None:
        while self.due and self.due[0][0] < end:
            _, _, kind, line = heapq.heappop(self.due)
            getattr(lines, kind).append(line)

    def id_at(self, moment: int) -> str:
        digits = f"{self.random.getrandbits(80):020x}"
        return f"{moment:012x}7{digits[:3]}{'89ab'[moment & 3]}{digits[3:18]}"


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


def moment_text(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment / 1000, UTC):%Y-%m-%d %H:%M:%S}.{moment % 1000:03}+00"
