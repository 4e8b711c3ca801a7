"""What traffic has earned a partner and no invoice has billed yet, exact to the smallest coin.

Clicks and impressions are what they are. A conversion may be approved when its hold ends, or be rejected after a
return, long after its period was billed: so every statement also corrects the invoices before it, by the difference
between what their conversions come to now and what was billed for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.db.models import BigIntegerField, Case, Count, Q, Sum, Value, When
from django.utils.timezone import localdate, now

from partners.billing.models import Invoice, InvoiceLine, Item, LineKind, Period
from partners.billing.models.invoice import DEFAULT_PAYMENT_TERMS, NOTHING
from partners.models import Partner
from partners.offers.models import Offer
from portal.network.currencies import rounded
from portal.web.ids import first_id_at

if TYPE_CHECKING:
    from portal.accounts.actors import Actor

# How long after its period an invoice is still corrected; what changes later is a matter for an adjustment. Traffic
# must be kept for longer than that: conversions that are no longer there would be taken for rejected.
CORRECTED_FOR = timedelta(days=184)
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


class NotOverYet(Exception):
    """The period has days that have not ended: what still comes in would never be billed."""


class StatementChanged(Exception):
    """Traffic, or another invoice, came in between; ``statement`` is what would be billed now."""

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        super().__init__(str(statement.total))


@dataclass(frozen=True, slots=True)
class Statement:
    """What an invoice would bill: the items of its period by offer, then the corrections of earlier invoices."""

    period: Period
    currency: str
    items: list[Item]

    @property
    def total(self) -> Decimal:
        return sum((item.amount for item in self.items), NOTHING)


def statement_of(partner: Partner, period: Period, currency: str) -> Statement:
    earned = earned_in(partner, {currency: [(period.start, period.end)]})
    return Statement(period, currency, earned[currency] + corrections_of(partner, currency))


@transaction.atomic
def bill(
    partner: Partner,
    *,
    period: Period,
    currency: str,
    by: Actor,
    payment_terms: int = DEFAULT_PAYMENT_TERMS,
    notes: str = "",
    seen: Decimal | None = None,
) -> Invoice:
    """Raises the invoice for what the partner has earned in the period. ``seen`` is the total somebody agreed to.

    :raises NotOverYet: when the period's last day has not ended
    :raises StatementChanged: when the total is no longer the one that was seen
    :raises AlreadyBilled: when an invoice in that currency covers some of the period
    :raises NothingToBill: when it comes to nothing
    """
    if not is_over(period):
        raise NotOverYet
    # Before anything is summed up: of two invoices at once, the second must know what the first has corrected.
    Invoice.lock_those_of(partner)
    Invoice.refuse_overlap(partner, period, currency)
    statement = statement_of(partner, period, currency)
    if seen is not None and statement.total != seen:
        raise StatementChanged(statement)
    return Invoice.raise_for(
        partner,
        period=period,
        currency=currency,
        items=statement.items,
        by=by,
        payment_terms=payment_terms,
        notes=notes,
    )


def is_over(period: Period) -> bool:
    return period.ends_on < localdate(timezone=period.zone)


def unbilled(partner: Partner) -> dict[str, Decimal]:
    """What the partner has earned so far and no invoice has billed, by currency: in the days that none covers, and
    corrections. Every currency of ``currencies_of`` is there."""
    covered: dict[str, list[Period]] = {currency: [] for currency in currencies_of(partner)}
    for invoice in partner.invoices.standing().order_by("starts_on"):
        covered[invoice.currency].append(invoice.period)
    earned = earned_in(partner, {currency: gaps_between(periods) for currency, periods in covered.items()})
    return {
        currency: sum((item.amount for item in items + corrections_of(partner, currency)), NOTHING)
        for currency, items in earned.items()
    }


def currencies_of(partner: Partner) -> list[str]:
    """The currencies the partner may be owed money in, its own first."""
    others = set(Offer.objects.order_by().values_list("currency", flat=True).distinct())
    others |= set(partner.invoices.order_by().values_list("currency", flat=True).distinct())
    return [partner.currency, *sorted(others - {partner.currency})]


Span = tuple[datetime, datetime]


def gaps_between(periods: Iterable[Period]) -> list[Span]:
    """The stretches of the past that none of the periods covers; they are in order and do not overlap."""
    gaps, start = [], EARLIEST
    for period in periods:
        if start < period.start:
            gaps.append((start, period.start))
        start = period.end
    until = now()
    return [*gaps, (start, until)] if start < until else gaps


def within(spans: Iterable[Span]) -> Q:
    """Visits of those stretches of time; PostgreSQL reads only their partitions."""
    found = Q(id__in=[])
    for start, end in spans:
        found |= Q(id__gte=first_id_at(start), id__lt=first_id_at(end))
    return found


def earned_in(partner: Partner, spans: Mapping[str, list[Span]]) -> dict[str, list[Item]]:
    """The partner's money in those stretches of time, by offer and kind; the stretches and the items are by currency.

    One look at each kind of traffic for all currencies, because there may be much of it to look at.
    """
    wanted = Q(id__in=[])
    for currency, stretches in spans.items():
        wanted |= Q(offer__currency=currency) & within(stretches)
    items: dict[str, list[Item]] = {currency: [] for currency in spans}
    for row in summed(partner.conversions.approved().filter(wanted), "offer__currency", "is_event"):
        items[row["offer__currency"]].append(item_of(kind_of(row), row))
    for kind, visits in ((LineKind.CLICKS, partner.clicks), (LineKind.IMPRESSIONS, partner.impressions)):
        for row in summed(visits.filter(wanted).exclude(payout=0), "offer__currency"):
            items[row["offer__currency"]].append(item_of(kind, row))
    return {currency: in_order(found) for currency, found in items.items()}


def in_order(items: list[Item]) -> list[Item]:
    """Those that come to something, by offer."""
    items = sorted(items, key=lambda item: (item.offer_name, item.offer_id or 0, LineKind.values.index(item.kind)))
    return [item for item in items if item.amount]


def summed(visits: models.QuerySet[Any], *by: str) -> Iterable[dict[str, Any]]:
    groups = visits.order_by().values("offer_id", "offer__name", *by)
    sums: Iterable[dict[str, Any]] = groups.annotate(quantity=Count("*"), amount=Sum("payout"))
    return sums


def kind_of(row: dict[str, Any]) -> LineKind:
    return LineKind.EVENTS if row["is_event"] else LineKind.CONVERSIONS


def item_of(kind: LineKind, row: dict[str, Any]) -> Item:
    amount = rounded(row["amount"], row["offer__currency"])
    return Item(kind, row["offer_id"], row["offer__name"], row["quantity"], amount)


def corrections_of(partner: Partner, currency: str) -> list[Item]:
    """What has become of the conversions of earlier invoices, as the difference to what was billed for them."""
    since = localdate() - CORRECTED_FOR
    invoices = partner.invoices.standing().filter(currency=currency, ends_on__gte=since).order_by("starts_on", "pk")
    by_number = {invoice.pk: invoice for invoice in invoices}
    if not by_number:
        return []
    owed = conversions_now(partner, by_number.values(), currency)
    billed = conversions_billed(list(by_number))
    corrections = []
    for key in sorted({**owed, **billed}, key=lambda key: (list(by_number).index(key[0]), *key[1:])):
        invoice_id, offer_id, kind = key
        now_is, was = owed.get(key, NONE_AT_ALL), billed.get(key, NONE_AT_ALL)
        if difference := now_is.amount - was.amount:
            name = now_is.offer_name or was.offer_name
            quantity = now_is.quantity - was.quantity
            amount = rounded(difference, currency)
            corrections.append(Item(kind, offer_id, name, quantity, amount, corrects=by_number[invoice_id]))
    return corrections


@dataclass(frozen=True, slots=True)
class Sums:
    offer_name: str
    quantity: int
    amount: Decimal


NONE_AT_ALL = Sums("", 0, NOTHING)
# The invoice whose period it is, the offer, and whether conversions or events.
Key = tuple[int, int, LineKind]


def conversions_now(partner: Partner, invoices: Iterable[Invoice], currency: str) -> dict[Key, Sums]:
    """What the approved conversions in the periods of the invoices come to as of now, in one query for all."""
    spans = {invoice.pk: (invoice.period.start, invoice.period.end) for invoice in invoices}
    whose = Case(*(When(within([span]), then=Value(pk)) for pk, span in spans.items()), output_field=BigIntegerField())
    conversions = partner.conversions.approved().filter(within(spans.values()), offer__currency=currency)
    return {
        (row["invoice"], row["offer_id"], kind_of(row)): Sums(
            row["offer__name"], row["quantity"], rounded(row["amount"], currency)
        )
        for row in summed(conversions.annotate(invoice=whose), "is_event", "invoice")
    }


def conversions_billed(invoice_ids: list[int]) -> dict[Key, Sums]:
    """What was billed for the conversions of each invoice: by itself, and by those that have corrected it since."""
    lines = InvoiceLine.objects.filter(
        Q(invoice__in=invoice_ids, corrects=None) | Q(corrects__in=invoice_ids, invoice__cancelled_at=None),
        kind__in=[LineKind.CONVERSIONS, LineKind.EVENTS],
    ).order_by("pk")
    billed: dict[Key, Sums] = {}
    for line in lines:
        assert line.offer_id is not None
        key = (line.corrects_id or line.invoice_id, line.offer_id, LineKind(line.kind))
        before = billed.get(key, NONE_AT_ALL)
        billed[key] = Sums(line.offer_name, before.quantity + line.quantity, before.amount + line.amount)
    return billed
