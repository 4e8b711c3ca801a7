"""What is paid and earned: everybody's payouts, events, and the terms of single partners."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.validators import RegexValidator

from partners.models import Partner
from partners.offers.forms.fields import Figure
from partners.offers.models import (
    Offer,
    OfferPayout,
    PartnerPayout,
    PayoutType,
    Revenue,
    RevenueType,
    Terms,
    TermsMoved,
)

if TYPE_CHECKING:
    from portal.accounts.actors import Actor

NOTHING = Decimal(0)
SHARES = ("cps", "rps")
EVENT_NAME = RegexValidator(r"^[a-z0-9_]+\Z", "Use small letters, digits and _, such as first_deposit.")


class TermsFields(forms.Form):
    """What partners are paid: cleaned, ``terms``."""

    payout_type = forms.ChoiceField(label="Partners earn", choices=PayoutType.choices)
    amount = Figure(label="Amount paid")
    percentage = Figure(label="Share paid, %", max_value=100, max_digits=7)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        demand_rate(self, cleaned, kind="payout_type", amount="amount", share="percentage")
        return cleaned

    @property
    def terms(self) -> Terms:
        chosen = self.cleaned_data
        return Terms(PayoutType(chosen["payout_type"]), chosen["amount"] or NOTHING, chosen["percentage"] or NOTHING)


class RevenueFields(forms.Form):
    """What the network earns for the same: cleaned, ``revenue``."""

    revenue_type = forms.ChoiceField(label="The network earns", choices=RevenueType.choices)
    revenue_amount = Figure(label="Amount earned")
    revenue_percentage = Figure(label="Share earned, %", max_value=100, max_digits=7)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        demand_rate(self, cleaned, kind="revenue_type", amount="revenue_amount", share="revenue_percentage")
        return cleaned

    @property
    def revenue(self) -> Revenue:
        chosen = self.cleaned_data
        return Revenue(
            RevenueType(chosen["revenue_type"]),
            chosen["revenue_amount"] or NOTHING,
            chosen["revenue_percentage"] or NOTHING,
        )


def demand_rate(form: forms.Form, cleaned: Mapping[str, Any], *, kind: str, amount: str, share: str) -> None:
    """Adds an error to each of the two figures that the kind needs and has not, or has and does not know."""
    chosen = cleaned.get(kind)
    if chosen is None:
        return
    named = dict(form.fields[kind].choices)[chosen].lower()  # type: ignore[attr-defined]
    uses = {amount: chosen not in SHARES, share: chosen.endswith(SHARES)}
    for name, is_used in uses.items():
        if name in form.errors:
            continue
        what = "an amount" if name == amount else "a share"
        if is_used and cleaned.get(name) is None:
            form.add_error(name, f"Enter {what}; 0 is nothing.")
        elif not is_used and cleaned.get(name):
            form.add_error(name, f"“{named}” has no {what.split()[1]}: leave it empty.")


def paid(payout: OfferPayout | PartnerPayout) -> dict[str, Any]:
    return {name: getattr(payout, name) for name in ("payout_type", "amount", "percentage")}


def used(rate: dict[str, Any]) -> dict[str, Any]:
    """A kind, an amount and a share, without the figure that the kind does not know."""
    kind, amount, share = rate
    unused = {amount: rate[kind] in SHARES, share: not rate[kind].endswith(SHARES)}
    return {name: value for name, value in rate.items() if not unused.get(name)}


class Replacing(forms.Form):
    """A form that replaces what its user saw: what that was travels with it, hidden."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def refuse(self, current: OfferPayout | PartnerPayout | None) -> None:
        """Says that something else stands there now; saving again replaces that."""
        self.add_error(None, f"Somebody else was faster: {self.told(current)}. Save again to replace that.")
        data = self.data.copy()  # type: ignore[attr-defined]
        data["seen"] = current.standing if current is not None else ""
        self.data = data

    def told(self, current: OfferPayout | PartnerPayout | None) -> str:
        if current is None:
            return "these terms have ended"
        paid = f"now it is “{current.payout_told}”"
        return f"{paid}, and the network earns “{current.revenue_told}”" if isinstance(current, OfferPayout) else paid


