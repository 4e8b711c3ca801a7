from __future__ import annotations

import pytest
from django.urls import reverse

from partners.models import Partner
from partners.views import PER_PAGE
from portal.accounts.models import User
from tests.conftest import SETUP, Browse
from tests.page import page

pytestmark = pytest.mark.django_db

OF_THE_NETWORK = (
    "partners:manage",
    "accounts:list",
    "accounts:partner_users",
    "offers:offers",
    "traffic:controls",
    "reporting:network",
)
OF_A_PARTNER = ("keys:partner", "postbacks:partner", "billing:partner")
OWN = ("offers:own", "postbacks:own", "billing:own", "reporting:own")


@pytest.fixture
def many(db: None) -> None:
    for number in range(2 * PER_PAGE + 3):
        Partner.create(by=SETUP, name=f"Partner {number:03}")


def names_on(browse: Browse, user: User, **query: str) -> list[str]:
    found = page(browse(user).get(reverse("partners:manage"), query))
    return [row[0] for row in found.region("partner-table").rows]


@pytest.mark.parametrize("length", ["-1", "0", "1", "1000000", "9" * 30, "x"])
def test_the_url_does_not_say_how_long_a_page_is(many: None, vera: User, browse: Browse, length: str) -> None:
    assert len(names_on(browse, vera, per_page=length)) == PER_PAGE


@pytest.mark.parametrize(
    ("number", "first"),
    [("2", PER_PAGE), ("0", 2 * PER_PAGE), ("-1", 2 * PER_PAGE), ("9" * 30, 2 * PER_PAGE), ("x", 0), ("", 0)],
)
def test_a_page_that_there_is_not_is_the_first_or_the_last(
    many: None, vera: User, browse: Browse, number: str, first: int
) -> None:
    assert names_on(browse, vera, page=number)[0] == f"Partner {first:03}"


@pytest.mark.parametrize("name", [*OF_THE_NETWORK, *OF_A_PARTNER, *OWN])
def test_no_list_fails_for_a_length_that_no_page_has(
    nadia: User, paul: User, acme: Partner, browse: Browse, name: str
) -> None:
    url = reverse(name, args=[acme.pk] if name in OF_A_PARTNER else [])

    answer = browse(paul if name in OWN else nadia).get(url, {"per_page": "-1", "page": "-1"})

    assert answer.status_code == 200
