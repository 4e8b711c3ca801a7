from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import IntegrityError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from procrastinate.contrib.django.models import ProcrastinateJob

from partners.models import Partner
from portal.accounts.actors import Actor
from portal.accounts.models import AboveOwnLevels, AlreadyDeactivated, Event, NoLongerActive, Role, User
from tests.conftest import PASSWORD, SETUP, Browse
from tests.page import page

pytestmark = pytest.mark.django_db

LIST = "/control-center/accounts/"
PARTNER_USERS = f"{LIST}partners/"
INVITE = f"{LIST}invite/"
INVITE_PARTNER_USER = f"{PARTNER_USERS}invite/"
DIALOG = {"HX-Request": "true", "HX-Target": "dialog-body"}


def names(client: Client, url: str) -> list[str]:
    return [row["Name"].split()[0] for row in page(client.get(url)).region("people-table").records]


def test_network_users_and_partner_users_have_a_list_each(cast: list[User], nadia: User, browse: Browse) -> None:
    client = browse(nadia)

    assert names(client, LIST) == ["Amir", "Nadia", "Sonia", "Vera"]
    assert names(client, PARTNER_USERS) == ["Otto", "Paul"]


def test_a_row_says_who_somebody_is(cast: list[User], nadia: User, browse: Browse) -> None:
    network_users = page(browse(nadia).get(LIST)).region("people-table").records
    partner_users = page(browse(nadia).get(PARTNER_USERS)).region("people-table").records

    assert [(row["Role"], row["Status"]) for row in network_users] == [
        ("Key Manager", "Active"),
        ("Network Admin", "Active"),
        ("Super User", "Active"),
        ("Affiliate Manager", "Active"),
    ]
    assert [row["Partner"] for row in partner_users] == ["Orbit Deals", "Acme Media"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=ver", ["Vera"]),
        ("q=AMIR%40latchkey", ["Amir"]),
        ("q=%25", []),
        ("status=deactivated", ["Amir"]),
        ("status=invited", ["New"]),
        ("status=active", ["Nadia", "Sonia", "Vera"]),
        ("role=super", ["Sonia"]),
        ("status=nonsense", ["Amir", "Nadia", "New", "Sonia", "Vera"]),
        ("sort=-name", ["Vera", "Sonia", "New", "Nadia", "Amir"]),
    ],
)
def test_search_filters_and_order(query: str, expected: list[str], cast: list[User], browse: Browse) -> None:
    sonia, _, amir, *_ = cast
    amir.deactivate(by=SETUP)
    User.invite(email="new@latchkey.example", name="New", by=SETUP)

    assert names(browse(sonia), f"{LIST}?{query}") == expected


def test_the_list_can_be_narrowed_to_a_role(cast: list[User], network_admin: Role, sonia: User, browse: Browse) -> None:
    assert names(browse(sonia), f"{LIST}?role={network_admin.pk}") == ["Nadia"]


def test_an_empty_answer_says_what_to_do_next(nadia: User, browse: Browse) -> None:
    answer = page(browse(nadia).get(f"{LIST}?q=nobody"))

    assert "Nobody matches" in answer.text
    assert answer.region("people-table").links["Invite"] == INVITE


@pytest.mark.parametrize("url", [LIST, PARTNER_USERS])
def test_twenty_rows_ask_the_database_as_often_as_one(
    url: str, nadia: User, acme: Partner, key_manager: Role, browse: Browse
) -> None:
    def add(number: int) -> None:
        standing = {"role": key_manager} if url == LIST else {"partner": acme}
        User.invite(email=f"u{number}@x.example", name=f"U{number}", by=SETUP, **standing)

    client = browse(nadia)
    add(0)
    client.get(url)
    with CaptureQueriesContext(connection) as one:
        client.get(url)
    for number in range(1, 20):
        add(number)

    with CaptureQueriesContext(connection) as twenty:
        answer = client.get(url)

    assert len(page(answer).region("people-table").rows) >= 20
    assert len(twenty) == len(one)


def test_htmx_gets_the_table_alone(nadia: User, browse: Browse) -> None:
    headers = {"HX-Request": "true", "HX-Target": "people-table"}

    answer = page(browse(nadia).get(LIST, headers=headers))

    assert answer.has("people-table")
    assert not answer.has("main")


