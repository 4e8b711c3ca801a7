from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.accounts.models import Event, Role, User
from tests.conftest import SETUP, Browse
from tests.page import page

pytestmark = pytest.mark.django_db

URL = "/control-center/security/"
ADD = f"{URL}add/"
DIALOG = {"HX-Request": "true", "HX-Target": "dialog-body"}
NOTHING = {"security": "none", "accounts_history_logs": "none", "system_settings": "none", "partners": "none"}


@pytest.fixture
def sasha(network: object) -> User:
    """Looks after security and nothing else."""
    role = Role.create(name="Security Officer", security="full_control", partners="view", by=SETUP)
    return User.invite(email="sasha@latchkey.example", name="Sasha", role=role, by=SETUP)


def test_every_role_is_a_row_of_levels_below_super_user(cast: list[User], sonia: User, browse: Browse) -> None:
    rows = page(browse(sonia).get(URL)).region("role-table").records

    assert rows[0] == {
        "Role": "Super User",
        "Security": "Full control",
        "Accounts & History Logs": "Full access",
        "System Settings": "Full",
        "Partners": "Full",
        "People": "1 person",
        "Actions": "",
    }
    assert [(row["Role"], row["Accounts & History Logs"], row["People"]) for row in rows[1:]] == [
        ("Affiliate Manager", "None", "1 person"),
        ("Key Manager", "Full access", "1 person"),
        ("Network Admin", "Full access", "1 person"),
    ]


def test_who_has_a_role_is_a_link_to_them(cast: list[User], network_admin: Role, sonia: User, browse: Browse) -> None:
    client = browse(sonia)
    link = page(client.get(URL)).region("role-table").links["1 person"]
    assert link == "/control-center/accounts/?role=super"

    listed = page(client.get(f"/control-center/accounts/?role={network_admin.pk}")).region("people-table")

    assert [row["Role"] for row in listed.records] == ["Network Admin"]


def test_twenty_roles_ask_the_database_as_often_as_one(sonia: User, browse: Browse) -> None:
    client = browse(sonia)
    Role.create(name="Role 0", by=SETUP)
    client.get(URL)
    with CaptureQueriesContext(connection) as one:
        client.get(URL)
    for number in range(1, 20):
        Role.create(name=f"Role {number}", by=SETUP)

    with CaptureQueriesContext(connection) as twenty:
        client.get(URL)

    assert len(twenty) == len(one)


def test_a_role_can_be_added(sonia: User, browse: Browse) -> None:
    client = browse(sonia)
    form = page(client.get(ADD, headers=DIALOG)).form(ADD)
    assert {area: form.fields[area] for area in NOTHING} == NOTHING

    answer = client.post(ADD, form.fields | {"name": "Auditor", "accounts_history_logs": "read"}, headers=DIALOG)

    assert json.loads(answer["HX-Trigger"])["roles:changed"]
    assert Role.objects.get(name="Auditor").accounts_history_logs == "read"
    assert Event.objects.get(kind="role.created", actor_id=sonia.pk).details["accounts_history_logs"] == "read"


def test_a_role_can_be_changed_and_acts_from_the_next_click(
    sonia: User, vera: User, affiliate_manager: Role, browse: Browse
) -> None:
    of_vera = browse(vera)
    assert of_vera.get("/control-center/history/").status_code == 403
    client = browse(sonia)
    form = page(client.get(f"{URL}{affiliate_manager.pk}/")).region("main").form()
    assert form.fields["partners"] == "full"

    answer = client.post(form.action, form.fields | {"accounts_history_logs": "read"})

    assert answer.status_code == 303
    assert of_vera.get("/control-center/history/").status_code == 200
    assert Event.objects.get(kind="role.changed").changes == ["accounts history logs: none → read"]


def test_saving_a_role_as_it_was_leaves_no_event(sonia: User, affiliate_manager: Role, browse: Browse) -> None:
    client = browse(sonia)
    form = page(client.get(f"{URL}{affiliate_manager.pk}/")).region("main").form()

    client.post(form.action, form.fields)

    assert not Event.objects.filter(kind="role.changed").exists()


