from __future__ import annotations

from playwright.sync_api import Page, expect

from partners.models import Partner
from partners.postbacks.models import Postback
from portal.accounts.models import User
from tests.browser.conftest import OpenPage, SignIn
from tests.browser.test_accessibility import complaints
from tests.conftest import SETUP

URL = "https://track.acme.example/in?c={sub1}&p={payout_amount}"


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
