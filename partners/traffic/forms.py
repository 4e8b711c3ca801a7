from __future__ import annotations

from datetime import date, timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.http import QueryDict
from django.utils import timezone

from partners.models import Partner
from partners.offers.models import Advertiser, Offer
from partners.traffic.models import Conversion, TrafficControl
from partners.traffic.models.conversions import ConversionQuerySet
from partners.traffic.models.rules import variable_choices
from partners.traffic.models.visits import SUBS, TEXT_LENGTH
from partners.traffic.periods import NoSuchPeriod, Period
from partners.traffic.search import CONVERSION_CRITERIA, Unanswerable, searched
from portal.network.models import Network
from portal.network.timezones import BY_NAME

DEFAULT_DAYS = 30
MOST_CONTROL_VALUES = 3000
SEARCHES = [
    ("order_id", "Order ID"),
    *[(sub, f"Sub {sub.removeprefix('sub')}") for sub in SUBS],
    ("source_id", "Source ID"),
    ("coupon_code", "Coupon code"),
    ("event_name", "Event"),
    ("transaction_id", "Transaction ID"),
    ("conversion_id", "Conversion ID"),
]
SHOWN = {"": (True, False), "events": (False, True), "all": (True, True)}


class DayField(forms.DateField):
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    default_error_messages: ClassVar = {"invalid": "Enter a date such as 2026-05-31."}


class ConversionFilter(forms.Form):
    """What conversions are filtered by. Its values are the page's URL; the API can be asked the same."""

    status = forms.ChoiceField(required=False, choices=[("", "Any"), *Conversion.Status.choices])
    shown = forms.ChoiceField(
        label="Show",
        required=False,
        choices=[("", "Conversions"), ("events", "Events"), ("all", "Both")],
    )
    offer = forms.ModelChoiceField(Offer.objects.none(), required=False, empty_label="Every offer")
    search = forms.ChoiceField(label="Search in", required=False, choices=SEARCHES)
    q = forms.CharField(
        label="Search",
        required=False,
        max_length=120,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "Search"}),
    )

    field_order = ["from", "to", "partner", "advertiser", "offer", "status", "shown", "search", "q"]

    def __init__(self, data: QueryDict, *, offers: Any, today: date | None = None) -> None:
        self.today = today or timezone.localdate()
        days = {"from": str(self.today - timedelta(days=DEFAULT_DAYS - 1)), "to": str(self.today)}
        super().__init__(days | {name: str(value) for name, value in data.dict().items() if value})
        # `from` is no name in Python's own grammar.
        self.fields["from"] = DayField(label="From")
        self.fields["to"] = DayField(label="To")
        self.fields["offer"].queryset = offers.order_by("name", "pk")  # type: ignore[attr-defined]
        self.order_fields(self.field_order)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        first, last = cleaned.get("from"), cleaned.get("to")
        if first and last and last < first:
            self.add_error("to", "“To” must not be before “From”.")
        elif first and last:
            try:
                self.period = Period.asked(f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}", self.timezone_id)
            except NoSuchPeriod as refusal:
                named, _, said = str(refusal).partition(": ")
                self.add_error(named, f"{said[:1].upper()}{said[1:]}.")
        if cleaned.get("q"):
            try:
                searched(Conversion.objects.none(), [self.term], CONVERSION_CRITERIA)
            except Unanswerable as refusal:
                self.add_error("q", f"{refusal}.".partition(": ")[2])
        return cleaned

    @property
    def timezone_id(self) -> int:
        """The network's, in which the page's days are."""
        return BY_NAME[Network.load().timezone].timezone_id

    @property
    def term(self) -> tuple[str, str]:
        return self.cleaned_data["search"] or "order_id", self.cleaned_data["q"].strip()

    @property
    def is_narrowed(self) -> bool:
        """Whether anything but the days is chosen."""
        return any(self.data.get(name) for name in self.fields if name not in ("from", "to", "search"))

    def narrow(self, conversions: ConversionQuerySet) -> ConversionQuerySet:
        """Those that fit; the form has to be valid."""
        chosen = self.cleaned_data
        conversions = conversions.between(self.period.start, self.period.end)
        if chosen.get("status"):
            conversions = conversions.filter(status=chosen["status"])
        if chosen["offer"]:
            conversions = conversions.filter(offer=chosen["offer"])
        conversions_too, events_too = SHOWN[chosen["shown"]]
        if conversions_too != events_too:
            conversions = conversions.filter(is_event=events_too)
        return searched(conversions, [self.term] if chosen["q"] else [], CONVERSION_CRITERIA)

    @property
    def filtered_by(self) -> dict[str, Any]:
        """What the API calls the filters, with their values; empty where nothing was chosen."""
        offer = self.cleaned_data["offer"]
        return {"status": self.cleaned_data.get("status"), "offer": offer and offer.pk}

    def as_search(self) -> dict[str, Any]:
        """The same question for the API."""
        chosen = self.cleaned_data
        conversions_too, events_too = SHOWN[chosen["shown"]]
        query: dict[str, Any] = {
            "filters": [
                {"resource_type": name, "filter_id_value": value} for name, value in self.filtered_by.items() if value
            ]
        }
        if chosen["q"]:
            named, value = self.term
            query["search_terms"] = [{"search_type": named, "value": value}]
        return {
            "from": f"{chosen['from']:%Y-%m-%d}",
            "to": f"{chosen['to']:%Y-%m-%d}",
            "timezone_id": self.timezone_id,
            "show_conversions": conversions_too,
            "show_events": events_too,
            "query": query,
        }

    def query(self) -> str:
        """The query string of this filter."""
        return urlencode({name: self.data[name] for name in self.fields if self.data.get(name)})


