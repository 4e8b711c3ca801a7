from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils.timezone import now
from playwright.sync_api import Page, expect

from partners.models import Partner
from partners.offers.models import Advertiser, Category, Offer, PayoutType, Terms
from partners.postbacks.models import Attempt, Delivery, Postback
from partners.traffic.models import Conversion
from partners.traffic.models.recording import Report, Source
from portal.accounts.models import User
from tests.browser.conftest import OpenPage, SignIn
from tests.browser.test_accessibility import complaints
from tests.conftest import SETUP
from tests.partners.postbacks.conftest import deliver_due
from tests.partners.postbacks.receiver import Receiver, answering, receiving
from tests.partners.traffic.conftest import clicked

URL = "https://track.acme.example/in?c={sub1}&p={payout_amount}"


def fail_to_tell(acme: Partner, receiver: Receiver) -> None:
    """A conversion of Acme's, of which its receiver does not want to know."""
    offer = Offer.launch(
        name="Shoes",
        advertiser=Advertiser.sign_up(name="Shoe House", by=SETUP),
        category=Category.add(name="Fashion", by=SETUP),
        status="active",
        visibility="public",
        destination_url="https://shop.example/",
        pays=Terms(PayoutType.CPA, Decimal(10)),
        by=SETUP,
    )
    Conversion.record(source=Source.of_visit(clicked(acme, offer, at=now())), report=Report(), by=SETUP)
    receiver.reply = answering(503, "<b>Busy</b>")

    def work() -> None:
        deliver_due()
        connection.close()

    # In this thread Playwright's loop runs, and no other one could.
    with ThreadPoolExecutor(1) as worker:
        worker.submit(work).result()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_a_partner_adds_pauses_and_removes_a_postback(page: Page, sign_in: SignIn, acme: Partner, paul: User) -> None:
    sign_in(page, paul)
    page.goto("/my/postbacks/")

    # The macros are put where the cursor is, and the preview follows.
    page.get_by_role("link", name="Add postback").first.click()
    url = page.get_by_label("URL", exact=True)
    url.fill("https://track.acme.example/in?c=&p=")
    url.evaluate("field => field.setSelectionRange(32, 32)")
    page.get_by_text("Macros", exact=True).click()
    page.get_by_role("button", name="{sub1}", exact=True).click()
    expect(url).to_have_value("https://track.acme.example/in?c={sub1}&p=")
    expect(page.locator("#postback-preview")).to_contain_text("in?c=sub1-value&p=")

    # What is not delivered is not asked for.
    page.get_by_label("HTML code", exact=True).first.check()
    expect(url).to_be_hidden()
    page.get_by_label("Postback URL").check()
    page.get_by_role("button", name="Add", exact=True).click()
    row = page.get_by_role("table", name="Postbacks").get_by_role("row").nth(1)
    expect(row).to_contain_text("Active")
    expect(page.get_by_text("was added")).to_be_visible()

    page.get_by_role("button", name="Actions for postback").click()
    page.get_by_role("link", name="Pause").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(row).to_contain_text("Paused")
    page.get_by_role("button", name="Actions for postback").click()
    page.get_by_role("link", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("No postbacks yet")).to_be_visible()

    # The button of the empty list opens the dialog as the one above it does.
    page.locator("#postback-table").get_by_role("link", name="Add postback").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Add postback").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert Postback.objects.get(partner=acme).url == "https://track.acme.example/in?c={sub1}&p="


