from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar

from django import forms
from django.db.models import Q
from django.utils.timezone import make_aware

from partners.models import Partner
from partners.offers.models import Offer
from partners.postbacks.models import LONGEST_DELAY_MS, AttemptQuerySet, Postback, PostbackQuerySet, Unfit, check_url
from partners.postbacks.vocabulary import POSTBACK
from portal.web.edits import EditForm

ANY = [("", "Any")]
EVERY_OFFER = "0"
# There were no postbacks before, and far beyond them a calendar ends.
YEARS = range(2000, 3000)


@dataclass(frozen=True)
class Preview:
    """What a URL becomes for an invented conversion, or why it becomes nothing."""

    url: str = ""
    problem: str = ""

    @classmethod
    def of(cls, url: str) -> Preview:
        if not url:
            return cls()
        try:
            check_url(url, needed=True)
        except Unfit as unfit:
            return cls(problem=unfit.sentence)
        return cls(url=Postback(url=url).template.fill(POSTBACK.samples))


class OfferChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic for the checker alone
    def label_from_instance(self, obj: Offer) -> str:
        return obj.name if obj.status == Offer.Status.ACTIVE else f"{obj.name} ({obj.get_status_display().lower()})"


class PostbackFields(forms.Form):
    """What the forms for a new postback and for an old one say alike."""

    offer = OfferChoice(
        queryset=Offer.objects.none(),
        required=False,
        empty_label="Every offer",
        help_text="With {offer_id} in its URL, one postback can serve every offer.",
    )
    url = forms.CharField(
        label="URL",
        required=False,
        help_text="What your tracker gave you. It is called by GET, with the macros replaced.",
        widget=forms.Textarea(
            attrs={
                "class": "mono",
                "rows": 3,
                "spellcheck": "false",
                "autocapitalize": "off",
                "autocomplete": "off",
                "placeholder": "https://tracker.example.com/postback?click={sub1}&payout={payout_amount}",
            }
        ),
    )
    html_code = forms.CharField(
        label="HTML code",
        required=False,
        help_text="Shown on the page that the customer sees after buying.",
        widget=forms.Textarea(attrs={"class": "mono", "rows": 4, "spellcheck": "false", "autocapitalize": "off"}),
    )
    delay_ms = forms.IntegerField(
        label="Delay in milliseconds",
        min_value=0,
        max_value=LONGEST_DELAY_MS,
        initial=0,
        help_text=f"0 sends it at once; at most {LONGEST_DELAY_MS:,}, which is five minutes.",
    )

    class Meta:
        model = Postback
        fields: ClassVar = ["offer", "pixel_type", "delivery_method", "url", "html_code", "delay_ms"]
        widgets: ClassVar = {"pixel_type": forms.RadioSelect, "delivery_method": forms.RadioSelect}
        labels: ClassVar = {"pixel_type": "Fires on", "delivery_method": "Delivered as"}
        help_texts: ClassVar = {"pixel_type": "Events come after the conversion: a deposit, a renewal."}

    instance: Postback
    cleaned_data: dict[str, Any]

    def offer_choices(self) -> None:
        """Lets the form choose among the offers that the partner is shown, and whichever is chosen already."""
        offers = Offer.objects.visible_to_partner(self.instance.partner).values("pk")
        field = self.fields["offer"]
        assert isinstance(field, OfferChoice)
        field.queryset = Offer.objects.filter(Q(pk__in=offers) | Q(pk=self.instance.offer_id)).order_by("name", "pk")

    def ask_rules(self, *, of: list[str]) -> None:
        """Asks the model's rules of what is filled in; a field that broke one of its own is not asked about again."""
        filled = copy(self.instance)
        for name, value in self.cleaned_data.items():
            if name in self.Meta.fields:
                setattr(filled, name, value)
        try:
            filled.check_rules(of=tuple(name for name in of if name not in self.errors))
        except Unfit as unfit:
            self.add_error(unfit.field, unfit.sentence)

    @property
    def preview(self) -> Preview:
        return Preview.of(str(self["url"].value() or "").strip())


