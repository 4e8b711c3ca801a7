"""What calls of the Network API say of an offer, under the rules of the pages."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, ClassVar

from django import forms
from django.core.validators import MinValueValidator, RegexValidator

from partners.macros import BadTemplate, Template
from partners.offers.models import Offer, OfferPayout, PayoutType, Revenue, RevenueType, Terms
from partners.offers.models.offer import CAPS, MOST_LABELS
from portal.network.countries import COUNTRIES


class OfferSaid(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker alone
    """What may be said of an offer; what it pays stands in ``PayoutSaid``."""

    destination_url = forms.URLField(max_length=2000, assume_scheme="https")
    preview_url = forms.URLField(required=False, max_length=2000, assume_scheme="https")
    thumbnail_url = forms.URLField(required=False, max_length=2000, assume_scheme="https")
    live_until = forms.DateField(required=False, input_formats=["%Y-%m-%d"])
    holding_period_days = forms.IntegerField(min_value=0, max_value=365)
    click_lifespan_days = forms.IntegerField(min_value=1, max_value=365)

    class Meta:
        model = Offer
        fields: ClassVar = [
            "advertiser",
            "category",
            "name",
            "status",
            "visibility",
            "currency",
            "destination_url",
            "preview_url",
            "thumbnail_url",
            "description",
            "terms_and_conditions",
            "countries",
            "live_until",
            *CAPS,
            "holding_period_days",
            "conversion_approval",
            "click_lifespan_days",
            "redirect_offer",
            "labels",
        ]

    def __init__(self, data: Mapping[str, Any], *, instance: Offer | None = None) -> None:
        # Validation writes into its instance; what changes, and what it was, is for the verb to see.
        super().__init__(data, instance=copy(instance))
        for cap in CAPS:
            self.fields[cap].validators.append(MinValueValidator(0))

    def clean_destination_url(self) -> str:
        return self._fit("destination_url")

    def clean_preview_url(self) -> str:
        return self._fit("preview_url")

    def clean_thumbnail_url(self) -> str:
        return self._fit("thumbnail_url")

    def _fit(self, name: str) -> str:
        url: str = self.cleaned_data[name]
        try:
            if url:
                Template.parse(url)
        except BadTemplate as reason:
            raise forms.ValidationError(str(reason)) from None
        return url

    def clean_currency(self) -> str:
        currency: str = self.cleaned_data["currency"]
        if self.instance.pk is not None and currency != self.initial["currency"]:
            raise forms.ValidationError("Money has been counted in this currency, so it cannot become another one.")
        return currency

    def clean_countries(self) -> list[str]:
        codes = [code.upper() for code in self.cleaned_data["countries"]]
        if unknown := [code for code in codes if code not in COUNTRIES]:
            raise forms.ValidationError(f"{unknown[0]} is not the ISO 3166-1 code of a country.")
        return list(dict.fromkeys(codes))

    def clean_labels(self) -> list[str]:
        labels: dict[str, str] = {}
        for text in self.cleaned_data["labels"]:
            label = " ".join(text.split())
            if not label:
                raise forms.ValidationError("A label has to say something.")
            labels.setdefault(label.casefold(), label)
        if len(labels) > MOST_LABELS:
            raise forms.ValidationError(f"An offer has at most {MOST_LABELS} labels.")
        return list(labels.values())

    def clean_redirect_offer(self) -> Offer | None:
        other: Offer | None = self.cleaned_data["redirect_offer"]
        if other is not None and other.pk == self.instance.pk:
            raise forms.ValidationError("Traffic that the offer cannot take would come back to it.")
        return other


# What is paid by these is an amount alone, or a share alone; by the others both.
AMOUNT_ALONE = {PayoutType.CPA, PayoutType.CPC, PayoutType.CPM, RevenueType.RPA, RevenueType.RPC, RevenueType.RPM}
SHARE_ALONE = {PayoutType.CPS, RevenueType.RPS}


class PayoutSaid(forms.ModelForm):  # type: ignore[type-arg]
    """What an offer pays, and earns, for a conversion or for one event."""

    event_name = forms.CharField(
        required=False,
        max_length=80,
        validators=[RegexValidator(r"^[a-z0-9_]+\Z", "Use small letters, digits and _, such as first_deposit.")],
    )

    class Meta:
        model = OfferPayout
        fields: ClassVar = [
            "event_name",
            "payout_type",
            "amount",
            "percentage",
            "revenue_type",
            "revenue_amount",
            "revenue_percentage",
        ]

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__(data)
        for name in ("amount", "percentage", "revenue_amount", "revenue_percentage"):
            self.fields[name].validators.append(MinValueValidator(0))

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for prefix, kind in (("", "payout_type"), ("revenue_", "revenue_type")):
            self._clean_share(cleaned, f"{prefix}amount", f"{prefix}percentage", cleaned.get(kind))
        return cleaned

    def _clean_share(self, cleaned: dict[str, Any], amount: str, percentage: str, kind: str | None) -> None:
        if cleaned.get(percentage, 0) > 100:
            self.add_error(percentage, "A share is at most 100 percent.")
        elif cleaned.get(percentage) and kind in AMOUNT_ALONE:
            self.add_error(percentage, f"{kind} has an amount and no percentage.")
        if cleaned.get(amount) and kind in SHARE_ALONE:
            self.add_error(amount, f"{kind} has a percentage and no amount.")

    @property
    def terms(self) -> Terms:
        said = self.cleaned_data
        return Terms(PayoutType(said["payout_type"]), said["amount"], said["percentage"])

    @property
    def revenue(self) -> Revenue:
        said = self.cleaned_data
        return Revenue(RevenueType(said["revenue_type"]), said["revenue_amount"], said["revenue_percentage"])
