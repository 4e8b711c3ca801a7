from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.test import Client

from portal.accounts.models import Event, User
from portal.network.models import ExchangeRate, IsTheNetworksOwn, Network
from portal.network.rates import RateMissing, factors
from tests.conftest import SETUP

Browse = Callable[[User], Client]
GENERAL, ADD = "/system/general/", "/system/general/rates/add/"
FIRST, SECOND = date(2026, 5, 1), date(2026, 5, 10)

pytestmark = pytest.mark.usefixtures("network")


def record(currency: str = "EUR", since: date = FIRST, rate: str = "1.1") -> ExchangeRate:
    return ExchangeRate.record(currency=currency, since=since, rate=Decimal(rate), by=SETUP)


def test_a_day_counts_at_the_newest_rate_until_it_and_before_the_first_at_that() -> None:
    record()
    record(since=SECOND, rate="1.2")

    found = factors(["EUR"], "USD", date(2026, 4, 1), date(2026, 5, 31))

    assert [(each.since, each.until, each.factor) for each in found] == [
        (date(2026, 4, 1), FIRST, Decimal("1.1")),
        (FIRST, SECOND, Decimal("1.1")),
        (SECOND, date(2026, 6, 1), Decimal("1.2")),
    ]


def test_between_two_currencies_counts_what_both_are_worth() -> None:
    record(rate="1.2")
    record("GBP", rate="1.5")

    (factor,) = factors(["EUR"], "GBP", SECOND, SECOND)

    assert factor.factor == Decimal("0.8")


def test_a_currency_without_a_rate_is_named() -> None:
    with pytest.raises(RateMissing, match="EUR"):
        factors(["EUR"], "USD", FIRST, SECOND)


def test_the_rate_of_a_day_is_corrected_and_both_are_events() -> None:
    record()
    record(rate="1.3")

    assert ExchangeRate.objects.get().rate == Decimal("1.3")
    assert Event.objects.filter(kind="exchange_rate.recorded").count() == 2


def test_the_networks_own_currency_has_no_rate() -> None:
    with pytest.raises(IsTheNetworksOwn):
        record(Network.load().currency)


@pytest.mark.parametrize("rate", ["0", "-1"])
def test_a_rate_is_more_than_zero(rate: str) -> None:
    with pytest.raises(IntegrityError, match="exchange_rate_is_positive"):
        record(rate=rate)


def test_a_network_admin_adds_a_rate_and_sees_it(nadia: User, browse: Browse) -> None:
    client = browse(nadia)

    answer = client.post(ADD, {"currency": "EUR", "rate": "1.0837", "since": "2026-05-01"})

    assert answer.status_code == 302 or answer.status_code == 303
    assert "1.0837" in client.get(GENERAL).content.decode()


@pytest.mark.parametrize(
    ("field", "value"), [("rate", "0"), ("rate", "NaN"), ("currency", "USD"), ("currency", "XXX"), ("since", "May")]
)
def test_what_is_no_rate_is_refused_with_its_form(nadia: User, browse: Browse, field: str, value: str) -> None:
    told = {"currency": "EUR", "rate": "1.1", "since": "2026-05-01", field: value}

    assert browse(nadia).post(ADD, told).status_code == 422
    assert not ExchangeRate.objects.exists()


def test_who_may_not_change_the_settings_adds_no_rate(vera: User, browse: Browse) -> None:
    answer = browse(vera).post(ADD, {"currency": "EUR", "rate": "1.1", "since": "2026-05-01"})

    assert answer.status_code in {403, 404}
    assert not ExchangeRate.objects.exists()


def test_a_file_of_rates_is_recorded_as_a_whole_or_not_at_all(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "rates.csv"
    file.write_text("currency,since,rate\nEUR,2026-05-01,1.1\nGBP,2026-05-01,1.3\n")
    broken = tmp_path / "broken.csv"
    broken.write_text("currency,since,rate\nCHF,2026-05-01,1.1\nJPY,2026-05-01,none\n")

    call_command("exchange_rates", str(file))
    with pytest.raises(CommandError, match="Line 3"):
        call_command("exchange_rates", str(broken))

    assert "2 rates recorded" in capsys.readouterr().out
    assert set(ExchangeRate.objects.values_list("currency", flat=True)) == {"EUR", "GBP"}
