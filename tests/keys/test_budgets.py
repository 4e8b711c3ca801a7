from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test import Client
from django.urls import include, path
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ninja import NinjaAPI, Router

import portal.urls
from apilog.models import LoggedCall
from keys.gate import Budget, Decision, Outcome, Question, Realm, Refused, decide_together
from keys.models import Key, OperationLimit, Window
from keys.secret import AFFILIATE_PREFIX, digest_of, new_secret
from partners.models import Partner
from portal import api as portal_api
from portal.network.models import Network
from portal.web.api import OperationLimit as Declared
from portal.web.api import limited
from tests.conftest import SETUP

Call = Callable[..., Client]

pytestmark = pytest.mark.django_db

DAY = 86_400
HERE = ip_address("192.0.2.7")
RARE = Declared("rare things", requests=3, seconds=DAY)
HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit-Policy", "RateLimit")


@pytest.fixture
def budget(network: Network) -> Callable[..., None]:
    """``budget(5)``: five calls a day, so that no window ends while a test runs; ``budget(5, seconds=1)``."""

    def set_to(requests: int, *, seconds: int = DAY) -> None:
        network.change(by=SETUP, budget_requests=requests, budget_seconds=seconds)

    return set_to


@pytest.fixture
def network_key(network: Network) -> str:
    return Key.generate_network_key(by=SETUP, replacing=None)[1]


def ask(secret: str, *, realm: Realm = Realm.AFFILIATE, limit: Declared | None = None, ip: Any = HERE) -> Question:
    return Question(digest_of(secret), ip, realm, limit)


def decide(*questions: Question) -> list[str]:
    return ["ok" if d.verdict is Outcome.OK else d.limited_by or str(d.verdict) for d in decide_together([*questions])]


def spent() -> dict[str, int]:
    return dict(Window.objects.values_list("scope", "used"))


def end_windows(*scopes: str) -> None:
    """As if the current windows had begun a window earlier."""
    windows = Window.objects.filter(scope__in=scopes) if scopes else Window.objects.all()
    windows.update(started_at=F("started_at") - timedelta(seconds=DAY))


# What is counted.


def test_sixty_calls_in_sixty_seconds_pass_unless_somebody_has_chosen_otherwise(acme_key):
    _, secret = acme_key

    decisions = decide_together([ask(secret)] * 61)

    assert [d.verdict for d in decisions] == [Outcome.OK] * 60 + [Outcome.RATE_LIMITED]
    assert {(d.budget.name, d.budget.quota, d.budget.seconds) for d in decisions if d.budget} == {("network", 60, 60)}
    assert [d.budget.remaining for d in decisions if d.budget] == [*range(59, -1, -1), 0]


def test_the_budget_is_one_for_all_keys_realms_and_endpoints(budget, call, acme_key, other_partner, network_key):
    budget(4)
    _, other_secret = Key.issue(partner=other_partner, label="Reporting", by=SETUP)

    answers = [
        call(acme_key[1]).get("/v1/affiliates/affiliate"),
        call(acme_key[1]).get("/v1/affiliates/network"),
        call(other_secret).get("/v1/affiliates/affiliate"),
        call(network_key).get("/v1/networks/affiliates"),
        call(acme_key[1]).get("/v1/affiliates/affiliate"),
        call(other_secret).get("/v1/affiliates/network"),
        call(network_key).get("/v1/networks/affiliates"),
    ]

    assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 3
    assert [answer["X-RateLimit-Remaining"] for answer in answers] == ["3", "2", "1", "0", "0", "0", "0"]


