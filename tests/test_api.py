from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone
from ninja import Router

from apilog.models import LoggedCall
from keys.gate import Realm
from keys.models import Key
from keys.networks import parse_network
from keys.secret import AFFILIATE_PREFIX, new_secret
from partners.models import Partner
from portal import api as portal_api
from portal.network.models import Network
from tests.conftest import SETUP
from tests.page import page

Call = Callable[..., Client]

ACCOUNT = "/v1/affiliates/affiliate"
JSON = {"Accept": "application/json"}
HTML = {"Accept": "text/html"}

pytestmark = pytest.mark.django_db


@pytest.fixture
def network_key(network: Network) -> str:
    return Key.generate_network_key(by=SETUP, replacing=None)[1]


def row_of(answer: Any) -> LoggedCall:
    """The call's row; that there is one, with this status, is part of every answer."""
    row = LoggedCall.objects.get(pk=answer["X-Request-ID"])
    assert row.status == answer.status_code
    return row


def sentence_of(answer: Any) -> str:
    """The sentence of an error, whichever form it has."""
    if answer["Content-Type"] == "application/json":
        body = json.loads(answer.content)
        assert body == {"code": str(answer.status_code), "error": body["error"], "Error": body["error"]}
        return str(body["error"])
    assert answer["Content-Type"].startswith("text/html")
    assert page(answer).title.startswith(str(answer.status_code))
    return page(answer).text


def no_key(client: Client, secret: str) -> Any:
    return client.get(ACCOUNT)


def malformed_key(client: Client, secret: str) -> Any:
    return client.get(ACCOUNT, headers={"Authorization": "Bearer abc"})


def unknown_key(client: Client, secret: str) -> Any:
    return client.get(ACCOUNT, headers={"Authorization": f"Bearer {new_secret(AFFILIATE_PREFIX)}"})


def key_in_the_url(client: Client, secret: str) -> Any:
    return client.get(f"{ACCOUNT}?api_key={secret}", headers={"Authorization": f"Bearer {secret}"})


def different_keys(client: Client, secret: str) -> Any:
    return client.get(ACCOUNT, headers={"Authorization": f"Bearer {secret}", "X-API-Key": "another"})


def wrong_realm(client: Client, secret: str) -> Any:
    return client.get("/v1/networks/affiliates", headers={"Authorization": f"Bearer {secret}"})


def no_endpoint(client: Client, secret: str) -> Any:
    return client.get("/v1/nothing", headers={"Authorization": f"Bearer {secret}"})


def wrong_method(client: Client, secret: str) -> Any:
    return client.delete(ACCOUNT, headers={"Authorization": f"Bearer {secret}"})


def unreleased(client: Client, secret: str) -> Any:
    return client.get("/v1/advertisers/offers")


ERRORS = {
    "no_key": (no_key, 401, "carries no API key"),
    "malformed": (malformed_key, 401, "is not valid"),
    "unknown_key": (unknown_key, 401, "is not valid"),
    "key_in_the_url": (key_in_the_url, 400, "The URL contains an API key"),
    "different_keys": (different_keys, 400, "different API keys"),
    "wrong_realm": (wrong_realm, 403, "This key opens the Affiliate API; this path belongs to the Network API."),
    "not_found": (no_endpoint, 404, "no such endpoint"),
    "method_not_allowed": (wrong_method, 405, "DELETE is not allowed here; GET is."),
    "unreleased": (unreleased, 418, "announced but not released"),
}
OUTCOME_OF = {"malformed": "unknown_key", "key_in_the_url": "bad_request", "different_keys": "bad_request"}


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("form", [HTML, JSON, {}])
def test_every_error_comes_in_the_form_the_client_speaks_and_is_logged(
    acme_key: tuple[Key, str], error: str, form: dict[str, str]
) -> None:
    ask, status, sentence = ERRORS[error]

    answer = ask(Client(headers=form), acme_key[1])

    assert answer.status_code == status
    assert sentence in sentence_of(answer)
    assert (answer["Content-Type"] == "application/json") is (form == JSON)
    assert row_of(answer).outcome == OUTCOME_OF.get(error, error)


