from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from keys.models import Key
from partners.models import Partner
from partners.offers.models import Offer
from partners.postbacks.models import Postback
from partners.postbacks.models import postbacks as models
from portal.accounts.models import Event
from tests.conftest import SETUP
from tests.partners.postbacks.conftest import URL, Add

pytestmark = pytest.mark.django_db

Call = Callable[..., Client]
Launch = Callable[..., Offer]

PIXELS = "/v1/affiliates/pixels"
JSON = "application/json"


@pytest.fixture
def client(acme_key: tuple[Key, str], call: Call) -> Client:
    return call(acme_key[1])


def numbers(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.content
    return [pixel["network_pixel_id"] for pixel in answer.json()["pixels"]]


def test_a_postback_is_added_with_the_key_as_its_actor(
    client: Client, acme: Partner, acme_key: tuple[Key, str], launch: Launch
) -> None:
    offer = launch()
    sent = {
        "network_offer_id": offer.pk,
        "delivery_method": "postback",
        "pixel_level": "specific",
        "pixel_status": "active",
        "pixel_type": "post_conversion",
        "postback_url": URL,
        "html_code": "",
        "delay_ms": 1500,
    }

    answer = client.post(PIXELS, sent, content_type=JSON)

    postback = acme.postbacks.get()
    assert answer.status_code == 200
    assert answer.json() == {
        **sent,
        "network_pixel_id": postback.pk,
        "network_affiliate_id": acme.pk,
        "time_created": int(postback.created_at.timestamp()),
        "time_saved": int(postback.updated_at.timestamp()),
    }
    event = Event.objects.get(kind="postback.added")
    assert (event.actor_key_id, event.partner_id, event.ip) == (acme_key[0].pk, acme.pk, "127.0.0.1")
    assert "API key" in event.actor_label


def test_what_is_left_out_has_a_sensible_default(client: Client, acme: Partner) -> None:
    answer = client.post(PIXELS, {"postback_url": URL, "pixel_status": "inactive"}, content_type=JSON).json()

    expected = (0, "global", "postback", "conversion", "inactive", 0)
    fields = ("network_offer_id", "pixel_level", "delivery_method", "pixel_type", "pixel_status", "delay_ms")
    assert tuple(answer[field] for field in fields) == expected


def test_a_postback_is_read_listed_changed_and_removed(client: Client, add: Add, launch: Launch) -> None:
    postback, offer = add(), launch()
    url = f"{PIXELS}/{postback.pk}"

    read = client.get(url).json()
    changed = client.put(url, {"network_offer_id": offer.pk, "pixel_status": "inactive"}, content_type=JSON)
    listed = client.get(PIXELS).json()
    removed = client.delete(url)
    gone = [client.get(url), client.put(url, {"delay_ms": 1}, content_type=JSON), client.delete(url)]

    assert changed.json() == {
        **read,
        "network_offer_id": offer.pk,
        "pixel_level": "specific",
        "pixel_status": "inactive",
        "time_saved": changed.json()["time_saved"],
    }
    assert listed["pixels"] == [changed.json()]
    assert (listed["paging"], listed["total_count"]) == ({"page": 1, "page_size": 50, "total_count": 1}, 1)
    assert (removed.status_code, removed.json()) == (200, {"result": True})
    assert [answer.status_code for answer in gone] == [404, 404, 404]
    assert client.get(PIXELS).json()["pixels"] == []
    kinds = list(Event.objects.filter(subject_type="postback").order_by("pk").values_list("kind", "actor_label"))
    assert [kind for kind, _ in kinds] == [
        "postback.added",
        "postback.changed",
        "postback.paused",
        "postback.removed",
    ]
    assert {label for _, label in kinds[1:]} == {f"API key …{Key.objects.get().hint[-4:]} (Acme Media)"}


def test_an_answer_can_be_sent_back_and_changes_nothing(client: Client, add: Add, launch: Launch) -> None:
    offer = launch()
    postback = add(offer=offer)
    offer.change(by=SETUP, status="deleted")
    url = f"{PIXELS}/{postback.pk}"
    read = client.get(url).json()

    answer = client.put(url, read, content_type=JSON)

    assert (answer.status_code, answer.json()) == (200, read)
    assert not Event.objects.filter(kind__in=["postback.changed", "postback.paused"]).exists()


def test_null_leaves_a_field_alone_and_0_means_every_offer(client: Client, add: Add, launch: Launch) -> None:
    postback = add(offer=launch(), delay_ms=9)
    url = f"{PIXELS}/{postback.pk}"

    left = client.put(url, {"network_offer_id": None, "delay_ms": None, "postback_url": None}, content_type=JSON)
    widened = client.put(url, {"network_offer_id": 0, "pixel_level": "global"}, content_type=JSON)
    resumed = client.put(url, {"pixel_status": "active"}, content_type=JSON)

    assert (left.json()["delay_ms"], left.json()["postback_url"], left.json()["pixel_level"]) == (9, URL, "specific")
    assert (widened.json()["network_offer_id"], widened.json()["pixel_level"]) == (0, "global")
    assert resumed.json()["pixel_status"] == "active"


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        ({}, "postback_url: Say which URL"),
        ({"postback_url": URL, "pixel_colour": "red"}, "pixel_colour: "),
        ({"postback_url": URL, "delivery_method": "pigeon"}, "delivery_method: "),
        ({"postback_url": URL, "pixel_type": "click"}, "pixel_type: "),
        ({"postback_url": URL, "pixel_status": "paused"}, "pixel_status: "),
        ({"postback_url": URL, "pixel_level": "specific"}, "pixel_level: "),
        ({"postback_url": URL, "network_offer_id": 999_999}, "network_offer_id: there is no such offer"),
        ({"postback_url": URL, "network_offer_id": -1}, "network_offer_id: there is no such offer"),
        ({"postback_url": URL, "network_offer_id": 10**40}, "network_offer_id: there is no such offer"),
        ({"postback_url": URL, "network_offer_id": "all"}, "network_offer_id: "),
        ({"postback_url": URL, "network_affiliate_id": 999_999}, "network_affiliate_id: "),
        ({"postback_url": URL, "network_pixel_id": 999_999}, "network_pixel_id: "),
        ({"postback_url": URL, "delay_ms": 300_001}, "delay_ms: It is at most 300,000"),
        ({"postback_url": URL, "delay_ms": 10**40}, "delay_ms: It is at most 300,000"),
        ({"postback_url": f"{URL}&x={{click_id}}"}, "postback_url: {click_id} is not a macro"),
        ({"postback_url": "http://10.0.0.1/"}, "postback_url: 10.0.0.1 is an address of a private network"),
        ({"delivery_method": "html", "postback_url": URL}, "html_code: Say which HTML"),
        ([], "body"),
    ],
)
def test_what_is_wrong_is_named(sent: Any, named: str, client: Client, acme: Partner, add: Add) -> None:
    postback = add()

    added = client.post(PIXELS, sent, content_type=JSON)
    changed = client.put(f"{PIXELS}/{postback.pk}", sent, content_type=JSON)

    assert added.status_code == 400
    assert named.lower() in added.json()["error"].lower()
    assert changed.status_code == (200 if sent == {} else 400)
    assert acme.postbacks.get().url == URL
    assert not Event.objects.filter(kind="postback.changed").exists()


