"""The Affiliate API about what a partner is owed (wire.md section 8)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from django.db.models import Count, Sum
from django.shortcuts import get_object_or_404
from ninja import Query, Router
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, StrictStr
from pydantic_core import PydanticCustomError

from partners.api import Paging, PartnerRequest
from partners.billing.models import Invoice, InvoiceLine, InvoiceQuerySet, Payment
from partners.billing.models.invoice import COVERS, NOTHING
from partners.billing.statement import unbilled
from portal.network.currencies import money
from portal.network.timezones import BY_NAME
from portal.web.api import PAGED, REPORTING, collection, limited, paged, paging, reads

router = Router(tags=["Billing"])

# What a balance can be at all; a number beyond it would not fit the database's.
MOST = 10**15
# Beyond them the arithmetic of moments fails.
YEARS = range(1970, 3000)
SECOND = timedelta(seconds=1)
LAST_SECOND = time(23, 59, 59)


def readable_time(value: int | str) -> int | str:
    try:
        parse_time(value)
    except (ValueError, OverflowError, OSError):
        raise PydanticCustomError(
            "time", "This is no YYYY-MM-DD, YYYY-MM-DD HH:MM:SS or number of Unix seconds that the calendar has"
        ) from None
    return value


def parse_time(value: int | str) -> date | datetime:
    """A day; a moment, for Unix seconds; or a time of day without a zone, which is the invoice's own.

    :raises ValueError: and others, when it is none of them
    """
    if isinstance(value, int) or re.fullmatch("[0-9]{1,12}", value):
        moment = datetime.fromtimestamp(int(value), tz=UTC)
        if moment.year not in YEARS:
            raise ValueError
        return moment
    if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2}:[0-9]{2})?", value):
        raise ValueError
    return datetime.fromisoformat(value) if " " in value else date.fromisoformat(value)


Time = Annotated[StrictInt | StrictStr, AfterValidator(readable_time)]
Amount = Annotated[float, Field(strict=True, ge=-MOST, le=MOST)]


class InvoiceFilters(BaseModel):
    """All that are given apply together."""

    model_config = ConfigDict(extra="forbid")

    affiliate_invoice_status: Literal["paid", "unpaid"] | None = Field(
        default=None, description="unpaid: something is still owed; paid: nothing is."
    )
    min_start_time: Time | None = Field(
        default=None,
        description=(
            "Invoices whose period starts then or later: YYYY-MM-DD or YYYY-MM-DD HH:MM:SS in the invoice's own time "
            "zone, or Unix seconds."
        ),
    )
    max_start_time: Time | None = Field(
        default=None, description="Invoices whose period starts then or earlier; written as min_start_time is."
    )
    max_end_time: Time | None = Field(
        default=None, description="Invoices whose period ends then or earlier; written as min_start_time is."
    )
    min_balance: Amount | None = Field(default=None, description="Invoices of which at least so much is owed.")
    max_balance: Amount | None = Field(default=None, description="Invoices of which at most so much is owed.")

    def narrow(self, invoices: InvoiceQuerySet) -> InvoiceQuerySet:
        """The invoices, which have their totals, that pass."""
        if self.affiliate_invoice_status is not None:
            invoices = invoices.paid_up() if self.affiliate_invoice_status == "paid" else invoices.unpaid()
        if self.min_start_time is not None:
            invoices = starting_from(invoices, parse_time(self.min_start_time))
        if self.max_start_time is not None:
            invoices = starting_by(invoices, parse_time(self.max_start_time))
        if self.max_end_time is not None:
            invoices = ending_by(invoices, parse_time(self.max_end_time))
        return invoices.owing(at_least=exact(self.min_balance), at_most=exact(self.max_balance))


def exact(amount: float | None) -> Decimal | None:
    """The number as it was written: 0.1 is a tenth."""
    return None if amount is None else Decimal(repr(amount))


def starting_from(invoices: InvoiceQuerySet, given: date | datetime) -> InvoiceQuerySet:
    if not isinstance(given, datetime):
        return invoices.filter(starts_on__gte=given)
    if given.tzinfo is not None:
        return invoices.alias(covers=COVERS).filter(covers__startswith__gte=given)
    late = given.time() > time.min
    return invoices.filter(**{"starts_on__gt" if late else "starts_on__gte": given.date()})


def starting_by(invoices: InvoiceQuerySet, given: date | datetime) -> InvoiceQuerySet:
    if isinstance(given, datetime) and given.tzinfo is not None:
        return invoices.alias(covers=COVERS).filter(covers__startswith__lte=given)
    # Periods start at midnight, so any time of the day is late enough.
    return invoices.filter(starts_on__lte=given.date() if isinstance(given, datetime) else given)


def ending_by(invoices: InvoiceQuerySet, given: date | datetime) -> InvoiceQuerySet:
    """A period's last moment is a second before midnight, as ``end_time`` says it."""
    if not isinstance(given, datetime):
        return invoices.filter(ends_on__lte=given)
    if given.tzinfo is not None:
        # The range ends with the first moment after it.
        return invoices.alias(covers=COVERS).filter(covers__endswith__lte=given + SECOND)
    early = given.time() < LAST_SECOND
    return invoices.filter(**{"ends_on__lt" if early else "ends_on__lte": given.date()})


