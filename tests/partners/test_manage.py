from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys.models import Key
from partners.models import Flag, Partner
from portal.accounts.models import Role, User
from tests.conftest import SETUP, Browse
from tests.page import page

pytestmark = pytest.mark.django_db


def listed(response) -> list[str]:
    return [row[0] for row in page(response).region("partner-table").rows]


def test_manage_is_for_network_users_who_may_view_partners(cast: list[User], browse: Browse) -> None:
    nobody = User.invite(email="nobody@latchkey.example", name="Nobody", by=SETUP)

    answers = {user.name: browse(user).get("/partners/").status_code for user in [*cast, nobody]}

    assert answers == {
        "Sonia": 200,
        "Nadia": 200,
        "Amir": 200,
        "Vera": 200,
        "Paul": 404,
        "Otto": 404,
        "Nobody": 403,
    }


def test_a_row_says_who_the_partner_is_and_how_its_keys_are_used(vera: User, browse: Browse) -> None:
    partner = Partner.create(by=SETUP, name="Bluefin Leads", status="active", manager=vera)
    partner.raise_flag(kind=Flag.Kind.FRAUD, note="Odd clicks", by=SETUP)
    partner.raise_flag(kind=Flag.Kind.FRAUD, note="More odd clicks", by=SETUP)
    partner.raise_flag(kind=Flag.Kind.QUALITY, note="Settled", by=SETUP).close(by=SETUP)
    key, _ = Key.issue(partner=partner, label="Reports", by=SETUP)
    Key.objects.filter(pk=key.pk).update(last_used_at=timezone.now() - timedelta(hours=3))

    found = page(browse(vera).get("/partners/")).region("partner-table")

    assert found.records == [
        {
            "Name": "Bluefin Leads",
            "Status": "Active",
            "Manager": "Vera",
            "Flags": "Fraud",
            "Live keys": "1",
            "Last call": "3 hours ago",
        }
    ]
    assert found.links["Bluefin Leads"] == f"/partners/{partner.pk}/"


def test_a_partner_who_has_nobody_and_nothing_says_so(vera: User, acme: Partner, browse: Browse) -> None:
    row = page(browse(vera).get("/partners/")).region("partner-table").records[0]

    assert (row["Manager"], row["Flags"], row["Live keys"], row["Last call"]) == ("Nobody", "", "0", "Never")


def test_live_keys_counts_exactly_the_keys_that_are_live(acme: Partner) -> None:
    for label in ("live", "expires later", "expires much later", "expired", "revoked"):
        Key.issue(partner=acme, label=label, by=SETUP)
    Key.objects.filter(label__startswith="expires").update(expires_at=timezone.now() + timedelta(days=1))
    Key.objects.filter(label="expired").update(expires_at=timezone.now() - timedelta(seconds=1))
    Key.objects.get(label="revoked").revoke(by=SETUP)

    counted = Partner.objects.with_keys().get(pk=acme.pk)

    assert counted.live_keys == acme.keys.live().count() == 3


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["Acme Media", "Bluefin Leads", "Orbit Deals"]),
        ("?q=blue", ["Bluefin Leads"]),
        ("?q=ADA@acme", ["Acme Media"]),
        ("?status=paused", ["Bluefin Leads"]),
        ("?manager=none", ["Acme Media", "Orbit Deals"]),
        ("?flags=any", ["Acme Media", "Bluefin Leads"]),
        ("?flags=fraud", ["Acme Media"]),
        ("?flags=none", ["Orbit Deals"]),
        ("?keys=with", ["Orbit Deals"]),
        ("?keys=without", ["Acme Media", "Bluefin Leads"]),
        ("?keys=without&flags=quality", ["Bluefin Leads"]),
        (
            "?status=nonsense&manager=x&flags=y&keys=z&page=99&sort=nonsense",
            ["Acme Media", "Bluefin Leads", "Orbit Deals"],
        ),
        ("?sort=-name", ["Orbit Deals", "Bluefin Leads", "Acme Media"]),
        ("?sort=-last_call_at", ["Orbit Deals", "Acme Media", "Bluefin Leads"]),
        ("?sort=last_call_at", ["Acme Media", "Bluefin Leads", "Orbit Deals"]),
        ("?sort=-live_keys", ["Orbit Deals", "Bluefin Leads", "Acme Media"]),
        ("?sort=manager", ["Bluefin Leads", "Acme Media", "Orbit Deals"]),
        ("?sort=flags", ["Orbit Deals", "Acme Media", "Bluefin Leads"]),
        ("?sort=status", ["Acme Media", "Orbit Deals", "Bluefin Leads"]),
    ],
)
def test_the_url_says_what_is_listed(
    query: str, names: list[str], vera: User, acme: Partner, other_partner: Partner, browse: Browse
) -> None:
    bluefin = Partner.create(by=SETUP, name="Bluefin Leads", status="paused", manager=vera)
    bluefin.raise_flag(kind=Flag.Kind.QUALITY, note="Late returns", by=SETUP)
    acme.raise_flag(kind=Flag.Kind.FRAUD, note="Odd clicks", by=SETUP)
    key, _ = Key.issue(partner=other_partner, label="Reports", by=SETUP)
    Key.objects.filter(pk=key.pk).update(last_used_at=timezone.now())

    response = browse(vera).get(f"/partners/{query}")

    assert listed(response) == names


