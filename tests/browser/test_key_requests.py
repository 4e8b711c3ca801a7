from __future__ import annotations

import httpx
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from keys.models import Key, KeyRequest
from keys.networks import parse_network
from keys.secret import is_well_formed
from partners.models import Partner
from portal.accounts.models import User
from tests.browser.conftest import PATIENCE, OpenPage, SignIn
from tests.browser.test_accessibility import complaints
from tests.conftest import SETUP


def requested(partner: Partner) -> KeyRequest:
    networks = [parse_network("203.0.113.7"), parse_network("127.0.0.0/8")]
    return KeyRequest.make(
        partner=partner, purpose="Nightly import", contact_email="ada@acme.example", networks=networks, by=SETUP
    )


def test_a_partner_requests_a_key_which_is_approved_and_copied(
    open_page: OpenPage, sign_in: SignIn, live_server: LiveServer, acme: Partner, amir: User, paul: User
) -> None:
    # Paul has no key, and asks for one. His first attempt at the addresses is refused, and he keeps what he wrote.
    partner_side = open_page()
    sign_in(partner_side, paul)
    partner_side.goto("/account/api/")
    partner_side.get_by_role("link", name="Request a key").click()
    dialog = partner_side.get_by_role("dialog")
    dialog.get_by_label("What is it for?").fill("Nightly import")
    expect(dialog.get_by_label("Technical contact’s e-mail")).to_have_value("ada@acme.example")
    dialog.get_by_label("Fixed addresses").fill("127.0.0.1/8")
    dialog.get_by_role("button", name="Send request").click()
    expect(dialog.get_by_text("did you mean 127.0.0.0/8?")).to_be_visible()
    expect(dialog.get_by_label("What is it for?")).to_have_value("Nightly import")
    dialog.get_by_label("Fixed addresses").fill("127.0.0.0/8\n203.0.113.7")
    dialog.get_by_role("button", name="Send request").click()
    expect(partner_side.get_by_role("heading", name="Your request for a key")).to_be_visible()
    expect(partner_side.locator("#key-list")).to_contain_text("Waiting")

    # Amir finds it in Manage, and approves it as it is.
    network_side = open_page()
    sign_in(network_side, amir)
    network_side.goto("/partners/")
    network_side.get_by_role("link", name="1 requests a key").click()
    network_side.get_by_role("table", name="Partners").get_by_role("link", name="Requests a key").click()
    network_side.get_by_role("link", name="Approve").click()
    dialog = network_side.get_by_role("dialog")
    expect(dialog.get_by_label("Label")).to_have_value("Nightly import")
    expect(dialog.get_by_label("IP allowlist")).to_have_value("127.0.0.0/8\n203.0.113.7")
    dialog.get_by_role("button", name="Issue the key").click()
    expect(network_side.get_by_role("heading", name="Send it safely")).to_be_visible()
    network_side.get_by_role("link", name="Done").click()
    expect(network_side.get_by_role("heading", name="Requests a key")).to_have_count(0)
    row = network_side.get_by_role("table", name="API Keys").get_by_role("row").filter(has_text="Nightly import")
    expect(row).to_contain_text("2 networks")

    # Paul has been told, copies the key, and it opens the API from where he said.
    partner_side.goto("/account/")
    partner_side.get_by_label("My Account").get_by_role("link", name="API").click()
    expect(partner_side.locator("#key-list")).to_contain_text("Requested")
    partner_side.get_by_role("button", name="Copy").click()
    expect(partner_side.get_by_text("Copied")).to_be_visible()
    secret: str = partner_side.evaluate("navigator.clipboard.readText()")
    assert is_well_formed(secret)
    path = f"{live_server.url}/v1/affiliates/affiliate"
    headers = {"Authorization": f"Bearer {secret}"}
    answer = httpx.get(path, headers=headers, timeout=PATIENCE, trust_env=False)
    assert answer.status_code == 200
    assert paul.notifications.filter(kind="key_request.decided").count() == 1


def test_without_javascript_a_request_is_made_and_declined(
    open_page: OpenPage, sign_in: SignIn, acme: Partner, amir: User, paul: User
) -> None:
    partner_side, network_side = open_page(javascript=False), open_page(javascript=False)
    sign_in(partner_side, paul)
    sign_in(network_side, amir)

    partner_side.goto("/account/")
    partner_side.get_by_role("link", name="Request a key").click()
    partner_side.get_by_label("What is it for?").fill("Nightly import")
    partner_side.get_by_role("button", name="Send request").click()
    expect(partner_side.get_by_role("heading", name="Your request for a key")).to_be_visible()
    network_side.goto(f"/partners/{acme.pk}/api/")
    network_side.get_by_role("link", name="Decline").click()
    network_side.get_by_label("Reason").fill("Finish the set-up first.")
    network_side.get_by_role("button", name="Decline").click()
    expect(network_side.get_by_text("The request was declined.")).to_be_visible()

    partner_side.reload()
    expect(partner_side.get_by_text("Your request was declined")).to_be_visible()
    expect(partner_side.get_by_text("Finish the set-up first.")).to_be_visible()
    expect(partner_side.get_by_role("link", name="Request a key")).to_be_visible()