def test_invited_network_users_get_a_mail_and_an_event(nadia: User, key_manager: Role, browse: Browse) -> None:
    answer = browse(nadia).post(INVITE, {"name": "Kim", "email": "kim@latchkey.example", "role": key_manager.pk})

    assert (answer.status_code, answer["Location"]) == (303, LIST)
    kim = User.objects.get(email="kim@latchkey.example")
    assert (kim.role, kim.status) == (key_manager, "invited")
    assert ProcrastinateJob.objects.get().args == {"user_id": kim.pk}
    event = Event.objects.get(kind="user.invited", subject_id=kim.pk)
    assert (event.actor_id, event.details["role"]) == (nadia.pk, "Key Manager")


def test_the_invitation_dialog_closes_and_refreshes_the_list(nadia: User, key_manager: Role, browse: Browse) -> None:
    client = browse(nadia)
    form = page(client.get(INVITE, headers=DIALOG)).form(INVITE)
    given = form.fields | {"name": "Kim", "email": "kim@latchkey.example", "role": key_manager.pk}

    answer = client.post(INVITE, given, headers=DIALOG)

    assert answer.status_code == 204
    told = json.loads(answer["HX-Trigger"])
    assert told["accounts:changed"] and told["dialog:close"]
    assert told["toast"][0]["text"] == "Kim is invited. The mail is on its way to kim@latchkey.example."


def test_a_dialog_over_the_list_shares_no_id_with_it(nadia: User, browse: Browse) -> None:
    client = browse(nadia)

    of_the_list = {element["id"] for element in page(client.get(LIST)).element.select("[id]")}
    of_the_dialog = {element["id"] for element in page(client.get(INVITE, headers=DIALOG)).element.select("[id]")}

    assert not of_the_list & of_the_dialog - {"dialog-title"}


def test_an_address_can_have_one_account(nadia: User, vera: User, key_manager: Role, browse: Browse) -> None:
    answer = browse(nadia).post(
        INVITE, {"name": "Vera", "email": "VERA@latchkey.example", "role": key_manager.pk}, headers=DIALOG
    )

    assert answer.status_code == 422
    assert page(answer).errors == ["Somebody has an account with this address already."]


