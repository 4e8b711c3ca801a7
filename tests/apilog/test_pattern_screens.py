from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apilog.patterns.models import Pattern
from apilog.patterns.rules import Finding, Sighting
from keys.gate import Outcome
from keys.models import Key
from partners.models import Partner
from portal.accounts.models import Role, User
from portal.network.models import Network
from tests.apilog.conftest import Log
from tests.conftest import SETUP, Browse, person
from tests.htmx import DIALOG, HTMX, told
from tests.page import page

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 15, 12, 30, 20, 654_321, tzinfo=UTC)
LIST = "/system/api-log/patterns/"


def raised(key: Key, *, rule: str = "new_network", seen: dict[str, int] | None = None) -> Pattern:
    """An open pattern of the key, its calls of the last half hour before NOW."""
    sightings = {
        subject: Sighting(calls, NOW - timedelta(minutes=30), NOW)
        for subject, calls in (seen or {"198.51.100.0/24": 14}).items()
    }
    Pattern.raise_all({(key.pk, rule): Finding("It is used from 203.0.113.0/24.", sightings)}, at=NOW)
    return Pattern.objects.open().get(rule=rule, key=key)


@pytest.fixture
def pattern(acme_key: tuple[Key, str], network: Network) -> Pattern:
    return raised(acme_key[0])


@pytest.fixture
def of_network_key(network: Network) -> Pattern:
    return raised(Key.generate_network_key(by=SETUP, replacing=None)[0])


def dismissal(pattern: Pattern) -> str:
    return reverse("patterns:dismiss", args=[pattern.pk])


def dismissal_of_partner(pattern: Pattern) -> str:
    return reverse("patterns:dismiss_of_partner", args=[pattern.key.partner_id, pattern.pk])


def test_who_may_see_unusual_patterns(cast: list[User], pattern: Pattern, acme: Partner, browse: Browse) -> None:
    of_all = {user.name: browse(user).get(LIST).status_code for user in cast}
    of_acme = {user.name: browse(user).get(f"/partners/{acme.pk}/api/patterns/").status_code for user in cast}

    assert of_all == {"Sonia": 200, "Nadia": 200, "Amir": 403, "Vera": 403, "Paul": 404, "Otto": 404}
    assert of_acme == {"Sonia": 200, "Nadia": 200, "Amir": 200, "Vera": 200, "Paul": 404, "Otto": 404}


def test_who_may_dismiss_a_pattern_of_a_partners_key(cast: list[User], pattern: Pattern, browse: Browse) -> None:
    on_the_log = {user.name: browse(user).get(dismissal(pattern)).status_code for user in cast}
    of_acme = {user.name: browse(user).get(dismissal_of_partner(pattern)).status_code for user in cast}

    assert on_the_log == {"Sonia": 200, "Nadia": 200, "Amir": 403, "Vera": 403, "Paul": 404, "Otto": 404}
    assert of_acme == {"Sonia": 200, "Nadia": 200, "Amir": 200, "Vera": 403, "Paul": 404, "Otto": 404}


def test_who_issues_partner_keys_may_not_wave_the_network_keys_patterns_through(
    pattern: Pattern, of_network_key: Pattern, browse: Browse
) -> None:
    levels = {"security": "full_control", "system_settings": "view"}
    reader = browse(person("Rita", role=Role.create(name="Key desk", by=SETUP, **levels)))

    answers = [reader.post(dismissal(each), {"reason": "Fine"}, headers=HTMX) for each in (pattern, of_network_key)]

    assert [answer.status_code for answer in answers] == [204, 403]
    assert "System Settings: full" in told(answers[1])["toast"][0]["text"]
    assert [each.pk for each in Pattern.objects.open()] == [of_network_key.pk]


def test_a_refused_dismissal_is_a_toast_that_names_the_right(vera: User, pattern: Pattern, browse: Browse) -> None:
    answer = browse(vera).post(dismissal_of_partner(pattern), {"reason": "Fine"}, headers=DIALOG)

    assert answer.status_code == 403
    assert told(answer)["toast"][0]["title"] == "Forbidden"
    assert Pattern.objects.open().exists()


