"""A real Chromium and the site in a thread beside it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from portal.accounts.models import User
from tests.conftest import Browse

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Nothing that a browser does by itself may leave the machine.
ARGUMENTS = [
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SignIn = Callable[[Page, User], None]
OpenPage = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db(transaction=True))


def executable() -> str:
    """The browser's path; skips the test without one, or fails it where a browser is required."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        if os.environ.get("LATCHKEY_REQUIRE_BROWSER"):
            pytest.fail("There is no Chromium, and LATCHKEY_REQUIRE_BROWSER is set.")
        pytest.skip("There is no Chromium; set CHROMIUM to the path of one.")
    return found


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = executable()
    with pytest.MonkeyPatch.context() as patch:
        # Playwright's loop runs in this thread. Django takes that for async code, which this is not.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
            yield browser
            browser.close()


@pytest.fixture
def open_page(chromium: Browser, live_server: LiveServer) -> Iterator[OpenPage]:
    """``open_page(javascript=False)``: a page of a browser that knows nobody yet. Its errors fail the test."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def opened(*, javascript: bool = True) -> Page:
        context = chromium.new_context(
            base_url=live_server.url,
            java_script_enabled=javascript,
            viewport={"width": 1280, "height": 900},
            reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not wrong, wrong


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page()


@pytest.fixture
def sign_in(browse: Browse, live_server: LiveServer) -> SignIn:
    """``sign_in(page, user)``: from here on the page's browser is that user's."""

    def signed_in(page: Page, user: User) -> None:
        session = browse(user).cookies[settings.SESSION_COOKIE_NAME]
        page.context.add_cookies([{"name": session.key, "value": session.value, "url": live_server.url}])

    return signed_in