class InvoiceSearch(InvoiceFilters):
    """The filters may stand in `filters`, as this dialect's clients send them, or beside it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"filters": {"affiliate_invoice_status": "unpaid", "min_start_time": "2026-01-01"}}]
        },
    )

    filters: InvoiceFilters | None = None
    page: Any = Field(default=None, description="As in the query string, which comes first.")
    page_size: Any = Field(default=None, description="As in the query string, which comes first.")

    def narrow(self, invoices: InvoiceQuerySet) -> InvoiceQuerySet:
        invoices = super().narrow(invoices)
        return self.filters.narrow(invoices) if self.filters is not None else invoices


class InvoiceDetail(BaseModel):
    network_affiliate_invoice_detail_id: int = Field(description="Number of the line.")
    network_offer_id: int = Field(description="Number of the offer; 0 for an adjustment.")
    network_offer_name: str = Field(description="What the offer was called when it was billed; empty for adjustments.")
    type: str = Field(description="conversions, events, clicks, impressions or adjustment.")
    quantity: int = Field(description="How many of them; negative where earlier ones were taken back.")
    amount: float = Field(description="In the invoice's currency, rounded to it; negative where it is taken back.")
    notes: str = Field(description="Why there is an adjustment, or which invoice a line corrects.")
    time_created: int = Field(description="Unix seconds.")


class InvoicePayment(BaseModel):
    network_affiliate_payment_id: int = Field(description="Number of the payment.")
    amount: float = Field(description="In the invoice's currency, rounded to it.")
    payment_type: str = Field(description="bank_transfer, paypal, check or other.")
    confirmation_code: str = Field(description="The reference it was sent with; empty when there is none.")
    payment_date: str = Field(description="The day on which it was sent: YYYY-MM-DD.")
    time_created: int = Field(description="When it was recorded: Unix seconds.")


class InvoiceDetails(BaseModel):
    total: int = Field(description="How many there are.")
    entries: list[InvoiceDetail]


class InvoicePayments(BaseModel):
    total: int = Field(description="How many there are.")
    entries: list[InvoicePayment]


class InvoiceRelationship(BaseModel):
    details: InvoiceDetails | None = Field(
        default=None, description="The lines; there with relationship=details or all."
    )
    payments: InvoicePayments | None = Field(default=None, description="There with relationship=payments or all.")


EXAMPLE: dict[str, Any] = {
    "network_affiliate_invoice_id": 318,
    "network_id": 1,
    "network_affiliate_id": 12,
    "invoice_number": "INV-12-0007",
    "affiliate_invoice_status": "unpaid",
    "start_time": "2026-10-01 00:00:00",
    "end_time": "2026-10-31 23:59:59",
    "start_unix_timestamp": 1790827200,
    "end_unix_timestamp": 1793505599,
    "timezone_id": 67,
    "billed": 1432.5,
    "paid": 1000.0,
    "balance": 432.5,
    "payment_terms": "Net 30",
    "time_due": 1796083200,
    "currency_id": "USD",
    "public_notes": "Thank you for October.",
    "time_created": 1793509200,
    "time_saved": 1794373200,
}


class AffiliateInvoice(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    network_affiliate_invoice_id: int = Field(description="Number of the invoice, to ask for it by.")
    network_id: int = Field(description="Always 1.")
    network_affiliate_id: int = Field(description="Your number.")
    invoice_number: str = Field(description="What is printed on the invoice.")
    affiliate_invoice_status: Literal["paid", "unpaid"] = Field(description="paid once nothing is owed.")
    start_time: str = Field(description="The period's first second in its time zone: YYYY-MM-DD HH:MM:SS.")
    end_time: str = Field(description="The period's last second in its time zone: YYYY-MM-DD HH:MM:SS.")
    start_unix_timestamp: int = Field(description="The same moment in Unix seconds.")
    end_unix_timestamp: int = Field(description="The same moment in Unix seconds.")
    timezone_id: int = Field(description="The period's time zone; see /v1/meta/timezones.")
    billed: float = Field(description="The sum of the lines, in currency_id.")
    paid: float = Field(description="What was paid so far, in currency_id.")
    balance: float = Field(description="What is still owed to you, in currency_id.")
    payment_terms: str = Field(description="In how many days it is due: Net 30.")
    time_due: int = Field(description="When the day begins on which it is due: Unix seconds.")
    currency_id: str = Field(description="ISO 4217 code.")
    public_notes: str = Field(description="What the network wants you to know; may be empty.")
    time_created: int = Field(description="Unix seconds.")
    time_saved: int = Field(description="When it last changed, by a payment for example: Unix seconds.")


class InvoiceInFull(AffiliateInvoice):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                EXAMPLE
                | {
                    "relationship": {
                        "details": {
                            "total": 1,
                            "entries": [
                                {
                                    "network_affiliate_invoice_detail_id": 2201,
                                    "network_offer_id": 42,
                                    "network_offer_name": "Beeswax candles",
                                    "type": "conversions",
                                    "quantity": 191,
                                    "amount": 1432.5,
                                    "notes": "",
                                    "time_created": 1793509200,
                                }
                            ],
                        },
                        "payments": {
                            "total": 1,
                            "entries": [
                                {
                                    "network_affiliate_payment_id": 97,
                                    "amount": 1000.0,
                                    "payment_type": "bank_transfer",
                                    "confirmation_code": "SEPA 7781",
                                    "payment_date": "2026-11-11",
                                    "time_created": 1794373200,
                                }
                            ],
                        },
                    }
                }
            ]
        }
    )

    relationship: InvoiceRelationship | None = Field(default=None, description="Only what was asked for.")


class AffiliateInvoices(Paging):
    invoices: list[AffiliateInvoice]
    paging: Paging


class BillingTotals(BaseModel):
    currency_id: str = Field(description="ISO 4217 code.")
    count: int = Field(description="How many invoices the sums are of.")
    billed: float = Field(description="In currency_id.")
    paid: float = Field(description="In currency_id.")
    balance: float = Field(description="What is still owed to you on these invoices, in currency_id.")
    unbilled: float = Field(
        description=(
            "What you have earned up to now and no invoice has billed yet, in currency_id. The filters do not change "
            "it. It is negative when more was taken back than earned."
        )
    )


class BillingSummary(BillingTotals):
    """At the top level in your own currency."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "currency_id": "USD",
                    "count": 7,
                    "billed": 9120.25,
                    "paid": 8687.75,
                    "balance": 432.5,
                    "unbilled": 311.2,
                    "totals": [
                        {
                            "currency_id": "USD",
                            "count": 7,
                            "billed": 9120.25,
                            "paid": 8687.75,
                            "balance": 432.5,
                            "unbilled": 311.2,
                        },
                        {
                            "currency_id": "EUR",
                            "count": 1,
                            "billed": 88.0,
                            "paid": 88.0,
                            "balance": 0.0,
                            "unbilled": 0.0,
                        },
                    ],
                }
            ]
        }
    )

    totals: list[BillingTotals] = Field(
        description="Every currency that you are billed or have earned in, your own first."
    )


