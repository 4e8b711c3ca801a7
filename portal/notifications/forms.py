from __future__ import annotations

from typing import Any

from django import forms

from portal.accounts.models import User
from portal.notifications.kinds import AUDIENCES, Kind
from portal.notifications.models import EVERYTHING, Choice, Preference


class ReadAllForm(forms.Form):
    """Up to which notification whoever presses the button has seen them."""

    through = forms.IntegerField(min_value=0, max_value=2**62)


class ChoicesForm(forms.Form):
    """Two boxes for each kind that the user can ever be told of. A mail that is always sent has none to clear."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = Preference.objects.choices_of([user])
        self.kinds = Preference.kinds_for(user)
        for kind in self.kinds:
            choice = chosen.get((user.pk, kind), EVERYTHING)
            is_always_mailed = AUDIENCES[kind].is_always_mailed
            self.fields[f"{kind.name}_portal"] = forms.BooleanField(
                label=f"{kind.label}: in the portal", required=False, initial=choice.in_portal
            )
            self.fields[f"{kind.name}_mail"] = forms.BooleanField(
                label=f"{kind.label}: by mail",
                required=False,
                initial=choice.is_mailed(AUDIENCES[kind]),
                disabled=is_always_mailed,
            )

    def rows(self) -> list[dict[str, Any]]:
        """A line of the table for each kind."""
        return [
            {
                "kind": kind,
                "audience": AUDIENCES[kind],
                "portal": self[f"{kind.name}_portal"],
                "mail": self[f"{kind.name}_mail"],
            }
            for kind in self.kinds
        ]

    def chosen(self) -> dict[Kind, Choice]:
        given = self.cleaned_data
        return {kind: Choice(given[f"{kind.name}_portal"], given[f"{kind.name}_mail"]) for kind in self.kinds}
