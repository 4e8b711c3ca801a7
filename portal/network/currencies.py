"""The currencies money can be counted in, with the decimals that ISO 4217 gives them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal


@dataclass(frozen=True)
class Currency:
    currency_id: str
    name: str
    decimals: int


CURRENCIES: tuple[Currency, ...] = (
    Currency("USD", "US dollar", 2),
    Currency("EUR", "Euro", 2),
    Currency("GBP", "British pound", 2),
    Currency("AUD", "Australian dollar", 2),
    Currency("BRL", "Brazilian real", 2),
    Currency("CAD", "Canadian dollar", 2),
    Currency("CHF", "Swiss franc", 2),
    Currency("CLP", "Chilean peso", 0),
    Currency("CNY", "Chinese yuan", 2),
    Currency("COP", "Colombian peso", 2),
    Currency("CZK", "Czech koruna", 2),
    Currency("DKK", "Danish krone", 2),
    Currency("HKD", "Hong Kong dollar", 2),
    Currency("HUF", "Hungarian forint", 2),
    Currency("IDR", "Indonesian rupiah", 2),
    Currency("ILS", "Israeli new shekel", 2),
    Currency("INR", "Indian rupee", 2),
    Currency("ISK", "Icelandic krona", 0),
    Currency("JPY", "Japanese yen", 0),
    Currency("KRW", "South Korean won", 0),
    Currency("KWD", "Kuwaiti dinar", 3),
    Currency("MXN", "Mexican peso", 2),
    Currency("MYR", "Malaysian ringgit", 2),
    Currency("NOK", "Norwegian krone", 2),
    Currency("NZD", "New Zealand dollar", 2),
    Currency("PHP", "Philippine peso", 2),
    Currency("PLN", "Polish zloty", 2),
    Currency("RON", "Romanian leu", 2),
    Currency("SAR", "Saudi riyal", 2),
    Currency("SEK", "Swedish krona", 2),
    Currency("SGD", "Singapore dollar", 2),
    Currency("THB", "Thai baht", 2),
    Currency("TRY", "Turkish lira", 2),
    Currency("TWD", "New Taiwan dollar", 2),
    Currency("UAH", "Ukrainian hryvnia", 2),
    Currency("AED", "UAE dirham", 2),
    Currency("VND", "Vietnamese dong", 0),
    Currency("ZAR", "South African rand", 2),
)

DECIMALS: dict[str, int] = {currency.currency_id: currency.decimals for currency in CURRENCIES}


def rounded(amount: Decimal, currency: str) -> Decimal:
    """An amount with as many decimals as its currency has, halves away from zero.

    That is how people round and how PostgreSQL's ``round(numeric, …)`` does, so what a query has rounded and what is
    rounded here are the same. A currency we do not list has two decimals.
    """
    return amount.quantize(Decimal(1).scaleb(-DECIMALS.get(currency, 2)), rounding=ROUND_HALF_UP)


def money(amount: Decimal, currency: str) -> float:
    """An amount as the API answers it: a number, rounded to the currency."""
    return float(rounded(amount, currency))


def amount_in_words(amount: Decimal, currency: str) -> str:
    """An amount as people read it: "1,234.50 USD"."""
    return f"{rounded(amount, currency):,}\N{NO-BREAK SPACE}{currency}"


def currency_choices() -> list[tuple[str, str]]:
    return [(currency.currency_id, f"{currency.currency_id}: {currency.name}") for currency in CURRENCIES]