def test_nobody_makes_a_role_above_their_own_levels(sasha: User, browse: Browse) -> None:
    answer = browse(sasha).post(ADD, NOTHING | {"name": "Mighty", "partners": "full"}, headers=DIALOG)

    assert answer.status_code == 422
    assert "above your own levels" in " ".join(page(answer).errors)
    assert page(answer).form(ADD).fields["name"] == "Mighty"
    assert not Role.objects.filter(name="Mighty").exists()


def test_nobody_lifts_a_role_above_their_own_levels(sasha: User, browse: Browse) -> None:
    low = Role.create(name="Low", by=SETUP)

    answer = browse(sasha).post(f"{URL}{low.pk}/", NOTHING | {"name": "Low", "system_settings": "full"})

    assert answer.status_code == 422
    low.refresh_from_db()
    assert low.system_settings == "none"


def test_nobody_lowers_a_role_that_stands_above_them(sasha: User, network_admin: Role, browse: Browse) -> None:
    answer = browse(sasha).post(f"{URL}{network_admin.pk}/", NOTHING | {"name": "Network Admin"})

    assert answer.status_code == 422
    network_admin.refresh_from_db()
    assert network_admin.security == "full_control"


def test_nobody_changes_the_role_they_have(nadia: User, network_admin: Role, browse: Browse) -> None:
    client = browse(nadia)
    assert "This is your own role" in page(client.get(f"{URL}{network_admin.pk}/", headers=DIALOG)).text

    answer = client.post(f"{URL}{network_admin.pk}/", NOTHING | {"name": "Network Admin"}, headers=DIALOG)

    assert answer.status_code == 422
    assert "Nobody changes their own role" in " ".join(page(answer).errors)


def test_who_views_as_another_cannot_change_the_role_of_either(
    sonia: User, nadia: User, network_admin: Role, browse: Browse
) -> None:
    client = browse(sonia)
    client.post("/view-as/", {"user_pk": nadia.pk})

    answer = client.post(f"{URL}{network_admin.pk}/", NOTHING | {"name": "Network Admin"})

    assert answer.status_code == 422


@pytest.mark.parametrize("name", ["Key Manager", "KEY manager"])
def test_two_roles_never_have_the_same_name(name: str, sonia: User, key_manager: Role, browse: Browse) -> None:
    answer = browse(sonia).post(ADD, NOTHING | {"name": name})

    assert answer.status_code == 422
    assert page(answer).errors == ["There is a role with this name already."]


def test_two_who_add_the_same_role_at_once(
    sonia: User, key_manager: Role, browse: Browse, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The other one commits after this form was checked.
    monkeypatch.setattr("portal.accounts.forms.RoleForm.clean_name", lambda form: form.cleaned_data["name"])

    answer = browse(sonia).post(ADD, NOTHING | {"name": "Key Manager"})

    assert page(answer).errors == ["There is a role with this name already."]


@pytest.mark.parametrize("wrong", [{"name": ""}, {"partners": "boundless"}, {"partners": ""}])
def test_a_role_that_will_not_do(wrong: dict[str, str], sonia: User, browse: Browse) -> None:
    assert browse(sonia).post(ADD, NOTHING | {"name": "Role"} | wrong).status_code == 422


def test_who_may_look_at_security_settings_and_who_may_change_them(cast: list[User], browse: Browse) -> None:
    looking = {user.name: browse(user).get(URL).status_code for user in cast}
    changing = {user.name: browse(user).get(ADD).status_code for user in cast}

    assert looking == {"Sonia": 200, "Nadia": 200, "Amir": 403, "Vera": 403, "Paul": 404, "Otto": 404}
    assert changing == looking


def test_forbidden_names_the_missing_level_on_a_page_and_in_a_toast(vera: User, browse: Browse) -> None:
    client = browse(vera)

    on_page, in_toast = client.get(ADD), client.get(ADD, headers=DIALOG)

    assert on_page.status_code == in_toast.status_code == 403
    assert page(on_page).heading == "Forbidden"
    assert "Security: full control" in page(on_page).text
    assert json.loads(in_toast["HX-Trigger"])["toast"] == [
        {
            "level": "error",
            "title": "Forbidden",
            "text": "This needs Security: full control. Ask a network admin for it.",
        }
    ]
    assert in_toast["HX-Reswap"] == "none"