def test_a_partner_is_found_by_its_number(vera: User, acme: Partner, other_partner: Partner, browse: Browse) -> None:
    assert "Acme Media" in listed(browse(vera).get(f"/partners/?q={acme.pk}"))
    assert listed(browse(vera).get("/partners/?q=99999999999999999999")) == []


def test_a_search_keeps_what_was_asked_in_the_form(vera: User, acme: Partner, browse: Browse) -> None:
    form = page(browse(vera).get("/partners/?q=acme&status=active")).form("/partners/")

    assert form.method == "get"
    assert form.fields == {"q": "acme", "status": "active", "manager": "", "flags": "", "keys": ""}


def test_an_empty_list_says_what_to_do_next(vera: User, browse: Browse) -> None:
    without_partners = page(browse(vera).get("/partners/")).region("partner-table")
    without_matches = page(browse(vera).get("/partners/?q=nowhere")).region("partner-table")

    assert without_partners.links["Add partner"] == "/partners/new/"
    assert without_matches.links["Clear the filters"] == "/partners/"


def test_a_long_list_has_pages_that_keep_the_filters(vera: User, browse: Browse) -> None:
    for number in range(30):
        Partner.create(by=SETUP, name=f"Partner {number:02}", status="active")

    first = browse(vera).get("/partners/?status=active")
    second = browse(vera).get(page(first).links["2"])

    assert listed(first) + listed(second) == [f"Partner {number:02}" for number in range(30)]
    assert "status=active" in page(first).links["2"]


def test_htmx_gets_the_table_alone(vera: User, acme: Partner, browse: Browse) -> None:
    response = browse(vera).get("/partners/?q=acme", headers={"HX-Request": "true", "HX-Target": "partner-table"})

    assert listed(response) == ["Acme Media"]
    assert page(response).heading == ""


def test_the_list_takes_as_many_queries_for_20_partners_as_for_one(vera: User, browse: Browse) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert browser.get("/partners/").status_code == 200
        return len(captured)

    def add(number: int) -> None:
        partner = Partner.create(by=SETUP, name=f"Partner {number}", manager=vera)
        partner.raise_flag(kind=Flag.Kind.FRAUD, note="Odd clicks", by=SETUP)
        Key.issue(partner=partner, label="Reports", by=SETUP)

    browser = browse(vera)
    add(0)
    for_one = queries()
    for number in range(1, 20):
        add(number)

    assert queries() == for_one


def test_names_from_strangers_are_text_and_never_markup(vera: User, browse: Browse) -> None:
    name = "<script>alert(1)</script> \u202eمتجر 🦊"
    Partner.create(by=SETUP, name=name)

    response = browse(vera).get("/partners/")

    assert "<script>alert" not in response.content.decode()
    assert listed(response) == [name]


def test_adding_a_partner_leads_to_its_page(vera: User, browse: Browse) -> None:
    browser = browse(vera)
    fields = page(browser.get("/partners/new/")).form("/partners/new/").fields

    response = browser.post(
        "/partners/new/", {**fields, "name": "Bluefin Leads", "website": "bluefin.example"}, follow=True
    )

    partner = Partner.objects.get(name="Bluefin Leads")
    assert response.redirect_chain == [(f"/partners/{partner.pk}/", 303)]
    assert (partner.status, partner.manager, partner.website) == ("onboarding", vera, "https://bluefin.example")
    assert "Bluefin Leads was added" in page(response).text


def test_a_partner_without_a_name_is_refused_in_the_dialog(vera: User, browse: Browse) -> None:
    response = browse(vera).post(
        "/partners/new/",
        {"name": " ", "timezone": "UTC", "currency": "USD"},
        headers={"HX-Request": "true", "HX-Target": "dialog-body"},
    )

    assert response.status_code == 422
    assert "This field is required" in page(response).text
    assert not Partner.objects.exists()


def test_a_partners_manager_is_a_network_user_who_can_sign_in(
    vera: User, amir: User, paul: User, sonia: User, browse: Browse
) -> None:
    amir.deactivate(by=SETUP)

    choices = page(browse(vera).get("/partners/new/")).form("/partners/new/").choices["manager"]

    assert list(choices.values()) == ["Nobody yet", "Sonia", "Vera"]


def test_a_viewer_cannot_add_a_partner(browse: Browse, network) -> None:
    analyst = Role.create(name="Analyst", by=SETUP, partners="view")
    viewer = User.invite(email="priya@latchkey.example", name="Priya", role=analyst, by=SETUP)

    response = browse(viewer).get("/partners/new/", headers={"HX-Request": "true"})

    assert response.status_code == 403
    assert "Partners: full" in response["HX-Trigger"]
