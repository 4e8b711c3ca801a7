from __future__ import annotations

import csv
import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError
from django.test import Client
from django.utils.timezone import now

from keys.models import Key
from partners.offers.forms import products
from partners.offers.models import AlreadyWithdrawn, NameIsTaken, Offer, ProductFeed, ProductFeedItem
from portal.accounts.events import EventKind
from portal.accounts.models import Event, User
from tests.conftest import SETUP, Browse
from tests.htmx import DIALOG, told
from tests.page import page
from tests.partners.conftest import Launch

pytestmark = pytest.mark.django_db

HEADING = "sku,name,url_link,price"
BEESWAX = "BW-20,Beeswax candle,https://candles.example/bw-20,18.50"
SOY = "SO-10,Soy candle,https://candles.example/so-10,9"


def file_of(*lines: str) -> SimpleUploadedFile:
    return SimpleUploadedFile("products.csv", "\n".join(lines).encode(), "text/csv")


@pytest.fixture
def client(vera: User, browse: Browse) -> Client:
    return browse(vera)


@pytest.fixture
def candles(launch: Launch) -> Offer:
    return launch("Candles")


@pytest.fixture
def feed(candles: Offer) -> ProductFeed:
    item = ProductFeedItem(sku="BW-20", name="Beeswax", url_link="https://candles.example/bw", price=Decimal(20))
    return candles.add_feed(name="All candles", items=[item], by=SETUP)


def fields_of(client: Client, url: str) -> dict[str, Any]:
    fields = page(client.get(url)).form(url).fields
    return {name: value for name, value in fields.items() if name != "products"}


def rows_of(client: Client, offer: Offer) -> list[dict[str, str]]:
    return [row for row in page(client.get(f"/offers/{offer.pk}/")).records if "Feed" in row]


def url_of(feed: ProductFeed, action: str = "") -> str:
    return f"/offers/{feed.offer_id}/feeds/{feed.pk}/{action}"


def test_a_feed_is_added_with_its_products_and_partners_download_them_at_once(
    client: Client, candles: Offer, acme_key: tuple[Key, str], call: Callable[..., Client], paul: User, browse: Browse
) -> None:
    add = f"/offers/{candles.pk}/feeds/add/"
    said = {"name": "All candles", "valid_from": "2026-05-01", "products": file_of(HEADING, BEESWAX, SOY)}

    answer = client.post(add, {**fields_of(client, add), **said}, headers=DIALOG)

    assert answer.status_code == 204 and told(answer)["offer:changed"]
    feed = candles.product_feeds.get()
    [row] = rows_of(client, candles)
    assert (row["Feed"], row["Products"], row["Days"]) == ("All candles", "2", "From 1 May 2026")
    api, path = call(acme_key[1]), f"/v1/affiliates/offers/{candles.pk}/productfeeds"
    [by_api] = api.get(path).json()["product_feeds"]
    assert (by_api["name"], by_api["number_of_products"]) == ("All candles", 2)
    downloaded = api.get(f"{path}/{feed.pk}/download").getvalue().decode()
    assert [row["price"] for row in csv.DictReader(io.StringIO(downloaded))] == ["18.5", "9.0"]
    assert "All candles" in page(browse(paul).get(f"/my/offers/{candles.pk}/")).text
    events = Event.objects.filter(kind__in=[EventKind.FEED_ADDED, EventKind.FEED_FILLED]).order_by("pk")
    assert [(event.actor_label, event.details) for event in events] == [
        ("Vera", {"offer": "Candles"}),
        ("Vera", {"products": 2}),
    ]


def test_a_feed_may_be_added_before_its_products(client: Client, candles: Offer) -> None:
    add = f"/offers/{candles.pk}/feeds/add/"

    added = client.post(add, {**fields_of(client, add), "name": "All candles"})
    taken = client.post(add, {**fields_of(client, add), "name": "All candles"})

    assert (added.status_code, taken.status_code) == (303, 422)
    assert "Another feed of this offer has that name" in " ".join(page(taken).errors)
    [row] = rows_of(client, candles)
    assert (row["Products"], row["Filled"]) == ("0", "Not yet")


def test_a_feed_of_which_a_line_is_wrong_is_not_added(client: Client, candles: Offer) -> None:
    add = f"/offers/{candles.pk}/feeds/add/"
    said = {"name": "All candles", "products": file_of(HEADING, BEESWAX, "SO-10,Soy candle,so-10,9")}

    answer = client.post(add, {**fields_of(client, add), **said}, headers=DIALOG)

    assert answer.status_code == 422
    assert "Line 3: url_link: It must begin with http:// or https://" in " ".join(page(answer).errors)
    assert not ProductFeed.objects.exists()