def test_two_who_invite_the_same_person_at_once(
    nadia: User, vera: User, key_manager: Role, browse: Browse, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The other invitation commits after this form was checked.
    monkeypatch.setattr("portal.accounts.forms.InvitationForm.clean_email", lambda form: form.cleaned_data["email"])

    answer = browse(nadia).post(INVITE, {"name": "Vera", "email": "vera@latchkey.example", "role": key_manager.pk})

    assert answer.status_code == 422
    assert page(answer).errors == ["Somebody has an account with this address already."]
    assert not ProcrastinateJob.objects.exists()


def test_nobody_invites_to_more_than_they_hold(amir: User, nadia: User, network_admin: Role, browse: Browse) -> None:
    given = {"name": "Kim", "email": "kim@latchkey.example"}

    too_high = browse(amir).post(INVITE, given | {"role": network_admin.pk})
    super_user = browse(nadia).post(INVITE, given | {"role": "super"})

    for answer in (too_high, super_user):
        assert answer.status_code == 422
        assert "above your own levels" in " ".join(page(answer).errors)
    assert not User.objects.filter(email="kim@latchkey.example").exists()


def test_a_super_user_invites_another(sonia: User, browse: Browse) -> None:
    browse(sonia).post(INVITE, {"name": "Kim", "email": "kim@latchkey.example", "role": "super"})

    assert User.objects.get(email="kim@latchkey.example").is_superuser


def test_who_may_change_partners_invites_their_users(vera: User, acme: Partner, browse: Browse) -> None:
    client = browse(vera)
    form = page(client.get(INVITE_PARTNER_USER, {"partner": acme.pk})).form(INVITE_PARTNER_USER)
    assert form.fields["partner"] == str(acme.pk)

    answer = client.post(INVITE_PARTNER_USER, form.fields | {"name": "Pia", "email": "pia@acme.example"})

    assert answer.status_code == 303
    assert User.objects.get(email="pia@acme.example").partner == acme
    assert Event.objects.get(kind="user.invited", partner_id=acme.pk).actor_id == vera.pk


def test_who_may_not_change_accounts_invites_no_network_user(vera: User, browse: Browse) -> None:
    answer = browse(vera).get(INVITE, headers=DIALOG)

    assert answer.status_code == 403
    toast = json.loads(answer["HX-Trigger"])["toast"][0]
    assert toast["title"] == "Forbidden"
    assert "Accounts & History Logs: full access" in toast["text"]
    assert answer["HX-Reswap"] == "none"


def test_an_invitation_is_sent_again_until_it_is_taken(nadia: User, vera: User, browse: Browse) -> None:
    kim = User.invite(email="kim@latchkey.example", name="Kim", by=SETUP)
    client = browse(nadia)

    assert client.post(f"{LIST}{kim.pk}/invite-again/").status_code == 303
    assert client.post(f"{LIST}{vera.pk}/invite-again/").status_code == 404

    assert ProcrastinateJob.objects.get().args == {"user_id": kim.pk}
    assert Event.objects.get(kind="user.invitation_repeated").subject_id == kim.pk


def test_only_who_may_change_accounts_repeats_a_network_users_invitation(vera: User, browse: Browse) -> None:
    kim = User.invite(email="kim@latchkey.example", name="Kim", by=SETUP)

    assert browse(vera).post(f"{LIST}{kim.pk}/invite-again/").status_code == 403


def test_a_new_role_acts_from_the_next_click(nadia: User, vera: User, key_manager: Role, browse: Browse) -> None:
    of_vera = browse(vera)
    assert of_vera.get(LIST).status_code == 403

    answer = browse(nadia).post(f"{LIST}{vera.pk}/role/", {"role": key_manager.pk})

    assert answer.status_code == 303
    assert of_vera.get(LIST).status_code == 200
    event = Event.objects.get(kind="user.role_changed")
    assert event.changes == ["role: Affiliate Manager → Key Manager"]


def test_nobody_changes_their_own_role(sonia: User, key_manager: Role, browse: Browse) -> None:
    answer = browse(sonia).post(f"{LIST}{sonia.pk}/role/", {"role": key_manager.pk}, headers=DIALOG)

    assert answer.status_code == 422
    assert "Nobody changes their own role" in " ".join(page(answer).errors)


def test_nobody_lifts_or_touches_who_stands_above_them(
    amir: User, nadia: User, sonia: User, vera: User, network_admin: Role, key_manager: Role, browse: Browse
) -> None:
    client = browse(amir)

    for user, role in [(vera, network_admin.pk), (vera, "super"), (nadia, key_manager.pk), (sonia, key_manager.pk)]:
        answer = client.post(f"{LIST}{user.pk}/role/", {"role": role})

        assert answer.status_code == 422
        assert "above your own levels" in " ".join(page(answer).errors)
    assert not Event.objects.filter(kind="user.role_changed").exists()


def test_a_partners_user_has_no_role_to_change(nadia: User, paul: User, key_manager: Role, browse: Browse) -> None:
    assert browse(nadia).post(f"{LIST}{paul.pk}/role/", {"role": key_manager.pk}).status_code == 404


@pytest.mark.parametrize("role", ["", "999999", "x", "-1"])
def test_a_role_there_is_not(role: str, nadia: User, vera: User, browse: Browse) -> None:
    assert browse(nadia).post(f"{LIST}{vera.pk}/role/", {"role": role}).status_code == 422


def test_deactivating_somebody_ends_their_sessions_at_once(nadia: User, vera: User, browse: Browse) -> None:
    of_vera, also_of_vera = browse(vera), browse(vera)
    client = browse(nadia)
    assert "signed out everywhere" in page(client.get(f"{LIST}{vera.pk}/deactivate/", headers=DIALOG)).text

    answer = client.post(f"{LIST}{vera.pk}/deactivate/")

    assert answer.status_code == 303
    for session in (of_vera, also_of_vera):
        assert session.get("/password/")["Location"].startswith("/sign-in/")
    assert Event.objects.get(kind="user.deactivated").subject_id == vera.pk


def test_reactivating_somebody_does_not_bring_old_sessions_back(nadia: User, vera: User, browse: Browse) -> None:
    of_vera = browse(vera)
    vera.deactivate(by=SETUP)

    answer = browse(nadia).post(f"{LIST}{vera.pk}/reactivate/")

    assert answer.status_code == 303
    assert of_vera.get("/password/")["Location"].startswith("/sign-in/")
    signed_in = Client().post("/sign-in/", {"email": vera.email, "password": PASSWORD})
    assert signed_in.status_code == 302
    assert Event.objects.get(kind="user.reactivated").actor_id == nadia.pk


def test_deactivating_somebody_ends_the_session_in_which_they_view_as_another(
    sonia: User, nadia: User, vera: User, browse: Browse
) -> None:
    client = browse(nadia)
    client.post("/view-as/", {"user_pk": vera.pk})
    assert client.get("/view-as/stop/").status_code == 405

    browse(sonia).post(f"{LIST}{nadia.pk}/deactivate/")

    assert client.get("/password/")["Location"].startswith("/sign-in/")
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("who", ["sonia", "nadia"])
def test_whom_one_may_not_deactivate(who: str, sonia: User, nadia: User, browse: Browse) -> None:
    target = {"sonia": sonia, "nadia": nadia}[who]

    answer = browse(nadia).post(f"{LIST}{target.pk}/deactivate/", headers=DIALOG)

    assert answer.status_code == 422
    assert page(answer).errors
    target.refresh_from_db()
    assert target.is_active


def test_deactivating_somebody_twice_says_so(nadia: User, vera: User, browse: Browse) -> None:
    vera.deactivate(by=SETUP)

    answer = browse(nadia).post(f"{LIST}{vera.pk}/deactivate/", headers=DIALOG)

    assert json.loads(answer["HX-Trigger"])["toast"][0]["text"] == "Vera was deactivated already."
    assert Event.objects.filter(kind="user.deactivated").count() == 1


def at_once(*actions: Callable[[], None]) -> list[str]:
    """Runs the actions side by side, each on a connection of its own; answers what became of each."""
    barrier = Barrier(len(actions))

    def run(action: Callable[[], None]) -> str:
        try:
            barrier.wait(timeout=120)
            action()
        except (AboveOwnLevels, AlreadyDeactivated, NoLongerActive) as failure:
            return type(failure).__name__
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


@pytest.mark.django_db(transaction=True)
def test_of_two_who_deactivate_the_same_person_one_does(sonia: User, nadia: User, vera: User) -> None:
    outcomes = at_once(
        lambda: User.objects.get(pk=vera.pk).deactivate(by=Actor.of(sonia)),
        lambda: User.objects.get(pk=vera.pk).deactivate(by=Actor.of(nadia)),
    )

    assert sorted(outcomes) == [AlreadyDeactivated.__name__, "done"]
    assert Event.objects.filter(kind="user.deactivated").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_super_users_who_deactivate_each_other_one_stays(sonia: User) -> None:
    kim = User.invite(email="kim@latchkey.example", name="Kim", is_superuser=True, by=SETUP)

    outcomes = at_once(
        lambda: User.objects.get(pk=kim.pk).deactivate(by=Actor.of(sonia)),
        lambda: User.objects.get(pk=sonia.pk).deactivate(by=Actor.of(kim)),
    )

    assert sorted(outcomes) == [NoLongerActive.__name__, "done"]
    assert User.objects.active().filter(is_superuser=True).count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_super_users_who_demote_each_other_one_stays(sonia: User, key_manager: Role) -> None:
    kim = User.invite(email="kim@latchkey.example", name="Kim", is_superuser=True, by=SETUP)

    outcomes = at_once(
        lambda: User.objects.get(pk=kim.pk).change_role(role=key_manager, by=Actor.of(sonia)),
        lambda: User.objects.get(pk=sonia.pk).change_role(role=key_manager, by=Actor.of(kim)),
    )

    assert sorted(outcomes) == [AboveOwnLevels.__name__, "done"]
    assert User.objects.filter(is_superuser=True).count() == 1


def test_the_database_refuses_an_address_twice_in_any_case(vera: User) -> None:
    with pytest.raises(IntegrityError, match="user_email_is_unique_in_any_case"):
        User.invite(email="VERA@LATCHKEY.example", name="Vera", by=SETUP)


@pytest.mark.parametrize("change", [{"is_superuser": True}, {"role": True}])
def test_the_database_refuses_a_partners_user_with_a_role(
    change: dict[str, object], paul: User, key_manager: Role
) -> None:
    if "role" in change:
        change = {"role": key_manager}

    with pytest.raises(IntegrityError, match="user_of_a_partner_has_no_role"):
        User.objects.filter(pk=paul.pk).update(**change)


@pytest.mark.parametrize("area", ["security", "accounts_history_logs", "system_settings", "partners"])
def test_the_database_refuses_a_level_there_is_not(area: str, key_manager: Role) -> None:
    with pytest.raises(IntegrityError, match=f"role_{area}_is_a_level"):
        Role.objects.filter(pk=key_manager.pk).update(**{area: "boundless"})


def test_who_may_look_at_accounts_and_who_not(cast: list[User], browse: Browse) -> None:
    statuses = {user.name: browse(user).get(LIST).status_code for user in cast}

    assert statuses == {"Sonia": 200, "Nadia": 200, "Amir": 200, "Vera": 403, "Paul": 404, "Otto": 404}


def test_reading_accounts_is_not_changing_them(network: object, vera: User, browse: Browse) -> None:
    auditor = Role.create(name="Auditor", accounts_history_logs="read", by=SETUP)
    anna = User.invite(email="anna@latchkey.example", name="Anna", role=auditor, by=SETUP)
    client = browse(anna)

    assert client.get(LIST).status_code == 200
    for action in ("role", "deactivate", "reactivate"):
        assert client.post(f"{LIST}{vera.pk}/{action}/").status_code == 403
