from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from partners.models import Partner
from partners.offers.models import Offer
from portal.accounts.models import User
from tests.browser.conftest import OpenPage, SignIn
from tests.browser.test_accessibility import complaints
from tests.partners.conftest import offer
from tests.partners.traffic.conftest import clicked, converted

__all__ = ["offer"]


@pytest.fixture
def traffic(acme: Partner, offer: Offer) -> None:
    for days in range(1, 4):
        at = timezone.now() - timedelta(days=days)
        for _ in range(days):
            clicked(acme, offer, at, country_code="DE")
        converted(acme, offer, at)


@pytest.mark.usefixtures("traffic")
def test_the_screens_of_reports_pass_axe_in_both_schemes(
    open_page: OpenPage, sign_in: SignIn, acme: Partner, vera: User, paul: User
) -> None:
    found = []
    for user, path in (
        (paul, "/dashboard/"),
        (paul, "/my/reports/?column=country&filter=country:DE"),
        (paul, "/my/reports/?column=hour&column=date"),
        (vera, "/reports/"),
        (vera, f"/partners/{acme.pk}/traffic/"),
    ):
        page = open_page()
        sign_in(page, user)
        page.goto(path)
        page.locator("main details").evaluate_all("all => all.forEach(one => one.setAttribute('open', ''))")
        found += [f"{path}: {complaint}" for complaint in complaints(page)]

    assert not found, "\n".join(found)


@pytest.mark.usefixtures("traffic")
def test_a_report_is_asked_step_by_step_and_stands_in_the_address(page: Page, sign_in: SignIn, paul: User) -> None:
    sign_in(page, paul)
    page.goto("/my/reports/")

    page.get_by_text("Columns", exact=False).first.click()
    page.get_by_label("Country", exact=True).check()
    page.get_by_label("Filter by").select_option("Country")
    page.get_by_label("Value").fill("Germany")
    page.get_by_role("button", name="Show report").click()

    expect(page.get_by_label("Country is Germany")).to_be_checked()
    expect(page.get_by_role("table", name="Report").get_by_role("row")).to_have_count(3)
    expect(page).to_have_url(re.compile("by=country"))

    page.get_by_label("Country is Germany").uncheck()
    page.get_by_role("link", name="7 days").click()
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")


@pytest.mark.usefixtures("traffic")
def test_partner_details_show_the_traffic_once_it_is_there(
    page: Page, sign_in: SignIn, acme: Partner, vera: User
) -> None:
    sign_in(page, vera)
    page.goto(f"/partners/{acme.pk}/")

    expect(page.get_by_role("heading", name="The last 30 days")).to_be_visible()
    expect(page.get_by_role("heading", name="Acme Media")).to_have_count(1)
