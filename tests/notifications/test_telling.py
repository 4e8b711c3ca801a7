from __future__ import annotations

from datetime import UTC, datetime, timedelta
from smtplib import SMTPException
from typing import Any

import pytest
import time_machine
from django.core.mail import EmailMultiAlternatives
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from partners.models import Partner
from portal.accounts.actors import Actor
from portal.accounts.mails import PATIENTLY
from portal.accounts.models import Event, User
from portal.network.models import Network
from portal.notifications import jobs
from portal.notifications.kinds import AUDIENCES, Kind
from portal.notifications.models import Choice, Notification, Preference, Telling
from tests.conftest import SETUP, person
from tests.notifications.conftest import Work, mailed, told, waiting_mails

pytestmark = pytest.mark.django_db

PAUSED = Kind.POSTBACK_PAUSED


def tell(partner: Partner | None, kind: Kind = PAUSED, *, once: str = "1", by: Actor = SETUP, **more: Any) -> None:
    about = {"subject": "Postback 1 is paused", "numbers": (1,) if kind == PAUSED else (), **more}
    Notification.tell(kind, once=once, partner=partner, by=by, **about)


def test_the_users_of_the_partner_and_its_manager_are_told_and_nobody_else(acme: Partner, cast: list[User]) -> None:
    sonia, nadia, amir, vera, paul, otto = cast
    acme.change(by=SETUP, manager=vera)

    tell(acme)

    assert told(paul) == ["Postback 1 is paused"]
    assert told(vera) == ["Acme Media: Postback 1 is paused"]
    assert [told(user) for user in (sonia, nadia, amir, otto)] == [[], [], [], []]


def test_those_who_issue_keys_stand_in_for_a_manager_who_is_not_there(acme: Partner, cast: list[User]) -> None:
    sonia, nadia, amir, vera, _, otto = cast

    tell(acme)

    assert [len(told(user)) for user in (sonia, nadia, amir, vera, otto)] == [1, 1, 1, 0, 0]


def test_a_manager_who_was_deactivated_is_not_there(acme: Partner, vera: User, amir: User, sonia: User) -> None:
    acme.change(by=SETUP, manager=vera)
    vera.deactivate(by=Actor.of(sonia))

    tell(acme)

    assert (told(vera), len(told(amir))) == ([], 1)


def test_what_is_about_the_network_is_told_to_those_who_run_it(cast: list[User]) -> None:
    sonia, nadia, amir, vera, paul, otto = cast

    tell(None, Kind.NETWORK_KEY_GENERATED)

    assert [len(told(user)) for user in (sonia, nadia, amir, vera, paul, otto)] == [1, 1, 0, 0, 0, 0]
    assert Notification.objects.filter(user=nadia).get().path == "/system/api/"


def test_nobody_is_told_of_what_they_did_but_of_what_was_done_in_their_name(acme: Partner, paul: User) -> None:
    sonia = person("Sonia", is_superuser=True)

    tell(acme, once="own", by=Actor.of(paul))
    tell(acme, once="as paul", by=Actor.of(paul, impersonator=sonia))

    assert [each.once for each in Notification.objects.filter(user=paul)] == ["as paul"]
    assert [each.once for each in Notification.objects.filter(user=sonia)] == ["own"]


def test_a_partner_is_told_that_the_network_did_it_and_not_who(
    acme: Partner, paul: User, amir: User, nadia: User
) -> None:
    tell(acme, by=Actor.of(amir))

    assert Notification.objects.get(user=paul).facts == [["By", "Northwind Affiliates"]]
    assert Notification.objects.get(user=nadia).facts == [["By", "Amir"]]


def test_facts_keep_their_order_and_moments_are_in_the_networks_time(
    acme: Partner, paul: User, network: Network
) -> None:
    network.change(by=SETUP, timezone="Europe/Berlin")
    moment = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)

    tell(acme, facts={"Zebra": "last in the alphabet", "Expires": moment, "Aardvark": "first", "Nothing": ""})

    assert Notification.objects.get(user=paul).facts == [
        ["Zebra", "last in the alphabet"],
        ["Expires", "2 Jul 2026, 00:30 CEST"],
        ["Aardvark", "first"],
    ]