def test_a_call_that_is_refused_before_the_budget_spends_nothing_and_learns_nothing_of_it(
    budget, call, acme, acme_key, network_key
):
    budget(5)
    _, secret = acme_key
    revoked, revoked_secret = Key.issue(partner=acme, label="Old", by=SETUP)
    revoked.revoke(by=SETUP)
    expired, expired_secret = Key.issue(partner=acme, label="Trial", by=SETUP)
    Key.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    elsewhere, elsewhere_secret = Key.issue(partner=acme, label="Office", by=SETUP)
    elsewhere.allow(network=ip_network("198.51.100.0/24"), label="", by=SETUP)
    account = "/v1/affiliates/affiliate"

    refused = {
        "no key": call().get(account),
        "malformed": call("lk_aff_short").get(account),
        "unknown": call(new_secret(AFFILIATE_PREFIX)).get(account),
        "revoked": call(revoked_secret).get(account),
        "expired": call(expired_secret).get(account),
        "two keys": call(secret, **{"X-API-Key": revoked_secret}).get(account),
        "wrong realm": call(secret).get("/v1/networks/affiliates"),
        "wrong realm back": call(network_key).get(account),
        "address": call(elsewhere_secret).get(account),
        "no such path": call(secret).get("/v1/affiliates/nothing"),
        "method": call(secret).delete(account),
        "announced": call(secret).get("/v1/advertisers/x"),
        "key in the URL": call(secret).get(f"{account}?key={secret}"),
        "options": call(secret).options(account),
        "open to all": call(secret).get("/v1/meta/timezones"),
    }

    assert [answer.status_code for answer in refused.values()] == [
        *[401] * 5, 400, *[403] * 3, 404, 405, 418, 400, 204, 200,
    ]  # fmt: skip
    assert not [name for name, answer in refused.items() for header in HEADERS if header in answer]
    assert spent().get("network", 0) == 0
    assert call(secret).get(account)["X-RateLimit-Remaining"] == "4"


def test_a_refused_call_counts_nowhere(budget, acme_key):
    budget(2)
    key, secret = acme_key
    Key.objects.filter(pk=key.pk).update(ceiling=2)

    decide(*[ask(secret, limit=RARE)] * 10)

    assert spent() == {"network": 2, f"key:{key.pk}": 2, "operation:rare things": 2}


@pytest.mark.parametrize(
    ("requests", "ceiling", "rare", "refuses"),
    [(2, 3, 3, "network"), (3, 2, 3, "key"), (3, 3, 2, "rare things"), (2, 2, 2, "network")],
)
def test_a_call_spends_from_all_of_its_limits_or_from_none(budget, acme_key, requests, ceiling, rare, refuses):
    budget(requests)
    key, secret = acme_key
    Key.objects.filter(pk=key.pk).update(ceiling=ceiling)
    OperationLimit.objects.create(name="rare things", requests=rare, seconds=DAY)

    verdicts = decide(*[ask(secret, limit=RARE)] * 4)

    assert verdicts == ["ok", "ok", refuses, refuses]
    assert spent() == {"network": 2, f"key:{key.pk}": 2, "operation:rare things": 2}


def test_a_limit_on_an_operation_leaves_the_other_operations_alone(budget, acme_key):
    budget(10)
    _, secret = acme_key

    verdicts = decide(*[ask(secret, limit=RARE)] * 4, *[ask(secret)] * 8)

    assert verdicts == [*["ok"] * 3, "rare things", *["ok"] * 7, "network"]


def test_a_limit_on_an_operation_is_shared_by_all_keys(budget, acme_key, other_partner):
    budget(10)
    _, other_secret = Key.issue(partner=other_partner, label="Reporting", by=SETUP)

    verdicts = decide(*[ask(acme_key[1], limit=RARE)] * 2, *[ask(other_secret, limit=RARE)] * 2)

    assert verdicts == ["ok", "ok", "ok", "rare things"]


def test_a_ceiling_keeps_one_key_from_starving_the_others(budget, acme_key, other_partner):
    budget(5)
    Key.objects.filter(pk=acme_key[0].pk).update(ceiling=2)
    _, other_secret = Key.issue(partner=other_partner, label="Reporting", by=SETUP)

    verdicts = decide(*[ask(acme_key[1])] * 4, *[ask(other_secret)] * 4)

    assert verdicts == ["ok", "ok", "key", "key", "ok", "ok", "ok", "network"]


