"""What makes an offer's customers buy: coupon codes and deals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.core.validators import RegexValidator

from partners.models import Partner
from partners.offers.forms.fields import DaysFields, FigureIfAny
from partners.offers.forms.terms import PartnerChoice
from partners.offers.models import AlreadyWithdrawn, CodeIsTaken, Deal, Offer
from portal.web.edits import Editable, EditForm
from portal.web.submissions import SubmittedOnce

if TYPE_CHECKING:
    from portal.accounts.actors import Actor


class CouponForm(DaysFields):
    code = forms.CharField(
        max_length=80,
        validators=[RegexValidator(r"^\S+\Z", "A code is one word, without spaces.")],
        help_text="What customers enter at the checkout. Small and capital letters are the same.",
    )
    partner = PartnerChoice(
        Partner.objects.order_by("name", "pk"),
        required=False,
        empty_label="Everybody’s",
        help_text="Every sale with a partner’s own code is that partner’s, even without a click.",
    )
    description = forms.CharField(required=False, max_length=300)

    field_order = ["code", "partner", "description", "valid_from", "valid_to"]

    def added(self, offer: Offer, *, by: Actor) -> bool:
        if not self.is_valid():
            return False
        try:
            offer.add_coupon(by=by, **self.cleaned_data)
        except CodeIsTaken:
            self.add_error("code", "Another coupon has this code. Withdraw that one first, or choose another.")
        return self.is_valid()


class DealFields(DaysFields):
    """What the forms for a new deal and for an old one say alike."""

    name = forms.CharField(max_length=160, help_text="What partners tell of it, such as 15 % off all candles.")
    deal_type = forms.ChoiceField(label="What it is", choices=Deal.Type.choices)
    brand_name = forms.CharField(
        label="Brand", required=False, max_length=120, help_text="Whose products it is about, if not all."
    )
    description = forms.CharField(required=False, max_length=5000, widget=forms.Textarea(attrs={"rows": 2}))
    restrictions = forms.CharField(
        required=False,
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="What it does not hold for, such as gift cards.",
    )
    coupon_code = forms.CharField(
        label="Code", required=False, max_length=80, help_text="What customers enter at the checkout, if anything."
    )
    discount_percentage = FigureIfAny(label="Percent off", max_value=100, max_digits=7)
    discount_amount = FigureIfAny(label="Money off")

    class Meta:
        model = Deal
        fields: ClassVar = [
            "name",
            "deal_type",
            "brand_name",
            "discount_percentage",
            "discount_amount",
            "coupon_code",
            "description",
            "restrictions",
            "valid_from",
            "valid_to",
        ]

    field_order = Meta.fields

    def count_in(self, currency: str) -> None:
        self.fields["discount_amount"].label = f"{currency} off"


class NewDealForm(SubmittedOnce, DealFields, forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker alone
    def __init__(self, *args: Any, offer: Offer, **kwargs: Any) -> None:
        self.offer = offer
        super().__init__(*args, **kwargs)
        self.count_in(offer.currency)

    class Meta(DealFields.Meta):
        pass

    def add(self, *, by: Actor) -> Deal:
        """The deal that the form says; it has to be valid.

        :raises AlreadySubmitted: when it added its deal before
        """
        currency = self.offer.currency if self.cleaned_data["discount_amount"] else ""
        return self.offer.add_deal(discount_currency=currency, by=by, **self.cleaned_data)


class DealForm(DealFields, EditForm):
    def __init__(self, *args: Any, instance: Deal, **kwargs: Any) -> None:
        super().__init__(*args, instance=instance, **kwargs)
        # What one currency is off is not what another one is, so a deal keeps the one it has.
        self.currency = instance.discount_currency or instance.offer.currency
        self.count_in(self.currency)

    class Meta(DealFields.Meta):
        pass

    @property
    def touched(self) -> dict[str, Any]:
        touched = super().touched
        if "discount_amount" in touched:
            touched["discount_currency"] = self.currency if touched["discount_amount"] else ""
        return touched

    def saved_to(self, row: Editable, *, by: Actor) -> bool:
        try:
            return super().saved_to(row, by=by)
        except AlreadyWithdrawn:
            self.add_error(None, "Somebody else withdrew this deal: partners are told of it no more.")
            return False
