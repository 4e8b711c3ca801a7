from __future__ import annotations

from typing import ClassVar

from django import forms

from partners.firehose.push.models import Push, Unfit, check_url
from portal.web.edits import EditForm


class UrlField(forms.CharField):
    """A URL that may be pushed to."""

    def __init__(self) -> None:
        super().__init__(
            label="URL",
            help_text="Where your server takes POSTs, beginning with https://.",
            error_messages={"required": "Say which URL is called."},
            widget=forms.Textarea(
                attrs={
                    "class": "mono",
                    "rows": 2,
                    "spellcheck": "false",
                    "autocapitalize": "off",
                    "autocomplete": "off",
                    "placeholder": "https://events.example.com/latchkey",
                }
            ),
        )

    def validate(self, value: str) -> None:
        super().validate(value)
        try:
            check_url(value)
        except Unfit as unfit:
            raise forms.ValidationError(unfit.sentence) from None


class NewPushForm(forms.Form):
    url = UrlField()


class PushForm(EditForm):
    url = UrlField()

    class Meta:
        model = Push
        fields: ClassVar = ["url"]
