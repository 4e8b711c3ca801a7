from __future__ import annotations

from datetime import timedelta

import httpx
from django.utils import timezone
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from keys.models import Key
from portal.accounts.models import User
from tests.browser.conftest import PATIENCE, OpenPage, SignIn
from tests.browser.test_accessibility import complaints
from tests.conftest import SETUP


def test_a_key_is_rotated_its_successor_used_and_the_old_one_expires(
    open_page: OpenPage,
    sign_in: SignIn,
    live_server: LiveServer,
    acme_key: tuple[Key, str],
    amir: User,
    paul: User,
) -> None:
    old, old_secret = acme_key

    def call(secret: str) -> int:
        path = f"{live_server.url}/v1/affiliates/affiliate"
        headers = {"Authorization": f"Bearer {secret}"}
        return httpx.get(path, headers=headers, timeout=PATIENCE, trust_env=False).status_code

    # Amir rotates the key that is in use.
    assert call(old_secret) == 200
    network_side = open_page()
    sign_in(network_side, amir)
    network_side.goto(f"/partners/{old.partner_id}/api/")
    network_side.get_by_role("button", name="Actions for Reporting").click()
    network_side.get_by_role("link", name="Rotate").click()
    dialog = network_side.get_by_role("dialog")
    expect(dialog.get_by_label("24 hours")).to_be_checked()
    dialog.get_by_role("button", name="Rotate").click()
    expect(network_side.get_by_role("heading", name="Send it safely")).to_be_visible()
    network_side.get_by_role("link", name="Done").click()
    successor = old.successors.get()
    row = network_side.locator(f"tr[data-key='{old.pk}']")
    expect(row).to_contain_text(f"until {successor.hint} is first used")
    expect(network_side.locator(f"tr[data-key='{successor.pk}']")).to_contain_text(f"the old key {old.hint}")
    expect(network_side.locator(f"tr[data-key='{successor.pk}']")).to_contain_text("from 127.0.0.1")

    # Paul copies the new one. Both work, and the new one's first call begins the old one's grace.
    partner_side = open_page()
    sign_in(partner_side, paul)
    partner_side.goto("/account/api/")
    card = partner_side.get_by_role("article").filter(has_text=successor.hint).filter(has_not_text="Replaced by")
    expect(partner_side.get_by_text("This key works until 24 hours after the new one's first call.")).to_be_visible()
    card.get_by_role("button", name="Copy").click()
    expect(card.get_by_text("Copied")).to_be_visible()
    new_secret: str = partner_side.evaluate("navigator.clipboard.readText()")
    assert new_secret != old_secret
    assert [call(old_secret), call(new_secret), call(old_secret)] == [200, 200, 200]
    partner_side.reload()
    expect(partner_side.get_by_text("This key ends on")).to_be_visible()
    old.refresh_from_db()
    assert old.expires_at is not None
    assert timedelta(hours=23) < old.expires_at - timezone.now() <= timedelta(hours=24)

    # A day later.
    Key.objects.filter(pk=old.pk).update(expires_at=old.expires_at - timedelta(hours=24, seconds=1))
    assert [call(old_secret), call(new_secret)] == [401, 200]
    network_side.reload()
    expect(row).to_contain_text("Expired")
    partner_side.reload()
    expect(partner_side.get_by_role("article")).to_have_count(1)
    expect(partner_side.get_by_role("article")).to_contain_text(successor.hint)


def test_the_screens_of_a_rotation_pass_axe_in_both_schemes(
    open_page: OpenPage, sign_in: SignIn, acme_key: tuple[Key, str], amir: User, paul: User
) -> None:
    old, _ = acme_key
    successor, _ = old.rotate(grace=timedelta(hours=24), by=SETUP)
    keys = f"/partners/{old.partner_id}/api/"
    found = []
    for user, path in (
        (amir, keys),
        (amir, f"{keys}keys/{successor.pk}/rotate/"),
        (amir, f"{keys}keys/{successor.pk}/send/"),
        (paul, "/account/api/"),
    ):
        page = open_page()
        sign_in(page, user)
        page.goto(path)
        expect(page.locator(".loading")).to_have_count(0)
        found += [f"{user} {path}: {complaint}" for complaint in complaints(page)]

    assert not found, "\n".join(found)