def test_a_refusal_takes_back_what_the_call_had_changed(client: Client, add: Add) -> None:
    postback = add()

    answer = client.put(
        f"{PIXELS}/{postback.pk}", {"delay_ms": 5, "network_pixel_id": postback.pk + 1}, content_type=JSON
    )

    assert answer.status_code == 400
    assert Postback.objects.get().delay_ms == 0


def test_one_too_many_is_refused(client: Client, add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "MAXIMUM_PER_PARTNER", 1)
    add()

    answer = client.post(PIXELS, {"postback_url": URL}, content_type=JSON)

    assert answer.status_code == 400
    assert "which is the maximum" in answer.json()["error"]


def test_the_list_is_filtered_by_the_query_string(client: Client, add: Add, launch: Launch) -> None:
    candles, soap = launch("Candles"), launch("Soap")
    every = add().pk
    first = add(offer=candles, is_active=False).pk
    second = add(offer=soap, pixel_type="post_conversion", delivery_method="html", html_code="<b>").pk

    def ask(query: str) -> list[int]:
        return numbers(client.get(f"{PIXELS}?{query}"))

    assert ask("network_offer_id=0") == [every]
    assert ask(f"network_offer_id=0&network_offer_id={soap.pk}") == [every, second]
    assert ask(f"network_offer_id={10**30}") == []
    assert ask("pixel_status=inactive") == [first]
    assert ask("pixel_status=active&pixel_status=inactive") == [every, first, second]
    assert ask("pixel_type=post_conversion") == [second]
    assert ask("delivery_method=postback&pixel_status=active") == [every]
    assert ask("page=2&page_size=2") == [second]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("offer=1", "offer: there is no such parameter"),
        ("pixel_status=paused", "pixel_status: paused is not one of active, inactive"),
        ("pixel_status=", "pixel_status: "),
        ("pixel_type=click", "pixel_type: click"),
        ("delivery_method=pigeon", "delivery_method: pigeon"),
        ("network_offer_id=x", "network_offer_id: x is not a number"),
        ("network_offer_id=-1", "network_offer_id: -1 is not a number"),
        ("network_offer_id=²", "network_offer_id: ² is not a number"),
    ],
)
def test_an_unknown_filter_is_named(query: str, named: str, client: Client) -> None:
    answer = client.get(f"{PIXELS}?{query}")

    assert answer.status_code == 400
    assert named in answer.json()["error"]


