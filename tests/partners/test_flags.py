from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import IntegrityError, connection
from django.utils.timezone import now

from partners.models import Flag, FlagAlreadyClosed, FlagAlreadyRaised, Partner
from portal.accounts.events import EventKind
from portal.accounts.models import Event, Role, User
from tests.conftest import SETUP, Browse
from tests.page import page

pytestmark = pytest.mark.django_db

DIALOG = {"HX-Request": "true", "HX-Target": "dialog-body"}


@pytest.fixture
def flag(acme: Partner) -> Flag:
    return acme.raise_flag(kind=Flag.Kind.FRAUD, note="Odd clicks", by=SETUP)


def test_a_flag_is_raised_with_a_note_and_an_event(vera: User, acme: Partner, browse: Browse) -> None:
    browser = browse(vera)

    response = browser.post(
        f"/partners/{acme.pk}/flags/raise/", {"kind": "quality", "note": "Late returns"}, follow=True
    )

    assert response.redirect_chain == [(f"/partners/{acme.pk}/", 303)]
    assert "Acme Media has a quality flag now." in page(response).text
    assert "Quality Late returns" in page(response).region("flag-list").text
    event = Event.objects.get(kind=EventKind.FLAG_RAISED)
    assert (event.actor_label, event.partner_id, event.details["note"]) == ("Vera", acme.pk, "Late returns")


def test_htmx_is_told_that_the_flags_changed(vera: User, acme: Partner, browse: Browse) -> None:
    browser = browse(vera)

    response = browser.post(
        f"/partners/{acme.pk}/flags/raise/", {"kind": "fraud", "note": "Odd clicks"}, headers=DIALOG
    )
    region = browser.get(f"/partners/{acme.pk}/", headers={"HX-Request": "true", "HX-Target": "flag-list"})

    assert response.status_code == 204
    assert "flags:changed" in response["HX-Trigger"]
    assert "has a fraud flag now" in response["HX-Trigger"]
    assert "Odd clicks" in page(region).text
    assert page(region).heading == ""


@pytest.mark.parametrize("fields", [{}, {"kind": "fraud", "note": " "}, {"kind": "boredom", "note": "Dull"}])
def test_a_flag_without_kind_or_note_is_refused(
    fields: dict[str, str], vera: User, acme: Partner, browse: Browse
) -> None:
    response = browse(vera).post(f"/partners/{acme.pk}/flags/raise/", {"token": "", **fields}, headers=DIALOG)

    assert response.status_code == 422
    assert not Flag.objects.exists()


def test_a_button_pressed_twice_raises_one_flag(vera: User, acme: Partner, flag: Flag, browse: Browse) -> None:
    response = browse(vera).post(
        f"/partners/{acme.pk}/flags/raise/", {"kind": "fraud", "note": "Odd clicks"}, follow=True
    )

    assert "was raised already" in page(response).text
    assert acme.flags.count() == 1
    with pytest.raises(FlagAlreadyRaised):
        acme.raise_flag(kind=Flag.Kind.FRAUD, note="Odd clicks", by=SETUP)


def test_a_flag_is_closed_with_what_became_of_it(vera: User, acme: Partner, flag: Flag, browse: Browse) -> None:
    url = f"/partners/{acme.pk}/flags/{flag.pk}/close/"

    response = browse(vera).post(url, {"note": "A test of theirs"}, follow=True)

    flag.refresh_from_db()
    assert (flag.closed_by, flag.closing_note) == ("Vera", "A test of theirs")
    assert "Fraud, closed Odd clicks" in page(response).region("flag-list").text
    assert "A test of theirs" in page(response).region("flag-list").text
    event = Event.objects.get(kind=EventKind.FLAG_CLOSED)
    assert event.details == {"flag": "fraud", "note": "Odd clicks", "closing_note": "A test of theirs"}


def test_closing_needs_a_note(vera: User, acme: Partner, flag: Flag, browse: Browse) -> None:
    response = browse(vera).post(f"/partners/{acme.pk}/flags/{flag.pk}/close/", {"note": ""}, headers=DIALOG)

    assert response.status_code == 422
    assert Flag.objects.open().exists()


def test_who_closes_a_flag_second_is_told_so_and_changes_nothing(
    vera: User, amir: User, acme: Partner, flag: Flag, browse: Browse
) -> None:
    url = f"/partners/{acme.pk}/flags/{flag.pk}/close/"
    browse(amir).post(url, {"note": "First"})

    response = browse(vera).post(url, {"note": "Second"}, headers=DIALOG)
    dialog = browse(vera).get(url, headers=DIALOG)

    flag.refresh_from_db()
    assert (flag.closed_by, flag.closing_note) == ("Amir", "First")
    assert "Somebody else closed this flag" in response["HX-Trigger"]
    assert "This flag is closed" in page(dialog).text
    assert "Close the flag" not in page(dialog).buttons


@pytest.mark.django_db(transaction=True)
def test_two_people_who_close_a_flag_at_once_close_it_once(acme: Partner, flag: Flag) -> None:
    together = Barrier(4)

    def close(name: str) -> str:
        try:
            own = Flag.objects.get(pk=flag.pk)
            together.wait()
            own.close(by=SETUP, note=name)
        except FlagAlreadyClosed:
            return "too late"
        finally:
            connection.close()
        return name

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(close, ["first", "second", "third", "fourth"]))

    flag.refresh_from_db()
    assert sorted(results).count("too late") == 3
    assert flag.closing_note in results
    assert Event.objects.filter(kind=EventKind.FLAG_CLOSED).count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_flag_raised_twice_at_once_is_one_flag(acme: Partner) -> None:
    together = Barrier(4)

    def raise_flag(number: int) -> bool:
        try:
            together.wait()
            acme.raise_flag(kind=Flag.Kind.FRAUD, note="Odd clicks", by=SETUP)
        except FlagAlreadyRaised:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(raise_flag, range(4)))

    assert sorted(results) == [False, False, False, True]
    assert Flag.objects.count() == Event.objects.filter(kind=EventKind.FLAG_RAISED).count() == 1


def test_another_partners_flag_is_not_found(vera: User, flag: Flag, other_partner: Partner, browse: Browse) -> None:
    assert browse(vera).get(f"/partners/{other_partner.pk}/flags/{flag.pk}/close/").status_code == 404


def test_raising_and_closing_need_partners_full(acme: Partner, flag: Flag, paul: User, browse: Browse) -> None:
    analyst = Role.create(name="Analyst", by=SETUP, partners="view")
    viewer = User.invite(email="priya@latchkey.example", name="Priya", role=analyst, by=SETUP)

    for path in ("flags/raise/", f"flags/{flag.pk}/close/"):
        url = f"/partners/{acme.pk}/{path}"
        refused = browse(viewer).post(url, {"kind": "fraud", "note": "Mine"})
        assert refused.status_code == 403
        assert "Partners: full" in page(refused).text
        assert browse(paul).post(url, {"kind": "fraud", "note": "Mine"}).status_code == 404
    assert Flag.objects.open().count() == 1


@pytest.mark.parametrize(
    "broken",
    [
        {"closed_by": "Vera"},
        {"closed_at": now(), "closed_by": ""},
        {"closing_note": "Never closed"},
        {"kind": "boredom"},
    ],
)
def test_the_database_refuses_a_flag_that_contradicts_itself(broken: dict[str, object], flag: Flag) -> None:
    with pytest.raises(IntegrityError):
        Flag.objects.filter(pk=flag.pk).update(**broken)