class HoldFilter(ConversionFilter):
    """Of those on hold alone; their status needs no choice."""

    def __init__(self, data: QueryDict, *, offers: Any, today: date | None = None) -> None:
        super().__init__(data, offers=offers, today=today)
        del self.fields["status"]


class NetworkConversionFilter(ConversionFilter):
    """What the network's people filter by, too."""

    partner = forms.ModelChoiceField(
        Partner.objects.order_by("name", "pk"), required=False, empty_label="Every partner"
    )
    advertiser = forms.ModelChoiceField(
        Advertiser.objects.order_by("name", "pk"), required=False, empty_label="Every advertiser"
    )

    def narrow(self, conversions: ConversionQuerySet) -> ConversionQuerySet:
        conversions = super().narrow(conversions)
        if self.cleaned_data["partner"]:
            conversions = conversions.filter(partner=self.cleaned_data["partner"])
        if self.cleaned_data["advertiser"]:
            offers = Offer.objects.filter(advertiser=self.cleaned_data["advertiser"]).values("pk")
            conversions = conversions.filter(offer__in=offers)
        return conversions

    @property
    def filtered_by(self) -> dict[str, Any]:
        partner, advertiser = self.cleaned_data["partner"], self.cleaned_data["advertiser"]
        return {
            **super().filtered_by,
            "affiliate": partner and partner.pk,
            "advertiser": advertiser and advertiser.pk,
        }


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=300,
        help_text="The partner reads it beside the conversion and in the API.",
        widget=forms.TextInput(attrs={"autofocus": True}),
    )


class ControlForm(forms.Form):
    """A source control; its values are written one a line."""

    name = forms.CharField(max_length=120)
    control_type = forms.ChoiceField(
        label="What it does",
        choices=[
            (TrafficControl.Type.BLACKLIST, "Keeps out the sources below"),
            (TrafficControl.Type.WHITELIST, "Lets in the sources below alone"),
        ],
        widget=forms.RadioSelect,
        initial=TrafficControl.Type.BLACKLIST,
    )
    variable = forms.ChoiceField(choices=variable_choices)
    comparison_method = forms.ChoiceField(label="Comparison", choices=TrafficControl.Comparison.choices)
    values = forms.CharField(
        label="Values",
        help_text="One a line. Upper and lower case count as the same.",
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    offer = forms.ModelChoiceField(Offer.objects.order_by("name", "pk"), required=False, empty_label="Every offer")
    partners = forms.ModelMultipleChoiceField(
        Partner.objects.order_by("name", "pk"),
        required=False,
        help_text="Choose none for all partners.",
        widget=forms.SelectMultiple(attrs={"size": 6}),
    )

    @classmethod
    def of(cls, control: TrafficControl, data: QueryDict | None = None) -> ControlForm:
        shown = {
            name: getattr(control, name) for name in ("name", "control_type", "variable", "comparison_method", "offer")
        }
        chosen = list(control.partners.all())
        return cls(data, initial={**shown, "values": "\n".join(control.values), "partners": chosen})

    def clean_values(self) -> list[str]:
        lines = [line.strip() for line in self.cleaned_data["values"].splitlines()]
        values = list(dict.fromkeys(line for line in lines if line))
        if len(values) > MOST_CONTROL_VALUES:
            raise forms.ValidationError(f"At most {MOST_CONTROL_VALUES} values can be compared with.")
        if any(len(value) > TEXT_LENGTH for value in values):
            raise forms.ValidationError(f"A value has at most {TEXT_LENGTH} characters.")
        return values


class BlockForm(forms.Form):
    variable = forms.ChoiceField(choices=variable_choices)
    value = forms.CharField(max_length=TEXT_LENGTH, help_text="Clicks that carry exactly this are invalid.")
    offer = forms.ModelChoiceField(Offer.objects.order_by("name", "pk"), required=False, empty_label="Every offer")
    reason = forms.CharField(required=False, max_length=200, help_text="The partner reads it in the API.")
