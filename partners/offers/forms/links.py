"""What a tracking link carries."""

from __future__ import annotations

from typing import Any

from django import forms

from partners.offers.models import Offer

LONGEST_TEXT = 500
SUBS = tuple(f"sub{number}" for number in range(1, 11))


class LinkForm(forms.Form):
    """What a link carries. It is sent by GET, so that the page with the link has an address of its own."""

    url_id = forms.TypedChoiceField(label="Landing page", coerce=int, required=False, empty_value="")
    creative_id = forms.TypedChoiceField(label="Creative", coerce=int, required=False, empty_value="")
    source_id = forms.CharField(
        label="Source ID",
        required=False,
        max_length=LONGEST_TEXT,
        help_text="Where the traffic comes from, such as one of your sites.",
    )
    coupon_code = forms.ChoiceField(label="Coupon code", required=False)

    def __init__(self, *args: Any, offer: Offer, coupons: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.set_choices("url_id", [("", "The offer’s own"), *((str(url.pk), url.name) for url in offer.urls.all())])
        creatives = [(str(creative.pk), creative.name) for creative in offer.creatives.all()]
        self.set_choices("creative_id", [("", "None"), *creatives])
        self.set_choices("coupon_code", [("", "None"), *((code, code) for code in coupons)])
        for name in SUBS:
            self.fields[name] = forms.CharField(label=name, required=False, max_length=LONGEST_TEXT)

    def set_choices(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    @property
    def parameters(self) -> dict[str, object]:
        """What is given and can be carried; what cannot says so beside its field."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}

    @property
    def first_subs(self) -> list[forms.BoundField]:
        return [self[name] for name in SUBS[:5]]

    @property
    def further_subs(self) -> list[forms.BoundField]:
        return [self[name] for name in SUBS[5:]]

    @property
    def uses_further_subs(self) -> bool:
        return any(self[name].value() for name in SUBS[5:])