def test_who_may_not_issue_keys_is_told_what_is_missing_and_the_request_stays(
    page: Page, sign_in: SignIn, acme: Partner, vera: User
) -> None:
    wish = requested(acme)
    sign_in(page, vera)
    page.goto(f"/partners/{acme.pk}/api/")

    page.get_by_role("link", name="Approve").click()

    expect(page.locator("#toasts")).to_contain_text("Forbidden")
    expect(page.get_by_role("heading", name="Requests a key")).to_be_visible()
    wish.refresh_from_db()
    assert wish.is_open


def test_a_withdrawn_request_leaves_both_sides(
    open_page: OpenPage, sign_in: SignIn, acme: Partner, amir: User, paul: User
) -> None:
    requested(acme)
    partner_side, network_side = open_page(), open_page()
    sign_in(partner_side, paul)
    sign_in(network_side, amir)
    network_side.goto(f"/partners/{acme.pk}/api/")
    network_side.get_by_role("link", name="Approve").click()
    expect(network_side.get_by_label("Label")).to_have_value("Nightly import")

    partner_side.goto("/account/api/")
    partner_side.get_by_role("link", name="Withdraw").click()
    partner_side.get_by_role("dialog").get_by_role("button", name="Withdraw").click()
    expect(partner_side.get_by_role("link", name="Request a key")).to_be_visible()

    network_side.get_by_role("button", name="Issue the key").click()
    expect(network_side.locator("#toasts")).to_contain_text("The request had been withdrawn already")
    expect(network_side.get_by_role("heading", name="Requests a key")).to_have_count(0)
    assert not acme.keys.exists()


def test_the_screens_of_key_requests_pass_axe_in_both_schemes(
    open_page: OpenPage, sign_in: SignIn, acme: Partner, other_partner: Partner, sonia: User, paul: User, otto: User
) -> None:
    closed, _ = Key.issue(partner=acme, label="Closed", by=SETUP)
    closed.revoke(by=SETUP)
    acme.change(by=SETUP, status="onboarding")
    waiting = requested(acme)
    requested(other_partner).decline(reason="Finish the set-up first.", by=SETUP)
    found = []
    for user, path in (
        (otto, "/account/"),
        (otto, "/account/api/"),
        (otto, "/account/api/request/"),
        (paul, "/account/"),
        (paul, "/account/api/"),
        (paul, f"/account/api/requests/{waiting.pk}/withdraw/"),
        (sonia, "/partners/?keys=requests"),
        (sonia, f"/partners/{acme.pk}/api/"),
        (sonia, f"/partners/{acme.pk}/api/requests/{waiting.pk}/approve/"),
        (sonia, f"/partners/{acme.pk}/api/requests/{waiting.pk}/decline/"),
        (sonia, "/system/api/requests/"),
    ):
        page = open_page()
        sign_in(page, user)
        page.goto(path)
        expect(page.locator(".loading")).to_have_count(0)
        found += [f"{user} {path}: {complaint}" for complaint in complaints(page)]

    assert not found, "\n".join(found)


def test_the_dialogs_of_key_requests_pass_axe_in_both_schemes(
    open_page: OpenPage, sign_in: SignIn, acme: Partner, other_partner: Partner, sonia: User, paul: User, otto: User
) -> None:
    acme.change(by=SETUP, status="onboarding")
    requested(acme)
    found = []
    for user, path, opener in (
        (otto, "/account/api/", "#request-key"),
        (paul, "/account/api/", "#withdraw-request"),
        (sonia, f"/partners/{acme.pk}/api/", "#approve-request"),
        (sonia, f"/partners/{acme.pk}/api/", "#decline-request"),
        (sonia, f"/partners/{acme.pk}/api/", "#add-key"),
        (sonia, "/system/api/", "#edit-self-service"),
    ):
        page = open_page()
        sign_in(page, user)
        page.goto(path)
        expect(page.locator(".loading")).to_have_count(0)
        page.locator(opener).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        found += [f"{path} {opener}: {complaint}" for complaint in complaints(page)]

    assert not found, "\n".join(found)
