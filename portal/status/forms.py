from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone

from portal.status.models import Notice


class MomentField(forms.DateTimeField):
    """A date and time to the minute, in the network's time zone."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
        message = "Enter a date and time such as 2026-03-01 14:30."
        super().__init__(required=False, widget=widget, error_messages={"invalid": message}, **kwargs)


class NoticeForm(forms.Form):
    text = forms.CharField(
        label="Notice",
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Partners read this on My Account. Say what happens, for how long, and what to do.",
        error_messages={"required": "Write what people should know."},
    )
    severity = forms.ChoiceField(label="Severity", choices=Notice.Severity.choices)
    starts_at = MomentField(label="From", help_text="Empty: at once.")
    until_at = MomentField(label="Until", help_text="Empty: until somebody ends it.")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        now = timezone.now()
        start, end = cleaned.get("starts_at"), cleaned.get("until_at")
        if end is not None and end <= (start or now):
            self.add_error("until_at", "“Until” must be later than “From”.")
        elif end is not None and end <= now:
            self.add_error("until_at", "“Until” is over already, so nobody would see the notice.")
        return cleaned
