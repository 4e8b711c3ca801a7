from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models, transaction
from django.db.models import F, Func, OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.utils.timezone import localdate, now

from partners.billing.models.line import InvoiceLine, Item, LineKind, refuse_too_fine
from partners.billing.models.payment import Payment
from partners.billing.models.period import Period
from partners.models import Partner
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.network.currencies import amount_in_words, currency_choices
from portal.network.timezones import timezone_choices

if TYPE_CHECKING:
    from portal.accounts.actors import Actor

NOTHING = Decimal(0)
MONEY = models.DecimalField(max_digits=20, decimal_places=4)
DEFAULT_PAYMENT_TERMS = 30


class NothingToBill(Exception):
    """The items come to nothing, or to less; what was taken back waits for the next invoice."""


class AlreadyBilled(Exception):
    """An invoice of the partner covers some of these days already; ``invoice`` is that one."""

    def __init__(self, invoice: Invoice) -> None:
        self.invoice = invoice
        super().__init__(str(invoice))


class AlreadyCancelled(Exception):
    """The invoice was cancelled, perhaps by someone else a moment ago."""


class MoreThanOwed(Exception):
    """The payment is larger than the balance, perhaps because someone else recorded one a moment ago."""

    def __init__(self, balance: Decimal) -> None:
        self.balance = balance
        super().__init__(str(balance))


class BalanceChanged(Exception):
    """The balance is no longer what the one who pays was looking at: the same payment may have been recorded."""

    def __init__(self, balance: Decimal) -> None:
        self.balance = balance
        super().__init__(str(balance))


class BelowPaid(Exception):
    """With this adjustment more would have been paid than is billed."""


class HasPayments(Exception):
    """Something was paid on the invoice, so it stands."""


class CarriedOn(Exception):
    """A later invoice corrects this one: cancelling it would bill the same twice. ``invoice`` is that one."""

    def __init__(self, invoice: Invoice) -> None:
        self.invoice = invoice
        super().__init__(str(invoice))


class InvoiceQuerySet(models.QuerySet["Invoice"]):
    def standing(self) -> Self:
        return self.filter(cancelled_at=None)

    def with_totals(self) -> Self:
        """Adds ``billed``, ``paid`` and ``balance``."""
        of_invoice = {"invoice": OuterRef("pk")}
        lines = InvoiceLine.objects.filter(**of_invoice).order_by().values("invoice")
        payments = Payment.objects.standing().filter(**of_invoice).order_by().values("invoice")
        return self.annotate(
            billed=total(lines.values(total=Sum("amount"))),
            paid=total(payments.values(total=Sum("amount"))),
        ).annotate(balance=F("billed") - F("paid"))

    # The three questions below are for rows of with_totals().

    def paid_up(self) -> Self:
        return self.filter(Q(balance=0))

    def unpaid(self) -> Self:
        return self.exclude(Q(balance=0))

    def owing(self, *, at_least: Decimal | None = None, at_most: Decimal | None = None) -> Self:
        invoices = self
        if at_least is not None:
            invoices = invoices.filter(Q(balance__gte=at_least))
        if at_most is not None:
            invoices = invoices.filter(Q(balance__lte=at_most))
        return invoices

    def overdue(self) -> Self:
        """Of which something is owed for longer than agreed; also for rows of with_totals()."""
        return self.standing().unpaid().alias(due=DUE_ON).filter(Q(due__lt=TODAY_THERE))

    def newest_first(self) -> Self:
        return self.order_by("-starts_on", "-pk")

    def for_listing(self) -> Self:
        return self.with_totals().newest_first()

    def overlapping(self, period: Period) -> Self:
        """Those that cover a moment of the period, to the second, whatever their time zones."""
        return self.alias(covers=COVERS).filter(covers__overlap=(period.start, period.end))


def total(amounts: models.QuerySet[Any]) -> Coalesce:
    return Coalesce(Subquery(amounts), Value(NOTHING), output_field=MONEY)


def midnight(day: str, *, later: str = "") -> Func:
    """The moment at which a day starts in the row's time zone; immutable, as an index needs it."""
    return Func(F("timezone"), F(day), template=f"timezone(%(expressions)s::timestamp{later})")


# Days in two time zones may be different and yet share hours.
COVERS = Func(
    midnight("starts_on"),
    midnight("ends_on", later=" + interval '1 day'"),
    function="tstzrange",
    output_field=DateTimeRangeField(),
)


def day_there(*expressions: Any, template: str) -> Func:
    return Func(F("timezone"), *expressions, template=template, output_field=models.DateField())


# Today, and the day on which an invoice is due, both in its own time zone.
TODAY_THERE = day_there(template="timezone(%(expressions)s, now())::date")
DUE_ON = Func(
    day_there(F("created_at"), template="timezone(%(expressions)s)::date"),
    F("payment_terms"),
    template="(%(expressions)s)",
    arg_joiner=" + ",
    output_field=models.DateField(),
)


