from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils.timezone import now
from playwright.sync_api import Page, expect

from partners.models import Partner
from partners.offers.models import Advertiser, Category, Offer, PayoutType, Terms
from partners.traffic.models import Conversion, Hold, TrafficBlock, TrafficControl
from portal.accounts.models import User
from tests.browser.conftest import OpenPage, SignIn
from tests.browser.test_accessibility import complaints
from tests.conftest import SETUP
from tests.partners.traffic.conftest import converted


@pytest.fixture
def pending(acme: Partner) -> list[Conversion]:
    offer = Offer.launch(
        name="Soap",
        advertiser=Advertiser.sign_up(name="Tallow & Reed", by=SETUP),
        category=Category.add(name="Home", by=SETUP),
        destination_url="https://soap.example/",
        pays=Terms(PayoutType.CPA, Decimal(10)),
        by=SETUP,
    )
    facts = {"status": "pending", "clicked_at": now() - timedelta(hours=2)}
    return [converted(acme, offer, now() - timedelta(hours=1), order_id=f"A-{n}", **facts) for n in range(3)]


def statuses(conversions: list[Conversion]) -> list[str]:
    return sorted(Conversion.objects.filter(id__in=[one.id for one in conversions]).values_list("status", flat=True))


def test_a_manager_chooses_conversions_and_decides_over_them(
    page: Page, sign_in: SignIn, pending: list[Conversion], vera: User
) -> None:
    sign_in(page, vera)
    page.goto("/conversions/")
    boxes = page.get_by_role("checkbox", name="Choose the conversion")

    # One box checks all, and says how many.
    page.get_by_label("All on this page").check()
    expect(page.get_by_text("3 chosen")).to_be_visible()
    boxes.first.uncheck()
    expect(page.get_by_text("2 chosen")).to_be_visible()

    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("dialog")).to_contain_text("2 conversions. They count from now on")
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(page.get_by_text("2 conversions were approved.")).to_be_visible()
    expect(page.get_by_role("table").get_by_text("Approved")).to_have_count(2)
    assert statuses(pending) == ["approved", "approved", "pending"]

    # From its story one goes on to the decision, which needs a reason.
    page.get_by_role("table").get_by_role("link", name="20").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("Conversion reported")
    page.get_by_role("dialog").get_by_role("link", name="Make invalid").click()
    page.get_by_label("Reason").fill("A test")
    page.get_by_role("dialog").get_by_role("button", name="Make invalid").click()
    expect(page.get_by_text("1 conversion was made invalid.")).to_be_visible()
    assert "invalid" in statuses(pending)


def test_what_is_typed_while_a_filter_is_answered_is_kept(
    page: Page, sign_in: SignIn, pending: list[Conversion], vera: User
) -> None:
    sign_in(page, vera)
    page.goto("/conversions/")
    page.evaluate("""
      document.addEventListener("htmx:beforeSend", () => { document.querySelector("[name=q]").value = "A-1"; });
      document.addEventListener("htmx:afterRequest", () => { document.body.dataset.answered = true; });
    """)
    search = page.get_by_role("searchbox", name="Search")

    page.get_by_label("Status").select_option("Pending")

    expect(page.locator("body[data-answered]")).to_be_attached()
    expect(search).to_have_value("A-1")
    search.press("Enter")
    expect(page.get_by_role("checkbox", name="Choose the conversion")).to_have_count(1)
    expect(page.get_by_label("Status")).to_have_value("pending")


def test_without_scripts_a_decision_takes_its_pages(
    open_page: OpenPage, sign_in: SignIn, pending: list[Conversion], vera: User
) -> None:
    page = open_page(javascript=False)
    sign_in(page, vera)
    page.goto("/conversions/")

    expect(page.get_by_text("All on this page")).to_be_hidden()
    page.get_by_role("checkbox", name="Choose the conversion").first.check()
    page.get_by_role("button", name="Reject").click()
    page.get_by_label("Reason").fill("Returned")
    page.get_by_role("button", name="Reject").click()

    expect(page.get_by_text("1 conversion was rejected.")).to_be_visible()
    assert statuses(pending) == ["pending", "pending", "rejected"]


def test_the_screens_of_traffic_pass_axe_in_both_schemes(
    open_page: OpenPage, sign_in: SignIn, pending: list[Conversion], acme: Partner, vera: User, paul: User
) -> None:
    waiting = converted(acme, pending[0].offer, now() - timedelta(hours=1), status="on_hold")
    Hold.objects.create(partner=acme, conversion_id=waiting.id, until=now() + timedelta(days=9))
    rule = {"control_type": "blacklist", "variable": "sub1", "comparison_method": "exact", "values": ["coupon"]}
    control = TrafficControl.add(name="No coupons", by=SETUP, partners=[acme], **rule)
    block = TrafficBlock.block(partner=acme, variable="sub1", value="bots", reason="Robots", by=SETUP)
    named = f"{acme.pk}.{waiting.id.hex}"
    own = ("/my/conversions/", "/my/conversions/on-hold/", f"/my/conversions/{waiting.id}/")
    network = (
        "/conversions/",
        f"/conversions/{acme.pk}/{waiting.id}/",
        f"/conversions/decide/?decision=reject&id={named}",
        "/traffic-controls/",
        f"/traffic-controls/{control.pk}/edit/",
        f"/traffic-controls/{control.pk}/pause/",
        f"/partners/{acme.pk}/blocks/",
        f"/partners/{acme.pk}/blocks/add/",
        f"/partners/{acme.pk}/blocks/{block.pk}/lift/",
    )
    found = []
    for user, paths in ((paul, own), (vera, network)):
        page = open_page()
        sign_in(page, user)
        for path in paths:
            page.goto(path)
            found += [f"{path}: {complaint}" for complaint in complaints(page)]

    assert not found, "\n".join(found)
