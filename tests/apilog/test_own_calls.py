from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from keys.gate import Outcome
from keys.models import Key
from partners.models import Partner
from portal.accounts.models import User
from tests.apilog.conftest import Log
from tests.conftest import SETUP, Browse
from tests.page import page

pytestmark = pytest.mark.django_db


@pytest.fixture
def others_key(other_partner: Partner) -> Key:
    return Key.issue(partner=other_partner, label="Orbit's secret project", by=SETUP)[0]


def test_who_may_see_a_partners_calls(cast: list[User], acme: Partner, browse: Browse) -> None:
    own = {user.name: browse(user).get("/account/api/calls/").status_code for user in cast}
    of_acme = {user.name: browse(user).get(f"/partners/{acme.pk}/api/calls/").status_code for user in cast}

    assert own == {"Sonia": 404, "Nadia": 404, "Amir": 404, "Vera": 404, "Paul": 200, "Otto": 200}
    assert of_acme == {"Sonia": 200, "Nadia": 200, "Amir": 200, "Vera": 200, "Paul": 404, "Otto": 404}


@pytest.mark.parametrize("query", ["", "outcome=ok", "status=2xx", "ip=203.0.113.0/24", "range=hour", "range=week"])
def test_a_partner_sees_its_own_calls_and_nothing_of_anyone_elses(
    paul: User, acme_key: tuple[Key, str], others_key: Key, log: Log, browse: Browse, query: str
) -> None:
    key, _ = acme_key
    own = log(key)
    log(others_key, path="/v1/affiliates/offers/77", user_agent="orbit-bot")
    log(outcome=Outcome.NO_KEY)

    answer = browse(paul).get(f"/account/api/calls/?{query}&histogram=1")

    found = page(answer)
    assert [row["id"] for row in found.element.select("#call-rows > tr")] == [f"call-{own.pk}"]
    assert found.region("histogram-heading").text == "1 call"
    for secret in ("Orbit", "/77", others_key.hint, "Partner"):
        assert secret not in found.region("call-log").text


@pytest.mark.parametrize("query", ["partner=Orbit+Deals", "partner=2", "realm=network", "live=1"])
def test_what_only_the_network_may_ask_changes_nothing_for_a_partner(
    paul: User, acme_key: tuple[Key, str], others_key: Key, log: Log, browse: Browse, query: str
) -> None:
    own = log(acme_key[0])
    log(others_key)

    found = page(browse(paul).get(f"/account/api/calls/?{query}"))

    assert [row["id"] for row in found.element.select("#call-rows > tr")] == [f"call-{own.pk}"]
    assert "Export to CSV" not in found.links
    assert not found.element.select("[data-tail]")


def test_what_others_have_called_is_not_offered_as_a_filter(
    paul: User, acme_key: tuple[Key, str], others_key: Key, log: Log, browse: Browse
) -> None:
    network_key, _ = Key.generate_network_key(by=SETUP, replacing=None)
    for key, action in [(acme_key[0], "read_network"), (others_key, "export_report"), (network_key, "issue_api_key")]:
        log(key, action=action)
    log(acme_key[0], action="")

    found = page(browse(paul).get("/account/api/calls/"))

    offered = [option["value"] for option in found.element.select("select[name=action] option")]
    assert offered == ["", "read_network"]


def test_another_partners_key_is_no_filter(paul: User, others_key: Key, acme: Partner, browse: Browse) -> None:
    reader = browse(paul)

    answers = [reader.get("/account/api/calls/", {"key": text}) for text in (str(others_key.pk), others_key.hint)]

    for answer in answers:
        assert answer.status_code == 422
        assert "There is no key" in page(answer).text
        assert "secret project" not in answer.content.decode()


def test_another_partners_call_is_not_found(
    paul: User, amir: User, acme: Partner, acme_key: tuple[Key, str], others_key: Key, log: Log, browse: Browse
) -> None:
    own, others, nobodys = log(acme_key[0]), log(others_key), log(outcome=Outcome.NO_KEY)

    assert browse(paul).get(f"/account/api/calls/{own.pk}/").status_code == 200
    for call in (others, nobodys):
        assert browse(paul).get(f"/account/api/calls/{call.pk}/").status_code == 404
        assert browse(amir).get(f"/partners/{acme.pk}/api/calls/{call.pk}/").status_code == 404
        looked_up = browse(paul).get("/account/api/calls/", {"request_id": str(call.pk)})
        assert looked_up.status_code == 422
        assert "The log has no call with this request ID." in page(looked_up).text
    assert browse(paul).get(f"/system/api-log/calls/{own.pk}/").status_code == 404


def test_a_partner_is_told_what_to_do_about_a_call(
    paul: User, acme_key: tuple[Key, str], log: Log, browse: Browse
) -> None:
    call = log(acme_key[0], outcome=Outcome.RATE_LIMITED, limited_by="network")

    found = page(browse(paul).get(f"/account/api/calls/{call.pk}/"))

    assert "What to do" in found.text
    assert "Retry-After" in found.text
    assert "What to tell the partner" not in found.text


@pytest.mark.parametrize("region", ["/account/api/calls/", "/partners/{}/api/calls/"])
def test_a_tab_loads_the_ten_newest_calls_as_a_region(
    paul: User, amir: User, acme: Partner, acme_key: tuple[Key, str], log: Log, browse: Browse, region: str
) -> None:
    start = timezone.now() - timedelta(days=2)
    calls = [log(acme_key[0], at=start + timedelta(minutes=minute)) for minute in range(12)][::-1]
    reader = paul if region.startswith("/account") else amir

    answer = browse(reader).get(region.format(acme.pk), headers={"HX-Request": "true", "HX-Target": "recent-calls"})

    found = page(answer)
    assert found.element.find("html") is None
    assert [row["id"] for row in found.element.select("#call-rows > tr")] == [f"call-{call.pk}" for call in calls[:10]]


def test_the_tabs_load_that_region(
    paul: User, amir: User, acme: Partner, acme_key: tuple[Key, str], browse: Browse
) -> None:
    pages = {
        "/account/api/calls/": browse(paul).get("/account/api/"),
        f"/partners/{acme.pk}/api/calls/": browse(amir).get(f"/partners/{acme.pk}/api/"),
    }

    for url, answer in pages.items():
        assert page(answer).region("recent-calls").element["hx-get"] == url


def test_the_whole_log_is_linked_for_those_who_may_view_it(
    nadia: User, vera: User, acme: Partner, browse: Browse
) -> None:
    seen = {
        user.name: page(browse(user).get(f"/partners/{acme.pk}/api/calls/")).links.get("In the API Log")
        for user in (nadia, vera)
    }

    assert seen == {"Nadia": f"/system/api-log/?partner={acme.pk}", "Vera": None}
