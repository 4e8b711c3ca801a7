"""A real Chromium and the site in a thread beside it."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.core.signals import request_finished, request_started
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright
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
# How slow the machine may be before a test is wrong; Playwright's own 5 seconds for what is expected are too few.
PATIENCE = 60
expect.set_options(timeout=PATIENCE * 1000)

# Runs in every page before its own scripts.
PREPARED = """
// A link that is clicked before the page's scripts run leads to the page without them, which is another test.
if (document.readyState === "loading") {
  const untouchable = new CSSStyleSheet();
  untouchable.replaceSync("* { pointer-events: none !important }");
  document.adoptedStyleSheets = [untouchable];
  document.addEventListener("DOMContentLoaded", () => { document.adoptedStyleSheets = []; });
}
// What goes away by itself, or asks again every few seconds, stays until a slow machine has looked at it.
const later = window.setTimeout;
window.setTimeout = (act, wait, ...given) => later(act, wait >= 2000 ? wait * 100 : wait, ...given);
"""
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
            browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS, timeout=3 * PATIENCE * 1000)
            yield browser
            browser.close()


@pytest.fixture
def all_answered(live_server: LiveServer) -> Iterator[Callable[[], None]]:
    """``all_answered()`` waits until the site is through with every request: one that goes on while the database is
    emptied would be in its way, or leave the next test a row.
    """
    under_way = 0
    changed = threading.Condition()

    def count(by: int) -> None:
        nonlocal under_way
        with changed:
            under_way += by
            changed.notify_all()

    def begins(**_: object) -> None:
        count(1)

    def ends(**_: object) -> None:
        count(-1)

    def wait() -> None:
        with changed:
            assert changed.wait_for(lambda: not under_way, PATIENCE), f"{under_way} requests were not answered"

    request_started.connect(begins)
    request_finished.connect(ends)
    yield wait
    request_started.disconnect(begins)
    request_finished.disconnect(ends)


@pytest.fixture
def open_page(chromium: Browser, live_server: LiveServer, all_answered: Callable[[], None]) -> Iterator[OpenPage]:
    """``open_page(javascript=False)``: a page of a browser that knows nobody yet. Its errors fail the test."""
    asked: dict[BrowserContext, set[Request]] = {}
    wrong: list[str] = []

    def opened(*, javascript: bool = True) -> Page:
        context = chromium.new_context(
            base_url=live_server.url,
            java_script_enabled=javascript,
            viewport={"width": 1280, "height": 900},
            reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.set_default_timeout(PATIENCE * 1000)
        if javascript:
            context.add_init_script(PREPARED)
        requests: set[Request] = set()
        asked[context] = requests

        def leaves(request: Request) -> None:
            requests.add(request)

        def comes_back(request: Request) -> None:
            requests.discard(request)

        context.on("request", leaves)
        context.on("requestfinished", comes_back)
        context.on("requestfailed", comes_back)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
        return page

    yield opened
    for context, requests in asked.items():
        # Not before its last one came back: what the site has not begun with is not among what it is waited for below.
        ends = time.monotonic() + PATIENCE
        while requests and time.monotonic() < ends:
            context.pages[0].wait_for_timeout(20)
        context.close()
    all_answered()
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