class Invoice(models.Model):
    """What the network owes a partner for a period, in one currency. Several may be owed for different currencies."""

    class Status(models.TextChoices):
        UNPAID = "unpaid", "Unpaid"
        PAID = "paid", "Paid"

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="invoices")
    # Counts the partner's invoices without a gap, cancelled ones included.
    number = models.PositiveIntegerField()
    starts_on = models.DateField()
    ends_on = models.DateField()
    timezone = models.CharField("time zone", max_length=60, choices=timezone_choices)
    currency = models.CharField(max_length=3, choices=currency_choices)
    payment_terms = models.PositiveSmallIntegerField("days until it is due", default=DEFAULT_PAYMENT_TERMS)
    notes = models.TextField("notes for the partner", blank=True)
    created_at = models.DateTimeField(default=now)
    created_by = models.CharField(max_length=200)
    updated_at = models.DateTimeField(default=now)
    cancelled_at = models.DateTimeField(null=True)
    cancelled_by = models.CharField(max_length=200, blank=True)

    # Only there on rows of with_totals().
    billed: Decimal
    paid: Decimal
    balance: Decimal

    objects = InvoiceQuerySet.as_manager()

    class Meta:
        ordering = ("-starts_on", "-pk")
        constraints: ClassVar = [
            ExclusionConstraint(
                name="invoices_of_a_partner_do_not_overlap",
                expressions=[
                    ("partner", RangeOperators.EQUAL),
                    ("currency", RangeOperators.EQUAL),
                    (COVERS, RangeOperators.OVERLAPS),
                ],
                condition=Q(cancelled_at=None),
            ),
            models.UniqueConstraint(fields=["partner", "number"], name="invoice_number_is_one_of_its_partner"),
            models.CheckConstraint(condition=Q(number__gte=1), name="invoice_number_counts_from_one"),
            models.CheckConstraint(condition=Q(starts_on__lte=F("ends_on")), name="invoice_period_is_in_order"),
            models.CheckConstraint(condition=Q(payment_terms__lte=365), name="invoice_payment_terms_are_within_a_year"),
            models.CheckConstraint(condition=~Q(created_by=""), name="invoice_created_at_and_by"),
            models.CheckConstraint(
                condition=Q(cancelled_at=None, cancelled_by="") | (Q(cancelled_at__isnull=False) & ~Q(cancelled_by="")),
                name="invoice_cancelled_at_and_by",
            ),
        ]

    def __str__(self) -> str:
        return f"INV-{self.partner_id}-{self.number:04d}"

    @property
    def period(self) -> Period:
        return Period(self.starts_on, self.ends_on, self.timezone)

    @property
    def due_on(self) -> date:
        return localdate(self.created_at, self.period.zone) + timedelta(days=self.payment_terms)

    @property
    def terms(self) -> str:
        return f"Net {self.payment_terms}" if self.payment_terms else "Due at once"

    @property
    def is_cancelled(self) -> bool:
        return self.cancelled_at is not None

    @property
    def status(self) -> Status:
        """Of a row of with_totals()."""
        return self.Status.UNPAID if self.balance else self.Status.PAID

    @property
    def is_overdue(self) -> bool:
        """Of a row of with_totals()."""
        return bool(self.balance) and not self.is_cancelled and self.due_on < localdate(timezone=self.period.zone)

    @classmethod
    @transaction.atomic
    def raise_for(
        cls,
        partner: Partner,
        *,
        period: Period,
        currency: str,
        items: Iterable[Item],
        by: Actor,
        payment_terms: int = DEFAULT_PAYMENT_TERMS,
        notes: str = "",
    ) -> Invoice:
        """Bills the items to the partner; their amounts are in ``currency``.

        :raises NothingToBill: when they come to nothing
        :raises AlreadyBilled: when an invoice in that currency covers some of the period
        """
        cls.lock_those_of(partner)
        cls.refuse_overlap(partner, period, currency)
        items = [item for item in items if item.amount]
        billed = sum((item.amount for item in items), NOTHING)
        if billed <= 0:
            raise NothingToBill
        invoice = cls.objects.create(
            partner=partner,
            number=partner.invoices.count() + 1,
            starts_on=period.starts_on,
            ends_on=period.ends_on,
            timezone=period.timezone,
            currency=currency,
            payment_terms=payment_terms,
            notes=notes,
            created_by=by.full_label,
        )
        for item in items:
            refuse_too_fine(item.amount, currency)
        InvoiceLine.objects.bulk_create(
            InvoiceLine(
                invoice=invoice,
                kind=item.kind,
                offer_id=item.offer_id,
                offer_name=item.offer_name,
                corrects=item.corrects,
                quantity=item.quantity,
                amount=item.amount,
                note=item.note,
                added_by=by.full_label,
            )
            for item in items
        )
        details = {"period": str(period), "billed": amount_in_words(billed, currency)}
        Event.record(EventKind.INVOICE_RAISED, by=by, subject=invoice, partner=partner, details=details)
        return invoice

    @classmethod
    def lock_those_of(cls, partner: Partner) -> None:
        """Makes others who raise or cancel an invoice of the partner wait, until the transaction ends.

        Two at once take turns: so the second sees the first's invoice, and numbers have no gaps.
        """
        Partner.objects.select_for_update(no_key=True).get(pk=partner.pk)

    @classmethod
    def refuse_overlap(cls, partner: Partner, period: Period, currency: str) -> None:
        """:raises AlreadyBilled: when an invoice in that currency covers some of the period"""
        earlier = partner.invoices.standing().filter(currency=currency).overlapping(period).first()
        if earlier is not None:
            raise AlreadyBilled(earlier)

    @transaction.atomic
    def add_adjustment(self, *, amount: Decimal, note: str, by: Actor) -> InvoiceLine:
        """Adds to what is billed, or takes from it; ``note`` tells the partner why.

        :raises BelowPaid: when less would be billed than was paid
        :raises AlreadyCancelled: when the invoice no longer stands
        """
        refuse_too_fine(amount, self.currency)
        current = self.locked()
        if current.is_cancelled:
            raise AlreadyCancelled
        if current.balance + amount < 0:
            raise BelowPaid
        line = InvoiceLine.objects.create(
            invoice=self, kind=LineKind.ADJUSTMENT, amount=amount, note=note, added_by=by.full_label
        )
        self.touch()
        details = {"amount": amount_in_words(amount, self.currency), "note": note}
        Event.record(EventKind.INVOICE_ADJUSTED, by=by, subject=self, partner=self.partner, details=details)
        return line

    @transaction.atomic
    def record_payment(
        self,
        *,
        amount: Decimal,
        method: Payment.Method,
        paid_on: date,
        by: Actor,
        reference: str = "",
        seen: Decimal | None = None,
    ) -> Payment:
        """Keeps that so much was paid. ``seen`` is the balance that the one who records it was looking at.

        :raises BalanceChanged: when that is no longer the balance
        :raises MoreThanOwed: when the amount is larger than the balance
        :raises AlreadyCancelled: when the invoice no longer stands
        """
        refuse_too_fine(amount, self.currency)
        current = self.locked()
        if current.is_cancelled:
            raise AlreadyCancelled
        if seen is not None and seen != current.balance:
            raise BalanceChanged(current.balance)
        if amount > current.balance:
            raise MoreThanOwed(current.balance)
        payment = Payment.objects.create(
            invoice=self,
            amount=amount,
            method=method,
            paid_on=paid_on,
            reference=reference,
            recorded_by=by.full_label,
        )
        self.touch()
        details = {"amount": amount_in_words(amount, self.currency), "method": str(method), "reference": reference}
        Event.record(EventKind.PAYMENT_RECORDED, by=by, subject=self, partner=self.partner, details=details)
        return payment

    @transaction.atomic
    def cancel(self, *, by: Actor) -> None:
        """Withdraws the invoice; its days can be billed anew.

        :raises HasPayments: when something was paid on it
        :raises CarriedOn: when a later invoice corrects it
        :raises AlreadyCancelled: when someone was faster
        """
        # An invoice that corrects this one may be in the making.
        Invoice.lock_those_of(self.partner)
        current = self.locked()
        if current.is_cancelled:
            raise AlreadyCancelled
        if current.paid:
            raise HasPayments
        correction = self.corrections.filter(invoice__cancelled_at=None).select_related("invoice").first()
        if correction is not None:
            raise CarriedOn(correction.invoice)
        self.cancelled_at, self.cancelled_by = now(), by.full_label
        self.save(update_fields=["cancelled_at", "cancelled_by"])
        self.touch()
        details = {"period": str(self.period), "billed": amount_in_words(current.billed, self.currency)}
        Event.record(EventKind.INVOICE_CANCELLED, by=by, subject=self, partner=self.partner, details=details)

    def locked(self) -> Invoice:
        """The invoice as it is now, with its totals, while nobody else can change them."""
        Invoice.objects.select_for_update(of=("self",), no_key=True).get(pk=self.pk)
        # A query of its own: the one that waited for the lock has summed up what stood before it waited.
        return Invoice.objects.with_totals().select_related("partner").get(pk=self.pk)

    def touch(self) -> None:
        self.updated_at = now()
        self.save(update_fields=["updated_at"])
