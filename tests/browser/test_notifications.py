from __future__ import annotations

import re

import pytest
from django.core.mail import EmailMultiAlternatives
from playwright.sync_api import Page, expect

from partners.models import Partner
from partners.postbacks.models import Postback
from portal.accounts.models import User
from portal.notifications.jobs import send_mail
from portal.notifications.kinds import Kind
from portal.notifications.models import Notification
from tests.browser.conftest import OpenPage, SignIn
from tests.browser.test_accessibility import complaints
from tests.conftest import SETUP


@pytest.fixture
def acme_was_told(acme: Partner, paul: User, vera: User) -> Partner:
    acme.change(by=SETUP, manager=vera)
    for number in (1, 2):
        postback = Postback.add(partner=acme, url="https://acme.example/in?c={transaction_id}", by=SETUP)
        Notification.tell(
            Kind.POSTBACK_PAUSED,
            subject=f"Postback {number} is paused",
            once=str(number),
            partner=acme,
            numbers=(postback.pk,),
            by=SETUP,
            facts={"URL": postback.url, "The last one": "It answered 503."},
        )
    Notification.objects.filter(once="1").update(read_at=acme.created_at)
    return acme


def test_somebody_reads_what_they_were_told_and_goes_to_where_to_act(
    page: Page, sign_in: SignIn, acme_was_told: Partner, paul: User
) -> None:
    sign_in(page, paul)
    page.goto("/account/")
    bell = page.locator("#bell-bar")
    expect(bell).to_have_accessible_name("Notifications 1 unread")

    bell.click()
    page.get_by_role("button", name="Mark as read Postback 2 is paused").click()

    expect(bell).to_have_accessible_name("Notifications")
    expect(page.get_by_role("button", name="Mark as read")).to_have_count(0)
    page.get_by_role("link", name="See the postback").first.click()
    expect(page).to_have_url(re.compile(f"/my/postbacks/{Postback.objects.latest('pk').pk}/$"))
    expect(page.get_by_role("heading", name="What it sends")).to_be_visible(timeout=30_000)


def test_it_is_read_and_chosen_without_javascript_too(
    open_page: OpenPage, sign_in: SignIn, acme_was_told: Partner, paul: User
) -> None:
    page = open_page(javascript=False)
    sign_in(page, paul)
    page.goto("/notifications/")

    page.get_by_role("button", name="Mark all as read").click()
    expect(page.locator("#bell-bar .count")).to_have_count(0)
    page.get_by_role("link", name="Change what you are told").click()
    page.get_by_role("group", name="Postback paused").get_by_label("Mail").uncheck()
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("group", name="Postback paused").get_by_label("Mail")).not_to_be_checked()
    expect(page.get_by_role("group", name="Key revoked").get_by_label("Mail")).to_be_disabled()


def test_notifications_pass_axe_in_both_schemes(
    open_page: OpenPage, sign_in: SignIn, acme_was_told: Partner, paul: User, vera: User, otto: User
) -> None:
    found = []
    for user in (paul, vera, otto):
        for path in ("/notifications/", "/notifications/choices/"):
            page = open_page()
            sign_in(page, user)
            page.goto(path)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            found += [f"{user} {path}: {complaint}" for complaint in complaints(page)]

    assert not found, "\n".join(found)


def test_the_mail_passes_axe_as_a_page(
    page: Page, acme_was_told: Partner, paul: User, mailoutbox: list[EmailMultiAlternatives]
) -> None:
    send_mail(Notification.objects.get(once="2", user=paul).pk)
    page.set_content(str(mailoutbox[0].alternatives[0][0]))

    assert complaints(page) == []
    expect(page.get_by_role("link", name="See the postback")).to_be_visible()
    expect(page.get_by_role("link", name="Change what you are told")).to_be_visible()