def brief(invoice: Invoice) -> dict[str, Any]:
    period, currency = invoice.period, invoice.currency
    due = datetime.combine(invoice.due_on, time.min, tzinfo=period.zone)
    return {
        "network_affiliate_invoice_id": invoice.pk,
        "network_id": 1,
        "network_affiliate_id": invoice.partner_id,
        "invoice_number": str(invoice),
        "affiliate_invoice_status": invoice.status.value,
        "start_time": f"{invoice.starts_on} 00:00:00",
        "end_time": f"{invoice.ends_on} 23:59:59",
        "start_unix_timestamp": int(period.start.timestamp()),
        "end_unix_timestamp": int(period.end.timestamp()) - 1,
        "timezone_id": BY_NAME[invoice.timezone].timezone_id,
        "billed": money(invoice.billed, currency),
        "paid": money(invoice.paid, currency),
        "balance": money(invoice.balance, currency),
        "payment_terms": f"Net {invoice.payment_terms}",
        "time_due": int(due.timestamp()),
        "currency_id": currency,
        "public_notes": invoice.notes,
        "time_created": int(invoice.created_at.timestamp()),
        "time_saved": int(invoice.updated_at.timestamp()),
    }


def detail(line: InvoiceLine, currency: str) -> dict[str, Any]:
    return {
        "network_affiliate_invoice_detail_id": line.pk,
        "network_offer_id": line.offer_id or 0,
        "network_offer_name": line.offer_name,
        "type": line.kind,
        "quantity": line.quantity,
        "amount": money(line.amount, currency),
        "notes": line.explanation,
        "time_created": int(line.added_at.timestamp()),
    }


