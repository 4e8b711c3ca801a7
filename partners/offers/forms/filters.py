"""What lists of offers are narrowed by."""

from __future__ import annotations

from typing import Any

from django import forms

from partners.models import Partner
from partners.offers.models import Advertiser, Application, Category, Offer, PayoutType
from partners.offers.models.offer import OfferQuerySet

ANY = [("", "Any")]


class Filter(forms.Form):
    """Filters of a list of offers. A value that means nothing filters nothing: such URLs are old bookmarks."""

    q = forms.CharField(
        label="Search offers",
        required=False,
        max_length=100,
        widget=forms.SearchInput(attrs={"placeholder": "Name or number"}),
    )
    category = forms.ChoiceField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer_choices("category", Category.objects.values_list("pk", "name"))

    def offer_choices(self, name: str, choices: Any) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [*ANY, *((str(pk), label) for pk, label in choices)]

    @property
    def is_used(self) -> bool:
        return any(self.asked.values())

    @property
    def asked(self) -> dict[str, str]:
        self.is_valid()
        return self.cleaned_data

    def narrow(self, offers: OfferQuerySet) -> OfferQuerySet:
        if text := self.asked.get("q"):
            offers = offers.search(text)
        if category := self.asked.get("category"):
            offers = offers.filter(category=int(category))
        return offers


class OwnFilter(Filter):
    """The filters of a partner's Offers."""

    pays = forms.ChoiceField(label="Payout", required=False, choices=[*ANY, *PayoutType.choices])
    run = forms.ChoiceField(
        label="Can I run it?",
        required=False,
        choices=[*ANY, ("yes", "Yes"), ("apply", "After applying"), ("pending", "Applied, not answered yet")],
    )

    def __init__(self, *args: Any, partner: Partner, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.partner = partner

    def narrow(self, offers: OfferQuerySet) -> OfferQuerySet:
        offers = super().narrow(offers)
        if pays := self.asked.get("pays"):
            offers = offers.paying(PayoutType(pays), self.partner)
        run = self.asked.get("run")
        if run == "yes":
            offers = offers.runnable_by(self.partner)
        elif run == "apply":
            needs_approval = Offer.Visibility.REQUIRE_APPROVAL
            offers = offers.filter(visibility=needs_approval).exclude(applications__in=self.partner.applications.all())
        elif run == "pending":
            offers = offers.filter(applications__in=self.partner.applications.pending())
        return offers


class ReviewFilter(Filter):
    """The filters of the network's Offers."""

    advertiser = forms.ChoiceField(required=False)
    status = forms.ChoiceField(required=False, choices=[*ANY, *Offer.Status.choices])
    visibility = forms.ChoiceField(required=False, choices=[*ANY, *Offer.Visibility.choices])
    waiting = forms.ChoiceField(label="Applications", required=False, choices=[*ANY, ("yes", "Waiting for an answer")])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer_choices("advertiser", Advertiser.objects.values_list("pk", "name"))

    def narrow(self, offers: OfferQuerySet) -> OfferQuerySet:
        offers = super().narrow(offers)
        equal = {name: self.asked[name] for name in ("status", "visibility", "advertiser") if self.asked.get(name)}
        offers = offers.filter(**equal) if equal else offers
        return offers.with_pending() if self.asked.get("waiting") else offers

    @property
    def as_search(self) -> dict[str, Any]:
        """What of the body of POST /networks/offerstable asks the same."""
        named = {
            "status": "offer_status",
            "visibility": "visibility",
            "category": "network_category_id",
            "advertiser": "network_advertiser_id",
        }
        asked = self.asked
        filters = {wire: asked[name] for name, wire in named.items() if asked.get(name)}
        if asked.get("waiting"):
            filters["application_status"] = Application.Status.PENDING.value
        search: dict[str, Any] = {"filters": filters} if filters else {}
        if text := asked.get("q"):
            search["search_terms"] = [{"search_type": "text", "value": text}]
        return search