@pytest.mark.parametrize(
    ("headers", "speaks_json"),
    [
        ({"Accept": "application/json"}, True),
        ({"Accept": "text/html, application/json;q=0.9"}, True),
        ({"Content-Type": "application/json"}, True),
        ({"X-Eflow-API-Key": "abc"}, True),
        ({"X-API-Key": "abc"}, False),
        ({"Accept": "*/*"}, False),
        ({"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, False),
    ],
)
def test_a_client_speaks_json_in_any_of_three_ways(headers: dict[str, str], speaks_json: bool) -> None:
    answer = Client().get(ACCOUNT, headers=headers)

    assert answer.status_code == 401
    assert (answer["Content-Type"] == "application/json") is speaks_json


@pytest.mark.parametrize("header", ["Authorization", "X-Eflow-API-Key", "X-API-Key"])
def test_a_key_opens_in_each_of_the_three_headers(acme_key: tuple[Key, str], header: str) -> None:
    value = f"Bearer {acme_key[1]}" if header == "Authorization" else acme_key[1]

    answer = Client().get(ACCOUNT, headers={header: value})

    assert answer.status_code == 200


def test_the_same_key_in_several_headers_is_one_key(acme_key: tuple[Key, str]) -> None:
    secret = acme_key[1]

    answer = Client().get(ACCOUNT, headers={"Authorization": f"bearer  {secret}", "X-API-Key": secret})

    assert answer.status_code == 200


def test_keys_that_open_nothing_get_one_answer_and_the_log_tells_them_apart(acme: Partner, call: Call) -> None:
    revoked, revoked_secret = Key.issue(partner=acme, label="Old", by=SETUP)
    revoked.revoke(by=SETUP)
    expired, expired_secret = Key.issue(partner=acme, label="Trial", by=SETUP)
    Key.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    secrets = ["abc", new_secret(AFFILIATE_PREFIX), revoked_secret, expired_secret]

    answers = [call(secret).get(ACCOUNT) for secret in secrets]

    assert {(answer.status_code, answer.content) for answer in answers} == {(401, answers[0].content)}
    assert {answer["WWW-Authenticate"] for answer in answers} == {'Bearer realm="Latchkey"'}
    rows = [row_of(answer) for answer in answers]
    assert [row.outcome for row in rows] == ["unknown_key", "unknown_key", "revoked_key", "expired_key"]
    assert [row.partner_id for row in rows] == [None, None, acme.pk, acme.pk]


def test_a_network_key_does_not_open_the_affiliate_api(network_key: str, call: Call) -> None:
    answer = call(network_key).get(ACCOUNT)

    assert answer.status_code == 403
    assert sentence_of(answer) == "This key opens the Network API; this path belongs to the Affiliate API."
    assert row_of(answer).outcome == "wrong_realm"


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("198.51.100.9", 200),
        ("::ffff:198.51.100.9", 200),
        ("198.51.101.9", 403),
        ("::ffff:198.51.101.9", 403),
        ("2001:db8::1", 200),
        ("2001:db9::1", 403),
    ],
)
def test_the_allowlist_refuses_other_addresses_and_says_which_it_saw(
    acme_key: tuple[Key, str], call: Call, address: str, status: int
) -> None:
    key, secret = acme_key
    for network in ("198.51.100.0/24", "2001:db8::/32"):
        key.allow(network=parse_network(network), label="", by=SETUP)

    answer = call(secret).get(ACCOUNT, REMOTE_ADDR=address, headers={"X-Forwarded-For": "198.51.100.9"})

    assert answer.status_code == status
    if status == 403:
        assert address.removeprefix("::ffff:") in sentence_of(answer)
        assert row_of(answer).outcome == "ip_denied"
    assert row_of(answer).ip == address.removeprefix("::ffff:")


def test_a_key_in_the_url_is_refused_and_stands_nowhere(acme_key: tuple[Key, str], call: Call) -> None:
    secret = acme_key[1]

    answers = [call(secret).get(f"{ACCOUNT}?k={secret}"), call(secret).get(f"/v1/affiliates/{secret}")]

    for answer in answers:
        assert answer.status_code == 400
        assert secret not in answer.content.decode()
        row = row_of(answer)
        assert secret not in f"{row.path}?{row.query}"


