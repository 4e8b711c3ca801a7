"""How money of one currency is counted in another, by the network's exchange rates."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from portal.network.models import ExchangeRate, Network

ONE = Decimal(1)


class RateMissing(Exception):
    """There is no exchange rate for the currency."""

    def __init__(self, currency: str) -> None:
        self.currency = currency
        super().__init__(currency)

    @property
    def sentence(self) -> str:
        """What an answer of the API says of it."""
        return f"currency_id: there is no exchange rate for {self.currency}; ask for another currency"


@dataclass(frozen=True, slots=True)
class Factor:
    """What an amount of a currency is multiplied by, on days from ``since`` until before ``until``."""

    currency: str
    since: date
    until: date
    factor: Decimal


class Worth:
    """What a currency is worth over time, in the network's."""

    def __init__(self, rates: Iterable[tuple[date, Decimal]]) -> None:
        self._rates = sorted(rates)
        self.changes = [since for since, _ in self._rates]

    def on(self, day: date) -> Decimal:
        return self._rates[max(bisect_right(self.changes, day) - 1, 0)][1]


def factors_needed(
    currencies: Iterable[str], into: str, first: date, last: date, *, is_needed: Callable[[str], bool]
) -> list[Factor]:
    """As ``factors``, of currencies that may turn out not to be needed: one nobody has given a rate for only matters
    when there is money of it, which ``is_needed`` is asked then.

    :raises RateMissing: for a currency that is needed, and for ``into``
    """
    wanted = set(currencies)
    while True:
        try:
            return factors(wanted, into, first, last)
        except RateMissing as missing:
            if missing.currency == into or is_needed(missing.currency):
                raise
            wanted.discard(missing.currency)


def factors(currencies: Iterable[str], into: str, first: date, last: date) -> list[Factor]:
    """How to count amounts of these currencies in another one, on the days from ``first`` to ``last``.

    A factor is the quotient of two rates with 28 significant digits, and so it is to be multiplied with exactly.
    :raises RateMissing: for a currency that has no rate and is not the network's
    """
    asked = set(currencies)
    own = Network.load().currency
    known: dict[str, list[tuple[date, Decimal]]] = {own: [(date.min, ONE)]}
    for currency, since, rate in ExchangeRate.objects.filter(currency__in=asked | {into}).values_list(
        "currency", "since", "rate"
    ):
        if currency != own:
            known.setdefault(currency, []).append((since, rate))
    # The currency that was asked for is named first: it is the one that the one who asks can change.
    for currency in (into, *sorted(asked)):
        if currency not in known:
            raise RateMissing(currency)
    worth = {currency: Worth(rates) for currency, rates in known.items()}
    made = []
    for currency in sorted(asked):
        changes = {day for day in (*worth[currency].changes, *worth[into].changes) if first < day <= last}
        days = [first, *sorted(changes), last + timedelta(days=1)]
        for since, until in pairwise(days):
            factor = ONE if currency == into else worth[currency].on(since) / worth[into].on(since)
            made.append(Factor(currency, since, until, factor))
    return made
