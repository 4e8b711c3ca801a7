from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from keys.models import Key, ShareLink
from portal.accounts.models import User
from tests.browser.conftest import OpenPage, SignIn
from tests.browser.test_accessibility import complaints
from tests.conftest import SETUP


def test_a_one_time_link_shows_its_key_once_to_somebody_without_an_account(
    page: Page, open_page: OpenPage, sign_in: SignIn, acme_key: tuple[Key, str], amir: User
) -> None:
    key, secret = acme_key
    sign_in(page, amir)
    page.goto(f"/partners/{key.partner_id}/api/keys/{key.pk}/send/")
    page.get_by_role("button", name="Make a one-time link").click()
    path = urlsplit(page.locator("#share-url").inner_text()).path

    developer = open_page(javascript=False)
    developer.goto(path)
    expect(developer.get_by_text(secret)).to_have_count(0)
    developer.get_by_role("button", name="Show the key").click()
    expect(developer.locator("#shared-key")).to_have_text(secret)

    developer.goto(path)
    expect(developer.get_by_role("heading", name="This link shows nothing")).to_be_visible()
    expect(developer.get_by_text(secret)).to_have_count(0)


def test_the_pages_of_one_time_links_pass_axe_in_both_schemes(page: Page, acme_key: tuple[Key, str]) -> None:
    key, secret = acme_key
    path = f"/shared/{ShareLink.make(key, by=SETUP)[1]}/"
    page.goto(path)
    found = complaints(page)

    page.get_by_role("button", name="Show the key").click()
    expect(page.locator("#shared-key")).to_have_text(secret)
    found += complaints(page)
    page.goto(path)
    expect(page.get_by_role("heading", name="This link shows nothing")).to_be_visible()
    found += complaints(page)

    assert not found, "\n".join(found)
