from __future__ import annotations

from playwright.sync_api import Page, expect

from partners.models import Partner
from portal.accounts.models import User
from tests.browser.conftest import OpenPage, SignIn

NEEDED = "Security: full control or Accounts & History Logs: full access"


def test_a_user_without_the_right_is_told_in_the_corner_and_the_page_stays(
    page: Page, sign_in: SignIn, acme: Partner, vera: User
) -> None:
    sign_in(page, vera)
    page.goto(f"/partners/{acme.pk}/api/")
    before = text_of_all(page)

    page.locator("#add-key").click()

    assert_forbidden_in_the_corner(page)
    assert text_of_all(page) == before
    expect(page.locator("#dialog")).to_be_hidden()
    assert page.url.endswith(f"/partners/{acme.pk}/api/")
    assert not acme.keys.exists()


def test_showing_and_copying_a_key_are_refused_in_the_corner_too(
    page: Page, sign_in: SignIn, acme: Partner, acme_key: object, vera: User
) -> None:
    sign_in(page, vera)
    for button in ("Show", "Copy"):
        page.goto(f"/partners/{acme.pk}/api/")

        page.get_by_role("button", name=button).click()

        assert_forbidden_in_the_corner(page)
        expect(page.locator(".secret")).to_have_attribute("data-state", "masked")


def test_a_super_user_who_views_as_one_without_the_right_is_told_so_too(
    page: Page, sign_in: SignIn, acme: Partner, sonia: User, vera: User
) -> None:
    sign_in(page, sonia)
    page.goto("/control-center/accounts/")
    page.get_by_role("button", name="Actions for Vera").click()
    page.get_by_role("button", name="View as Vera").click()
    expect(page.get_by_label("Viewing as somebody else")).to_contain_text("Vera")
    page.goto(f"/partners/{acme.pk}/api/")
    before = text_of_all(page)

    page.locator("#add-key").click()

    assert_forbidden_in_the_corner(page)
    assert text_of_all(page) == before


def test_without_javascript_forbidden_is_a_page(
    open_page: OpenPage, sign_in: SignIn, acme: Partner, vera: User
) -> None:
    page = open_page(javascript=False)
    sign_in(page, vera)
    page.goto(f"/partners/{acme.pk}/api/")

    page.locator("#add-key").click()

    expect(page.get_by_role("heading", name="Forbidden")).to_be_visible()
    expect(page.get_by_text(NEEDED)).to_be_visible()


def text_of_all(page: Page) -> str:
    """The page's text, once everything is there that it loads by itself."""
    expect(page.locator("#main [hx-trigger=load]")).to_have_count(0)
    return page.locator("#main").inner_text()


def assert_forbidden_in_the_corner(page: Page) -> None:
    toast = page.locator("#toasts .toast")
    expect(toast).to_contain_text("Forbidden")
    expect(toast).to_contain_text(NEEDED)
    box, size = toast.bounding_box(), page.viewport_size
    assert box is not None
    assert size is not None
    assert box["x"] + box["width"] > size["width"] - 40
    assert box["y"] + box["height"] > size["height"] - 40