def test_nobody_is_told_twice(acme: Partner, paul: User, work: Work) -> None:
    tell(acme)
    tell(acme)
    work()

    assert told(paul) == ["Postback 1 is paused"]
    assert mailed() == [(paul.email, "Postback 1 is paused")]


def test_a_colleague_who_came_later_is_told_of_what_others_know_already(acme: Partner, paul: User) -> None:
    tell(acme)
    petra = person("Petra", partner=acme)

    tell(acme)

    assert (len(told(paul)), len(told(petra))) == (1, 1)


def test_what_is_taken_back_was_never_told(acme: Partner, paul: User, work: Work) -> None:
    with transaction.atomic():
        tell(acme)
        transaction.set_rollback(True)
    work()

    assert (told(paul), mailed()) == ([], [])


def test_a_mail_has_the_facts_and_the_way_to_them_in_text_and_in_html(
    acme: Partner, paul: User, work: Work, mailoutbox: list[EmailMultiAlternatives]
) -> None:
    tell(acme, facts={"The last one": "It answered <b>503</b> & more."})
    work()

    [sent] = [each for each in mailoutbox if each.to == [paul.email]]
    html = str(sent.alternatives[0][0])
    assert sent.reply_to == ["support@northwind.example"]
    assert "The last one: It answered <b>503</b> & more." in str(sent.body)
    assert "http://localhost:8000/my/postbacks/1/" in str(sent.body)
    assert "It answered &lt;b&gt;503&lt;/b&gt; &amp; more." in html
    for text in (str(sent.body), html):
        assert AUDIENCES[PAUSED].own_advice in text
        assert "http://localhost:8000/notifications/choices/" in text


def test_a_line_break_in_a_name_does_not_break_the_mails_head(acme: Partner, paul: User, work: Work) -> None:
    tell(acme, subject="Postback\r\nBcc: x@example.com")

    work()

    assert mailed() == [(paul.email, "Postback Bcc: x@example.com")]


def test_a_key_that_was_pasted_where_none_belongs_is_told_to_nobody(
    acme: Partner, paul: User, work: Work, mailoutbox: list[EmailMultiAlternatives]
) -> None:
    pasted = "lk_aff_" + "Ab3" * 12 + "xY"
    facts = {"URL": f"https://acme.example/?key={pasted}", "Cut": "x" * 490 + pasted}

    tell(acme, subject=f"Key {pasted} is paused", facts=facts)
    work()

    told_of = Notification.objects.get(user=paul)
    assert "Ab3" not in f"{told_of.subject} {told_of.facts}"
    assert "Ab3" not in str(mailoutbox[0].message())
    assert told_of.subject == "Key lk_aff_[redacted] is paused"


