"""Forms that make something new, and make it once: however often their button is pressed or a browser sends them."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms


class SubmittedOnce(forms.Form):
    """Carries, hidden, a name of its own that the database takes once; None is the form of a script, which has none."""

    submission = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("submission", uuid.uuid4())