@pytest.mark.parametrize("limit", [None, Declared("much", requests=100, seconds=DAY)])
def test_no_stricter_limit_lets_more_through_than_the_network(budget, acme_key, limit):
    budget(3)
    key, secret = acme_key
    Key.objects.filter(pk=key.pk).update(ceiling=100)

    decisions = decide_together([ask(secret, limit=limit)] * 5)

    assert [d.verdict for d in decisions] == [Outcome.OK] * 3 + [Outcome.RATE_LIMITED] * 2
    assert {(d.budget.name, d.budget.quota) for d in decisions if d.budget} == {("network", 3)}


def test_the_calls_of_a_batch_are_decided_in_the_order_they_came(budget, acme_key, other_partner, network_key):
    budget(3)
    _, other_secret = Key.issue(partner=other_partner, label="Reporting", by=SETUP)
    mixed_addresses = [HERE, ip_address("2001:db8::1"), None, HERE, HERE, HERE]

    decisions = decide_together(
        [
            ask(acme_key[1], ip=mixed_addresses[0]),
            ask(new_secret(AFFILIATE_PREFIX), ip=mixed_addresses[1]),
            ask(other_secret, ip=mixed_addresses[2]),
            ask(network_key, ip=mixed_addresses[3]),
            ask(network_key, realm=Realm.NETWORK, limit=RARE),
            ask(acme_key[1]),
        ]
    )

    assert [str(d.verdict) for d in decisions] == ["ok", "unknown_key", "ok", "wrong_realm", "ok", "rate_limited"]
    assert [d.partner.pk if d.partner else None for d in decisions] == [
        acme_key[0].partner_id, None, other_partner.pk, None, None, acme_key[0].partner_id,
    ]  # fmt: skip


# Windows and settings.


def test_a_window_begins_at_a_multiple_of_its_length_since_1970(budget, acme_key):
    budget(3, seconds=7)
    before = time.time()

    [decision] = decide_together([ask(acme_key[1])])

    started = Window.objects.get(scope="network").started_at.timestamp()
    assert started % 7 == 0
    assert started <= time.time() and before < started + 7
    assert decision.budget is not None
    assert 1 <= decision.budget.resets_in <= 7


def test_a_new_window_has_its_whole_budget(budget, acme_key):
    budget(2)
    key, secret = acme_key
    Key.objects.filter(pk=key.pk).update(ceiling=2)
    assert decide(*[ask(secret, limit=RARE)] * 3) == ["ok", "ok", "network"]

    end_windows()

    assert decide(*[ask(secret, limit=RARE)] * 3) == ["ok", "ok", "network"]
    assert spent() == {"network": 2, f"key:{key.pk}": 2, "operation:rare things": 2}


def test_the_window_of_an_operation_ends_without_the_networks(budget, acme_key):
    budget(5)
    _, secret = acme_key
    assert decide(*[ask(secret, limit=RARE)] * 4) == ["ok", "ok", "ok", "rare things"]

    end_windows("operation:rare things")

    assert decide(*[ask(secret, limit=RARE)] * 3) == ["ok", "ok", "network"]


def test_windows_of_a_second_follow_each_other(budget, acme_key):
    budget(2, seconds=1)
    seen: dict[datetime, int] = {}

    deadline = time.monotonic() + 120
    while len(seen) < 4 and time.monotonic() < deadline:
        # Together, because more than a second may be between two on a busy machine.
        decisions = decide_together([ask(acme_key[1])] * 3)
        if passed := sum(decision.verdict is Outcome.OK for decision in decisions):
            started_at = Window.objects.get(scope="network").started_at
            seen[started_at] = seen.get(started_at, 0) + passed

    assert list(seen.values()) == [2] * 4


