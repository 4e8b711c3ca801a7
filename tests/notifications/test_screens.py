from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from partners.models import Partner
from portal.accounts.actors import Actor
from portal.accounts.models import Event, Role, User
from portal.notifications.kinds import AUDIENCES, Kind
from portal.notifications.models import MOST_COUNTED, Choice, Notification, Preference, Telling
from tests.conftest import SETUP, Browse, person
from tests.htmx import HTMX
from tests.htmx import told as htmx_told
from tests.page import page, text_of

pytestmark = pytest.mark.django_db

LIST, CHOICES, READ_ALL = "/notifications/", "/notifications/choices/", "/notifications/read/"


def tell(partner: Partner, number: int = 1, *more: int) -> None:
    numbers = (number, *more)
    Notification.tell_all(
        [
            Telling(
                kind=Kind.POSTBACK_PAUSED,
                subject=f"Postback {each} is paused",
                once=str(each),
                partner=partner,
                numbers=(each,),
                by=SETUP,
                facts={"The last one": f"It answered 50{each % 10}."},
            )
            for each in numbers
        ]
    )


def shown(browser: Client, path: str = LIST) -> list[str]:
    """The subjects on the page; what is unread begins with that word."""
    return [text_of(heading) for heading in page(browser.get(path)).element.select(".notifications h3")]


def bell(browser: Client, path: str = LIST) -> str:
    return page(browser.get(path)).region("bell-bar").text


def one(user: User, once: str = "1") -> Notification:
    return Notification.objects.get(user=user, once=once)


def test_the_newest_is_first_and_says_what_happened_and_where_to_act(acme: Partner, paul: User, browse: Browse) -> None:
    tell(acme, 1, 2)

    answer = page(browse(paul).get(LIST))

    assert shown(browse(paul)) == ["Unread: Postback 2 is paused", "Unread: Postback 1 is paused"]
    text = answer.region("notification-list").text
    assert "The last one It answered 502." in text
    assert "Nothing is lost yet" in text
    assert "See the postback" in answer.buttons


def test_whoever_was_told_nothing_reads_what_will_be_here(vera: User, browse: Browse) -> None:
    answer = page(browse(vera).get(LIST))

    assert "Nothing yet" in answer.text
    assert answer.links["Choose what you are told"] == CHOICES


def test_nobody_sees_what_others_were_told(acme: Partner, paul: User, otto: User, browse: Browse) -> None:
    tell(acme)

    assert shown(browse(otto)) == []
    assert "1" not in bell(browse(otto))


@pytest.mark.parametrize("action", ["read", "open"])
def test_what_others_were_told_is_not_there(
    action: str, acme: Partner, paul: User, otto: User, sonia: User, browse: Browse
) -> None:
    tell(acme)

    answers = [browse(user).post(f"{LIST}{one(paul).pk}/{action}/").status_code for user in (otto, sonia)]

    assert answers == [404, 404]
    assert one(paul).read_at is None


def test_what_was_sent_by_mail_alone_is_not_in_the_list(acme: Partner, paul: User, browse: Browse) -> None:
    Preference.choose(paul, {Kind.POSTBACK_PAUSED: Choice(in_portal=False, by_mail=True)}, by=Actor.of(paul))
    tell(acme)

    assert shown(browse(paul)) == []
    assert bell(browse(paul)) == "Notifications"
    assert browse(paul).post(f"{LIST}{one(paul).pk}/read/").status_code == 404


def test_the_bell_counts_what_is_unread_on_every_page_of_both_platforms(
    acme: Partner, paul: User, vera: User, browse: Browse
) -> None:
    acme.change(by=SETUP, manager=vera)
    tell(acme, 1, 2, 3)
    one(paul).read()

    assert bell(browse(paul), "/account/") == "Notifications 2 unread"
    assert bell(browse(vera), "/partners/") == "Notifications 3 unread"
    assert page(browse(vera).get("/partners/")).region("bell-sidebar").text == "Notifications 3 unread"


def test_the_bell_stops_counting_at_a_hundred(acme: Partner, paul: User, browse: Browse) -> None:
    tell(acme, *range(1, MOST_COUNTED + 21))

    assert bell(browse(paul)) == "Notifications 99+ unread"


