from __future__ import annotations

from playwright.sync_api import Page, expect

from keys.models import Key
from partners.firehose.models import Firehose
from partners.firehose.push.models import Push
from partners.models import Partner
from portal.accounts.models import User
from tests.browser.conftest import OpenPage, SignIn
from tests.browser.test_accessibility import complaints
from tests.conftest import SETUP

URL = "https://events.example.com/latchkey"


def test_a_partner_sets_up_a_push_and_stores_its_secret(page: Page, sign_in: SignIn, acme: Partner, paul: User) -> None:
    Key.issue(partner=acme, label="Reporting", by=SETUP)
    Firehose.enable(acme, by=SETUP)
    sign_in(page, paul)
    page.goto("/account/api/")

    page.get_by_role("link", name="Set up a push").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("URL", exact=True).fill("http://10.0.0.1/")
    dialog.get_by_role("button", name="Set up").click()
    expect(dialog).to_contain_text("private network")
    dialog.get_by_label("URL", exact=True).fill(URL)
    dialog.get_by_role("button", name="Set up").click()
    expect(dialog.locator("#push-secret")).to_contain_text("fhs_")
    secret = dialog.locator("#push-secret").inner_text()
    dialog.get_by_role("link", name="I have stored it").click()

    region = page.locator("#firehose-push")
    expect(region).to_contain_text(URL)
    expect(page.get_by_text(secret)).to_have_count(0)
    region.get_by_role("link", name="Pause").click()
    dialog.get_by_role("button", name="Pause").click()
    expect(region).to_contain_text("Paused")
    region.get_by_role("link", name="Resume").click()
    dialog.get_by_role("button", name="Resume").click()
    expect(region).to_contain_text("Active")
    assert [kept.unsealed() for kept in Push.objects.get(partner=acme).secrets.all()] == [secret]


def test_a_push_is_set_up_and_paused_without_javascript(
    open_page: OpenPage, sign_in: SignIn, acme: Partner, paul: User
) -> None:
    Firehose.enable(acme, by=SETUP)
    page = open_page(javascript=False)
    sign_in(page, paul)
    page.goto("/account/api/push/")

    page.get_by_role("link", name="Set up a push").click()
    page.get_by_label("URL", exact=True).fill(URL)
    page.get_by_role("button", name="Set up").click()
    expect(page.locator("#push-secret")).to_contain_text("fhs_")
    page.goto("/account/api/push/")
    page.get_by_role("link", name="Pause").click()
    page.get_by_role("button", name="Pause").click()

    expect(page.locator("#firehose-push")).to_contain_text("Paused")


def test_the_screens_of_the_push_pass_axe_in_both_schemes(
    open_page: OpenPage, sign_in: SignIn, acme: Partner, vera: User, paul: User
) -> None:
    Firehose.enable(acme, by=SETUP)
    push, _ = Push.add(partner=acme, url=URL, by=SETUP)
    push.rotate_secret(by=SETUP)
    Push.objects.update(problem="It answered 500.", problem_at=push.created_at, failures=10)
    push.stop(Push.PausedFor.FAILING, "It answered 500.")
    own = "/account/api/push/"
    found = []
    for user, paths in (
        (paul, (own, *(f"{own}{verb}/" for verb in ("add", "edit", "secret", "test", "remove", "resume")))),
        (vera, (f"/partners/{acme.pk}/api/push/", f"/partners/{acme.pk}/api/push/resume/")),
    ):
        page = open_page()
        sign_in(page, user)
        for path in paths:
            page.goto(path)
            found += [f"{path}: {complaint}" for complaint in complaints(page)]
    page = open_page()
    sign_in(page, paul)
    page.goto(f"{own}secret/")
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("#push-secret")).to_contain_text("fhs_")
    found += [f"secret: {complaint}" for complaint in complaints(page)]

    assert not found, "\n".join(found)
