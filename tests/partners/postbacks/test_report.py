from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from partners.models import Partner
from partners.postbacks.models import Attempt, Delivery, Postback
from partners.postbacks.report import COUNTED, counted, report_of
from portal.accounts.models import Event, Role, User
from portal.network.models import Network
from tests.conftest import SETUP, Browse, person
from tests.page import page
from tests.partners.postbacks.conftest import Add, Convert, deliver_due
from tests.partners.postbacks.receiver import Receiver, answering

pytestmark = pytest.mark.django_db

Look = tuple[Client, str, User]
DIALOG = {"HX-Request": "true", "HX-Target": "dialog-body"}


@pytest.fixture(autouse=True)
def inside(settings: Any) -> None:
    settings.POSTBACKS_ALLOW_PRIVATE = True


@pytest.fixture
def postback(add: Add, receiver: Receiver) -> Postback:
    return add(url=receiver.url("/in?c={conversion_id}&s={status}"))


@pytest.fixture(params=["own", "core"])
def look(request: pytest.FixtureRequest, acme: Partner, browse: Browse) -> Look:
    """A browser, where it finds Acme's postbacks, and who looks: Paul at his own, Vera on Partner Details."""
    user: User = request.getfixturevalue("paul" if request.param == "own" else "vera")
    return browse(user), "/my/postbacks/" if request.param == "own" else f"/partners/{acme.pk}/postbacks/", user


def attempts(response: Any) -> list[dict[str, str]]:
    return page(response).region("attempt-table").records


def attempt_of(postback: Postback, *, at: datetime, problem: str = "", **fields: Any) -> Attempt:
    return Attempt.objects.create(
        **{"partner": postback.partner, "postback": postback, "at": at, "url": "https://t.example/", "duration_ms": 5}
        | {"status": 500 if problem else 200, "problem": problem}
        | fields
    )


def test_the_report_says_what_arrived_what_failed_and_what_waits(
    look: Look, postback: Postback, convert: Convert, receiver: Receiver
) -> None:
    browser, where, _ = look
    convert()
    deliver_due()
    receiver.reply = answering(503, "Busy")
    convert()
    deliver_due()

    response = browser.get(f"{where}{postback.pk}/")

    report = page(response).region("postback-report").text
    assert "Waiting 1" in report
    assert "Delivered 1 in 30 days" in report
    assert "Failed calls 1 in 30 days" in report
    assert "Given up 0" in report
    assert "The last call failed It answered 503." in report
    rows = attempts(response)
    assert [row["Outcome"] for row in rows] == ["Failed It answered 503.", "Delivered"]
    assert [row["HTTP status"] for row in rows] == ["503", "200"]
    assert [row["Told"] for row in rows] == ["Approved", "Approved"]


def test_the_report_of_a_postback_that_was_removed_leads_to_the_list_which_says_so(
    look: Look, postback: Postback
) -> None:
    browser, where, _ = look
    postback.remove(by=SETUP)

    response = browser.get(f"{where}{postback.pk}/", follow=True)

    assert response.redirect_chain == [(where, 303)]
    assert f"Postback {postback.pk} was removed." in page(response).text


def test_the_chart_counts_by_days_of_the_network_and_ends_today(postback: Postback) -> None:
    moment = datetime(2026, 5, 31, 12, tzinfo=UTC)
    postback.days.create(day=moment.date(), delivered=7, failed=2)
    postback.days.create(day=moment.date() - timedelta(days=29), delivered=1)
    postback.days.create(day=moment.date() - timedelta(days=30), delivered=100)

    report = report_of(postback, now=moment)

    assert (report.delivered, report.failed) == ("8", "2")
    assert [band.title for band in report.chart.bands] == ["Delivered", "Failed"]
    assert len(report.chart.stretches) == 30
    assert report.chart.stretches[0].title == "Sat 2 May 2026\nDelivered: 1\nFailed: 0"
    assert report.chart.stretches[-1].title == "Sun 31 May 2026\nDelivered: 7\nFailed: 2"