def test_a_clock_that_is_set_back_does_not_begin_the_window_anew(budget, acme_key):
    budget(2, seconds=600)
    ahead = datetime.fromtimestamp((time.time() // 600) * 600 + 600, UTC)
    Window.objects.create(scope="network", started_at=ahead, used=1)
    Window.objects.create(scope="operation:rare things", started_at=datetime.now(UTC) + timedelta(hours=1), used=2)

    decisions = decide_together([ask(acme_key[1], limit=RARE)] * 2)

    assert [d.limited_by for d in decisions] == ["", "network"]
    assert spent() == {"network": 2, "operation:rare things": 3}
    assert all(1 <= d.budget.resets_in <= 1200 for d in decisions if d.budget)


def test_a_clock_that_was_far_ahead_does_not_close_the_api_until_then(budget, acme_key):
    budget(2, seconds=2)
    Window.objects.create(scope="network", started_at=datetime(2080, 1, 1, tzinfo=UTC), used=2)

    assert decide(ask(acme_key[1])) == ["ok"]


def test_a_change_of_the_budget_holds_for_the_next_call(budget, call, acme_key):
    budget(1)
    client = call(acme_key[1])
    statuses = [client.get("/v1/affiliates/affiliate").status_code for _ in range(2)]

    budget(3)
    raised = [client.get("/v1/affiliates/affiliate") for _ in range(3)]
    budget(2)
    lowered = client.get("/v1/affiliates/affiliate")

    assert statuses == [200, 429]
    assert [(a.status_code, a["X-RateLimit-Limit"], a["X-RateLimit-Remaining"]) for a in raised] == [
        (200, "3", "1"), (200, "3", "0"), (429, "3", "0"),
    ]  # fmt: skip
    assert (lowered.status_code, lowered["X-RateLimit-Limit"], lowered["X-RateLimit-Remaining"]) == (429, "2", "0")


def test_a_change_of_an_operations_limit_and_of_a_ceiling_holds_for_the_next_call(budget, acme_key):
    budget(20)
    key, secret = acme_key
    assert decide(*[ask(secret, limit=RARE)] * 4) == ["ok", "ok", "ok", "rare things"]

    OperationLimit.objects.create(name="rare things", requests=5, seconds=DAY)
    after_limit = decide(*[ask(secret, limit=RARE)] * 3)
    Key.objects.filter(pk=key.pk).update(ceiling=1)
    after_ceiling = decide(ask(secret), ask(secret))

    assert after_limit == ["ok", "ok", "rare things"]
    # A ceiling counts from when there is one.
    assert after_ceiling == ["ok", "key"]


def test_new_keys_reset_nothing(budget, acme, acme_key, network_key):
    budget(2)
    key, secret = acme_key
    assert decide(ask(secret), ask(network_key, realm=Realm.NETWORK)) == ["ok", "ok"]

    key.revoke(by=SETUP)
    _, new_partner_secret = Key.issue(partner=acme, label="Reporting", by=SETUP)
    current = Key.objects.of_network().live().get()
    _, new_network_secret = Key.generate_network_key(by=SETUP, replacing=current)

    assert decide(ask(new_partner_secret), ask(new_network_secret, realm=Realm.NETWORK)) == ["network", "network"]


# What the client is told.


@pytest.fixture
def operations(settings: Any) -> Iterator[NinjaAPI]:
    """Operations behind the gate that end in every way an operation can."""
    router = Router()
    router.add_decorator(portal_api.passing_the_gate(Realm.AFFILIATE), mode="view")

    @router.get("/fine")
    def fine(request: Any) -> dict[str, str]:
        return {"it": "is"}

    @router.get("/rare")
    @limited(RARE)
    def rare(request: Any) -> dict[str, str]:
        """Rarely asked for."""
        return {"it": "is"}

    @router.post("/change")
    def change(request: Any) -> dict[str, str]:
        return {"it": "is"}

    @router.get("/refused")
    def refused(request: Any) -> dict[str, str]:
        raise Refused(Outcome.BAD_REQUEST, 400, "The column is unknown.")

    @router.get("/broken")
    def broken(request: Any) -> dict[str, str]:
        raise ZeroDivisionError

    api = NinjaAPI(urls_namespace="operations", docs_url=None, openapi_url=None)
    api.add_router("/", router)
    api.exception_handler(Exception)(portal_api.unexpected)

    class Urls:
        urlpatterns = [path("v1/", api.urls), path("", include(portal.urls))]

    settings.ROOT_URLCONF = Urls
    portal_api.find.cache_clear()
    yield api
    portal_api.find.cache_clear()


def test_every_answer_past_the_allowlist_carries_the_budget(operations, budget, call, acme_key):
    budget(5)
    client = call(acme_key[1])

    answers = [
        client.get("/v1/fine"),
        client.head("/v1/fine"),
        client.get("/v1/refused"),
        client.get("/v1/broken"),
        client.post("/v1/change"),
        client.get("/v1/fine"),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 400, 500, 200, 429]
    assert [answer["X-RateLimit-Remaining"] for answer in answers] == ["4", "3", "2", "1", "0", "0"]
    assert all(header in answer for answer in answers for header in HEADERS)


def test_the_headers_speak_of_the_limit_with_least_left(operations, budget, call, acme_key):
    budget(100)
    client = call(acme_key[1])

    fine, rare = client.get("/v1/fine"), client.get("/v1/rare")

    reset = rare["X-RateLimit-Reset"]
    assert 1 <= int(reset) <= DAY
    assert {header: rare[header] for header in HEADERS} == {
        "X-RateLimit-Limit": "3",
        "X-RateLimit-Remaining": "2",
        "X-RateLimit-Reset": reset,
        "RateLimit-Policy": f'"rare things";q=3;w={DAY}',
        "RateLimit": f'"rare things";r=2;t={reset}',
    }
    assert (fine["X-RateLimit-Limit"], fine["RateLimit-Policy"]) == ("100", f'"network";q=100;w={DAY}')


def test_who_is_refused_is_told_when_to_come_back_and_the_log_which_limit_it_was(operations, budget, call, acme_key):
    budget(100)
    client = call(acme_key[1])
    for _ in range(3):
        assert client.get("/v1/rare").status_code == 200

    refused = client.get("/v1/rare")

    assert refused.status_code == 429
    assert refused["Retry-After"] == refused["X-RateLimit-Reset"]
    assert int(refused["Retry-After"]) >= 1
    assert f"Try again in {refused['Retry-After']} s" in refused.json()["error"]
    logged = LoggedCall.objects.get(pk=refused["X-Request-ID"])
    assert (logged.outcome, logged.limited_by, logged.status) == ("rate_limited", "rare things", 429)


def test_retry_after_is_never_less_than_a_second(budget, call, acme_key):
    budget(1, seconds=1)
    client = call(acme_key[1])

    refused = [a for a in (client.get("/v1/affiliates/affiliate") for _ in range(20)) if a.status_code == 429]

    assert {answer["Retry-After"] for answer in refused} == {"1"}


def test_a_declared_limit_stands_in_the_documentation_of_its_operation(operations):
    document = operations.get_openapi_schema(path_prefix="")

    described = document["paths"]["/rare"]["get"]["description"]
    assert described == f"Rarely asked for.\n\nAt most 3 calls per {DAY} s, within the network's budget."


# Any sequence of batches and changes, against windows simulated in Python.


@dataclass
class Simulated:
    requests: int = 60
    ceilings: dict[int, int | None] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)

    def decide(self, key: int, limit: Declared | None) -> tuple[str, tuple[str, int, int]]:
        ceiling = self.ceilings.get(key)
        limits = [("network", "network", self.requests)]
        if ceiling is not None:
            limits.append(("key", f"key:{key}", ceiling))
        if limit is not None:
            limits.append((limit.name, f"operation:{limit.name}", self.limits.get(limit.name, limit.requests)))
        left = {name: max(quota - self.used.get(scope, 0), 0) for name, scope, quota in limits}
        for name, _, quota in limits:
            if left[name] == 0:
                return name, (name, quota, 0)
        for _, scope, _ in limits:
            self.used[scope] = self.used.get(scope, 0) + 1
        # Of limits with the same number left the wider one is named.
        tightest = min(limits, key=lambda limit: left[limit[0]])
        return "", (tightest[0], tightest[2], left[tightest[0]] - 1)


OFTEN = Declared("often", requests=4, seconds=DAY)
# Small, so that limits meet and pass each other.
numbers = st.integers(1, 5)
calls = st.tuples(st.sampled_from([0, 0, 1, 3]), st.sampled_from([None, RARE, OFTEN]))
steps = st.one_of(
    st.tuples(st.just("calls"), st.lists(calls, min_size=1, max_size=12)),
    st.tuples(st.just("calls"), st.lists(calls, min_size=1, max_size=12)),
    st.tuples(st.just("budget"), numbers),
    st.tuples(st.just("ceiling"), st.tuples(st.integers(0, 1), st.none() | numbers)),
    st.tuples(st.just("limit"), st.tuples(st.sampled_from([RARE, OFTEN]), numbers)),
    st.tuples(st.just("end"), st.sampled_from(["all", "operation:rare things", "operation:often"])),
)


@pytest.fixture
def four_keys(acme: Partner, other_partner: Partner) -> list[tuple[Key, str]]:
    """Three that open something and one that does not any more."""
    owners = [acme, acme, other_partner, other_partner]
    keys = [Key.issue(partner=owner, label=f"Key {n}", by=SETUP) for n, owner in enumerate(owners)]
    keys[3][0].revoke(by=SETUP)
    return keys


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, min_size=1, max_size=15))
def test_limits_count_as_simulated_windows_do(network, four_keys, steps):
    ids = [key.pk for key, _ in four_keys]
    with transaction.atomic():
        Window.objects.all().delete()
        network.change(by=SETUP, budget_requests=4, budget_seconds=DAY)
        model = Simulated(requests=4)
        for what, value in steps:
            match what:
                case "budget":
                    network.change(by=SETUP, budget_requests=value)
                    model.requests = value
                case "ceiling":
                    Key.objects.filter(pk=ids[value[0]]).update(ceiling=value[1])
                    model.ceilings[ids[value[0]]] = value[1]
                case "limit":
                    OperationLimit.objects.update_or_create(
                        name=value[0].name, defaults={"requests": value[1], "seconds": DAY}
                    )
                    model.limits[value[0].name] = value[1]
                case "end":
                    end_windows(*([] if value == "all" else [value]))
                    model.used = {} if value == "all" else {**model.used, value: 0}
                case "calls":
                    expected: list[Any] = [
                        ("revoked_key", None) if key == 3 else model.decide(ids[key], limit) for key, limit in value
                    ]
                    decisions = decide_together([ask(four_keys[key][1], limit=limit) for key, limit in value])
                    assert [said(decision) for decision in decisions] == expected
        counted = {scope: used for scope, used in spent().items() if used}
        still = {scope: used for scope, used in model.used.items() if used}
        # What nobody asked about since its window ended still stands in its row.
        assert {scope: counted.get(scope) for scope in still} == still
        transaction.set_rollback(True)
    network.refresh_from_db()


def said(decision: Decision) -> tuple[str, tuple[str, int, int] | None]:
    budget: Budget | None = decision.budget
    verdict = str(decision.verdict) if budget is None else decision.limited_by
    return verdict, None if budget is None else (budget.name, budget.quota, budget.remaining)


def test_the_window_function_names_the_start_of_the_window():
    with connection.cursor() as cursor:
        cursor.execute("SELECT keys_window_start('2026-03-01 12:00:59.999+00', 60)")
        row = cursor.fetchone()

    assert row == (datetime(2026, 3, 1, 12, tzinfo=UTC),)