def test_a_search_takes_filters_and_terms(client: Client, add: Add, launch: Launch) -> None:
    candles = launch("Candles")
    every, zebra = add().pk, add(offer=candles, url="https://zebra.example/").pk

    def ask(**body: Any) -> list[int]:
        return numbers(client.post(f"{PIXELS}/search", body, content_type=JSON))

    def term(value: str) -> dict[str, str]:
        return {"search_type": "text", "value": value}

    def only(name: str, value: str | int) -> dict[str, str | int]:
        return {"resource_type": name, "filter_id_value": value}

    assert ask() == ask(query={}) == ask(query=None) == [every, zebra]
    assert numbers(client.post(f"{PIXELS}/search", "", content_type=JSON)) == [every, zebra]
    assert ask(query={"search_terms": [term("ZEBRA")]}) == [zebra]
    assert ask(query={"search_terms": [term("zebra"), term("acme")]}) == []
    assert ask(query={"filters": [only("network_offer_id", candles.pk)]}) == [zebra]
    assert ask(query={"filters": [only("network_offer_id", "0"), only("network_offer_id", candles.pk)]}) == [
        every,
        zebra,
    ]
    assert ask(query={"filters": [only("network_offer_id", 0), only("pixel_status", "inactive")]}) == []
    assert ask(page=2, page_size="1") == [zebra]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"filters": [{"resource_type": "colour", "filter_id_value": "1"}]}, "colour is not a filter"),
        ({"filters": [{"resource_type": "pixel_status", "filter_id_value": "x"}]}, "pixel_status: x"),
        ({"filters": [{"resource_type": "pixel_status"}]}, "filter_id_value"),
        ({"search_terms": [{"search_type": "colour", "value": "x"}]}, "search_type: colour"),
        ({"search_terms": [{"search_type": "text", "value": "x" * 201}]}, "value"),
        ({"exclusions": []}, "exclusions"),
    ],
)
def test_an_unknown_word_of_a_search_is_named(query: dict[str, Any], named: str, client: Client) -> None:
    answer = client.post(f"{PIXELS}/search", {"query": query}, content_type=JSON)

    assert answer.status_code == 400
    assert named in answer.json()["error"]


def test_nothing_of_another_partner_can_be_reached(
    client: Client, other_partner: Partner, add: Add, launch: Launch
) -> None:
    foreign = add(other_partner)
    private = launch("Secret", visibility="private")
    private.admit(partner=other_partner, by=SETUP)
    url = f"{PIXELS}/{foreign.pk}"

    answers = [client.get(url), client.put(url, {"delay_ms": 1}, content_type=JSON), client.delete(url)]
    adopted = client.post(PIXELS, {"postback_url": URL, "network_affiliate_id": other_partner.pk}, content_type=JSON)
    private_offer = client.post(PIXELS, {"postback_url": URL, "network_offer_id": private.pk}, content_type=JSON)

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert numbers(client.get(PIXELS)) == []
    assert numbers(client.post(f"{PIXELS}/search", {}, content_type=JSON)) == []
    assert (adopted.status_code, private_offer.status_code) == (400, 400)
    assert "no such offer" in private_offer.json()["error"]
    foreign.refresh_from_db()
    assert (foreign.delay_ms, foreign.removed_at) == (0, None)


def test_a_long_list_takes_no_more_queries_than_a_short_one(client: Client, add: Add, launch: Launch) -> None:
    offer = launch()
    add(offer=offer)
    client.get(PIXELS)
    with CaptureQueriesContext(
        connection,
    ) as short:
        client.get(PIXELS)
    for _ in range(19):
        add(offer=offer)

    with CaptureQueriesContext(connection) as long:
        answer = client.get(PIXELS)

    assert len(numbers(answer)) == 20
    assert len(long) == len(short)
