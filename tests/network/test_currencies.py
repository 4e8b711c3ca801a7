from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.template import Context, Template

from portal.network.currencies import CURRENCIES, money


@pytest.mark.parametrize(
    ("amount", "currency", "answered"),
    [
        ("1.005", "USD", 1.01),
        ("-1.005", "USD", -1.01),
        ("1.00499", "USD", 1.0),
        ("0.5", "JPY", 1.0),
        ("1.2345", "KWD", 1.235),
        ("1.005", "XXX", 1.01),
        ("0", "EUR", 0.0),
        ("123456789012.345", "EUR", 123456789012.35),
    ],
)
def test_money_is_rounded_to_its_currency_with_halves_away_from_zero(
    amount: str, currency: str, answered: float
) -> None:
    assert money(Decimal(amount), currency) == answered


@pytest.mark.django_db
@pytest.mark.parametrize("amount", ["2.5", "-2.5", "0.125", "-0.125", "7.0005", "0.0004999"])
def test_the_database_rounds_money_alike(amount: str) -> None:
    for currency in CURRENCIES:
        with connection.cursor() as cursor:
            cursor.execute("SELECT round(%s::numeric, %s)::float8", [amount, currency.decimals])
            assert cursor.fetchone() == (money(Decimal(amount), currency.currency_id),)


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        ("1234.5", "USD", "1,234.50\xa0USD"),
        ("-0.005", "EUR", "-0.01\xa0EUR"),
        ("1234567.4", "JPY", "1,234,567\xa0JPY"),
        ("1000000000000000.12", "KWD", "1,000,000,000,000,000.120\xa0KWD"),
    ],
)
def test_money_is_said_with_its_currency(amount: str, currency: str, words: str) -> None:
    template = Template("{% load money %}{{ amount|money:currency }}")

    assert template.render(Context({"amount": Decimal(amount), "currency": currency})) == words