def test_a_file_becomes_all_that_a_feed_holds(client: Client, feed: ProductFeed) -> None:
    url, number = url_of(feed, "fill/"), feed.items.get().pk
    asked = page(client.get(url))

    answer = client.post(url, {"products": file_of(HEADING, BEESWAX, SOY)}, headers=DIALOG)

    assert "in place of its 1 product now" in asked.text
    assert answer.status_code == 204
    assert told(answer)["toast"][0]["text"] == "All candles holds 2 products now."
    assert [(item.sku, item.price) for item in feed.items.all()] == [("BW-20", Decimal("18.5")), ("SO-10", Decimal(9))]
    assert feed.items.get(sku="BW-20").pk == number


def test_products_are_sent_without_javascript(client: Client, feed: ProductFeed) -> None:
    url = url_of(feed, "fill/")
    form = page(client.get(url)).form(url)

    answer = client.post(url, {**form.fields, "products": file_of(HEADING, SOY)})

    assert form.element["enctype"] == "multipart/form-data"
    assert (answer.status_code, answer["Location"]) == (303, f"/offers/{feed.offer_id}/")
    assert feed.items.get().sku == "SO-10"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The submitted file is empty"),
        (f"{HEADING}\n".encode(), "There is no product in it"),
        (b"sku,name,price\n", "The first line does not name url_link"),
        (f"{HEADING},colour\n".encode(), "There is no column “colour”. There are sku, name,"),
        (f"{HEADING},sku\n".encode(), "The first line names sku more than once"),
        (f"{HEADING}\n{BEESWAX},1\n".encode(), "Line 2: it has not as many cells as the first line has names"),
        (f"{HEADING}\n\nBW-20\n".encode(), "Line 3: it has not as many cells as the first line has names"),
        (f"{HEADING}\n{BEESWAX}\n{BEESWAX}\n".encode(), "Line 3: sku: BW-20 stands in a line before"),
        (f"{HEADING}\n,Candle,https://x.example/,9\n".encode(), "Line 2: sku: This field is required"),
        (f"{HEADING}\n{'x' * 81},Candle,https://x.example/,9\n".encode(), "Line 2: sku: Ensure this value has at most"),
        (f"{HEADING}\nS,Candle,https://x.example/,-1\n".encode(), "Line 2: price: Ensure this value is greater than"),
        (f"{HEADING}\nS,Candle,https://x.example/,cheap\n".encode(), "Line 2: price: Enter a number"),
        (f"{HEADING}\nS,Candle,javascript:alert(1),9\n".encode(), "Line 2: url_link: It must begin with http"),
        (f"{HEADING},image_url\n{BEESWAX},data:x\n".encode(), "Line 2: image_url: Enter a valid URL"),
        (f"{HEADING},date_valid_to\n{BEESWAX},1/2/2026\n".encode(), "Line 2: date_valid_to: Enter a valid date"),
        (f"{HEADING}\nS,Can\0dle,https://x.example/,9\n".encode(), "Line 2: name: Null characters are not allowed"),
        (f"{HEADING}\nS,Kerze für dich,https://x.example/,9\n".encode("latin-1"), "This is no text in UTF-8"),
        (f"{HEADING}\nS,{'x' * 140_000},https://x.example/,9\n".encode(), "field larger than field limit"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_and_the_feed_stays_as_it_is(
    client: Client, feed: ProductFeed, content: bytes, sentence: str
) -> None:
    file = SimpleUploadedFile("products.csv", content, "text/csv")

    answer = client.post(url_of(feed, "fill/"), {"products": file}, headers=DIALOG)

    assert answer.status_code == 422
    assert sentence in " ".join(page(answer).errors)
    assert feed.items.get().name == "Beeswax"


def test_of_many_wrong_lines_the_first_are_said(client: Client, feed: ProductFeed) -> None:
    file = file_of(HEADING, *(f"S{number},Candle,https://x.example/,cheap" for number in range(30)))

    answer = client.post(url_of(feed, "fill/"), {"products": file}, headers=DIALOG)

    said = " ".join(page(answer).errors)
    assert "Line 11: price" in said and "Line 12" not in said


def test_a_feed_holds_so_many_products_and_a_file_is_so_large(
    client: Client, feed: ProductFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal() -> str:
        answer = client.post(url_of(feed, "fill/"), {"products": file_of(HEADING, BEESWAX, SOY)}, headers=DIALOG)
        assert answer.status_code == 422
        return " ".join(page(answer).errors)

    monkeypatch.setattr(products, "MOST_PRODUCTS", 1)
    assert "A feed holds at most 1 products" in refusal()
    monkeypatch.setattr(products, "LARGEST_FILE", 20)
    assert "A file has at most" in refusal()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_file_is_read_as_spreadsheets_write_it(client: Client, feed: ProductFeed, delimiter: str) -> None:
    lines = [line.replace(",", delimiter) for line in (HEADING, BEESWAX, SOY)]
    content = "\ufeff" + "\r\n".join(lines) + "\r\n"
    file = SimpleUploadedFile("products.csv", content.encode(), "application/vnd.ms-excel")

    answer = client.post(url_of(feed, "fill/"), {"products": file}, headers=DIALOG)

    assert answer.status_code == 204
    assert [item.sku for item in feed.items.all()] == ["BW-20", "SO-10"]


def test_a_feed_is_renamed_with_what_it_was_in_the_event(client: Client, feed: ProductFeed) -> None:
    other = feed.offer.add_feed(name="Gifts", by=SETUP)
    url = url_of(feed)

    saved = client.post(url, {**fields_of(client, url), "name": "Candles", "valid_to": "2126-05-31"}, headers=DIALOG)
    taken = client.post(url_of(other), {**fields_of(client, url_of(other)), "name": "Candles"}, headers=DIALOG)

    assert (saved.status_code, taken.status_code) == (204, 422)
    assert "Another feed of this offer has that name" in " ".join(page(taken).errors)
    assert Event.objects.get(kind=EventKind.FEED_CHANGED).details == {
        "name": ["All candles", "Candles"],
        "valid_to": [None, "2126-05-31"],
    }


def test_two_people_who_change_a_feed_lose_nothing_unseen(client: Client, feed: ProductFeed) -> None:
    url = url_of(feed)
    fields = {**fields_of(client, url), "valid_to": "2126-05-31"}
    feed.change(name="Candles", by=SETUP)

    refused = client.post(url, fields, headers=DIALOG)

    assert refused.status_code == 422 and "Name is now “ Candles ”" in page(refused).text
    assert client.post(url, page(refused).form(url).fields, headers=DIALOG).status_code == 204
    saved = ProductFeed.objects.get()
    assert (saved.name, str(saved.valid_to)) == ("Candles", "2126-05-31")


def test_a_feed_is_withdrawn_after_a_confirmation_and_nobody_downloads_it(
    client: Client,
    feed: ProductFeed,
    acme_key: tuple[Key, str],
    call: Callable[..., Client],
    paul: User,
    browse: Browse,
) -> None:
    url = url_of(feed, "withdraw/")
    asked = page(client.get(url))

    answer = client.post(url, asked.form(url).fields, headers=DIALOG)

    assert asked.heading == "Withdraw All candles?" and "Partners can no longer download it" in asked.text
    assert answer.status_code == 204 and told(answer)["offer:changed"]
    api, path = call(acme_key[1]), f"/v1/affiliates/offers/{feed.offer_id}/productfeeds"
    assert api.get(path).json()["total_count"] == 0
    assert api.get(f"{path}/{feed.pk}/download").status_code == 404
    assert not page(browse(paul).get(f"/my/offers/{feed.offer_id}/")).has("feeds")
    [row] = rows_of(client, feed.offer)
    assert row["Days"].startswith("Withdrawn") and row["Actions"] == ""
    assert Event.objects.get(kind=EventKind.FEED_WITHDRAWN).details == {"offer": "Candles"}


def test_a_feed_that_was_withdrawn_is_neither_changed_nor_filled(client: Client, feed: ProductFeed) -> None:
    change = {**fields_of(client, url_of(feed)), "name": "Candles"}
    feed.withdraw(by=SETUP)

    changed = client.post(url_of(feed), change, headers=DIALOG)
    filled = client.post(url_of(feed, "fill/"), {"products": file_of(HEADING, SOY)}, headers=DIALOG)

    for answer in (changed, filled):
        assert answer.status_code == 422
        assert "Somebody else withdrew this feed" in " ".join(page(answer).errors)
    for refused in (lambda: feed.change(name="Candles", by=SETUP), lambda: feed.fill([], by=SETUP)):
        with pytest.raises(AlreadyWithdrawn):
            refused()
    assert ProductFeed.objects.get().name == "All candles" and feed.items.get().sku == "BW-20"


def test_the_name_of_a_feed_is_free_once_it_is_withdrawn(feed: ProductFeed) -> None:
    with pytest.raises(NameIsTaken):
        feed.offer.add_feed(name="All candles", by=SETUP)

    feed.withdraw(by=SETUP)

    assert feed.offer.add_feed(name="All candles", by=SETUP) == feed.offer.product_feeds.kept().get()


def test_no_feed_is_withdrawn_by_nobody(feed: ProductFeed) -> None:
    with pytest.raises(IntegrityError, match="product_feed_withdrawn_at_and_by"):
        ProductFeed.objects.filter(pk=feed.pk).update(withdrawn_at=now())


def test_an_offer_without_feeds_says_what_they_are(client: Client, candles: Offer) -> None:
    shown = page(client.get(f"/offers/{candles.pk}/"))

    assert "No product feeds yet The advertiser’s products" in shown.text
    assert shown.links["Add a feed"] == f"/offers/{candles.pk}/feeds/add/"
