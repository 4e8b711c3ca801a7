from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apilog.models import LoggedCall
from keys.gate import Outcome
from keys.models import Key
from partners.models import Partner
from portal.accounts.models import Event, User
from portal.network.models import Network
from tests.apilog.conftest import Log
from tests.conftest import SETUP, Browse
from tests.page import page

pytestmark = pytest.mark.django_db

LOG = "/system/api-log/"


def listed(response) -> list[str]:
    """The ids of the calls that the page lists."""
    return [
        str(row["id"]).removeprefix("call-")
        for row in page(response).region("call-log").element.select("#call-rows > tr")
    ]


def ids(*calls: LoggedCall) -> list[str]:
    return [str(call.pk) for call in calls]


def test_the_log_is_for_those_who_may_view_system_settings(cast: list[User], browse: Browse) -> None:
    answers = {user.name: browse(user).get(LOG).status_code for user in cast}

    assert answers == {"Sonia": 200, "Nadia": 200, "Amir": 403, "Vera": 403, "Paul": 404, "Otto": 404}


def test_a_row_says_when_what_from_where_by_whom_and_why(
    nadia: User, acme_key: tuple[Key, str], log: Log, browse: Browse
) -> None:
    key, _ = acme_key
    call = log(key, outcome=Outcome.IP_DENIED, method="POST", ip="198.51.100.9")

    found = page(browse(nadia).get(LOG)).region("call-log")

    assert found.region("call-rows").rows == [
        [
            call.received_at.strftime("%-d %b %Y, %H:%M:%S"),
            "Read affiliate account POST",
            "403",
            "Ip denied",
            "198.51.100.9",
            f"Reporting {key.hint}",
            "Acme Media",
        ]
    ]


def test_the_newest_call_comes_first_and_pages_hold_on_to_their_place(nadia: User, log: Log, browse: Browse) -> None:
    start = timezone.now() - timedelta(hours=3)
    calls = [log(at=start + timedelta(minutes=minute)) for minute in range(120)][::-1]
    reader = browse(nadia)

    first = reader.get(LOG)
    second = reader.get(page(first).links["Older"])
    log()  # arrives while someone reads
    third = reader.get(page(second).links["Older"])
    back = reader.get(page(third).links["Newer"])

    assert listed(first) == ids(*calls[:50])
    assert listed(second) == ids(*calls[50:100])
    assert listed(third) == ids(*calls[100:])
    assert listed(back) == ids(*calls[50:100])
    assert "Older" not in page(third).links
    assert "Newer" not in page(first).links


def test_a_page_takes_as_many_queries_for_many_calls_as_for_one(nadia: User, log: Log, browse: Browse) -> None:
    def key_of_another(number: int) -> Key:
        partner = Partner.create(by=SETUP, name=f"Partner {number}")
        return Key.issue(partner=partner, label=f"Key {number}", by=SETUP)[0]

    log(key_of_another(0))
    reader = browse(nadia)
    reader.get(LOG)
    with CaptureQueriesContext(
        connection,
    ) as one:
        reader.get(LOG)
    for number in range(1, 20):
        log(key_of_another(number))

    with CaptureQueriesContext(connection) as twenty:
        reader.get(LOG)

    assert len(twenty) == len(one)
    of_the_log = [query["sql"] for query in twenty.captured_queries if "apilog_call" in query["sql"]]
    assert not [sql for sql in of_the_log if "OFFSET" in sql or "COUNT(*)" in sql]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"own", "refused", "network", "none", "ipv6"}),
        ("partner=Acme", {"own", "refused"}),
        ("partner=acme+media", {"own", "refused"}),
        ("realm=network", {"network"}),
        ("key=Reporting", {"own", "refused"}),
        ("action=list_affiliates", {"network"}),
        ("status=401", {"refused", "none"}),
        ("status=4xx", {"refused", "none", "ipv6"}),
        ("status=2xx", {"own", "network"}),
        ("outcome=revoked_key", {"refused"}),
        ("outcome=revoked_key&status=2xx", set()),
        ("ip=203.0.113.7", {"own", "refused", "none"}),
        ("ip=::ffff:203.0.113.7", {"own", "refused", "none"}),
        ("ip=203.0.113.0/24", {"own", "refused", "none", "network"}),
        ("ip=2001:db8::/32", {"ipv6"}),
        ("range=hour", {"own"}),
        ("range=week", {"own", "refused", "network", "none", "ipv6", "old"}),
    ],
)
def test_each_filter_finds_its_calls_and_no_others(
    nadia: User, acme_key: tuple[Key, str], log: Log, browse: Browse, query: str, found: set[str]
) -> None:
    key, _ = acme_key
    network_key, _ = Key.generate_network_key(by=SETUP, replacing=None)
    now = timezone.now()
    calls = {
        "own": log(key, at=now - timedelta(minutes=5)),
        "refused": log(key, at=now - timedelta(hours=2), outcome=Outcome.REVOKED_KEY),
        "network": log(network_key, at=now - timedelta(hours=3), action="list_affiliates", ip="203.0.113.99"),
        "none": log(at=now - timedelta(hours=4), outcome=Outcome.NO_KEY),
        "ipv6": log(at=now - timedelta(hours=5), outcome=Outcome.NOT_FOUND, ip="2001:db8::1", action=""),
        "old": log(at=now - timedelta(days=3)),
    }

    answer = browse(nadia).get(f"{LOG}?{query}&histogram=1")

    assert answer.status_code == 200
    names = {str(call.pk): name for name, call in calls.items()}
    rows = page(answer).element.select("#call-rows > tr")
    assert {names[str(row["id"]).removeprefix("call-")] for row in rows} == found
    # The histogram counts the same calls that the list has.
    assert page(answer).region("histogram-heading").text.startswith(f"{len(found)} call")


