from __future__ import annotations

import json

from django import forms
from django.http import QueryDict

from apilog.patterns.models import REASON_LENGTH, Pattern


class DismissalForm(forms.Form):
    reason = forms.CharField(
        label="Reason",
        max_length=REASON_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="For example: the partner moved to new servers. It stands in the History Logs.",
        error_messages={"required": "Say why this is nothing to worry about."},
    )
    # What the pattern was about when the dialog was opened; a script that sends none has looked at nothing.
    subjects = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: QueryDict | None, *, pattern: Pattern) -> None:
        super().__init__(data, initial={"subjects": json.dumps(sorted(pattern.seen))})

    def clean_subjects(self) -> list[str] | None:
        """What was seen; a text that nobody's form could have sent has seen nothing."""
        text: str = self.cleaned_data["subjects"]
        if not text:
            return None
        try:
            found = json.loads(text)
        except ValueError:
            found = []
        return [str(subject) for subject in found] if isinstance(found, list) else []

    def show_what_went_on(self, pattern: Pattern) -> None:
        """Takes over what the pattern is about now; the reason stays, and dismissing again is a decision."""
        self.data = {**self.data, "reason": self.cleaned_data["reason"], "subjects": json.dumps(sorted(pattern.seen))}
        self.add_error(None, "More was found while you were looking. Look again, then dismiss it.")