def test_another_partners_pattern_is_not_found(
    amir: User, pattern: Pattern, other_partner: Partner, browse: Browse
) -> None:
    elsewhere = reverse("patterns:dismiss_of_partner", args=[other_partner.pk, pattern.pk])

    assert browse(amir).get(elsewhere).status_code == 404
    assert "198.51" not in page(browse(amir).get(f"/partners/{other_partner.pk}/api/patterns/")).text


def test_a_pattern_says_what_is_usual_what_happened_and_whose_key_it_is(
    nadia: User, pattern: Pattern, browse: Browse
) -> None:
    found = page(browse(nadia).get(LIST)).region("pattern-list")

    for words in (
        "New network of addresses",
        f"Reporting {pattern.key.hint}",
        "Acme Media",
        "It is used from 203.0.113.0/24.",
        "It was used from addresses it had never been used from.",
        "198.51.100.0/24: 14 calls",
        "15 Jun, 12:00–12:30 UTC",
    ):
        assert words in found.text


@pytest.mark.parametrize("where", ["network", "partner"])
def test_a_pattern_leads_to_its_calls(
    nadia: User, pattern: Pattern, log: Log, browse: Browse, network: Network, where: str
) -> None:
    network.change(by=SETUP, timezone="America/New_York")
    calls = [log(pattern.key, at=at, ip="198.51.100.9") for at in (pattern.first_at, pattern.last_at)]
    log(pattern.key, at=pattern.last_at, ip="203.0.113.7")
    log(pattern.key, at=pattern.last_at + timedelta(seconds=2), ip="198.51.100.9")
    client = browse(nadia)
    url = LIST if where == "network" else f"/partners/{pattern.key.partner_id}/api/patterns/"

    shown = client.get(page(client.get(url)).links["198.51.100.0/24: 14 calls"])

    rows = [row["id"] for row in page(shown).element.select("#call-rows > tr")]
    assert rows == [f"call-{call.pk}" for call in reversed(calls)]


@pytest.mark.parametrize(
    ("rule", "subject", "outcome"),
    [
        ("limit_burst", NOW.isoformat(), Outcome.RATE_LIMITED),
        ("refused_again", "revoked_key 198.51.100.0/24", Outcome.REVOKED_KEY),
        ("new_hour", "12", Outcome.OK),
        ("new_action", "list_offers", Outcome.OK),
    ],
)
def test_every_rules_link_is_a_filter_that_the_log_understands(
    nadia: User, acme_key: tuple[Key, str], log: Log, browse: Browse, rule: str, subject: str, outcome: Outcome
) -> None:
    key, _ = acme_key
    raised(key, rule=rule, seen={subject: 7})
    call = log(key, at=NOW, ip="198.51.100.9", outcome=outcome, action="list_offers")
    client = browse(nadia)

    link = next(url for text, url in page(client.get(LIST)).links.items() if "7 calls" in text)
    shown = client.get(link)

    assert shown.status_code == 200
    assert [row["id"] for row in page(shown).element.select("#call-rows > tr")] == [f"call-{call.pk}"]


def test_an_unused_key_has_no_calls_to_show(nadia: User, acme_key: tuple[Key, str], browse: Browse) -> None:
    raised(acme_key[0], rule="unused", seen={NOW.isoformat(): 0})

    found = page(browse(nadia).get(LIST)).region("pattern-list")

    assert "If nobody needs it, revoke it." in found.text
    assert not [text for text in found.links if "call" in text]


def test_a_pattern_about_many_things_shows_those_with_the_most_calls(
    nadia: User, acme_key: tuple[Key, str], browse: Browse
) -> None:
    raised(acme_key[0], seen={f"198.51.{number}.0/24": number + 1 for number in range(9)})

    found = page(browse(nadia).get(LIST)).region("pattern-list").text

    assert "198.51.8.0/24: 9 calls" in found
    assert "198.51.3.0/24" not in found
    assert "and 4 more" in found


