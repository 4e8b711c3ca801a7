from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.functional import cached_property
from django.utils.timezone import localdate

from partners.billing.models import (
    AlreadyBilled,
    AlreadyCancelled,
    BalanceChanged,
    BelowPaid,
    Invoice,
    InvoiceLine,
    InvoiceQuerySet,
    MoreThanOwed,
    NothingToBill,
    Payment,
    Period,
)
from partners.billing.models.invoice import DEFAULT_PAYMENT_TERMS
from partners.billing.statement import NotOverYet, Statement, StatementChanged, bill, is_over, statement_of
from partners.models import Partner
from portal.network.currencies import DECIMALS, amount_in_words, currency_choices
from portal.network.models import Network
from portal.network.timezones import timezone_choices
from portal.web.api import MAXIMUM_PAGE_SIZE

if TYPE_CHECKING:
    from portal.accounts.actors import Actor

ANY = [("", "Any")]
GONE = "The invoice was cancelled meanwhile. Close this and look at it again."


class DateInput(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class InvoiceFilter(forms.Form):
    """The filters of the invoices. A value that means nothing filters nothing: such URLs are old bookmarks."""

    status = forms.ChoiceField(required=False, choices=[*ANY, *Invoice.Status.choices])
    year = forms.TypedChoiceField(required=False, coerce=int, empty_value=None)

    def __init__(self, *args: Any, partner: Partner, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        years = partner.invoices.order_by("-starts_on__year").values_list("starts_on__year", flat=True).distinct()
        year = self.fields["year"]
        assert isinstance(year, forms.ChoiceField)
        year.choices = [*ANY, *((str(number), str(number)) for number in years)]

    @property
    def is_used(self) -> bool:
        return any(self.asked.values())

    @property
    def asked(self) -> dict[str, Any]:
        self.is_valid()
        return self.cleaned_data

    def narrow(self, invoices: InvoiceQuerySet) -> InvoiceQuerySet:
        """The invoices, which have their totals, that pass."""
        if status := self.asked.get("status"):
            invoices = self.with_status(invoices, status)
        if year := self.asked.get("year"):
            invoices = invoices.filter(starts_on__year=year)
        return invoices

    def with_status(self, invoices: InvoiceQuerySet, status: str) -> InvoiceQuerySet:
        return invoices.paid_up() if status == Invoice.Status.PAID else invoices.unpaid()

    @property
    def api_filters(self) -> dict[str, str]:
        """The same question as the API takes it."""
        filters = {"affiliate_invoice_status": self.asked["status"]} if self.asked.get("status") else {}
        if year := self.asked.get("year"):
            filters |= {"min_start_time": f"{year}-01-01", "max_start_time": f"{year}-12-31"}
        return filters


class AllInvoicesFilter(InvoiceFilter):
    """For the network's people, who also see what was cancelled."""

    status = forms.ChoiceField(
        required=False, choices=[*ANY, *Invoice.Status.choices, ("overdue", "Overdue"), ("cancelled", "Cancelled")]
    )

    def with_status(self, invoices: InvoiceQuerySet, status: str) -> InvoiceQuerySet:
        if status == "cancelled":
            return invoices.exclude(cancelled_at=None)
        if status == "overdue":
            return invoices.overdue()
        return super().with_status(invoices.standing(), status)

    def as_query(self, partner: Partner) -> dict[str, object]:
        """The query string of GET /networks/billings/affiliates/invoices that asks the same."""
        is_any = not self.asked.get("status")
        return {
            "network_affiliate_id": partner.pk,
            **self.api_filters,
            **({"with_cancelled": "true"} if is_any else {}),
            "page_size": MAXIMUM_PAGE_SIZE,
        }


class RaiseForm(forms.Form):
    """Which days to bill, and how. The total that was looked at comes back with the order to raise the invoice."""

    starts_on = forms.DateField(label="First day", widget=DateInput())
    ends_on = forms.DateField(label="Last day", widget=DateInput())
    currency = forms.ChoiceField(choices=currency_choices)
    timezone = forms.ChoiceField(
        label="Time zone", choices=timezone_choices, help_text="In which the days begin and end."
    )
    payment_terms = forms.IntegerField(
        label="Due after", min_value=0, max_value=365, help_text="Days from the day on which it is raised."
    )
    notes = forms.CharField(
        label="Notes for the partner",
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Printed on the invoice.",
    )
    seen = forms.DecimalField(required=False, widget=forms.HiddenInput, max_digits=20, decimal_places=4)

    def __init__(self, data: Mapping[str, Any] | None = None, *, partner: Partner) -> None:
        network = Network.load()
        today = localdate(timezone=network.zone)
        month = Period.month_before(today, network.timezone)
        latest = partner.invoices.standing().filter(currency=partner.currency).order_by("-ends_on").first()
        is_next = latest is not None and month.starts_on <= latest.ends_on < month.ends_on
        initial = {
            "starts_on": latest.ends_on + timedelta(days=1) if latest is not None and is_next else month.starts_on,
            "ends_on": month.ends_on,
            "currency": partner.currency,
            "timezone": network.timezone,
            "payment_terms": DEFAULT_PAYMENT_TERMS,
        }
        super().__init__(data, initial=initial)
        self.partner = partner
        self.raised: Invoice | None = None

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        first, last = cleaned.get("starts_on"), cleaned.get("ends_on")
        if first and last:
            if last < first:
                self.add_error("ends_on", "This is before the first day.")
            elif (last - first).days > 366:
                self.add_error("ends_on", "An invoice covers a year at most.")
            elif "timezone" in cleaned and not is_over(self.period):
                self.add_error("ends_on", "This day is not over yet: what still comes in would never be billed.")
        return cleaned

    @property
    def period(self) -> Period:
        return Period(*(self.cleaned_data[name] for name in ("starts_on", "ends_on", "timezone")))

    @cached_property
    def statement(self) -> Statement | None:
        """What would be billed; None until the form says clearly what to bill."""
        if not self.is_bound:
            return self._as_offered().statement
        return statement_of(self.partner, self.period, self.cleaned_data["currency"]) if self.is_valid() else None

    @cached_property
    def covered_by(self) -> Invoice | None:
        """The invoice that has billed some of these days before."""
        if not self.is_bound:
            return self._as_offered().covered_by
        if not self.is_valid():
            return None
        same = self.partner.invoices.standing().filter(currency=self.cleaned_data["currency"])
        return same.overlapping(self.period).first()

    @cached_property
    def carried(self) -> list[tuple[str, Any]]:
        """What the button below the preview sends again."""
        filled = self if self.is_bound else self._as_offered()
        return [(name, filled.data.get(name, "")) for name in self.fields if name != "seen"]

    def _as_offered(self) -> RaiseForm:
        """The form as it would be sent if nobody touched it."""
        return RaiseForm({name: str(value) for name, value in self.initial.items()}, partner=self.partner)

    def raise_invoice(self, *, by: Actor) -> bool:
        """Raises what was looked at; False when the form, or what has happened since, stands against it."""
        if not self.is_valid():
            return False
        cleaned = self.cleaned_data
        if cleaned["seen"] is None:
            self.add_error(None, "Look at what would be billed first, then raise it.")
            return False
        try:
            self.raised = bill(
                self.partner,
                period=self.period,
                currency=cleaned["currency"],
                by=by,
                payment_terms=cleaned["payment_terms"],
                notes=cleaned["notes"],
                seen=cleaned["seen"],
            )
        except StatementChanged:
            self.add_error(None, "What would be billed has changed since you looked. Look again, then raise it.")
        except AlreadyBilled as refused:
            self.add_error(None, f"{refused.invoice} covers {refused.invoice.period} already.")
        except NothingToBill:
            self.add_error(None, "There is nothing to bill for these days.")
        except NotOverYet:
            self.add_error("ends_on", "This day is not over yet: what still comes in would never be billed.")
        return self.raised is not None


class AmountField(forms.DecimalField):
    """An amount in one currency, with no more decimals than that has."""

    def __init__(self, currency: str, **kwargs: Any) -> None:
        super().__init__(max_digits=14, decimal_places=DECIMALS.get(currency, 2), **kwargs)


class PaymentForm(forms.Form):
    method = forms.ChoiceField(choices=Payment.Method.choices)
    paid_on = forms.DateField(label="Paid on", widget=DateInput())
    reference = forms.CharField(
        max_length=120, required=False, help_text="What the partner finds on the bank statement."
    )
    seen = forms.DecimalField(widget=forms.HiddenInput, max_digits=20, decimal_places=4)

    field_order = ("amount", "method", "paid_on", "reference", "seen")

    def __init__(self, data: Mapping[str, Any] | None = None, *, invoice: Invoice) -> None:
        today = localdate(timezone=invoice.period.zone)
        initial = {"amount": f"{invoice.balance:.{DECIMALS.get(invoice.currency, 2)}f}", "paid_on": today}
        super().__init__(data, initial=initial | {"seen": invoice.balance})
        self.invoice = invoice
        self.fields["amount"] = AmountField(
            invoice.currency,
            label=f"Amount in {invoice.currency}",
            min_value=Decimal(1).scaleb(-DECIMALS.get(invoice.currency, 2)),
        )
        self.order_fields(self.field_order)

    def clean_paid_on(self) -> date:
        paid_on: date = self.cleaned_data["paid_on"]
        if paid_on > localdate(timezone=self.invoice.period.zone):
            raise forms.ValidationError("This day has not come yet. Record the payment once it was sent.")
        return paid_on

    def record(self, *, by: Actor) -> Payment | None:
        """Records the payment; None when the form, or what has happened since, stands against it."""
        if not self.is_valid():
            return None
        cleaned = self.cleaned_data
        try:
            return self.invoice.record_payment(
                amount=cleaned["amount"],
                method=Payment.Method(cleaned["method"]),
                paid_on=cleaned["paid_on"],
                reference=cleaned["reference"],
                seen=cleaned["seen"],
                by=by,
            )
        except BalanceChanged as changed:
            self.look_again(changed.balance)
        except MoreThanOwed as more:
            self.add_error("amount", f"No more than {self.in_words(more.balance)} is owed.")
        except AlreadyCancelled:
            self.add_error(None, GONE)
        return None

    def look_again(self, balance: Decimal) -> None:
        """Shows the balance as it is now, and asks for a decision about it."""
        data = self.data.copy()  # type: ignore[attr-defined]
        data["seen"] = str(balance)
        self.data = data
        self.add_error(
            None,
            f"The balance has changed since you looked: it is {self.in_words(balance)} now. Somebody may have "
            "recorded this very payment. If it is another one, record it again.",
        )

    def in_words(self, amount: Decimal) -> str:
        return amount_in_words(amount, self.invoice.currency)


class AdjustmentForm(forms.Form):
    note = forms.CharField(
        label="What for",
        max_length=300,
        help_text="The partner reads it on the invoice.",
    )

    def __init__(self, *args: Any, invoice: Invoice, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invoice = invoice
        self.fields["amount"] = AmountField(
            invoice.currency,
            label=f"Amount in {invoice.currency}",
            help_text="With a minus in front it is taken from what is billed.",
        )
        self.order_fields(["amount", "note"])

    def clean_amount(self) -> Decimal:
        amount: Decimal = self.cleaned_data["amount"]
        if not amount:
            raise forms.ValidationError("Nothing is no adjustment.")
        return amount

    def add(self, *, by: Actor) -> InvoiceLine | None:
        """Adds the adjustment; None when the form, or what was paid, stands against it."""
        if not self.is_valid():
            return None
        try:
            return self.invoice.add_adjustment(
                amount=self.cleaned_data["amount"], note=self.cleaned_data["note"], by=by
            )
        except BelowPaid:
            self.add_error("amount", "More would have been paid than is billed. Take a payment back first.")
        except AlreadyCancelled:
            self.add_error(None, GONE)
        return None
