from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django import forms

from portal.network.models import ExchangeRate, Network
from portal.web.edits import EditForm


class NetworkForm(EditForm):
    class Meta:
        model = Network
        fields: ClassVar = ["name", "timezone", "currency", "support_name", "support_email", "tracking_domain"]
        help_texts: ClassVar = {
            "timezone": "Reports and dates in the API use it unless a call asks for another one.",
            "currency": "Amounts in the API are in it unless a call asks for another one.",
            "support_name": "Whom partners ask: a person or a team. Partners see it in My Account and in the guide.",
            "tracking_domain": "The host of tracking links, without https:// and without a path.",
        }

    def clean_tracking_domain(self) -> str:
        domain: str = self.cleaned_data["tracking_domain"]
        return domain.lower()


class ExchangeRateForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    since = forms.DateField(
        label="From this day on",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="In UTC, until the next rate. A rate of the very day is replaced.",
    )

    class Meta:
        model = ExchangeRate
        fields: ClassVar = ["currency", "rate", "since"]

    def __init__(self, *arguments: Any, network: Network, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.network = network
        self.fields["rate"].label = f"{network.currency} for one"
        self.fields["rate"].min_value = Decimal(0)  # type: ignore[attr-defined]
        choices = self.fields["currency"].choices  # type: ignore[attr-defined]
        self.fields["currency"].choices = [  # type: ignore[attr-defined]
            (code, name) for code, name in choices if code != network.currency
        ]

    def clean_rate(self) -> Decimal:
        rate: Decimal = self.cleaned_data["rate"]
        if rate <= 0:
            raise forms.ValidationError("A rate is more than zero.")
        return rate

    def validate_unique(self) -> None:
        """Not here: the rate of a day that has one is corrected."""