PATHS = [
    *("/v1", "/v1/", "/v1/nothing", f"{ACCOUNT}/", "/v1/affiliates", "/v1/affiliates/", "/v1//affiliates/affiliate"),
    *("/v1/meta", "/v1/docs", "/v1/openapi.json", "/v1/affiliates/affiliate.json", "/v1/%E2%80%A6", "/v1/AFFILIATES"),
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "head", "options"])
def test_an_unknown_path_is_not_found_and_never_redirected(path: str, method: str) -> None:
    answer = getattr(Client(headers=JSON), method)(path)

    assert answer.status_code == 404
    assert row_of(answer).outcome == "not_found"


@pytest.mark.parametrize("path", ["/v10", "/v1.1/x", "/v", "/v2/affiliates"])
def test_a_path_beside_the_api_is_none_of_it(path: str) -> None:
    answer = Client().get(path)

    assert answer.status_code == 404
    assert "X-Request-ID" not in answer


@pytest.mark.parametrize("path", ["/v1/advertisers", "/v1/advertisers/", "/v1/advertisers/offers/1"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_an_announced_path_is_a_teapot(path: str, method: str) -> None:
    answer = getattr(Client(headers=JSON), method)(path)

    assert answer.status_code == 418
    assert row_of(answer).outcome == "unreleased"


def test_what_only_begins_like_an_announced_path_is_not_found() -> None:
    assert Client().get("/v1/advertisersx").status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_wrong_method_is_told_the_right_ones(acme_key: tuple[Key, str], call: Call, method: str) -> None:
    answer = getattr(call(acme_key[1]), method)(ACCOUNT)

    assert answer.status_code == 405
    assert answer["Allow"] == "GET"
    assert row_of(answer).method == method.upper()


def test_head_answers_as_get_does_without_the_body(acme_key: tuple[Key, str], call: Call) -> None:
    answer = call(acme_key[1]).head(ACCOUNT)

    assert (answer.status_code, answer.content) == (200, b"")
    row = row_of(answer)
    assert (row.method, row.outcome, row.action) == ("HEAD", "ok", "read_affiliate_account")


def test_a_refused_head_has_no_body_either() -> None:
    answer = Client(headers=JSON).head(ACCOUNT)

    assert (answer.status_code, answer.content) == (401, b"")
    assert row_of(answer).outcome == "no_key"


def test_options_says_which_methods_there_are() -> None:
    answer = Client().options(ACCOUNT)

    assert (answer.status_code, answer.content, answer["Allow"]) == (204, b"", "GET")
    assert row_of(answer).outcome == "ok"


def test_every_answer_has_its_request_id_and_is_not_to_be_stored(acme_key: tuple[Key, str], call: Call) -> None:
    answers = [call(acme_key[1]).get(ACCOUNT), call().get(ACCOUNT), call().get("/v1/x"), call().get("/v1/advertisers")]

    for answer in answers:
        assert UUID(answer["X-Request-ID"]).version == 7
        assert answer["Cache-Control"] == "no-store"
        assert not answer.cookies
    assert len({answer["X-Request-ID"] for answer in answers}) == len(answers)


def test_a_request_id_of_the_clients_own_is_not_taken_over(acme_key: tuple[Key, str], call: Call) -> None:
    chosen = "01890000-0000-7000-8000-000000000000"

    answer = call(acme_key[1]).get(ACCOUNT, headers={"X-Request-ID": chosen})

    assert answer["X-Request-ID"] != chosen


def test_cookies_open_nothing(sonia: Any, browse: Any) -> None:
    answer = browse(sonia).get(ACCOUNT, headers=JSON)

    assert answer.status_code == 401
    assert not answer.cookies


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("form", [HTML, JSON])
def test_an_unexpected_error_gives_away_its_request_id_alone(
    acme: Partner,
    acme_key: tuple[Key, str],
    settings: Any,
    caplog: pytest.LogCaptureFixture,
    debug: bool,
    form: dict[str, str],
) -> None:
    settings.DEBUG = debug
    Partner.objects.filter(pk=acme.pk).update(timezone="Mars/Olympus Mons")

    answer = Client(headers=form).get(ACCOUNT, headers={"X-API-Key": acme_key[1]})

    assert answer.status_code == 500
    assert answer["X-Request-ID"] in sentence_of(answer)
    assert "Olympus" not in answer.content.decode()
    assert "Traceback" not in answer.content.decode()
    assert row_of(answer).outcome == "error"
    assert "KeyError: 'Mars/Olympus Mons'" in caplog.text
    assert answer["X-Request-ID"] in caplog.text


@pytest.fixture
def broken_log(transactional_db: None) -> Iterator[None]:
    """The log cannot be written: its table is not where it should be."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE apilog_call RENAME TO apilog_call_elsewhere")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE apilog_call_elsewhere RENAME TO apilog_call")


@pytest.mark.parametrize("path", [ACCOUNT, "/v1/meta/timezones", "/v1/nothing"])
def test_a_call_that_cannot_be_logged_is_not_answered(
    acme_key: tuple[Key, str], broken_log: None, call: Call, path: str
) -> None:
    answer = call(acme_key[1]).get(path)

    assert answer.status_code == 503
    assert answer["X-Request-ID"] in sentence_of(answer)
    assert "Acme" not in answer.content.decode()


@pytest.fixture
def changing_urls(settings: Any) -> Iterator[None]:
    settings.ROOT_URLCONF = "tests.changing_api"
    portal_api.find.cache_clear()
    yield
    portal_api.find.cache_clear()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("changing_urls")
@pytest.mark.parametrize(
    ("then", "status", "outcome", "made"),
    [("", 200, "ok", 1), ("refuse", 400, "bad_request", 0), ("fail", 500, "error", 0)],
)
def test_a_change_is_made_whole_or_not_at_all_and_logged_either_way(
    network_key: str, call: Call, then: str, status: int, outcome: str, made: int
) -> None:
    answer = call(network_key).post(f"/v1/networks/changes?then={then}")

    assert answer.status_code == status
    assert row_of(answer).outcome == outcome
    assert Partner.objects.filter(name="Made by a call").count() == made


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("changing_urls")
@pytest.mark.parametrize(("method", "path"), [("post", "changes"), ("get", "reading"), ("get", "quick-reading")])
def test_routers_share_a_prefix_and_each_of_their_calls_is_counted_once(
    network_key: str, call: Call, method: str, path: str
) -> None:
    answer = getattr(call(network_key), method)(f"/v1/networks/{path}")

    assert answer.status_code == 200
    assert int(answer["X-RateLimit-Remaining"]) == int(answer["X-RateLimit-Limit"]) - 1
    assert row_of(answer).outcome == "ok"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("changing_urls")
@pytest.mark.parametrize(("path", "expected"), [("reading-by-post", False), ("changing-by-post", True)])
def test_an_operation_that_only_reads_runs_outside_a_transaction_even_by_post(
    network_key: str, call: Call, path: str, expected: bool
) -> None:
    answer = call(network_key).post(f"/v1/networks/{path}")

    assert answer.json() == {"in_a_transaction": expected}
    assert row_of(answer).outcome == "ok"


def read_key(request: HttpRequest, key_id: int) -> None: ...


def revoke_key(request: HttpRequest, pk: int) -> None: ...


def test_a_path_cannot_stand_in_two_routers() -> None:
    first, second = Router(), Router()
    first.get("/keys/{key_id}")(read_key)
    second.delete("/keys/{pk}")(revoke_key)
    api = portal_api.Api(urls_namespace="twice")
    api.mount("/networks", first, opened_by=Realm.NETWORK)

    with pytest.raises(ImproperlyConfigured, match=r"/networks/keys/\{\}"):
        api.mount("/networks", second, opened_by=Realm.NETWORK)


def test_a_prefix_cannot_belong_to_two_realms() -> None:
    api = portal_api.Api(urls_namespace="torn")
    api.mount("/networks", Router(), opened_by=Realm.NETWORK)

    with pytest.raises(ImproperlyConfigured, match="one realm"):
        api.mount("/networks", Router(), opened_by=None)


@pytest.mark.usefixtures("changing_urls")
def test_a_change_whose_call_cannot_be_logged_is_taken_back(
    transactional_db: None, network_key: str, broken_log: None, call: Call
) -> None:
    answer = call(network_key).post("/v1/networks/changes")

    assert answer.status_code == 503
    assert "could not be recorded" in sentence_of(answer)
    assert not Partner.objects.filter(name="Made by a call").exists()


def test_timezones_need_no_key(call: Call) -> None:
    answer = call().get("/v1/meta/timezones")

    assert answer.status_code == 200
    zones = {zone["timezone_id"]: zone["timezone"] for zone in answer.json()["timezones"]}
    assert {
        67: "UTC",
        80: "America/New_York",
        85: "America/Chicago",
        90: "America/Los_Angeles",
    }.items() <= zones.items()
    assert len(zones) == len(answer.json()["timezones"])
    assert row_of(answer).outcome == "ok"


def test_a_partner_reads_itself_and_the_network(
    acme: Partner, acme_key: tuple[Key, str], network: Network, call: Call
) -> None:
    client = call(acme_key[1])

    account, own_network = client.get(ACCOUNT).json(), client.get("/v1/affiliates/network").json()

    assert (account["network_affiliate_id"], account["name"], account["account_status"]) == (
        acme.pk,
        "Acme Media",
        "active",
    )
    assert account["time_created"] == int(acme.created_at.timestamp())
    assert (own_network["network_id"], own_network["name"], own_network["timezone_id"]) == (
        1,
        "Northwind Affiliates",
        67,
    )


@pytest.mark.parametrize(
    ("query", "paging", "listed"),
    [
        ("", (1, 50), slice(0, 5)),
        ("page_size=2", (1, 2), slice(0, 2)),
        ("page=2&page_size=2", (2, 2), slice(2, 4)),
        ("page=9&page_size=2", (9, 2), slice(0, 0)),
        ("page=two&page_size=2", (1, 2), slice(0, 2)),
        ("page=-1&page_size=2", (1, 2), slice(0, 2)),
        ("page=0&page_size=2", (1, 2), slice(0, 2)),
        ("page=2.0&page_size=2.", (2, 2), slice(2, 4)),
        ("page=02&page_size=002.00", (2, 2), slice(2, 4)),
        ("page=2.0.0&page_size=2", (1, 2), slice(0, 2)),
        ("page=1.5&page_size=2", (1, 2), slice(0, 2)),
        ("page=²&page_size=2", (1, 2), slice(0, 2)),
        ("page_size=0", (1, 50), slice(0, 5)),
        ("page_size=many", (1, 50), slice(0, 5)),
        ("page_size=99999", (1, 2000), slice(0, 5)),
        ("page=99999999999&page_size=2000", (1_000_000_000, 2000), slice(0, 0)),
        (f"page={'9' * 5000}&page_size={'9' * 5000}", (1_000_000_000, 2000), slice(0, 0)),
    ],
)
def test_affiliates_are_listed_by_the_page(
    network_key: str, call: Call, query: str, paging: tuple[int, int], listed: slice
) -> None:
    partners = [Partner.create(by=SETUP, name=f"Partner {number}") for number in range(5)]

    answer = call(network_key).get(f"/v1/networks/affiliates?{query}")

    body = answer.json()
    assert [one["network_affiliate_id"] for one in body["affiliates"]] == [partner.pk for partner in partners[listed]]
    assert body["paging"] == {"page": paging[0], "page_size": paging[1], "total_count": 5}
    assert body["paging"].items() <= body.items()


def test_an_error_that_an_operation_answers_by_itself_is_logged_as_what_it_is() -> None:
    found = [portal_api.outcome_of(status) for status in (400, 404, 409, 500, 503)]

    assert found == ["bad_request", "not_found", "bad_request", "error", "error"]
