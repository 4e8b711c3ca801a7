from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from partners.billing.models import Invoice, Item, LineKind, Period
from partners.models import Partner
from partners.offers.models import Advertiser, Category, Offer, PayoutType, Terms
from portal.accounts.models import User
from tests.browser.conftest import OpenPage, SignIn
from tests.browser.test_accessibility import complaints
from tests.conftest import SETUP
from tests.partners.traffic.conftest import converted


@pytest.fixture
def invoice(acme: Partner) -> Invoice:
    items = [Item(LineKind.CONVERSIONS, 42, "Candles", 10, Decimal("100.00")), Item.adjustment(Decimal(-5), "Returns")]
    period = Period(date(2025, 1, 1), date(2025, 1, 31), "UTC")
    return Invoice.raise_for(acme, period=period, currency="USD", items=items, by=SETUP, notes="Thank you.")


@pytest.fixture
def earned(acme: Partner) -> None:
    offer = Offer.launch(
        name="Soap",
        advertiser=Advertiser.sign_up(name="Tallow & Reed", by=SETUP),
        category=Category.add(name="Home", by=SETUP),
        destination_url="https://soap.example/",
        pays=Terms(PayoutType.CPA, Decimal(10)),
        by=SETUP,
    )
    converted(acme, offer, datetime(2025, 2, 10, tzinfo=UTC), payout=Decimal("12.50"))


def test_the_screens_of_billing_pass_axe_in_both_schemes(
    open_page: OpenPage, sign_in: SignIn, invoice: Invoice, acme: Partner, vera: User, paul: User
) -> None:
    found = []
    for user, path in (
        (vera, f"/partners/{acme.pk}/billing/"),
        (vera, f"/partners/{acme.pk}/billing/raise/"),
        (vera, f"/partners/{acme.pk}/billing/{invoice.pk}/"),
        (paul, "/my/billing/"),
        (paul, f"/my/billing/{invoice.pk}/"),
    ):
        page = open_page()
        sign_in(page, user)
        page.goto(path)
        found += [f"{path}: {complaint}" for complaint in complaints(page)]

    assert not found, "\n".join(found)


def test_a_manager_raises_an_invoice_and_has_it_paid(
    page: Page, sign_in: SignIn, earned: None, acme: Partner, vera: User
) -> None:
    sign_in(page, vera)
    page.goto(f"/partners/{acme.pk}/billing/")
    page.get_by_role("link", name="Raise invoice").first.click()
    page.get_by_label("First day").fill("2025-02-01")
    page.get_by_label("Last day").fill("2025-02-28")
    page.get_by_label("Last day").blur()
    expect(page.get_by_role("heading", name="February 2025")).to_be_visible()

    page.get_by_role("button", name="Raise invoice over 12.50 USD").click()
    expect(page.get_by_text("was raised for February 2025.")).to_be_visible()
    page.get_by_role("link", name="Record payment").click()
    page.get_by_role("dialog").get_by_label("Amount").fill("2.50")
    page.get_by_role("dialog").get_by_role("button", name="Record payment").click()

    expect(page.get_by_text("was recorded as paid on")).to_be_visible()
    expect(page.locator("#invoice")).to_contain_text("10.00")
    assert Invoice.objects.with_totals().get().balance == 10


def test_an_invoice_is_raised_without_javascript(
    open_page: OpenPage, sign_in: SignIn, earned: None, acme: Partner, vera: User
) -> None:
    page = open_page(javascript=False)
    sign_in(page, vera)
    page.goto(f"/partners/{acme.pk}/billing/raise/")
    page.get_by_label("First day").fill("2025-02-01")
    page.get_by_label("Last day").fill("2025-02-28")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Raise invoice over").click()
    page.get_by_role("link", name="Record payment").click()
    page.get_by_role("button", name="Record payment").click()

    expect(page.get_by_text("was recorded as paid on")).to_be_visible()
    assert Invoice.objects.with_totals().get().status == "paid"
