"""An offer itself, new or changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.db.models import Q

from partners.macros import DESTINATION
from partners.offers.forms.fields import (
    CountCap,
    CountriesField,
    DayField,
    DestinationField,
    FigureIfAny,
    LabelsField,
    WebAddressField,
)
from partners.offers.forms.terms import RevenueFields, TermsFields
from partners.offers.models import Advertiser, Category, Offer
from partners.offers.models.offer import CAP_SPANS, CAPPED, CAPS
from portal.network.currencies import currency_choices
from portal.network.models import Network
from portal.web.edits import EditForm
from portal.web.submissions import SubmittedOnce

if TYPE_CHECKING:
    from portal.accounts.actors import Actor

# What a form can name instead of choosing it.
NAMED = {"new_advertiser": "advertiser", "new_category": "category"}
SPANS = dict(zip(CAP_SPANS, ("a day", "a week", "a month", "in all"), strict=True))
COUNTED = dict(zip(CAPPED, ("Conversions", "Payout", "Clicks"), strict=True))


class OfferChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic for the checker alone
    def label_from_instance(self, obj: Offer) -> str:
        return obj.name if obj.status == Offer.Status.ACTIVE else f"{obj.name} ({obj.get_status_display().lower()})"


class OfferFields(forms.Form):
    """What the forms for a new offer and for an old one say alike."""

    advertiser = forms.ModelChoiceField(Advertiser.objects.all(), required=False, empty_label="Choose")
    new_advertiser = forms.CharField(
        label="Or a new advertiser", required=False, max_length=120, help_text="A name here goes before what is chosen."
    )
    category = forms.ModelChoiceField(Category.objects.all(), required=False, empty_label="Choose")
    new_category = forms.CharField(
        label="Or a new category", required=False, max_length=80, help_text="A name here goes before what is chosen."
    )
    destination_url = DestinationField(
        help_text="Put {transaction_id} into it: the advertiser reports the conversion with that.",
    )
    preview_url = WebAddressField(
        label="Preview", required=False, help_text="The page that partners look at before they decide."
    )
    thumbnail_url = WebAddressField(label="Thumbnail", required=False, help_text="The address of a small picture.")
    countries = CountriesField(
        required=False, help_text="Names or two-letter codes, with commas between them. Empty: everywhere."
    )
    live_until = DayField(label="Last day", help_text="It runs until that day is over where the network is.")
    redirect_offer = OfferChoice(
        Offer.objects.none(),
        label="Other traffic goes to",
        required=False,
        empty_label="Nowhere",
        help_text="What this offer cannot take: it is over, a cap is reached, the country is another.",
    )
    click_lifespan_days = forms.IntegerField(
        label="Days after a click", min_value=1, max_value=365, initial=30, help_text="So long a conversion counts."
    )
    holding_period_days = forms.IntegerField(
        label="Days on hold",
        min_value=0,
        max_value=365,
        initial=0,
        help_text="0: an approved conversion counts at once.",
    )

    labels = LabelsField(
        required=False, help_text="Your own words to find it by, with commas between them. Partners never see them."
    )

    class Meta:
        model = Offer
        fields: ClassVar = [
            "name",
            "advertiser",
            "category",
            "status",
            "visibility",
            "destination_url",
            "preview_url",
            "thumbnail_url",
            "countries",
            "live_until",
            "redirect_offer",
            "click_lifespan_days",
            "holding_period_days",
            "conversion_approval",
            "description",
            "terms_and_conditions",
            *CAPS,
            "labels",
        ]
        labels: ClassVar = {
            "conversion_approval": "Conversions are approved",
            "terms_and_conditions": "Terms and conditions",
            **{f"{span}_{what}_cap": f"{COUNTED[what]} {SPANS[span]}" for span in CAP_SPANS for what in CAPPED},
        }
        help_texts: ClassVar = {
            "status": "Only an active offer takes traffic. Partners see all but deleted ones.",
            "visibility": "A private offer is seen by partners alone who were approved for it.",
            "terms_and_conditions": "Partners read them when they apply.",
        }
        widgets: ClassVar = {
            "description": forms.Textarea(attrs={"rows": 4}),
            "terms_and_conditions": forms.Textarea(attrs={"rows": 4}),
        }
        field_classes: ClassVar = {cap: FigureIfAny if "payout" in cap else CountCap for cap in CAPS}

    # As on the page, so that what is wrong is listed in the order in which it is found there.
    field_order = [
        *("name", "advertiser", "new_advertiser", "category", "new_category", "status", "visibility", "labels"),
        *("destination_url", "countries", "live_until", "redirect_offer", "currency"),
        *("payout_type", "amount", "percentage", "revenue_type", "revenue_amount", "revenue_percentage"),
        *("conversion_approval", "holding_period_days", "click_lifespan_days"),
        *("description", "terms_and_conditions", "preview_url", "thumbnail_url"),
        *(f"{span}_{what}_cap" for what in CAPPED for span in CAP_SPANS),
    ]
    instance: Offer
    cleaned_data: dict[str, Any]
    macros = DESTINATION

    def offer_choices(self) -> None:
        """Lets traffic go on to any other offer that is not deleted, and to the one where it goes already."""
        field = self.fields["redirect_offer"]
        assert isinstance(field, OfferChoice)
        kept = ~Q(status=Offer.Status.DELETED) | Q(pk=self.instance.redirect_offer_id)
        field.queryset = Offer.objects.filter(kept).exclude(pk=self.instance.pk).order_by("name", "pk")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        for new, chosen in NAMED.items():
            if not cleaned.get(new) and cleaned.get(chosen) is None and not {new, chosen} & set(self.errors):
                self.add_error(chosen, f"Choose one, or name a new {chosen}.")
        return cleaned

    def caps(self) -> list[list[forms.BoundField]]:
        """What is counted, each with its spans."""
        return [[self[f"{span}_{what}_cap"] for span in CAP_SPANS] for what in CAPPED]

    @property
    def shows_caps(self) -> bool:
        return any(self[cap].errors or self[cap].value() not in (0, "", "0") for cap in CAPS)

    def named(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields with a name that was typed in place of what was chosen."""
        names = {NAMED[new]: fields[new] for new in NAMED if fields.get(new)}
        return {name: value for name, value in fields.items() if name not in NAMED} | names


class NewOfferForm(SubmittedOnce, OfferFields, TermsFields, RevenueFields, forms.ModelForm):  # type: ignore[type-arg]  # see above
    currency = forms.ChoiceField(
        choices=currency_choices, help_text="Of everything that the offer pays and earns; it cannot be changed."
    )

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, initial={"currency": Network.load().currency})
        self.offer_choices()

    class Meta(OfferFields.Meta):
        fields: ClassVar = [*OfferFields.Meta.fields, "currency"]

    def launch(self, *, by: Actor) -> Offer:
        """The offer that the form says; it has to be valid.

        :raises AlreadySubmitted: when it launched its offer before
        """
        given = {name: self.cleaned_data[name] for name in (*self.Meta.fields, *NAMED, "submission")}
        return Offer.launch(pays=self.terms, earns=self.revenue, by=by, **self.named(given))


class OfferForm(OfferFields, EditForm):
    def __init__(self, *args: Any, instance: Offer, **kwargs: Any) -> None:
        super().__init__(*args, instance=instance, **kwargs)
        self.offer_choices()

    class Meta(OfferFields.Meta):
        pass

    @property
    def touched(self) -> dict[str, Any]:
        return self.named(super().touched)
