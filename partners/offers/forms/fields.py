"""What several of these forms ask for in the same way."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from django import forms
from django.core.validators import URLValidator

from partners.macros import BadTemplate, Template
from partners.offers.models.offer import LONGEST_LABEL, MOST_LABELS
from portal.network.countries import COUNTRIES

LONGEST_URL = 2000
CODES = {name.casefold(): code for code, name in COUNTRIES.items()}


class DayField(forms.DateField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, **kwargs})
        self.widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class DaysFields(forms.Form):
    """From when to when something holds, where the network is."""

    valid_from = DayField(label="First day")
    valid_to = DayField(label="Last day")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        first, last = cleaned.get("valid_from"), cleaned.get("valid_to")
        if first and last and last < first:
            self.add_error("valid_to", "The last day must not be before the first.")
        return cleaned


class WebAddressField(forms.URLField):
    """A page or a file that browsers are sent to."""

    default_validators = [URLValidator(schemes=["http", "https"])]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": LONGEST_URL, "assume_scheme": "https", **kwargs})


class DestinationField(forms.CharField):
    """Where clicks are sent, with macros that are filled at the click."""

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"class": "mono", "rows": 2, "spellcheck": "false", "autocapitalize": "off", "autocomplete": "off"}
        widget = forms.Textarea(attrs=attrs)
        super().__init__(**{"label": "Destination URL", "max_length": LONGEST_URL, "widget": widget, **kwargs})

    def clean(self, value: Any) -> str:
        text: str = super().clean(value)
        if text:
            try:
                Template.parse(text)
            except BadTemplate as reason:
                raise forms.ValidationError(str(reason)) from None
        return text


class CountriesField(forms.Field):
    """Countries by their names or codes; cleaned, the codes in order."""

    widget = forms.Textarea(attrs={"rows": 2})

    def to_python(self, value: Any) -> list[str]:
        codes = set()
        for text in value if isinstance(value, list) else named_in(value or ""):
            code = CODES.get(text.casefold(), text.upper())
            if code not in COUNTRIES:
                raise forms.ValidationError(f"There is no country “{text[:60]}”.")
            codes.add(code)
        return sorted(codes)

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        names = [COUNTRIES.get(str(code), str(code)) for code in value]
        return ", ".join(sorted(name if "," not in name else CODES[name.casefold()] for name in names))

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return self.to_python(initial) != self.to_python(data)
        except forms.ValidationError:
            return True


def named_in(text: str) -> list[str]:
    """The countries that a text lists, one a line or with commas between them; a name may have a comma of its own."""
    found: list[str] = []
    for line in re.split(r"[;\r\n]+", text):
        whole = " ".join(line.split())
        found += [whole] if whole.casefold() in CODES else [" ".join(part.split()) for part in whole.split(",")]
    return [name for name in found if name]


class LabelsField(forms.Field):
    """The network's own words, with commas between them; cleaned, each once, in whatever letters it stands."""

    def to_python(self, value: Any) -> list[str]:
        labels: dict[str, str] = {}
        for text in value if isinstance(value, list) else (value or "").split(","):
            label = " ".join(text.split())
            if "," in label:
                raise forms.ValidationError("A label has no comma in it.")
            if len(label) > LONGEST_LABEL:
                raise forms.ValidationError(f"A label has at most {LONGEST_LABEL} characters.")
            if label:
                labels.setdefault(label.casefold(), label)
        if len(labels) > MOST_LABELS:
            raise forms.ValidationError(f"An offer has at most {MOST_LABELS} labels.")
        return list(labels.values())

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return self.to_python(initial) != self.to_python(data)
        except forms.ValidationError:
            return True


class Figure(forms.DecimalField):
    """An amount or a share, without the noughts that the database keeps."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 0, "max_digits": 14, "decimal_places": 4, "required": False, **kwargs})

    def prepare_value(self, value: Any) -> Any:
        return f"{value.normalize():f}" if isinstance(value, Decimal) else value


class CountCap(forms.IntegerField):
    """How many at most; empty is no cap, which the database calls 0."""

    def __init__(self, **kwargs: Any) -> None:
        limits: dict[str, Any] = {"min_value": 0, "max_value": 10**15}
        super().__init__(**{**kwargs, **limits, "required": False, "initial": 0})

    def to_python(self, value: Any) -> int | None:
        return super().to_python(value) or 0

    def prepare_value(self, value: Any) -> Any:
        return "" if value in (0, "0") else value


class FigureIfAny(Figure):
    """An amount or a share, or none: empty, which the database calls 0."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "required": False, "initial": 0})

    def to_python(self, value: Any) -> Decimal:  # type: ignore[override]  # the stubs take it for an integer's
        return super().to_python(value) or Decimal(0)

    def prepare_value(self, value: Any) -> Any:
        return "" if value in (0, "0") else super().prepare_value(value)
