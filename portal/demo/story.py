"""The past of the demo network: what its people did, told in the order it happened, through the verbs that do it."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

from django.db import connection, models, transaction
from django.utils import timezone

import apilog.models
from apilog.partitions import DAYS_AHEAD, create_ahead
from apilog.patterns.scan import scan
from apilog.tallies import keep_up
from keys.gate import Call, Outcome
from keys.models import Key, KeyRequest
from partners.models import Flag, Partner
from partners.offers.models import Offer
from portal.accounts.actors import Actor
from portal.accounts.events import EventKind
from portal.accounts.models import Event, Role, User
from portal.demo.billing import OldInvoices
from portal.demo.companies import CLIENTS, COMPANIES, LABELS, NETWORK_TIMEZONE, Company
from portal.demo.postbacks import plan_postbacks
from portal.demo.programme import Launches
from portal.demo.rates import RATES
from portal.demo.rules import plan_rules
from portal.network.models import ExchangeRate, Network
from portal.notifications.models import Notification
from portal.web.client_ip import Address
from portal.web.ids import first_id_at

DEMO = Actor.system("manage.py demo")
CALL_DAYS = 5
READ_AFTER = timedelta(days=7)
# Long enough for what the steady key always does to be known (apilog.patterns.rules).
STEADY_DAYS = 16
# Whose oldest keys do something that System Settings finds unusual.
STEADY, HASTY, SILENT = "Kestrel Compare", "Inkwell Traffic", "Fernway Digital"

# The cast of house-style.md; each can sign in. Who is who: e-mail name, name, role or partner, what to look at.
CAST = (
    ("sonia", "Sonia Keller", "Super User", "may do everything"),
    ("nadia", "Nadia Okafor", "Network Admin", "runs the network: settings, security, keys"),
    ("amir", "Amir Haddad", "Key Manager", "looks after partners and issues their keys"),
    ("vera", "Vera Lindqvist", "Affiliate Manager", "looks after partners; may not issue keys"),
    ("paul", "Paul Renner", "Acme Media", "a partner with keys"),
    ("otto", "Otto Brandvold", "Orbit Deals", "a partner without a key, who has requested one"),
)
# Invited, and have not chosen a password yet.
COLLEAGUES = (
    ("lena", "Lena Vogt", "Affiliate Manager"),
    ("tomas", "Tomás Rivera", "Key Manager"),
    ("priya", "Priya Nair", "Analyst"),
)

ROLES = {
    "Network Admin": {
        "security": "full_control",
        "accounts_history_logs": "full_access",
        "system_settings": "full",
        "partners": "full",
    },
    "Key Manager": {"accounts_history_logs": "full_access", "partners": "full"},
    "Affiliate Manager": {"partners": "full"},
    "Analyst": {"accounts_history_logs": "read", "system_settings": "view", "partners": "view"},
}

PATHS = {
    "read_affiliate_account": "/v1/affiliates/affiliate",
    "read_network": "/v1/affiliates/network",
    "list_affiliates": "/v1/networks/affiliates",
    "list_timezones": "/v1/meta/timezones",
}
STATUS = {
    Outcome.OK: 200,
    Outcome.BAD_REQUEST: 400,
    Outcome.NO_KEY: 401,
    Outcome.UNKNOWN_KEY: 401,
    Outcome.REVOKED_KEY: 401,
    Outcome.EXPIRED_KEY: 401,
    Outcome.WRONG_REALM: 403,
    Outcome.IP_DENIED: 403,
    Outcome.RATE_LIMITED: 429,
    Outcome.NOT_FOUND: 404,
    Outcome.METHOD_NOT_ALLOWED: 405,
    Outcome.UNRELEASED: 418,
}


@dataclass(frozen=True)
class Told:
    """What there is after the story, for the command to say."""

    partners: int
    keys: int
    offers: int
    calls: int


class Story:
    """Collects what happened when, and then lets it happen in that order, so that ids, events and dates agree.

    The same ``seed`` tells the same story up to today's date; secrets alone are new each time.
    """

    def __init__(self, *, password: str, seed: int) -> None:
        self.password = password
        self.seed = seed
        self.random = random.Random(seed)  # noqa: S311 -- it invents company life, not secrets
        self.now = timezone.now()
        self.happenings: list[tuple[datetime, Callable[[], object]]] = []
        self.people: dict[str, User] = {}
        # When each company signed up, for what it may do only afterwards.
        self.joined: dict[str, datetime] = {}
        self.calls: list[Call] = []
        self.launches = Launches(self, seed=seed)

    @transaction.atomic
    def tell(self) -> Told:
        founded = self.days_ago(460)
        self.at(founded, self.found_the_network)
        self.at(founded + timedelta(hours=1), self.hire_the_people)
        for days, rates in RATES.items():
            moment = self.days_ago(days)
            self.at(moment, partial(self.record_rates, moment.date(), rates))
        for company in COMPANIES:
            self.plan_company(company)
        self.launches.plan()
        OldInvoices(self, seed=self.seed).plan()
        self.plan_network_keys()
        self.at(self.now - timedelta(hours=5), self.request_a_key)
        self.plan_sign_ins()
        plan_postbacks(self)
        plan_rules(self)
        for moment, happening in sorted(self.happenings, key=lambda entry: entry[0]):
            self.let(happening, moment)
        self.make_calls()
        return Told(
            partners=Partner.objects.count(),
            keys=Key.objects.count(),
            offers=Offer.objects.count(),
            calls=apilog.models.LoggedCall.objects.count(),
        )

    def at(self, moment: datetime, happening: Callable[[], object]) -> None:
        self.happenings.append((min(moment, self.now - timedelta(minutes=3)), happening))

    def let(self, happening: Callable[[], object], moment: datetime) -> None:
        self.moment = moment
        last, told = last_number(Event), last_number(Notification)
        happening()
        Event.objects.filter(pk__gt=last).update(occurred_at=moment)
        self.let_be_read(Notification.objects.filter(pk__gt=told), moment)

    def let_be_read(self, told: models.QuerySet[Notification], moment: datetime) -> None:
        """The mails about the past were sent in the past, and what is older than a week was read."""
        was_read = moment + timedelta(hours=3) if moment < self.now - READ_AFTER else None
        # Mails that wait for the worker, which begins when the demo is there, would make System Status look slow.
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT procrastinate_cancel_job_v1(id, false, true) FROM procrastinate_jobs"
                " WHERE task_name = 'notifications.send_mail' AND (args ->> 'notification_id')::bigint = ANY(%s)",
                [list(told.values_list("pk", flat=True))],
            )
        told.update(created_at=moment, mailed_at=moment, read_at=was_read)

    def backdate(self, row: models.Model, *fields: str) -> None:
        """Sets times of ``row`` to the moment that is being told.

        The verbs know no time but now, and must not learn another for the sake of a demo: so this, and the events'
        time in ``let``, are the only writes that go around them.
        """
        type(row)._default_manager.filter(pk=row.pk).update(**dict.fromkeys(fields, self.moment))
        for field in fields:
            setattr(row, field, self.moment)

    def days_ago(self, days: float) -> datetime:
        """A moment of a working day about that long ago."""
        day = self.now - timedelta(days=days)
        return day - timedelta(minutes=self.random.randrange(0, 240))

    def by(self, name: str) -> Actor:
        return Actor.of(self.people[name], ip=office_address(name))

    def found_the_network(self) -> None:
        network = Network(name="Northwind Affiliates")
        network.change(
            by=DEMO,
            timezone=NETWORK_TIMEZONE,
            currency="USD",
            support_name="Partner Support",
            support_email="support@northwind.example",
            # No tracking domain: links then lead over this site itself, where a click on one arrives.
            tracking_domain="",
        )
        # Sixty calls a minute would be spent by two browser tabs; a demo should show a budget, not run into it.
        network.change(by=DEMO, kind=EventKind.BUDGET_CHANGED, budget_requests=3000, budget_seconds=60)
        self.backdate(network, "created_at", "updated_at")

    def record_rates(self, since: date, rates: dict[str, str]) -> None:
        for currency, rate in rates.items():
            recorded = ExchangeRate.record(currency=currency, since=since, rate=Decimal(rate), by=self.by("nadia"))
            self.backdate(recorded, "recorded_at")

    def hire_the_people(self) -> None:
        roles = {name: Role.create(name=name, by=DEMO, **levels) for name, levels in ROLES.items()}
        for short, name, role, _ in CAST[:4]:
            standing = {"is_superuser": True} if role not in roles else {"role": roles[role]}
            self.invite(short, name, password=self.password, **standing)
        for short, name, role in COLLEAGUES:
            self.invite(short, name, role=roles[role])

    def invite(self, short: str, name: str, *, password: str = "", **standing: object) -> None:
        user = User.invite(email=f"{short}@latchkey.example", name=name, by=DEMO, **standing)  # type: ignore[arg-type]
        if password:
            user.choose_password(password, by=DEMO)
        self.backdate(user, "created_at")
        self.people[short] = user

    def plan_company(self, company: Company) -> None:
        joined = self.joined[company.name] = self.days_ago(company.age)
        manager = company.manager or "nadia"
        self.at(joined, lambda: self.sign_up(company, by=manager))
        for short, name, standing, _ in CAST[4:]:
            if standing == company.name:
                self.at(
                    joined + timedelta(hours=5),
                    partial(self.invite_partner_user, company, short, name),
                )
        if company.contact and company.age > 100:
            self.at(joined + timedelta(days=2), lambda: self.invite_contact(company))
        if company.status != "onboarding":
            self.at(joined + timedelta(days=3), lambda: self.change(company, by=manager, status="active"))
        if company.status == "paused":
            self.at(self.days_ago(20), lambda: self.change(company, by=manager, status="paused"))
        for number, flag in enumerate(company.flags):
            self.plan_flag(company, flag, raised=self.days_ago(company.age * 0.4 - number * 5))
        for number in range(company.keys):
            self.plan_key(company, number)

    def sign_up(self, company: Company, *, by: str) -> None:
        partner = Partner.create(
            by=self.by(by),
            name=company.name,
            manager=self.people.get(company.manager),
            technical_contact_name=company.contact,
            technical_contact_email=f"{company.contact.split()[0].lower()}@{company.domain}" if company.contact else "",
            website=f"https://www.{company.domain}/",
            country_code=company.country_code,
            timezone=company.timezone,
            currency=company.currency,
            notes=company.notes,
        )
        self.backdate(partner, "created_at", "updated_at")

    def invite_partner_user(self, company: Company, short: str, name: str) -> None:
        self.invite(short, name, password=self.password, partner=partner_of(company))

    def invite_contact(self, company: Company) -> None:
        partner = partner_of(company)
        user = User.invite(
            email=partner.technical_contact_email, name=company.contact, partner=partner, by=self.by("nadia")
        )
        self.backdate(user, "created_at")

    def change(self, company: Company, *, by: str, status: str) -> None:
        partner = partner_of(company)
        partner.change(by=self.by(by), status=status)
        self.backdate(partner, "updated_at")

    def plan_flag(self, company: Company, flag: tuple[str, str, bool], *, raised: datetime) -> None:
        kind, note, closed = flag

        def raise_it() -> None:
            raised_flag = partner_of(company).raise_flag(kind=Flag.Kind(kind), note=note, by=self.by("vera"))
            self.backdate(raised_flag, "raised_at")

        def close_it() -> None:
            open_flag = partner_of(company).flags.open().get(note=note)
            open_flag.close(by=self.by("nadia"))
            self.backdate(open_flag, "closed_at")

        self.at(raised, raise_it)
        if closed:
            self.at(raised + timedelta(days=6), close_it)

    def plan_key(self, company: Company, number: int) -> None:
        """The key's life: issued, copied, perhaps guarded by an allowlist, perhaps revoked or expired again."""
        age = max(2, company.age * (0.8 - 0.3 * number)) * self.random.uniform(0.6, 1)
        label = LABELS[(number + len(company.name)) % len(LABELS)]
        issuer = self.random.choice(("amir", "amir", "nadia", "tomas"))
        issued = self.days_ago(age)
        guarded = self.random.random() < 0.35
        fate = "expired" if number == 2 else "lives"
        if company.status == "paused" or (number == 1 and company.keys == 2 and self.random.random() < 0.4):
            fate = "revoked"

        def issue() -> None:
            key, _ = Key.issue(partner=partner_of(company), label=label, by=self.by(issuer))
            self.backdate(key, "created_at")
            key.reveal(by=self.by(issuer), how="copied")

        def guard() -> None:
            address = ipaddress.ip_network(f"{home_of(company)}/32")
            entry = key_of(company, label).allow(network=address, label="Office", by=self.by(issuer))
            self.backdate(entry, "created_at")
            if self.random.random() < 0.5:
                office = key_of(company, label).allow(
                    network=ipaddress.ip_network("2001:db8:40::/48"), label="Data centre", by=self.by(issuer)
                )
                self.backdate(office, "created_at")

        def revoke() -> None:
            key = key_of(company, label)
            key.revoke(by=self.by(issuer))
            self.backdate(key, "revoked_at")

        self.at(issued, issue)
        if guarded:
            self.at(issued + timedelta(hours=2), guard)
        if fate == "revoked":
            self.at(self.days_ago(self.random.uniform(1, 4)), revoke)
        elif fate == "expired":
            self.at(self.days_ago(3), lambda: self.backdate(key_of(company, label), "expires_at"))

    def request_a_key(self) -> None:
        """The partner that has none asks for one; nobody has answered yet."""
        company = next(company for company in COMPANIES if company.name == CAST[5][2])
        request = KeyRequest.make(
            partner=partner_of(company),
            purpose="Nightly import of our conversions into the data warehouse",
            contact_email=partner_of(company).technical_contact_email,
            networks=[ipaddress.ip_network(home_of(company)), ipaddress.ip_network("2001:db8:77::/48")],
            by=self.by("otto"),
        )
        self.backdate(request, "requested_at")

    def plan_network_keys(self) -> None:
        def generate() -> None:
            key, _ = Key.generate_network_key(by=self.by("nadia"), replacing=Key.objects.of_network().live().first())
            self.backdate(key, "created_at")
            for replaced in Key.objects.of_network().filter(revoked_at__gte=self.now):
                self.backdate(replaced, "revoked_at")

        self.at(self.days_ago(320), generate)
        self.at(self.days_ago(40), generate)

    def plan_sign_ins(self) -> None:
        def sign_in(short: str) -> None:
            user = self.people[short]
            Event.record(EventKind.SIGNED_IN, by=self.by(short), subject=user, partner=user.partner)

        for day in range(CALL_DAYS):
            for short, *_ in CAST:
                if self.random.random() < 0.7:
                    self.at(self.days_ago(day), partial(sign_in, short))

    def make_calls(self) -> None:
        """The API Log of the last days: mostly what it should be, with each outcome somewhere among it."""
        first_day = (self.now - timedelta(days=STEADY_DAYS)).date()
        create_ahead(first_day, days=STEADY_DAYS + DAYS_AHEAD)
        companies = {company.name: company for company in COMPANIES}
        oldest = {name: Key.objects.filter(partner__name=name).earliest("pk") for name in (STEADY, HASTY, SILENT)}
        for key in Key.objects.for_listing():
            if key.partner is None:
                self.call_with_network_key(key)
            elif key not in (oldest[STEADY], oldest[SILENT]):
                self.call_with_partner_key(key, home_of(companies[key.partner.name]))
        self.call_without_a_key()
        self.call_as_always_and_then_from_elsewhere(oldest[STEADY], home_of(companies[STEADY]))
        self.call_without_a_pause(oldest[HASTY], home_of(companies[HASTY]))
        self.go_on_with_a_revoked_key()
        calls = sorted(self.calls, key=lambda call: call.id)
        apilog.models.write_together(calls)
        # Without tallies the log's histogram would be empty until a worker has caught up.
        keep_up(self.now)
        newest = {call.key_id: call for call in calls if call.key_id and call.outcome is Outcome.OK}
        for key_id, call in newest.items():
            Key.objects.filter(pk=key_id).update(last_used_at=call.received_at, last_used_ip=str(call.ip))
        long_ago = self.days_ago(117)
        Key.objects.filter(pk=oldest[SILENT].pk).update(
            last_used_at=long_ago, last_used_ip=str(home_of(companies[SILENT]))
        )
        told = last_number(Notification)
        scan(self.now)
        self.let_be_read(Notification.objects.filter(pk__gt=told), self.now)

    def call_as_always_and_then_from_elsewhere(self, key: Key, home: Address) -> None:
        for day in range(1, STEADY_DAYS):
            for number in range(3):
                moment = self.now - timedelta(days=day, minutes=7 * number)
                self.call(moment, "read_affiliate_account", Outcome.OK, ip=home, client=CLIENTS[0], key=key)
        elsewhere = ipaddress.ip_address("198.51.100.203")
        for number in range(6):
            moment = self.now - timedelta(minutes=25 - number * 3)
            self.call(moment, "read_affiliate_account", Outcome.OK, ip=elsewhere, client=CLIENTS[1], key=key)

    def call_without_a_pause(self, key: Key, home: Address) -> None:
        start = self.now - timedelta(minutes=52)
        for number in range(84):
            moment = start + timedelta(seconds=4 * number)
            self.call(moment, "read_affiliate_account", Outcome.RATE_LIMITED, ip=home, client=CLIENTS[2], key=key)

    def go_on_with_a_revoked_key(self) -> None:
        """A job that nobody has told of the key's end: every half hour, from where it always ran."""
        key = Key.objects.exclude(revoked_at=None).exclude(partner=None).latest("revoked_at")
        home = next(home_of(company) for company in COMPANIES if company.name == str(key.partner))
        for number in range(30):
            moment = self.now - timedelta(minutes=6 + 30 * number)
            self.call(moment, "read_network", Outcome.REVOKED_KEY, ip=home, client=CLIENTS[3], key=key)

    def call_with_partner_key(self, key: Key, home: Address) -> None:
        client = self.random.choice(CLIENTS)
        for _ in range(self.random.randrange(3, 24)):
            moment = self.recently()
            is_over = key.revoked_at is not None and moment > key.revoked_at
            if moment < key.created_at or (is_over and self.random.random() < 0.75):
                continue
            action = self.random.choice(("read_affiliate_account", "read_affiliate_account", "read_network"))
            self.call(moment, action, self.outcome_with(key, moment), ip=home, client=client, key=key)
        if key.is_live and self.random.random() < 0.3:
            self.call(self.recently(), "list_affiliates", Outcome.WRONG_REALM, ip=home, client=client, key=key)

    def outcome_with(self, key: Key, moment: datetime) -> Outcome:
        if key.revoked_at is not None and moment > key.revoked_at:
            return Outcome.REVOKED_KEY
        if key.expires_at is not None and moment > key.expires_at:
            return Outcome.EXPIRED_KEY
        return self.random.choices((Outcome.OK, Outcome.RATE_LIMITED), (40, 1))[0]

    def call_with_network_key(self, key: Key) -> None:
        for _ in range(40 if key.is_live else 0):
            ip = ipaddress.ip_address("198.51.100.200")
            self.call(self.recently(), "list_affiliates", Outcome.OK, ip=ip, client="Go-http-client/1.1", key=key)

    def call_without_a_key(self) -> None:
        """Clients that never got as far as a key, and one that came from where its key may not be used."""
        strangers = [ipaddress.ip_address(f"192.0.2.{host}") for host in (14, 77, 201)]
        guarded = list(Key.objects.live().exclude(allowlist=None).select_related("partner").distinct())
        for _ in range(12):
            ip, client = self.random.choice(strangers), self.random.choice(CLIENTS)
            self.call(self.recently(), "list_timezones", Outcome.OK, ip=ip, client=client)
            self.call(self.recently(), "read_affiliate_account", Outcome.UNKNOWN_KEY, ip=ip, client=client)
            self.call(self.recently(), "read_affiliate_account", Outcome.NO_KEY, ip=ip, client=client)
        for path, outcome in (
            ("/v1/affiliates/offer", Outcome.NOT_FOUND),
            ("/v1/advertisers/offers", Outcome.UNRELEASED),
            ("/v1/affiliates/affiliate", Outcome.METHOD_NOT_ALLOWED),
            ("/v1/affiliates/network", Outcome.BAD_REQUEST),
        ):
            for _ in range(3):
                self.call(self.recently(), "", outcome, ip=strangers[0], client=CLIENTS[1], path=path)
        for key in guarded[:4]:
            self.call(self.recently(), "read_network", Outcome.IP_DENIED, ip=strangers[1], client=CLIENTS[0], key=key)

    def recently(self) -> datetime:
        """A moment of the last days, the last hours likelier."""
        days = CALL_DAYS * self.random.random() ** 2.5
        return self.now - timedelta(days=days, seconds=20)

    def call(
        self,
        moment: datetime,
        action: str,
        outcome: Outcome,
        *,
        ip: Address,
        client: str,
        key: Key | None = None,
        path: str = "",
    ) -> None:
        method = "POST" if outcome is Outcome.METHOD_NOT_ALLOWED else "GET"
        path = path or PATHS[action]
        call = Call(
            method=method,
            path=path,
            query="",
            user_agent=client,
            ip=ip,
            id=self.id_at(moment),
            received_at=moment,
            started=0.0,
            action=action,
            duration_us=self.random.randrange(900, 9_000),
        )
        if key is not None:
            call.key_id, call.key_hint, call.partner_id = key.pk, key.hint, key.partner_id
        call.realm = {"affiliates": Key.Realm.AFFILIATE, "networks": Key.Realm.NETWORK}.get(path.split("/")[2])
        call.outcome, call.status = outcome, STATUS[outcome]
        call.limited_by = "network" if outcome is Outcome.RATE_LIMITED else ""
        call.response_size = self.random.randrange(310, 900) if outcome is Outcome.OK else 140
        self.calls.append(call)

    def id_at(self, moment: datetime) -> UUID:
        """A UUIDv7 as the gate would have given it then: the time, the version and variant, the rest at random."""
        start = first_id_at(moment).int
        return UUID(int=start | 7 << 76 | self.random.getrandbits(12) << 64 | 2 << 62 | self.random.getrandbits(62))


def last_number(model: type[models.Model]) -> int:
    """The highest number of its rows; 0 when there are none."""
    return model._default_manager.order_by("-pk").values_list("pk", flat=True).first() or 0


def partner_of(company: Company) -> Partner:
    return Partner.objects.get(name=company.name)


def key_of(company: Company, label: str) -> Key:
    return Key.objects.get(partner__name=company.name, label=label)


def home_of(company: Company) -> Address:
    """Where the company's systems call from: an address set aside for documentation."""
    return ipaddress.ip_address(f"203.0.113.{COMPANIES.index(company) + 10}")


def office_address(name: str) -> Address:
    return ipaddress.ip_address(f"198.51.100.{10 + sum(map(ord, name)) % 90}")
