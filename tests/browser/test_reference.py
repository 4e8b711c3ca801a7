from __future__ import annotations

from playwright.sync_api import Page, expect

from apilog.models import LoggedCall
from keys.models import Key
from partners.models import Partner
from portal.network.models import Network
from tests.browser.conftest import OpenPage
from tests.browser.test_accessibility import complaints
from tests.conftest import SETUP


def test_an_operation_is_tried_with_a_key_that_is_forgotten_with_the_page(
    page: Page, network: Network, acme: Partner
) -> None:
    _, secret = Key.issue(partner=acme, label="Reporting", by=SETUP)
    page.goto("/docs/")
    page.get_by_role("button", name="Authorize").click()
    page.get_by_label("auth-bearer-value").fill(secret)
    page.get_by_role("button", name="Apply credentials").first.click()
    page.get_by_role("button", name="Close").first.click()

    page.locator(".opblock-summary-path", has_text="/affiliates/affiliate").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()

    expect(page.locator(".live-responses-table .microlight").first).to_contain_text("Acme Media")
    (call,) = LoggedCall.objects.all()
    assert (call.outcome, call.action) == ("ok", "read_affiliate_account")
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert secret not in kept
    page.reload()
    page.get_by_role("button", name="Authorize").click()
    expect(page.get_by_label("auth-bearer-value")).to_have_value("")


def test_the_guide_and_the_reference_pass_axe_in_both_schemes(page: Page, network: Network) -> None:
    found = []
    for path, drawn in (("/guide/", "#help"), ("/docs/", ".opblock-summary")):
        page.goto(path)
        expect(page.locator(drawn).first).to_be_visible()
        found += [f"{path}: {complaint}" for complaint in complaints(page)]

    assert found == []


def test_without_javascript_the_reference_names_the_document(open_page: OpenPage, network: Network) -> None:
    page = open_page(javascript=False)
    page.goto("/docs/")

    expect(page.locator("#reference")).to_contain_text("the OpenAPI document says the same")
