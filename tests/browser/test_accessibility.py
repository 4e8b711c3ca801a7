from __future__ import annotations

from datetime import timedelta
from itertools import cycle
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils.timezone import now
from playwright.sync_api import Page, expect

from apilog.patterns.models import Pattern
from apilog.patterns.rules import Finding, Sighting
from keys.leaks.models import Leak, Place
from keys.models import Key
from keys.networks import parse_network
from partners.firehose.models import Firehose
from partners.models import Partner
from portal.accounts.models import User
from portal.network.models import Network
from portal.status.judgement import State
from portal.status.models import Check
from portal.status.probes import PROBES
from tests.browser.conftest import OpenPage, SignIn
from tests.conftest import SETUP

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def complaints(page: Page) -> list[str]:
    """What axe finds wrong by WCAG 2.2 AA, in both schemes."""
    found = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        # It would load style sheets again and write them into the page, which the page's own policy forbids.
        options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "preload": False}
        result = Axe().run(page, options=options).response
        assert len(result["passes"]) > 10
        for violation in result["violations"]:
            nodes = [node["html"][:160] for node in violation["nodes"]]
            found.append(f"{scheme}: {violation['id']}: {violation['help']}: {nodes}")
    return found


@pytest.fixture
def key(acme: Partner) -> Key:
    acme.change(by=SETUP, status="onboarding", technical_contact_email="")
    closed, _ = Key.issue(partner=acme, label="Closed", by=SETUP)
    closed.revoke(by=SETUP)
    key, _ = Key.issue(partner=acme, label="Reporting", by=SETUP)
    key.allow(network=parse_network("203.0.113.0/24"), label="Office", by=SETUP)
    Key.generate_network_key(by=SETUP, replacing=None)
    return key


def test_the_screens_of_keys_pass_axe_in_both_schemes(
    open_page: OpenPage, sign_in: SignIn, key: Key, acme: Partner, sonia: User, paul: User
) -> None:
    found = []
    for user, path in (
        (sonia, f"/partners/{acme.pk}/api/"),
        (sonia, f"/partners/{acme.pk}/api/keys/{key.pk}/allowlist/"),
        (sonia, f"/partners/{acme.pk}/api/keys/{key.pk}/send/"),
        (sonia, "/system/api/"),
        (paul, "/account/api/"),
    ):
        page = open_page()
        sign_in(page, user)
        page.goto(path)
        expect(page.locator(".loading")).to_have_count(0)
        found += [f"{path}: {complaint}" for complaint in complaints(page)]

    assert not found, "\n".join(found)


def test_the_dialogs_of_keys_pass_axe_in_both_schemes(
    page: Page, sign_in: SignIn, key: Key, acme: Partner, sonia: User
) -> None:
    sign_in(page, sonia)
    found = []
    for path, opener in (
        (f"/partners/{acme.pk}/api/", "#add-key"),
        (f"/partners/{acme.pk}/api/", f"#key-table [href$='/keys/{key.pk}/allowlist/']:visible"),
        ("/system/api/", "#generate-key"),
        ("/system/api/", "#edit-budget"),
    ):
        page.goto(path)
        expect(page.locator(".loading")).to_have_count(0)
        page.locator(opener).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        found += [f"{path} {opener}: {complaint}" for complaint in complaints(page)]

    assert not found, "\n".join(found)


def test_the_firehose_is_enabled_in_place_and_passes_axe_in_both_schemes(
    open_page: OpenPage, sign_in: SignIn, key: Key, acme: Partner, sonia: User, paul: User
) -> None:
    found = []
    page = open_page()
    sign_in(page, sonia)
    page.goto(f"/partners/{acme.pk}/api/")
    for opener, button in (("#enable-firehose", "Enable"), ("#disable-firehose", "Disable")):
        page.locator(opener).click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        found += [f"{opener}: {complaint}" for complaint in complaints(page)]
        dialog.get_by_role("button", name=button).click()
        expect(dialog).to_be_hidden()
        expect(page.locator(opener)).to_have_count(0)
    expect(page.locator("#firehose").get_by_text("Disabled")).to_be_visible()
    Firehose.enable(acme, by=SETUP)
    for user, path in (
        (sonia, f"/partners/{acme.pk}/api/"),
        (sonia, f"/partners/{acme.pk}/firehose/"),
        (paul, "/account/api/"),
        (paul, "/account/firehose/"),
    ):
        page = open_page()
        sign_in(page, user)
        page.goto(path)
        expect(page.locator("#firehose").get_by_text("Enabled").first).to_be_visible()
        expect(page.locator(".loading")).to_have_count(0)
        found += [f"{path}: {complaint}" for complaint in complaints(page)]

    assert not found, "\n".join(found)