def test_a_mail_that_cannot_be_sent_loses_nothing_and_holds_nobody_up(
    acme: Partner, paul: User, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    petra = person("Petra", partner=acme)
    tell(acme)
    first, second = Notification.objects.filter(user__in=[paul, petra]).order_by("user_id")

    def fail(*args: object, **kwargs: object) -> None:
        raise SMTPException("The mail server is away")

    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.EmailMultiAlternatives.send", fail)
        with pytest.raises(SMTPException):
            jobs.send_mail(first.pk)
    jobs.send_mail(second.pk)

    assert told(paul) == ["Postback 1 is paused"]
    assert mailed() == [(petra.email, "Postback 1 is paused")]
    jobs.send_mail(first.pk)
    jobs.send_mail(second.pk)
    assert mailed() == [(paul.email, "Postback 1 is paused"), (petra.email, "Postback 1 is paused")]


def test_a_mail_is_tried_again_for_an_evening() -> None:
    assert jobs.send_mail.retry_strategy is PATIENTLY
    assert (PATIENTLY.max_attempts, PATIENTLY.exponential_wait) == (8, 4)


def test_nobody_who_was_deactivated_meanwhile_gets_the_mail(acme: Partner, paul: User, sonia: User, work: Work) -> None:
    tell(acme)
    paul.deactivate(by=Actor.of(sonia))

    work()

    assert paul.email not in [to for to, _ in mailed()]


@pytest.mark.parametrize(
    ("choice", "shown", "sent"),
    [
        (Choice(in_portal=True, by_mail=True), 1, 1),
        (Choice(in_portal=True, by_mail=False), 1, 0),
        (Choice(in_portal=False, by_mail=True), 0, 1),
        (Choice(in_portal=False, by_mail=False), 0, 0),
    ],
)
def test_people_are_told_as_they_have_chosen(
    choice: Choice, shown: int, sent: int, acme: Partner, paul: User, work: Work
) -> None:
    Preference.choose(paul, {PAUSED: choice}, by=Actor.of(paul))

    tell(acme)
    work()

    assert (Notification.objects.filter(user=paul).shown().count(), len(mailed())) == (shown, sent)


def test_what_protects_a_key_is_mailed_whatever_anybody_chose(acme: Partner, paul: User, work: Work) -> None:
    Preference.choose(paul, {Kind.KEY_REVEALED: Choice(in_portal=False, by_mail=False)}, by=Actor.of(paul))

    tell(acme, Kind.KEY_REVEALED)
    work()

    assert Preference.objects.get().by_mail
    assert Notification.objects.filter(user=paul).shown().count() == 0
    assert [to for to, _ in mailed()] == [paul.email]


def test_a_choice_leaves_an_event_and_the_same_choice_again_leaves_none(paul: User) -> None:
    choices = {PAUSED: Choice(in_portal=True, by_mail=False)}

    Preference.choose(paul, choices, by=Actor.of(paul))
    Preference.choose(paul, choices, by=Actor.of(paul))

    event = Event.objects.get(kind="user.notifications_chosen", subject_id=paul.pk)
    assert event.details == {"Postback paused": ["portal and mail", "portal"]}


def test_many_are_told_in_as_many_queries_as_one(
    acme: Partner, other_partner: Partner, paul: User, otto: User, amir: User
) -> None:
    def telling(once: int, partner: Partner) -> Telling:
        return Telling(
            kind=PAUSED, subject="Paused", once=f"{partner.pk} {once}", partner=partner, numbers=(1,), by=SETUP
        )

    with CaptureQueriesContext(connection) as for_one:
        Notification.tell_all([telling(0, acme)])
    with CaptureQueriesContext(connection) as for_many:
        Notification.tell_all([telling(once, partner) for once in range(1, 21) for partner in (acme, other_partner)])

    assert len(for_many) == len(for_one)
    assert [len(told(user)) for user in (paul, otto, amir)] == [21, 20, 41]


def test_what_was_read_is_dropped_after_half_a_year_and_what_was_not_is_kept(acme: Partner, paul: User) -> None:
    for once in ("read", "unread"):
        tell(acme, once=once)
    Preference.choose(paul, {PAUSED: Choice(in_portal=False, by_mail=True)}, by=Actor.of(paul))
    tell(acme, once="mail alone")
    Notification.objects.get(user=paul, once="read").read()

    def kept() -> set[str]:
        return set(Notification.objects.filter(user=paul).values_list("once", flat=True))

    with time_machine.travel(timezone.now() + timedelta(days=179)):
        jobs.forget(0)
    assert kept() == {"read", "unread", "mail alone"}
    with time_machine.travel(timezone.now() + timedelta(days=181)):
        jobs.forget(0)

    assert kept() == {"unread"}


def test_every_kind_says_when_and_leads_both_sides_somewhere(cast: list[User], acme: Partner) -> None:
    for kind in Kind:
        audience = AUDIENCES[kind]
        for partner in [acme] * bool(audience.partner_page or audience.own_page) + [None] * bool(audience.network_page):
            tell(partner, kind, once=f"{partner}")

    assert set(Notification.objects.values_list("kind", flat=True)) == set(Kind.values)
    assert all(audience.when.endswith(".") for audience in AUDIENCES.values())


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"in_portal": False, "by_mail": False}, "notification_goes_somewhere"),
        ({"in_portal": False, "by_mail": True, "read_at": timezone.now()}, "notification_read_was_shown"),
        ({"in_portal": True, "by_mail": False, "mailed_at": timezone.now()}, "notification_mailed_was_due"),
    ],
)
def test_the_database_refuses_what_cannot_be(fields: dict[str, Any], constraint: str, paul: User) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Notification.objects.create(user=paul, kind="x", once="1", subject="x", facts=[], path="/", **fields)


def test_a_mail_is_a_job_of_its_own(acme: Partner, paul: User) -> None:
    person("Petra", partner=acme)

    tell(acme)

    assert len(waiting_mails()) == Notification.objects.count() == 2