def test_a_key_is_found_by_its_number_and_its_last_four_characters(
    nadia: User, acme_key: tuple[Key, str], acme: Partner, log: Log, browse: Browse
) -> None:
    key, secret = acme_key
    other, _ = Key.issue(partner=acme, label="Other", by=SETUP)
    call = log(key)
    log(other)

    by_number, by_hint, by_last_four = (
        browse(nadia).get(LOG, {"key": text}) for text in (str(key.pk), key.hint, secret[-4:])
    )

    assert listed(by_number) == listed(by_hint) == listed(by_last_four) == ids(call)


def test_from_and_to_are_read_in_the_networks_time_zone(nadia: User, log: Log, browse: Browse) -> None:
    Network.load().change(by=SETUP, timezone="America/New_York")
    inside = log(at=datetime(2026, 3, 10, 14, 30, tzinfo=UTC))
    log(at=datetime(2026, 3, 10, 15, 30, tzinfo=UTC))

    answer = browse(nadia).get(LOG, {"from": "2026-03-10T10:00", "to": "2026-03-10T11:00"})

    assert listed(answer) == ids(inside)
    assert page(answer).region("call-rows").rows[0][0] == "10 Mar 2026, 10:30:00"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"ip": "300.1.2.3"}, "IP address or network: “300.1.2.3” is neither an address nor a network"),
        ({"ip": "10.0.0.5/24"}, "Did you mean 10.0.0.0/24?"),
        ({"partner": "Nobody Inc"}, "Partner: There is no partner “Nobody Inc”."),
        ({"key": "zzzz"}, "Key: There is no key “zzzz”."),
        ({"from": "yesterday"}, "From: Enter a date and time"),
        ({"from": "0001-01-01T00:00:00"}, "From: Enter a date of the years 2000 to 2099."),
        ({"to": "9999-12-31T23:59:59"}, "To: Enter a date of the years 2000 to 2099."),
        ({"from": "2026-03-02T00:00", "to": "2026-03-01T00:00"}, "To: “To” must be later than “From”."),
        ({"status": "teapot"}, "Status: Select a valid choice. teapot is not one of the available choices."),
        ({"outcome": "fine"}, "Outcome: Select a valid choice."),
        ({"range": "century"}, "Range: Select a valid choice."),
        ({"request_id": "12"}, "Request ID: A request ID looks like"),
        ({"request_id": "01890000-0000-7000-8000-000000000000"}, "The log has no call with this request ID."),
    ],
)
def test_a_filter_that_cannot_be_read_is_named_and_nothing_is_lost(
    nadia: User, browse: Browse, query: dict[str, str], sentence: str
) -> None:
    answer = browse(nadia).get(LOG, {"user": "kept", "action": "list_affiliates", **query})

    assert answer.status_code == 422
    assert sentence in page(answer).text
    (form,) = page(answer).element.select("form.log-filter")
    for name, value in query.items():
        if name not in ("status", "outcome"):
            assert [str(field["value"]) for field in form.select(f"input[name={name}]")] == [value]
    assert [option["value"] for option in form.select("select[name=action] option[selected]")] == ["list_affiliates"]


def test_a_name_that_fits_several_partners_is_asked_back(nadia: User, browse: Browse) -> None:
    for name in ("Acme Media", "Acme Mobile"):
        Partner.create(by=SETUP, name=name)

    answer = browse(nadia).get(LOG, {"partner": "acme"})

    assert answer.status_code == 422
    assert "“acme” fits more than one partner: Acme Media (number" in page(answer).text


def test_a_whole_key_in_the_filter_is_refused_with_what_to_do(
    nadia: User, acme_key: tuple[Key, str], browse: Browse
) -> None:
    _, secret = acme_key

    answer = browse(nadia).get(LOG, {"key": secret})

    assert answer.status_code == 422
    assert "This is a whole key" in page(answer).text
    assert secret not in answer.content.decode()