def test_leaked_keys_pass_axe_in_both_schemes(
    open_page: OpenPage, sign_in: SignIn, key: Key, acme: Partner, sonia: User, paul: User
) -> None:
    Network.load().change(by=SETUP, revokes_leaked_keys=False)
    network_key = Key.objects.of_network().live().get()
    for leaked in (key, network_key):
        Leak.note(leaked, [Place("https://github.com/acme/import/blob/main/settings.py", "content")], by=SETUP)
    found = []
    for user, path, opener in (
        (sonia, "/partners/", ""),
        (sonia, f"/partners/{acme.pk}/api/", f"#leaks-{key.pk}"),
        (sonia, "/system/api/", f"#leaks-{network_key.pk}"),
        (sonia, "/system/api/", "#edit-leak-rule"),
        (paul, "/account/api/", ""),
    ):
        page = open_page()
        sign_in(page, user)
        page.goto(path)
        expect(page.locator(".loading")).to_have_count(0)
        expect(page.get_by_text("found in public").first).to_be_visible()
        found += [f"{path}: {complaint}" for complaint in complaints(page)]
        if opener:
            page.locator(opener).click()
            expect(page.get_by_role("dialog")).to_be_visible()
            found += [f"{path} {opener}: {complaint}" for complaint in complaints(page)]

    assert not found, "\n".join(found)


def test_unusual_patterns_pass_axe_in_both_schemes(
    page: Page, sign_in: SignIn, key: Key, acme: Partner, sonia: User
) -> None:
    seen = {"198.51.100.0/24": Sighting(14, key.created_at, key.created_at)}
    Pattern.raise_all({(key.pk, "new_network"): Finding("It is used from 203.0.113.0/24.", seen)}, at=key.created_at)
    sign_in(page, sonia)
    found = []
    for path in ("/system/api-log/", "/system/api-log/patterns/", f"/partners/{acme.pk}/api/"):
        page.goto(path)
        expect(page.get_by_text("198.51.100.0/24")).to_be_visible()
        found += [f"{path}: {complaint}" for complaint in complaints(page)]

    page.get_by_role("link", name="Dismiss").click()
    expect(page.get_by_label("Reason")).to_be_focused()
    found += complaints(page)
    page.get_by_label("Reason").fill("They moved")
    page.get_by_role("button", name="Dismiss").click()

    expect(page.get_by_text("No unusual patterns.")).to_be_visible()
    expect(page.locator("#pattern-count")).to_be_hidden()
    assert not found, "\n".join(found)


def test_escape_closes_a_dialog_and_gives_the_focus_back(
    page: Page, sign_in: SignIn, acme: Partner, sonia: User
) -> None:
    sign_in(page, sonia)
    page.goto(f"/partners/{acme.pk}/api/")
    page.locator("#add-key").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Label")).to_be_focused()

    page.keyboard.press("Escape")

    expect(page.locator("#dialog")).to_be_hidden()
    expect(page.locator("#add-key")).to_be_focused()


def test_a_refused_dialog_leaves_the_focus_on_what_has_to_be_corrected(
    page: Page, sign_in: SignIn, acme: Partner, paul: User
) -> None:
    sign_in(page, paul)
    page.goto("/account/api/")
    page.get_by_role("link", name="Request a key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What is it for?").fill("Nightly import")
    dialog.get_by_label("Fixed addresses").fill("127.0.0.1/8")
    page.evaluate("document.addEventListener('htmx:afterSettle', () => document.body.dataset.settled = true)")

    dialog.get_by_role("button", name="Send request").click()

    expect(page.locator("body[data-settled]")).to_be_attached()
    assert dialog.get_by_label("Fixed addresses").evaluate("field => field === document.activeElement")


def test_a_dialog_is_htmx_s_own_from_the_moment_it_is_there(
    page: Page, sign_in: SignIn, acme: Partner, amir: User
) -> None:
    sign_in(page, amir)
    page.goto(f"/partners/{acme.pk}/api/")
    # Faster than anybody: sent as soon as the form is in the page.
    page.evaluate("""new MutationObserver((_, observer) => {
      const form = document.querySelector("#dialog form");
      if (!form) return;
      observer.disconnect();
      form.querySelector("[name=label]").value = "Nightly import";
      form.requestSubmit();
    }).observe(document.getElementById("dialog-body"), { childList: true })""")

    page.locator("#add-key").click()

    expect(page.get_by_role("dialog").get_by_role("heading", name="Send it safely")).to_be_visible()
    expect(page.locator("#key-table")).to_contain_text("Nightly import")
    assert page.url.endswith(f"/partners/{acme.pk}/api/")


def test_system_status_passes_axe_in_both_schemes(
    open_page: OpenPage, sign_in: SignIn, sonia: User, settings: Any, tmp_path: Path
) -> None:
    settings.STATUS_SNAPSHOT = tmp_path / "status.json"
    # Fresh, however slow the machine is.
    fresh = {"measured_at": now() + timedelta(minutes=30), "slow_run": -2, "outage_run": -2, "answered": 5, "errors": 0}
    for probe, state in zip(PROBES, cycle(State), strict=False):
        said = {"outage": "It does not answer.", "warning": "It is nearly full.", "note": "3 events wait."}
        Check.objects.create(probe=probe.slug, state=state, **fresh, **said)
    page = open_page()
    sign_in(page, sonia)
    page.goto("/system/status/")

    expect(page.get_by_role("row", name="Firehose")).to_contain_text("3 events wait.")
    assert complaints(page) == []
