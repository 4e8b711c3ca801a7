from __future__ import annotations

import httpx
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from keys.secret import is_well_formed
from partners.models import Partner
from portal.accounts.models import User
from tests.browser.conftest import PATIENCE, OpenPage, SignIn
from tests.conftest import PASSWORD

KINDS = ("Key issued", "Key revealed", "Key revoked")


def clipboard(page: Page) -> str:
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def test_a_key_is_issued_copied_used_and_revoked(
    open_page: OpenPage, sign_in: SignIn, live_server: LiveServer, acme: Partner, amir: User, paul: User, nadia: User
) -> None:
    def call(secret: str) -> int:
        path = f"{live_server.url}/v1/affiliates/affiliate"
        headers = {"Authorization": f"Bearer {secret}"}
        return httpx.get(path, headers=headers, timeout=PATIENCE, trust_env=False).status_code

    # Amir signs in and finds the partner.
    network_side = open_page()
    network_side.goto("/sign-in/")
    network_side.get_by_label("E-mail").fill(amir.email)
    network_side.get_by_label("Password").fill(PASSWORD)
    network_side.get_by_role("button", name="Sign in").click()
    network_side.get_by_role("link", name="Manage", exact=True).click()
    network_side.get_by_role("link", name="Acme Media").click()
    network_side.get_by_label("Partner Details").get_by_role("link", name="API").click()

    # He adds a key, and is told how to send it.
    network_side.get_by_role("link", name="Add").first.click()
    network_side.get_by_label("Label").fill("Nightly import")
    network_side.get_by_role("button", name="OK").click()
    expect(network_side.get_by_role("heading", name="Send it safely")).to_be_visible()
    network_side.get_by_role("button", name="Copy text").click()
    expect(network_side.get_by_text("Copied", exact=True)).to_be_visible()
    invitation = clipboard(network_side)
    assert "/account/api/" in invitation
    assert "/guide/" in invitation
    network_side.get_by_role("link", name="Done").click()

    # It is in the table with its date and its creator, and is copied without being shown.
    key = acme.keys.get()
    row = network_side.get_by_role("table", name="API Keys").get_by_role("row").filter(has_text="Nightly import")
    expect(row).to_contain_text(key.hint)
    expect(row).to_contain_text(f"{key.created_at:%Y}")
    expect(row).to_contain_text("Amir")
    row.get_by_role("button", name="Copy").click()
    expect(row.get_by_text("Copied")).to_be_visible()
    secret = clipboard(network_side)
    assert is_well_formed(secret)
    assert secret not in invitation
    assert secret not in network_side.content()

    # Paul finds the same key in My Account, shows it, and copies exactly that text.
    partner_side = open_page()
    sign_in(partner_side, paul)
    partner_side.goto("/account/")
    partner_side.get_by_label("My Account").get_by_role("link", name="API").click()
    partner_side.get_by_role("button", name="Show").click()
    expect(partner_side.locator(".secret-value")).to_have_text(secret)
    partner_side.evaluate("navigator.clipboard.writeText('something else')")
    partner_side.get_by_role("button", name="Hide").click()
    partner_side.get_by_role("button", name="Copy").click()
    expect(partner_side.get_by_text("Copied")).to_be_visible()
    assert clipboard(partner_side) == secret

    # It opens the API, until Amir revokes it from the three-dot menu.
    assert call(secret) == 200
    row.get_by_role("button", name="Actions for Nightly import").click()
    network_side.get_by_role("link", name="Revoke").click()
    dialog = network_side.get_by_role("dialog")
    expect(dialog).to_contain_text("Nightly import")
    expect(dialog).to_contain_text(key.hint)
    dialog.get_by_role("button", name="Revoke").click()
    expect(network_side.locator("#toasts")).to_contain_text(f"{key} was revoked.")
    expect(row).to_contain_text("Revoked")
    assert call(secret) == 401

    # The tab is gone for Paul, and the page says whom to ask.
    partner_side.goto("/account/")
    expect(partner_side.get_by_label("My Account").get_by_role("link", name="API")).to_have_count(0)
    partner_side.goto("/account/api/")
    expect(partner_side.get_by_text("has no live API key")).to_be_visible()
    expect(partner_side.get_by_role("link", name="support@northwind.example")).to_be_visible()

    # History Logs has who did what.
    network_side.goto("/control-center/history/")
    events = network_side.get_by_role("table", name="Events").get_by_role("row").filter(has_text="Nightly import")
    told = events.all_inner_texts()
    done = [(who, what) for text in told for who in ("Amir", "Paul") for what in KINDS if who in text and what in text]
    assert sorted(done) == [
        ("Amir", "Key issued"),
        ("Amir", "Key revealed"),
        ("Amir", "Key revoked"),
        ("Paul", "Key revealed"),
        ("Paul", "Key revealed"),
    ]

    # The API Log has every call, with its outcome.
    admin_side = open_page()
    sign_in(admin_side, nadia)
    admin_side.goto("/system/api-log/")
    calls = admin_side.get_by_role("table", name="API calls").get_by_role("row").filter(has_text=key.hint)
    expect(calls).to_have_count(2)
    expect(calls.nth(0)).to_contain_text("Revoked key")
    expect(calls.nth(0)).to_contain_text("401")
    expect(calls.nth(1)).to_contain_text("OK")
    expect(calls.nth(1)).to_contain_text("200")