class NewPostbackForm(PostbackFields, forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker alone
    def __init__(self, data: Mapping[str, Any] | None = None, *, partner: Partner) -> None:
        super().__init__(data, instance=Postback(partner=partner))
        self.offer_choices()

    class Meta(PostbackFields.Meta):
        pass

    def clean(self) -> None:
        self.ask_rules(of=self.Meta.fields)


class PostbackForm(PostbackFields, EditForm):
    def __init__(self, *args: Any, instance: Postback, **kwargs: Any) -> None:
        super().__init__(*args, instance=instance, **kwargs)
        self.offer_choices()

    class Meta(PostbackFields.Meta):
        pass

    def clean(self) -> None:
        self.ask_rules(of=self.changed_data)


class PostbackFilter(forms.Form):
    """The filters of a partner's postbacks. A value that means nothing filters nothing: such URLs are old bookmarks."""

    q = forms.CharField(
        label="Search postbacks",
        required=False,
        widget=forms.SearchInput(attrs={"placeholder": "URL, HTML or offer"}),
    )
    offer = forms.ChoiceField(required=False)
    status = forms.ChoiceField(required=False, choices=[*ANY, *Postback.Status.choices])
    pixel_type = forms.ChoiceField(label="Fires on", required=False, choices=[*ANY, *Postback.PixelType.choices])
    delivery_method = forms.ChoiceField(
        label="Delivered as", required=False, choices=[*ANY, *Postback.DeliveryMethod.choices]
    )

    def __init__(self, *args: Any, partner: Partner, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        used = Offer.objects.filter(postbacks__in=partner.postbacks.kept()).distinct().order_by("name", "pk")
        offer = self.fields["offer"]
        assert isinstance(offer, forms.ChoiceField)
        offer.choices = [
            *ANY,
            (EVERY_OFFER, "Every offer"),
            *((str(pk), name) for pk, name in used.values_list("pk", "name")),
        ]

    @property
    def asked(self) -> dict[str, str]:
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}

    @property
    def is_used(self) -> bool:
        return bool(self.asked)

    def narrow(self, postbacks: PostbackQuerySet) -> PostbackQuerySet:
        asked = self.asked
        if text := asked.get("q"):
            postbacks = postbacks.search(text)
        if offer := asked.get("offer"):
            postbacks = postbacks.for_offers(int(offer))
        if status := asked.get("status"):
            postbacks = postbacks.with_status(status)
        if pixel_type := asked.get("pixel_type"):
            postbacks = postbacks.filter(pixel_type=pixel_type)
        if delivery_method := asked.get("delivery_method"):
            postbacks = postbacks.filter(delivery_method=delivery_method)
        return postbacks

    @property
    def as_search(self) -> dict[str, Any]:
        """The body of POST /affiliates/pixels/search that asks the same."""
        names = {"offer": "network_offer_id", "status": "pixel_status"}
        asked = self.asked
        query: dict[str, Any] = {}
        filters = [
            {"resource_type": names.get(name, name), "filter_id_value": value}
            for name, value in asked.items()
            if name != "q"
        ]
        if filters:
            query["filters"] = filters
        if text := asked.get("q"):
            query["search_terms"] = [{"search_type": "text", "value": text}]
        return {"query": query} if query else {}

    def as_search_for(self, partner: Partner) -> dict[str, Any]:
        """The body of POST /networks/pixelstable that asks the same of one partner."""
        query = self.as_search.get("query", {})
        whose = {"resource_type": "network_affiliate_id", "filter_id_value": partner.pk}
        return {"query": {**query, "filters": [whose, *query.get("filters", [])]}}


class AttemptFilter(forms.Form):
    """The filters of a postback's attempts. A value that means nothing filters nothing."""

    outcome = forms.ChoiceField(
        required=False, choices=[*ANY, ("failed", "Failed"), ("delivered", "Delivered"), ("test", "Tests")]
    )

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__(data)
        # `from` is no name in Python's own grammar.
        for name, label in (("from", "From"), ("to", "To")):
            widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
            self.fields[name] = forms.DateField(label=label, required=False, widget=widget)

    @property
    def asked(self) -> dict[str, Any]:
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}

    @property
    def is_used(self) -> bool:
        return bool(self.asked)

    def narrow(self, attempts: AttemptQuerySet) -> AttemptQuerySet:
        asked = self.asked
        match asked.get("outcome"):
            case "failed":
                attempts = attempts.failed()
            case "delivered":
                attempts = attempts.delivered()
            case "test":
                attempts = attempts.tests()
        first, last = (asked[name] if name in asked and asked[name].year in YEARS else None for name in ("from", "to"))
        return attempts.between(first and beginning_of(first), last and beginning_of(last + timedelta(days=1)))


def beginning_of(day: date) -> datetime:
    return make_aware(datetime.combine(day, time.min))