def test_the_screens_of_postbacks_pass_axe_in_both_schemes(
    open_page: OpenPage, sign_in: SignIn, acme: Partner, vera: User, paul: User
) -> None:
    postback = Postback.add(partner=acme, url=URL, by=SETUP)
    Postback.add(partner=acme, delivery_method="html", html_code="<b>{sub1}</b>", by=SETUP).pause(by=SETUP)
    found = []
    for user, where in ((paul, "/my/postbacks/"), (vera, f"/partners/{acme.pk}/postbacks/")):
        page = open_page()
        sign_in(page, user)
        for path in (where, f"{where}{postback.pk}/edit/", f"{where}{postback.pk}/remove/"):
            page.goto(path)
            found += [f"{path}: {complaint}" for complaint in complaints(page)]
        page.goto(where)
        page.get_by_role("link", name="Add postback").click()
        page.get_by_text("Macros", exact=True).click()
        expect(page.get_by_role("button", name="{adv5}")).to_be_visible()
        found += [f"{where} Add: {complaint}" for complaint in complaints(page)]

    assert not found, "\n".join(found)


def test_a_partner_tests_a_postback_sees_what_came_back_and_sends_a_delivery_again(
    page: Page, sign_in: SignIn, acme: Partner, paul: User, receiver: Receiver, settings: Any
) -> None:
    settings.POSTBACKS_ALLOW_PRIVATE = True
    postback = Postback.add(partner=acme, url=receiver.url("/in?c={conversion_id}&s={status}"), by=SETUP)
    fail_to_tell(acme, receiver)
    receiver.reply = answering()
    sign_in(page, paul)
    page.goto("/my/postbacks/")
    page.get_by_role("link", name=str(postback.pk), exact=True).click()

    # A test says at once how it went, and stands in the list behind the dialog.
    page.get_by_role("link", name="Send a test").click()
    page.get_by_role("dialog").get_by_role("button", name="Send the test").click()
    expect(page.get_by_role("dialog")).to_contain_text("It arrived")
    page.get_by_role("dialog").get_by_role("link", name="Close").first.click()
    rows = page.get_by_role("table", name="Attempts").get_by_role("row")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text("Test")
    assert any("s=approved" in path for path in receiver.paths)

    # What failed is looked at, and sent again.
    page.get_by_label("Outcome").select_option("Failed")
    expect(rows).to_have_count(2)
    rows.nth(1).get_by_role("link").first.click()
    expect(page.locator("#answer-text")).to_contain_text("<b>Busy</b>")
    page.get_by_role("link", name="Retry now").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry now").click()
    expect(page.get_by_text("is sent again within moments")).to_be_visible()
    due_at = Delivery.objects.get().due_at
    assert due_at is not None
    assert due_at <= now()


def test_the_reports_of_deliveries_pass_axe_in_both_schemes(
    open_page: OpenPage, sign_in: SignIn, acme: Partner, vera: User, paul: User, receiver: Receiver,
    settings: Any,
) -> None:  # fmt: skip
    settings.POSTBACKS_ALLOW_PRIVATE = True
    postback = Postback.add(partner=acme, url=receiver.url("/in?c={conversion_id}"), by=SETUP)
    fail_to_tell(acme, receiver)
    empty = Postback.add(partner=acme, url=URL, by=SETUP)
    empty.pause(by=SETUP)
    one = f"{postback.pk}/"
    found = []
    for user, where in ((paul, "/my/postbacks/"), (vera, f"/partners/{acme.pk}/postbacks/")):
        page = open_page()
        sign_in(page, user)
        attempt, delivery = postback.attempts.get(), postback.deliveries.get()
        for path in (
            one,
            f"{empty.pk}/",
            f"{one}attempts/{attempt.pk}/",
            f"{one}deliveries/{delivery.pk}/retry/",
            f"{one}test/",
        ):
            page.goto(where + path)
            found += [f"{where}{path}: {complaint}" for complaint in complaints(page)]
        page.goto(where + one)
        page.get_by_role("link", name="Send a test").click()
        page.get_by_role("dialog").get_by_role("button", name="Send the test").click()
        expect(page.get_by_role("dialog")).to_contain_text("It did not arrive")
        found += [f"{where}{one} test: {complaint}" for complaint in complaints(page)]
        Attempt.objects.filter(delivery=None).delete()

    assert not found, "\n".join(found)
