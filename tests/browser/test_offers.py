from __future__ import annotations

from decimal import Decimal

import pytest
from playwright.sync_api import FilePayload, Page, expect

from partners.models import Partner
from partners.offers.models import Advertiser, Category, Creative, Offer, PayoutType, Terms
from portal.accounts.models import User
from tests.browser.conftest import OpenPage, SignIn
from tests.browser.test_accessibility import complaints
from tests.conftest import SETUP

# The server does real work meanwhile, beside everything else that the machine does.
SLOW = 30_000


@pytest.fixture
def candles(acme: Partner, other_partner: Partner) -> Offer:
    """Acme may run it, somebody else waits for an answer, and it has something of everything."""
    offer = Offer.launch(
        advertiser=Advertiser.sign_up(name="Tallow & Reed", by=SETUP),
        category=Category.add(name="Home", by=SETUP),
        name="Candles",
        destination_url="https://candles.example/",
        preview_url="https://candles.example/",
        description="Beeswax.",
        terms_and_conditions="No pop-ups.",
        status="active",
        visibility="require_approval",
        pays=Terms(PayoutType.CPA, Decimal(10)),
        daily_click_cap=500,
        by=SETUP,
    )
    offer.add_url(name="Sale", destination_url="https://candles.example/sale", by=SETUP)
    offer.add_creative(name="Mail", creative_type=Creative.Type.EMAIL, html_code="<p>Light up</p>", by=SETUP)
    offer.add_creative(name="Text", creative_type=Creative.Type.TEXT, html_code="{tracking_link}", by=SETUP)
    offer.add_deal(name="Spring sale", deal_type="gift", by=SETUP)
    offer.add_coupon(code="GLOW", by=SETUP)
    offer.add_feed(name="All candles", by=SETUP)
    offer.pay_partner(acme, Terms(PayoutType.CPA, Decimal(12)), by=SETUP)
    offer.admit(partner=acme, by=SETUP)
    offer.apply(partner=other_partner, by=SETUP)
    return offer


def test_the_screens_of_offers_pass_axe_in_both_schemes(
    open_page: OpenPage, sign_in: SignIn, candles: Offer, vera: User, paul: User
) -> None:
    found = []
    for user, path, opener in (
        (paul, "/my/offers/", ""),
        (paul, f"/my/offers/{candles.pk}/", ""),
        (paul, f"/my/offers/{candles.pk}/link/?sub1=x", ""),
        (vera, "/offers/", ""),
        (vera, f"/offers/{candles.pk}/", ""),
        (vera, f"/offers/{candles.pk}/", "#issue-token"),
        (vera, f"/offers/{candles.pk}/", "[id^=reject-]"),
        (vera, f"/offers/{candles.pk}/", "#add-event"),
        (vera, f"/offers/{candles.pk}/", "#add-terms"),
        (vera, f"/offers/{candles.pk}/", "#add-landing-page"),
        (vera, f"/offers/{candles.pk}/", "#add-creative"),
        (vera, f"/offers/{candles.pk}/", "#add-coupon"),
        (vera, f"/offers/{candles.pk}/", "[id^=withdraw-]:not([id*=creative], [id*=landing])"),
        (vera, f"/offers/{candles.pk}/", "[id^=withdraw-landing-page-]"),
        (vera, f"/offers/{candles.pk}/", "#add-deal"),
        (vera, f"/offers/{candles.pk}/", "#add-feed"),
        (vera, f"/offers/{candles.pk}/feeds/{candles.product_feeds.get().pk}/fill/", ""),
        (vera, "/offers/new/", ""),
        (vera, f"/offers/{candles.pk}/edit/", ""),
    ):
        page = open_page()
        sign_in(page, user)
        page.goto(path)
        if opener:
            page.locator(opener).click()
            expect(page.get_by_role("dialog")).to_be_visible()
        found += [f"{path} {opener}: {complaint}" for complaint in complaints(page)]

    assert not found, "\n".join(found)


def test_the_link_follows_what_is_typed(page: Page, sign_in: SignIn, candles: Offer, paul: User) -> None:
    sign_in(page, paul)
    page.goto(f"/my/offers/{candles.pk}/")
    page.get_by_role("link", name="Get link").click()

    # Not before the page's scripts run, as somebody with a mouse.
    page.get_by_label("sub1", exact=True).click()
    page.get_by_label("sub1", exact=True).fill("spring mail")
    page.get_by_label("Landing page").select_option("Sale")

    expect(page.locator("#tracking-link")).to_contain_text("sub1=spring%20mail&url_id=")
    expect(page.locator("#impression-link")).to_contain_text("/i/")
    expect(page.get_by_label("sub1", exact=True)).to_have_value("spring mail")