def test_nobody_counts_to_a_million() -> None:
    assert [counted(0), counted(COUNTED - 1), counted(COUNTED)] == ["0", "9,999", "10,000 or more"]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", [0, 1, 2, 3]),
        ("?outcome=failed", [1]),
        ("?outcome=delivered", [0, 3]),
        ("?outcome=test", [2]),
        ("?from=2026-05-30", [0, 1, 2]),
        ("?from=2026-05-29&to=2026-05-30", [1, 2, 3]),
        ("?to=2026-05-29&outcome=delivered", [3]),
        ("?outcome=rubbish&from=0001-01-01&to=9999-12-31", [0, 1, 2, 3]),
        ("?from=2026-05-31&to=2026-05-30", []),
    ],
)
def test_attempts_are_filtered_by_outcome_and_day(
    query: str, shown: list[int], paul: User, browse: Browse, postback: Postback, convert: Convert
) -> None:
    convert()
    delivery = Delivery.objects.get()
    made = [
        attempt_of(postback, at=datetime(2026, 5, 31, 9, tzinfo=UTC), delivery=delivery, number=3),
        attempt_of(postback, at=datetime(2026, 5, 30, 23, 59, tzinfo=UTC), delivery=delivery, number=2, problem="No."),
        attempt_of(postback, at=datetime(2026, 5, 30, tzinfo=UTC), problem="A test that failed."),
        attempt_of(postback, at=datetime(2026, 5, 29, 1, tzinfo=UTC), delivery=delivery),
    ]

    response = browse(paul).get(f"/my/postbacks/{postback.pk}/{query}")

    found = page(response).region("attempt-table").element.select("tbody td:first-child a")
    links = [str(link["href"]) for link in found]
    assert links == [f"/my/postbacks/{postback.pk}/attempts/{made[place].pk}/" for place in shown]


