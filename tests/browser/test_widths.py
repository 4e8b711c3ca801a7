from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from keys.leaks.models import Leak, Place
from keys.models import Key
from partners.models import Partner
from portal.accounts.models import User
from portal.network.models import Network
from tests.browser.conftest import OpenPage, SignIn
from tests.conftest import SETUP

WIDTHS = (1280, 1024, 768, 360)


@pytest.fixture
def much_to_say(acme: Partner, network: Network) -> Partner:
    """A partner with a key that was found in public and replaced, which is all that the row of a key can say."""
    network.change(by=SETUP, revokes_leaked_keys=False)
    key, _ = Key.issue(partner=acme, label="Reporting", by=SETUP)
    key.rotate(grace=timedelta(hours=1), by=SETUP)
    Leak.note(key, [Place("https://github.com/acme/import/blob/main/settings.py", "content")], by=SETUP)
    return acme


def too_wide(page: Page, path: str) -> list[str]:
    """At which widths of the window the page does not fit into it."""
    page.goto(path)
    expect(page.locator(".loading")).to_have_count(0)
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        needed = page.evaluate("document.documentElement.scrollWidth")
        if needed > width:
            found.append(f"{path} needs {needed} of {width}")
    return found


def test_no_page_is_wider_than_the_window(
    open_page: OpenPage, sign_in: SignIn, much_to_say: Partner, sonia: User, paul: User
) -> None:
    found = []
    for user, paths in (
        (sonia, (f"/partners/{much_to_say.pk}/api/", "/partners/", "/control-center/history/", "/system/api/")),
        (paul, ("/account/api/", "/account/")),
    ):
        page = open_page()
        sign_in(page, user)
        for path in paths:
            found += too_wide(page, path)

    assert not found, "\n".join(found)
