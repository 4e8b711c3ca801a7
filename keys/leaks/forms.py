from __future__ import annotations

from typing import Any

from django import forms

from keys.forms import refuse_keys
from keys.leaks.models import REASON_LENGTH, Leak


class RuleForm(forms.Form):
    revokes = forms.TypedChoiceField(
        label="When a key is reported as leaked",
        choices=[
            ("revoke", "Revoke it: whatever uses it is refused from its next call on"),
            ("flag", "Flag it only: it works on, for whoever has read it too, until somebody replaces it"),
        ],
        coerce=lambda chosen: chosen == "revoke",
        widget=forms.RadioSelect,
    )

    def __init__(self, data: Any, *, revokes: bool) -> None:
        super().__init__(data, initial={"revokes": "revoke" if revokes else "flag"})


class DismissForm(forms.Form):
    """``seen`` is the latest place that the page has shown; what was found since stays open."""

    seen = forms.IntegerField(min_value=0, max_value=2**63 - 1, widget=forms.HiddenInput)
    reason = forms.CharField(
        label="Or dismiss it, because",
        max_length=REASON_LENGTH,
        validators=[refuse_keys],
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="For example: it is the key of a test. It stands in the History Logs.",
        error_messages={"required": "Say why this is nothing to worry about."},
    )

    def __init__(self, data: Any, *, leaks: list[Leak]) -> None:
        super().__init__(data, initial={"seen": max((leak.pk for leak in leaks), default=0)})