def test_a_request_id_goes_straight_to_its_call(nadia: User, log: Log, browse: Browse) -> None:
    call = log(at=timezone.now() - timedelta(days=30))

    answer = browse(nadia).get(LOG, {"request_id": f" {call.pk} "})

    assert answer.status_code == 302
    assert answer["Location"] == f"{LOG}calls/{call.pk}/"


def test_filters_stay_in_the_links_of_the_page(
    nadia: User, acme_key: tuple[Key, str], log: Log, browse: Browse
) -> None:
    key, _ = acme_key
    for _ in range(51):
        log(key)

    found = page(browse(nadia).get(LOG, {"partner": "Acme Media", "outcome": "ok"}))

    for link in ("Older", "Export to CSV", "Last hour", "Follow live"):
        query = parse_qs(urlsplit(found.links[link]).query)
        assert query["partner"] == ["Acme Media"]
        assert query["outcome"] == ["ok"]


def test_htmx_gets_the_log_alone(nadia: User, log: Log, browse: Browse) -> None:
    call = log()

    answer = browse(nadia).get(LOG, headers={"HX-Request": "true", "HX-Target": "call-log"})

    assert listed(answer) == ids(call)
    assert page(answer).element.find("html") is None


@pytest.mark.parametrize(
    ("query", "sentence"),
    [("", "No calls in this range"), ("outcome=error", "No call fits")],
)
def test_an_empty_log_says_what_to_do_next(nadia: User, browse: Browse, query: str, sentence: str) -> None:
    assert sentence in page(browse(nadia).get(f"{LOG}?{query}")).text


def test_a_place_that_is_no_id_is_not_found(nadia: User, browse: Browse) -> None:
    assert browse(nadia).get(f"{LOG}?before=12").status_code == 404


def test_a_call_has_a_page_with_everything_its_row_has(
    nadia: User, acme_key: tuple[Key, str], log: Log, browse: Browse
) -> None:
    key, _ = acme_key
    call = log(
        key,
        outcome=Outcome.RATE_LIMITED,
        query="page=2&sub1=secret",
        limited_by="exports",
        user_agent="python-requests/2.32",
        duration_us=12_345,
    )

    found = page(browse(nadia).get(f"{LOG}calls/{call.pk}/"))

    for text in (
        *(str(call.pk), "/v1/affiliates/affiliate", "page=2&sub1=…", "exports", "python-requests/2.32", "12.3 ms"),
        *("512 bytes", "Affiliate API", "429", "Reporting", key.hint, "Acme Media", "203.0.113.7"),
        *("The limit on calls was spent.", "What to tell the partner", "Retry-After"),
    ):
        assert text in found.text


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_explained(nadia: User, log: Log, browse: Browse, outcome: Outcome) -> None:
    call = log(outcome=outcome)

    assert "What to tell the partner" in page(browse(nadia).get(f"{LOG}calls/{call.pk}/")).text


def test_retention_is_changed_by_those_who_may_with_an_event(cast: list[User], nadia: User, browse: Browse) -> None:
    answers = {
        user.name: browse(user).post(f"{LOG}retention/", {"log_retention_days": "30"}).status_code for user in cast
    }

    assert answers == {"Sonia": 303, "Nadia": 303, "Amir": 403, "Vera": 403, "Paul": 404, "Otto": 404}
    assert Network.load().log_retention_days == 30
    event = Event.objects.get(kind="log.retention_changed")
    assert event.details == {"log_retention_days": [90, 30]}
    assert "Calls are kept for 30 days." in page(browse(nadia).get(LOG)).text


@pytest.mark.parametrize("days", ["0", "-1", "4000", "ten", ""])
def test_a_retention_that_makes_no_sense_is_refused(nadia: User, browse: Browse, days: str) -> None:
    answer = browse(nadia).post(f"{LOG}retention/", {"log_retention_days": days})

    assert answer.status_code == 422
    assert Network.load().log_retention_days == 90


def test_the_retention_dialog_tells_htmx_what_changed(nadia: User, browse: Browse) -> None:
    answer = browse(nadia).post(
        f"{LOG}retention/", {"log_retention_days": "14"}, headers={"HX-Request": "true", "HX-Target": "dialog-body"}
    )

    assert answer.status_code == 204
    assert "retention:changed" in answer["HX-Trigger"]


def test_a_search_for_a_network_does_not_wait_for_its_histogram(network, acme_key, nadia, browse, call):
    call(acme_key[1]).get("/v1/affiliates/affiliate")
    searched = {"ip": "127.0.0.0/8"}

    answer = browse(nadia).get(LOG, searched)
    drawn = browse(nadia).get(LOG, searched | {"histogram": "1"})

    assert page(answer).links["Draw these calls over time"].endswith("histogram=1")
    assert not answer.context.get("histogram")
    assert drawn.context["histogram"].total == 1
    assert "1 call" in page(drawn).region("log-histogram").text