def test_a_pattern_of_a_rule_that_is_gone_is_still_shown(
    nadia: User, acme_key: tuple[Key, str], browse: Browse
) -> None:
    raised(acme_key[0], rule="full_moon", seen={"x": 3})

    assert "full_moon" in page(browse(nadia).get(LIST)).region("pattern-list").text


def test_the_tabs_load_the_newest_patterns_by_url(nadia: User, pattern: Pattern, browse: Browse) -> None:
    client = browse(nadia)
    of_acme = f"/partners/{pattern.key.partner_id}/api/patterns/"

    for tab, url in (("/system/api-log/", LIST), (f"/partners/{pattern.key.partner_id}/api/", of_acme)):
        region = page(client.get(tab)).region("pattern-region")
        assert region.element["hx-get"] == region.links["Unusual patterns"] == url
        loaded = page(client.get(url, headers={**HTMX, "HX-Target": "pattern-region"}))
        assert loaded.title == ""
        assert "198.51.100.0/24: 14 calls" in loaded.region("pattern-region").text


def test_a_partners_tab_shows_that_partners_patterns_alone(
    vera: User, pattern: Pattern, other_partner: Partner, browse: Browse
) -> None:
    raised(Key.issue(partner=other_partner, label="Secret project", by=SETUP)[0], seen={"192.0.2.0/24": 3})

    found = page(browse(vera).get(f"/partners/{pattern.key.partner_id}/api/patterns/")).text

    assert "198.51.100.0/24" in found
    assert "192.0.2.0/24" not in found


def test_the_navigation_counts_open_patterns_for_who_may_see_them(
    cast: list[User], pattern: Pattern, browse: Browse
) -> None:
    counts = {}
    for user in cast[:4]:
        found = page(browse(user).get("/partners/"))
        counts[user.name] = found.region("pattern-count").text if found.has("pattern-count") else None

    assert counts == {
        "Sonia": "1 unusual pattern",
        "Nadia": "1 unusual pattern",
        "Amir": None,
        "Vera": None,
    }


def test_counting_for_the_navigation_is_one_query_of_an_index(nadia: User, pattern: Pattern, browse: Browse) -> None:
    client = browse(nadia)

    with CaptureQueriesContext(connection) as captured:
        client.get("/partners/")

    counting = [query["sql"] for query in captured.captured_queries if "patterns_pattern" in query["sql"]]
    assert len(counting) == 1
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {counting[0]}")
        assert "one_open_pattern_per_rule_and_key" in str(cursor.fetchall())


def test_the_count_renews_itself_after_a_dismissal(nadia: User, pattern: Pattern, browse: Browse) -> None:
    client = browse(nadia)
    pattern.dismiss(reason="They moved", by=SETUP)

    for target in ("pattern-count", "pattern-tab-count"):
        answer = page(client.get(LIST, headers={**HTMX, "HX-Target": target}))
        assert answer.region(target).text == ""
        assert "hidden" in answer.region(target).element.attrs


def test_dismissing_asks_for_a_reason_and_says_who_when_and_why(nadia: User, pattern: Pattern, browse: Browse) -> None:
    client = browse(nadia)
    form = page(client.get(dismissal(pattern), headers=DIALOG)).form(dismissal(pattern))

    answer = client.post(form.action, {**form.fields, "reason": "They moved to new servers"}, headers=DIALOG)

    assert (answer.status_code, told(answer)["toast"][0]["level"]) == (204, "success")
    assert {"patterns:changed", "dialog:close"} <= told(answer).keys()
    assert "198.51.100.0/24" not in page(client.get(LIST)).text
    closed = page(client.get(f"{LIST}?closed")).region("pattern-list").text
    assert "198.51.100.0/24" in closed
    assert "Closed by Nadia" in closed
    assert "They moved to new servers" in closed


