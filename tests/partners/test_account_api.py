from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from keys.models import Key
from portal.accounts.models import User
from portal.network.currencies import CURRENCIES

pytestmark = pytest.mark.django_db

Call = Callable[..., Client]


def test_a_partner_reads_its_own_users(acme_key: tuple[Key, str], paul: User, call: Call) -> None:
    answer = call(acme_key[1]).get(f"/v1/affiliates/users/{paul.pk}")

    assert answer.status_code == 200
    assert answer.json() == {
        "network_affiliate_user_id": paul.pk,
        "network_id": 1,
        "network_affiliate_id": paul.partner_id,
        "first_name": "Paul",
        "last_name": "",
        "email": paul.email,
        "account_status": "active",
        "time_created": int(paul.created_at.timestamp()),
    }


@pytest.mark.parametrize("who", ["otto", "amir", "sonia"])
def test_nobody_elses_user_can_be_read(
    who: str, acme_key: tuple[Key, str], call: Call, request: pytest.FixtureRequest
) -> None:
    user = request.getfixturevalue(who)

    answer = call(acme_key[1]).get(f"/v1/affiliates/users/{user.pk}")

    assert answer.status_code == 404
    assert user.email not in answer.content.decode()


@pytest.mark.parametrize(("number", "status"), [("0", 404), ("99999999999999999999", 404), ("-1", 404), ("x", 400)])
def test_a_user_that_cannot_be_is_not_found(
    number: str, status: int, acme_key: tuple[Key, str], paul: User, call: Call
) -> None:
    assert call(acme_key[1]).get(f"/v1/affiliates/users/{number}").status_code == status


def test_anyone_may_ask_which_currencies_and_countries_there_are(db: None, call: Call) -> None:
    currencies = call().get("/v1/meta/currencies").json()["currencies"]
    countries = call().get("/v1/meta/countries").json()["countries"]

    assert {"currency_id": "USD", "name": "US dollar", "decimals": 2} in currencies
    assert len(currencies) == len(CURRENCIES)
    assert {"country_code": "DE", "country_name": "Germany"} in countries