def test_the_bell_costs_one_query_and_the_list_as_many_for_twenty_as_for_one(
    acme: Partner, paul: User, browse: Browse
) -> None:
    browser = browse(paul)
    browser.get(LIST)
    tell(acme)
    with CaptureQueriesContext(connection) as for_one:
        browser.get(LIST)
    tell(acme, *range(2, 21))
    with CaptureQueriesContext(connection) as for_twenty:
        browser.get(LIST)

    with CaptureQueriesContext(connection) as elsewhere:
        browser.get("/password/")

    assert len(for_twenty) == len(for_one)
    counting = [query["sql"] for query in elsewhere if "notifications_notification" in query["sql"]]
    assert len(counting) == 1


def test_reading_one_takes_it_off_the_bell(acme: Partner, paul: User, browse: Browse) -> None:
    tell(acme, 1, 2)
    browser = browse(paul)

    answer = browser.post(f"{LIST}{one(paul).pk}/read/")

    assert (answer.status_code, answer["Location"]) == (303, LIST)
    assert shown(browser) == ["Unread: Postback 2 is paused", "Postback 1 is paused"]
    assert bell(browser) == "Notifications 1 unread"


def test_under_htmx_the_list_and_the_bell_are_told_to_fetch_themselves(
    acme: Partner, paul: User, browse: Browse
) -> None:
    tell(acme)
    browser = browse(paul)

    answer = browser.post(f"{LIST}{one(paul).pk}/read/", headers=HTMX)
    fresh = browser.get(LIST, headers={**HTMX, "HX-Target": "bell-bar"})
    again = browser.get(LIST, headers={**HTMX, "HX-Target": "notification-list"})

    assert answer.status_code == 204
    assert htmx_told(answer)["notifications:changed"] is True
    assert page(fresh).text == "Notifications"
    assert not page(fresh).has("main")
    assert page(again).has("notification-list")
    assert not page(again).has("main")


def test_opening_one_reads_it_and_goes_to_where_it_leads(acme: Partner, paul: User, browse: Browse) -> None:
    tell(acme)

    answer = browse(paul).post(f"{LIST}{one(paul).pk}/open/")

    assert (answer.status_code, answer["Location"]) == (303, "/my/postbacks/1/")
    assert one(paul).read_at is not None


def test_reading_twice_changes_nothing(acme: Partner, paul: User, browse: Browse) -> None:
    tell(acme)
    browser = browse(paul)
    browser.post(f"{LIST}{one(paul).pk}/read/")
    first = one(paul).read_at

    browser.post(f"{LIST}{one(paul).pk}/read/")

    assert one(paul).read_at == first


def test_all_are_read_but_what_came_after_the_page_was_opened(acme: Partner, paul: User, browse: Browse) -> None:
    tell(acme, 1, 2)
    browser = browse(paul)
    fields = page(browser.get(LIST)).form(READ_ALL).fields
    tell(acme, 3)

    answer = browser.post(READ_ALL, fields)

    assert answer.status_code == 303
    assert shown(browser) == ["Unread: Postback 3 is paused", "Postback 2 is paused", "Postback 1 is paused"]


def test_reading_all_reads_nobody_elses(acme: Partner, paul: User, otto: User, browse: Browse) -> None:
    tell(acme)

    browse(otto).post(READ_ALL, {"through": str(one(paul).pk)})

    assert one(paul).read_at is None


@pytest.mark.parametrize("through", ["", "x", "-1", "9" * 30])
def test_reading_all_up_to_nothing_is_refused(through: str, acme: Partner, paul: User, browse: Browse) -> None:
    tell(acme)

    assert browse(paul).post(READ_ALL, {"through": through}).status_code == 422
    assert one(paul).read_at is None