def test_dismissing_without_htmx_goes_back_to_where_the_pattern_stood(
    nadia: User, pattern: Pattern, of_network_key: Pattern, browse: Browse
) -> None:
    client = browse(nadia)

    of_partner = client.post(dismissal_of_partner(pattern), {"reason": "They moved"})
    on_the_log = client.post(dismissal(of_network_key), {"reason": "We moved"})

    assert (of_partner.status_code, of_partner["Location"]) == (303, f"/partners/{pattern.key.partner_id}/api/")
    assert (on_the_log.status_code, on_the_log["Location"]) == (303, "/system/api-log/")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"reason": " "}, "Say why this is nothing to worry about."),
        ({"reason": "x" * 301}, "at most 300 characters"),
        ({"reason": "They moved", "subjects": "{"}, "Look again, then dismiss it."),
        ({"reason": "They moved", "subjects": "7"}, "Look again, then dismiss it."),
    ],
)
def test_a_dismissal_that_makes_no_sense_is_answered_with_the_form(
    nadia: User, pattern: Pattern, browse: Browse, fields: dict[str, str], error: str
) -> None:
    answer = browse(nadia).post(dismissal(pattern), fields, headers=DIALOG)

    assert answer.status_code == 422
    assert any(error in found for found in page(answer).errors)
    assert Pattern.objects.open().exists()


def test_whoever_dismisses_second_is_told_who_was_faster(
    nadia: User, amir: User, pattern: Pattern, browse: Browse
) -> None:
    second = browse(amir)
    form = page(second.get(dismissal_of_partner(pattern), headers=DIALOG)).form(dismissal_of_partner(pattern))
    browse(nadia).post(dismissal(pattern), {"reason": "They moved"})

    answer = second.post(form.action, {**form.fields, "reason": "Fine"}, headers=DIALOG)
    asked = page(second.get(form.action, headers=DIALOG))

    assert told(answer)["toast"][0]["text"] == "Nadia has closed this pattern already. Nothing is left to do."
    assert told(answer)["toast"][0]["level"] == "info"
    assert Pattern.objects.get().closed_because == "They moved"
    assert "Nadia has closed" in asked.text
    assert "They moved" in asked.text


def test_what_was_found_meanwhile_is_shown_before_it_is_dismissed(
    nadia: User, pattern: Pattern, browse: Browse
) -> None:
    client = browse(nadia)
    form = page(client.get(dismissal(pattern), headers=DIALOG)).form(dismissal(pattern))
    raised(pattern.key, seen={"192.0.2.0/24": 2})

    answer = client.post(form.action, {**form.fields, "reason": "They moved"}, headers=DIALOG)

    again = page(answer)
    assert answer.status_code == 422
    assert any("More was found while you were looking" in error for error in again.errors)
    assert "192.0.2.0/24: 2 calls" in again.text
    assert again.form(dismissal(pattern)).fields["reason"] == "They moved"
    assert client.post(form.action, again.form(form.action).fields, headers=DIALOG).status_code == 204


def test_the_lists_say_what_it_means_that_they_are_empty(nadia: User, browse: Browse) -> None:
    client = browse(nadia)

    assert "Nothing unusual" in page(client.get(LIST)).text
    assert "Nothing was closed" in page(client.get(f"{LIST}?closed")).text
    region = page(client.get(LIST, headers={**HTMX, "HX-Target": "pattern-region"}))
    assert "No unusual patterns." in region.text


@pytest.mark.parametrize("query", ["", "?closed"])
def test_twenty_patterns_cost_as_many_queries_as_one(
    nadia: User, acme: Partner, pattern: Pattern, browse: Browse, query: str
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(LIST + query)
        return len(captured)

    def close_if_asked() -> None:
        for each in Pattern.objects.open() if query else ():
            each.dismiss(reason="Fine", by=SETUP)

    client = browse(nadia)
    close_if_asked()
    one = queries()
    for number in range(20):
        raised(Key.issue(partner=acme, label=f"Key {number}", by=SETUP)[0])
    close_if_asked()

    assert queries() == one


def test_many_patterns_are_paged(nadia: User, acme: Partner, browse: Browse) -> None:
    for number in range(52):
        raised(Key.issue(partner=acme, label=f"Key {number}", by=SETUP)[0])
    client = browse(nadia)

    first = page(client.get(LIST))
    second = page(client.get(first.links["Older"]))

    assert len(first.element.select(".pattern")) == 50
    assert len(second.element.select(".pattern")) == 2