def test_an_application_is_answered_where_it_stands(page: Page, sign_in: SignIn, candles: Offer, vera: User) -> None:
    sign_in(page, vera)
    page.goto(f"/offers/{candles.pk}/")
    page.get_by_role("link", name="Approve Orbit Deals").click()

    page.get_by_role("button", name="Approve").click()

    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_text("Orbit Deals may run Candles now.")).to_be_visible()
    expect(page.locator("#application-table").get_by_text("Approved")).to_have_count(2)


def test_a_payout_is_changed_where_it_stands(page: Page, sign_in: SignIn, candles: Offer, vera: User) -> None:
    sign_in(page, vera)
    page.goto(f"/offers/{candles.pk}/")
    page.get_by_role("link", name="Change Conversion").click()

    page.get_by_label("Amount paid").fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Enter an amount; 0 is nothing.").first).to_be_visible()
    page.get_by_label("Amount paid").fill("11.25")
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("row").filter(has_text="11.25 USD a conversion")).to_be_visible()


def test_products_are_replaced_where_the_feed_stands(page: Page, sign_in: SignIn, candles: Offer, vera: User) -> None:
    feed = candles.product_feeds.get()
    sign_in(page, vera)
    page.goto(f"/offers/{candles.pk}/")
    page.get_by_role("button", name="Actions for All candles").click()
    page.get_by_role("link", name="Replace products").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The file becomes all that the feed holds", timeout=SLOW)

    dialog.get_by_label("Products, as CSV").set_input_files(products("cheap"))
    dialog.get_by_role("button", name="Replace").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Line 2: price: Enter a number.", timeout=SLOW)
    dialog.get_by_label("Products, as CSV").set_input_files(products("18.50"))
    dialog.get_by_role("button", name="Replace").click()

    expect(dialog).to_be_hidden(timeout=SLOW)
    expect(page.get_by_text("All candles holds one product now.")).to_be_visible(timeout=SLOW)
    row = page.get_by_role("row").filter(has_text="All candles")
    expect(row.get_by_role("cell").nth(1)).to_have_text("1", timeout=SLOW)
    assert feed.items.get().sku == "BW-20"


def products(price: str) -> FilePayload:
    text = f"sku,name,url_link,price\nBW-20,Beeswax,https://candles.example/bw-20,{price}\n"
    return {"name": "products.csv", "mimeType": "text/csv", "buffer": text.encode()}


def test_what_is_wrong_with_a_new_offer_is_said_and_nothing_is_lost(
    page: Page, sign_in: SignIn, candles: Offer, vera: User
) -> None:
    sign_in(page, vera)
    page.goto("/offers/new/")
    page.get_by_label("Name").fill("Lamps")
    page.get_by_label("Advertiser", exact=True).select_option("Tallow & Reed")
    page.get_by_label("Or a new category").fill("Light")
    page.get_by_label("Destination URL").fill("https://lamps.example/?")
    page.get_by_text("Macros").click()
    page.get_by_role("button", name="{transaction_id}").click()
    page.get_by_label("Countries").fill("Atlantis")
    page.get_by_label("Amount paid").fill("4")
    page.get_by_label("Amount earned").fill("6")
    page.get_by_role("button", name="Launch").click()
    expect(page.get_by_text("There is no country “Atlantis”.").first).to_be_visible()

    page.get_by_label("Countries").fill("Austria")
    page.get_by_role("button", name="Launch").click()

    expect(page.get_by_role("heading", name="Lamps")).to_be_visible()
    lamps = Offer.objects.get(name="Lamps")
    assert (lamps.countries, lamps.category.name) == (["AT"], "Light")
    assert lamps.destination_url == "https://lamps.example/?{transaction_id}"


def test_a_partner_applies_in_a_dialog(page: Page, sign_in: SignIn, candles: Offer, acme: Partner, paul: User) -> None:
    acme.applications.all().delete()
    sign_in(page, paul)
    page.goto(f"/my/offers/{candles.pk}/")
    page.get_by_role("link", name="Apply").click()
    expect(page.get_by_role("dialog")).to_contain_text("No pop-ups.")

    page.get_by_role("button", name="Apply").click()

    expect(page.get_by_text("your application has not been answered yet")).to_be_visible()
    assert acme.applications.get().status == "pending"