class PayoutForm(TermsFields, RevenueFields, Replacing):
    """What everybody is paid for one thing, and what the network earns by it."""

    field_order = ["payout_type", "amount", "percentage", "revenue_type", "revenue_amount", "revenue_percentage"]

    def __init__(self, data: Mapping[str, Any] | None = None, *, payout: OfferPayout) -> None:
        self.offer, self.event_name = payout.offer, payout.event_name
        earned = {name: getattr(payout, name) for name in ("revenue_type", "revenue_amount", "revenue_percentage")}
        super().__init__(data, initial=used(paid(payout)) | used(earned) | {"seen": payout.standing})

    def saved(self, *, by: Actor) -> bool:
        """Whether the payout is now what the form says; if not, the form says why."""
        if not self.is_valid():
            return False
        seen = self.cleaned_data["seen"] if "seen" in self.data else None
        try:
            self.offer.pay(self.terms, earns=self.revenue, event_name=self.event_name, by=by, seen=seen)
        except TermsMoved as moved:
            self.refuse(moved.current)
            return False
        return True


class EventForm(TermsFields, RevenueFields):
    """Something after the conversion that the offer pays for from now on."""

    event_name = forms.CharField(
        label="Event",
        max_length=80,
        validators=[EVENT_NAME],
        help_text="The name by which the advertiser reports it, such as first_deposit. It cannot be changed.",
    )

    field_order = ["event_name", *PayoutForm.field_order]

    def saved(self, offer: Offer, *, by: Actor) -> bool:
        if not self.is_valid():
            return False
        name = self.cleaned_data["event_name"]
        try:
            offer.pay(self.terms, earns=self.revenue, event_name=name, by=by, seen="")
        except TermsMoved:
            self.add_error("event_name", "The offer pays for it already. Edit that one.")
            return False
        return True


class PartnerChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic for the checker alone
    def label_from_instance(self, obj: Partner) -> str:
        return obj.name if obj.status == Partner.Status.ACTIVE else f"{obj.name} ({obj.get_status_display().lower()})"


class PaidFor(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic for the checker alone
    def label_from_instance(self, obj: OfferPayout) -> str:
        return f"{obj.title} (everybody: {obj.payout_told})"


class PartnerTermsForm(TermsFields, Replacing):
    """What one partner is paid in place of everybody's payout: new, or in place of the terms that it has."""

    partner = PartnerChoice(Partner.objects.order_by("name", "pk"), empty_label="Choose")
    pays_for = PaidFor(OfferPayout.objects.none(), label="For", empty_label=None)

    field_order = ["partner", "pays_for", "payout_type", "amount", "percentage"]

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, offer: Offer, standing: PartnerPayout | None = None
    ) -> None:
        self.offer, self.standing = offer, standing
        initial: dict[str, Any] = {}
        if standing is not None:
            initial = used(paid(standing)) | {"seen": standing.standing}
        super().__init__(data, initial=initial)
        self.fields["payout_type"].label = "It earns"
        if standing is not None:
            del self.fields["partner"], self.fields["pays_for"]
        else:
            self.fields["pays_for"].queryset = offer.payouts.select_related("offer")  # type: ignore[attr-defined]

    def saved(self, *, by: Actor) -> bool:
        """Whether the partner's terms are now what the form says; if not, the form says why."""
        if not self.is_valid():
            return False
        standing, chosen = self.standing, self.cleaned_data
        partner = standing.partner if standing is not None else chosen["partner"]
        replaced = standing.replaces if standing is not None else chosen["pays_for"]
        seen = chosen["seen"] if "seen" in self.data else None if standing else ""
        try:
            self.offer.pay_partner(partner, self.terms, by=by, event_name=replaced.event_name, seen=seen)
        except TermsMoved as moved:
            if standing is None and moved.current is not None:
                paid = moved.current.payout_told
                self.add_error("partner", f"It has terms of its own for this already, {paid}. Change those.")
            else:
                self.refuse(moved.current)
            return False
        return True
