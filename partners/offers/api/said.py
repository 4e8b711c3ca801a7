"""What calls of the Network API say of an offer, under the rules of the pages."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, ClassVar

from django import forms

from partners.offers.forms.offer import OfferFields
from partners.offers.forms.terms import EVENT_NAME, RevenueFields, TermsFields
from partners.offers.models import Offer
from portal.network.currencies import currency_choices


class OfferSaid(OfferFields, forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker alone
    """What may be said of an offer, old or new; what it pays stands in ``PayoutSaid``."""

    currency = forms.ChoiceField(choices=currency_choices)

    def __init__(self, data: Mapping[str, Any], *, instance: Offer | None = None) -> None:
        # Validation writes into its instance; what changes, and what it was, is for the verb to see.
        super().__init__(data, instance=copy(instance))
        self.offer_choices()

    class Meta(OfferFields.Meta):
        fields: ClassVar = [*OfferFields.Meta.fields, "currency"]

    def clean_currency(self) -> str:
        currency: str = self.cleaned_data["currency"]
        if not self.instance._state.adding and currency != self.initial["currency"]:
            raise forms.ValidationError("Money has been counted in this currency, so it cannot become another one.")
        return currency

    @property
    def said(self) -> dict[str, Any]:
        """The fields of a valid form, as the verbs take them."""
        return {name: self.cleaned_data[name] for name in self.Meta.fields}


class PayoutSaid(TermsFields, RevenueFields):
    """What an offer pays, and earns, for a conversion or, by its name, for an event."""

    event_name = forms.CharField(required=False, max_length=80, validators=[EVENT_NAME])