def test_the_list_pages_by_key(acme: Partner, paul: User, browse: Browse) -> None:
    tell(acme, *range(1, 31))
    browser = browse(paul)

    first = page(browser.get(LIST))
    older = first.links["Older"]

    assert len(shown(browser)) == 25
    assert shown(browser, older)[-1] == "Unread: Postback 1 is paused"
    assert len(shown(browser, older)) == 5
    assert shown(browser, page(browser.get(older)).links["Newer"]) == shown(browser)
    # On a page of old ones "all" would not be all.
    assert READ_ALL not in [form.action for form in page(browser.get(older)).forms]


def test_whoever_views_as_somebody_else_sees_their_notifications_and_leaves_them_unread(
    acme: Partner, paul: User, sonia: User, browse: Browse
) -> None:
    tell(acme)
    browser = browse(sonia)
    browser.post("/view-as/", {"user_pk": paul.pk})

    answer = page(browser.get(LIST))
    refused = [
        browser.post(path, {"through": str(one(paul).pk)})
        for path in (f"{LIST}{one(paul).pk}/read/", f"{LIST}{one(paul).pk}/open/", READ_ALL, CHOICES)
    ]

    assert answer.links["See the postback"] == "/my/postbacks/1/"
    assert [each.status_code for each in refused] == [403] * 4
    assert "stop viewing as somebody else" in refused[0].content.decode()
    assert one(paul).read_at is None
    assert not Preference.objects.exists()


def test_everybody_chooses_among_what_they_can_be_told(cast: list[User], browse: Browse) -> None:
    _, nadia, amir, vera, paul, _ = cast

    def offered(user: User) -> set[str]:
        return {text_of(heading) for heading in page(browse(user).get(CHOICES)).element.select(".choices h3")}

    assert {"Key issued", "Postback paused"} <= offered(paul)
    assert not {"Unusual pattern", "Network key generated"} & offered(paul)
    assert {"Key issued", "Unusual pattern"} <= offered(vera)
    assert "Network key generated" not in offered(vera)
    assert "Network key generated" not in offered(amir)
    assert {"Network key generated", "Unusual pattern", "Key issued"} <= offered(nadia)


def test_whoever_may_not_see_partners_is_offered_nothing_about_them(network: object, browse: Browse) -> None:
    clara = person("Clara", role=Role.create(name="Closed", by=SETUP))

    assert "There is nothing that you would be told" in page(browse(clara).get(CHOICES)).text


def test_a_choice_is_kept_and_obeyed(acme: Partner, paul: User, browse: Browse) -> None:
    browser = browse(paul)
    fields = page(browser.get(CHOICES)).form(CHOICES).fields
    del fields["POSTBACK_PAUSED_portal"]

    answer = browser.post(CHOICES, fields)
    tell(acme)

    assert (answer.status_code, answer["Location"]) == (303, CHOICES)
    kept = page(browser.get(CHOICES)).form(CHOICES).fields
    assert "POSTBACK_PAUSED_portal" not in kept
    assert "POSTBACK_PAUSED_mail" in kept
    assert shown(browser) == []
    event = Event.objects.get(kind="user.notifications_chosen", actor_id=paul.pk)
    assert event.details == {"Postback paused": ["portal and mail", "mail"]}


def test_a_mail_that_protects_a_key_cannot_be_switched_off(paul: User, browse: Browse) -> None:
    browser = browse(paul)
    answer = page(browser.get(CHOICES))

    browser.post(CHOICES, {})

    box = answer.element.select_one("input[name=KEY_REVEALED_mail]")
    assert box is not None
    assert "disabled" in box.attrs
    assert "checked" in box.attrs
    assert "Some mails cannot be switched off" in answer.text
    mailed = set(Preference.objects.filter(user=paul, by_mail=True).values_list("kind", flat=True))
    assert {"key.revealed", "key.revoked"} <= mailed
    assert all(AUDIENCES[Kind(kind)].is_always_mailed for kind in mailed)
    assert not Preference.objects.filter(user=paul, in_portal=True).exists()


def test_an_expired_session_leads_to_the_sign_in_page(acme: Partner, paul: User) -> None:
    tell(acme)

    answer = Client().post(f"{LIST}{one(paul).pk}/read/", headers=HTMX)

    assert answer.status_code == 204
    assert answer["HX-Redirect"].startswith("/sign-in/")
    assert one(paul).read_at is None