def test_long_lists_are_paged_by_time_and_lead_back(paul: User, browse: Browse, postback: Postback) -> None:
    browser = browse(paul)
    moment = datetime(2026, 5, 31, tzinfo=UTC)
    # Three share each moment: the key tells those apart.
    made = [attempt_of(postback, at=moment - timedelta(seconds=number // 3)).pk for number in range(120)]
    newest_first = sorted(made, key=lambda pk: (Attempt.objects.get(pk=pk).at, pk), reverse=True)

    def numbers(response: Any) -> list[int]:
        links = page(response).region("attempt-table").element.select("tbody td:first-child a")
        return [int(str(link["href"]).split("/")[-2]) for link in links]

    def follow(response: Any, relation: str) -> Any:
        [link] = page(response).region("attempt-table").element.select(f"a[rel={relation}]")
        return browser.get(str(link["href"]))

    first = browser.get(f"/my/postbacks/{postback.pk}/")
    second = follow(first, "next")
    third = follow(second, "next")
    back = follow(third, "prev")

    assert numbers(first) + numbers(second) + numbers(third) == newest_first
    assert numbers(back) == numbers(second)
    assert numbers(follow(back, "prev")) == numbers(first)


@pytest.mark.parametrize("key", ["x", "1", "1-", "-1-1", "9" * 18 + "-1", "1-" + "9" * 19, "١-١"])
def test_a_key_that_names_no_place_shows_the_newest(key: str, paul: User, browse: Browse, postback: Postback) -> None:
    attempt_of(postback, at=now())

    response = browse(paul).get(f"/my/postbacks/{postback.pk}/", {"before": key})

    assert response.status_code == 200
    assert len(attempts(response)) == 1


def test_a_report_asks_as_much_of_the_database_for_many_attempts_as_for_one(
    paul: User, browse: Browse, postback: Postback, convert: Convert
) -> None:
    browser = browse(paul)

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            browser.get(f"/my/postbacks/{postback.pk}/")
        return len(captured)

    convert()
    deliver_due()
    queries()
    one = queries()
    for _ in range(19):
        convert()
    deliver_due()

    assert queries() == one


def test_what_came_back_is_shown_as_text_and_does_nothing(
    look: Look, postback: Postback, convert: Convert, receiver: Receiver
) -> None:
    browser, where, _ = look
    receiver.reply = answering(500, "<script>alert(1)</script><img src=x>")
    convert()
    deliver_due()
    attempt = Attempt.objects.get()

    response = browser.get(f"{where}{postback.pk}/attempts/{attempt.pk}/")

    shown = page(response)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in response.content.decode()
    assert shown.element.select("pre script, pre img") == []
    assert attempt.url in shown.text
    assert "It answered 500." in shown.text
    assert f"{attempt.duration_ms} ms" in shown.text
    assert "Waits until" in shown.text


@pytest.mark.parametrize("path", ["", "attempts/{attempt}/", "deliveries/{delivery}/retry/", "test/"])
def test_somebody_elses_numbers_lead_nowhere(
    path: str, acme: Partner, otto: User, paul: User, vera: User, browse: Browse, postback: Postback, add: Add,
    convert: Convert, receiver: Receiver,
) -> None:  # fmt: skip
    convert()
    deliver_due()
    assert otto.partner is not None
    others = add(partner=otto.partner, url=receiver.url())
    numbers = {"attempt": Attempt.objects.get().pk, "delivery": Delivery.objects.get().pk}
    path = path.format(**numbers)

    answers = [
        browse(otto).get(f"/my/postbacks/{postback.pk}/{path}"),
        browse(otto).post(f"/my/postbacks/{postback.pk}/{path}") if path.endswith(("retry/", "test/")) else None,
        # The number of a postback of one's own does not open another's attempts.
        browse(otto).get(f"/my/postbacks/{others.pk}/{path}")
        if "{" not in path and path[:1] in "ad" and path
        else None,
        browse(vera).get(f"/partners/{otto.partner_id}/postbacks/{postback.pk}/{path}"),
        browse(paul).get(f"/partners/{acme.pk}/postbacks/{postback.pk}/{path}"),
    ]

    assert {answer.status_code for answer in answers if answer is not None} == {404}
    assert len(receiver.paths) == 1


def test_a_delivery_that_failed_is_sent_again_on_request(
    look: Look, postback: Postback, convert: Convert, receiver: Receiver
) -> None:
    browser, where, user = look
    receiver.reply = answering(503)
    convert()
    deliver_due()
    receiver.reply = answering()
    delivery = Delivery.objects.get()
    url = f"{where}{postback.pk}/deliveries/{delivery.pk}/retry/"

    asked = browser.get(url)
    done = browser.post(url, follow=True)
    deliver_due()

    assert page(asked).form(url).method == "post"
    assert done.redirect_chain == [(f"{where}{postback.pk}/", 303)]
    assert f"Delivery {delivery.pk} is sent again within moments." in page(done).text
    delivery.refresh_from_db()
    assert delivery.delivered_at is not None
    event = Event.objects.get(kind="postback.retried")
    assert (event.actor_label, event.details["delivery"]) == (user.name, delivery.pk)


def test_what_cannot_be_sent_again_is_said_kindly(
    paul: User, browse: Browse, postback: Postback, convert: Convert, receiver: Receiver
) -> None:
    conversion = convert(status="pending")
    Delivery.objects.update(given_up_at=now(), due_at=None)
    conversion.approve(by=SETUP)
    deliver_due()
    overtaken, arrived = Delivery.objects.order_by("pk")
    convert()
    waiting = Delivery.objects.latest("pk")

    def retried(delivery: Delivery) -> str:
        url = f"/my/postbacks/{postback.pk}/deliveries/{delivery.pk}/retry/"
        answer = browse(paul).post(url, headers=DIALOG)
        assert answer.status_code == 204
        [toast] = json.loads(answer["HX-Trigger"])["toast"]
        return str(toast["text"])

    assert "a later status" in retried(overtaken)
    assert "has arrived meanwhile" in retried(arrived)
    postback.pause(by=SETUP)
    assert "Resume it" in retried(waiting)
    assert not Event.objects.filter(kind="postback.retried").exists()
    assert len(receiver.paths) == 1


def test_a_test_says_at_once_how_it_went(look: Look, postback: Postback, receiver: Receiver) -> None:
    browser, where, user = look
    url = f"{where}{postback.pk}/test/"

    before = browser.get(url)
    asked = list(receiver.paths)
    arrived = browser.post(url)
    receiver.reply = answering(404, "Unknown click")
    failed = browser.post(url, headers=DIALOG)

    assert asked == []
    assert "s=approved" in page(before).text
    assert "It arrived" in page(arrived).text
    assert "It did not arrive It answered 404." in page(failed).text
    assert "Unknown click" in page(failed).text
    assert "postbacks:changed" in json.loads(failed["HX-Trigger"])
    assert "Latchkey-Test: 1\r\n" in receiver.heads[0]
    assert [attempt.is_test for attempt in Attempt.objects.all()] == [True, True]
    tested = Event.objects.filter(kind="postback.tested").order_by("pk")
    assert [event.actor_label for event in tested] == [user.name, user.name]
    assert len(attempts(browser.get(f"{where}{postback.pk}/?outcome=test"))) == 2


def test_a_partner_is_shown_the_call_that_tests_as_well(
    paul: User, vera: User, browse: Browse, postback: Postback
) -> None:
    own = browse(paul).get(f"/my/postbacks/{postback.pk}/test/").content.decode()
    core = browse(vera).get(f"/partners/{postback.partner_id}/postbacks/{postback.pk}/test/").content.decode()

    assert f"/v1/affiliates/pixels/{postback.pk}/test" in own
    assert "/v1/affiliates/pixels" not in core


def test_html_has_a_report_and_nothing_to_test(paul: User, browse: Browse, add: Add) -> None:
    shown = add(delivery_method="html", html_code="<b></b>", url="")

    report = browse(paul).get(f"/my/postbacks/{shown.pk}/")
    test = browse(paul).post(f"/my/postbacks/{shown.pk}/test/")

    assert "Nothing is called" in page(report).text
    assert "Send a test" not in page(report).text
    assert test.status_code == 404


def test_tests_are_limited(paul: User, browse: Browse, postback: Postback, receiver: Receiver) -> None:
    browser = browse(paul)
    with time_machine.travel(now(), tick=False):
        answers = [browser.post(f"/my/postbacks/{postback.pk}/test/").status_code for _ in range(11)]

    assert answers == [200] * 10 + [429]
    assert len(receiver.paths) == 10


def test_a_paused_postback_says_why_and_how_to_go_on(look: Look, postback: Postback, convert: Convert) -> None:
    browser, where, _ = look
    attempt_of(postback, at=now(), problem="It answered 502.", delivery=None)
    postback.pause(by=SETUP)
    by_hand = page(browser.get(f"{where}{postback.pk}/")).region("postback-report").text
    convert()
    Postback.objects.update(failures=10)

    by_itself = page(browser.get(f"{where}{postback.pk}/")).region("postback-report").text

    assert "By tests . Nothing is sent until somebody resumes it" in by_hand
    assert "10 calls in a row failed" in by_itself
    assert "send a test, then resume it" in by_itself


def test_who_may_only_look_sees_the_report_and_sends_nothing(
    network: Network, browse: Browse, postback: Postback, convert: Convert, receiver: Receiver
) -> None:
    analyst = person("Anna", role=Role.create(name="Analyst", by=SETUP, partners="view"))
    convert()
    delivery = Delivery.objects.get()
    where = f"/partners/{postback.partner_id}/postbacks/{postback.pk}/"

    report = browse(analyst).get(where)
    refused = [
        browse(analyst).post(f"{where}test/"),
        browse(analyst).post(f"{where}deliveries/{delivery.pk}/retry/"),
    ]

    assert report.status_code == 200
    assert [answer.status_code for answer in refused] == [403, 403]
    assert receiver.paths == []


def explained(queryset: Any) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    return str(queryset.explain())


@pytest.mark.parametrize(
    ("narrow", "index"),
    [
        (lambda all_: all_, "attempt_by_time"),
        (lambda all_: all_.failed(), "attempt_failed"),
        (lambda all_: all_.tests(), "attempt_test"),
        (lambda all_: all_.between(now() - timedelta(days=9), now() - timedelta(days=8)), "attempt_by_time"),
    ],
)
def test_each_list_is_read_from_an_index_in_its_own_order(
    narrow: Callable[[Any], Any], index: str, postback: Postback
) -> None:
    plan = explained(narrow(postback.attempts).newest_first()[:51])

    assert f"using {index}" in plan
    assert "Sort" not in plan


def test_counts_are_read_from_indexes_of_their_own(postback: Postback) -> None:
    assert "delivery_given_up" in explained(postback.deliveries.given_up().order_by("postback")[:10])
    assert "delivery_open" in explained(postback.deliveries.open().order_by("pk")[:10])