def payment_entry(payment: Payment, currency: str) -> dict[str, Any]:
    return {
        "network_affiliate_payment_id": payment.pk,
        "amount": money(payment.amount, currency),
        "payment_type": payment.method,
        "confirmation_code": payment.reference,
        "payment_date": payment.paid_on.isoformat(),
        "time_created": int(payment.recorded_at.timestamp()),
    }


@router.post(
    "/billings/affiliates/invoicestable", response=AffiliateInvoices, summary="Your invoices", openapi_extra=PAGED
)
@reads
def search_invoices(request: PartnerRequest, payload: InvoiceSearch | None = None) -> dict[str, Any]:
    """Your invoices that pass the filters, the latest period first. Cancelled ones are not among them."""
    asked = payload or InvoiceSearch()
    page, page_size = paged(request, asked.model_dump(include={"page", "page_size"}))
    invoices = asked.narrow(request.call.partner.invoices.standing().for_listing())
    first = (page - 1) * page_size
    return {
        "invoices": [brief(invoice) for invoice in invoices[first : first + page_size]],
        **paging(page, page_size, invoices.count()),
    }


@router.get(
    "/billings/affiliates/invoices/{invoice_id}",
    response=InvoiceInFull,
    exclude_none=True,
    summary="One of your invoices",
)
def read_invoice(
    request: PartnerRequest,
    invoice_id: int,
    relationship: Annotated[
        Literal["details", "payments", "all"] | None,
        Query(description="Adds the lines (details), the payments, or both (all)."),
    ] = None,
) -> dict[str, Any]:
    """One invoice; `relationship` adds its lines and its payments. A cancelled one is not found."""
    invoices = request.call.partner.invoices.standing().with_totals()
    invoice = get_object_or_404(invoices, pk=invoice_id)
    answer, currency, related = brief(invoice), invoice.currency, {}
    if relationship in ("details", "all"):
        lines = invoice.lines.select_related("corrects")
        related["details"] = collection([detail(line, currency) for line in lines])
    if relationship in ("payments", "all"):
        payments = invoice.payments.standing()
        related["payments"] = collection([payment_entry(payment, currency) for payment in payments])
    return answer | ({"relationship": related} if related else {})


@router.post("/billings/affiliates/summary", response=BillingSummary, summary="What you were billed and paid")
@limited(REPORTING)
@reads
def summarise_billing(request: PartnerRequest, payload: InvoiceSearch | None = None) -> dict[str, Any]:
    """The sums of your invoices that pass the filters, which are those of `invoicestable`, by currency; and what your
    traffic has earned that none of them bills yet."""
    partner = request.call.partner
    invoices = (payload or InvoiceSearch()).narrow(partner.invoices.standing().with_totals())
    sums = {
        row["currency"]: row
        for row in invoices.order_by()
        .values("currency")
        .annotate(count=Count("pk"), all_billed=Sum("billed"), all_paid=Sum("paid"))
    }
    own, *others = [totals_in(currency, sums.get(currency), left) for currency, left in unbilled(partner).items()]
    return own | {"totals": [own, *(total for total in others if total["count"] or total["unbilled"])]}


def totals_in(currency: str, sums: Mapping[str, Any] | None, left: Decimal) -> dict[str, Any]:
    billed, paid = (sums["all_billed"], sums["all_paid"]) if sums else (NOTHING, NOTHING)
    return {
        "currency_id": currency,
        "count": sums["count"] if sums else 0,
        "billed": money(billed, currency),
        "paid": money(paid, currency),
        "balance": money(billed - paid, currency),
        "unbilled": money(left, currency),
    }
