"""Editing what somebody else may be editing too, so that nobody's change is lost unseen."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from django import forms
from django.db import models
from django.forms.models import model_to_dict

if TYPE_CHECKING:
    from portal.accounts.actors import Actor


class ChangedMeanwhile(Exception):
    """Someone saved a change after the one who edits had looked; ``current`` is the row as it is now."""

    def __init__(self, current: models.Model) -> None:
        self.current = current
        super().__init__(str(current))


def changes_of(current: models.Model, fields: Mapping[str, Any]) -> dict[str, list[object]]:
    """What each of the fields was and is to be, as an event keeps it, of those that change."""
    return {
        name: [readable(getattr(current, name)), readable(value)]
        for name, value in fields.items()
        if getattr(current, name) != value
    }


def readable(value: object) -> object:
    """A field's value as an event keeps it."""
    return value if value is None or isinstance(value, int | str | list) else str(value)


class Editable(Protocol):
    """A model with ``updated_at`` whose ``change`` refuses to build on a version that is no longer the current one."""

    updated_at: datetime

    def change(self, *, by: Actor, seen: datetime | None = None, **fields: Any) -> None:
        """:raises ChangedMeanwhile: when ``seen`` is given and is not the current ``updated_at``"""


@dataclass(frozen=True)
class Meanwhile:
    """A field that somebody else has changed, and what is saved in it now."""

    label: str
    value: str


class EditForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker alone
    """A form that saves what its user touched, and nothing else.

    It carries, hidden, the version of the row it was made from and each value it showed. When the row has moved on
    since, it saves nothing: it takes over what others have changed in fields its user left alone, keeps what its
    user typed, and tells of both (``meanwhile``), so that saving again is a decision.
    """

    version = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Mapping[str, Any] | None = None, *, instance: models.Model, **kwargs: Any) -> None:
        # Validation writes into its instance; the page around the form must go on showing what is saved.
        super().__init__(data, instance=copy(instance), **kwargs)
        self.initial["version"] = instance.updated_at.isoformat()  # type: ignore[attr-defined]
        for name, field in self.fields.items():
            field.show_hidden_initial = name != "version"
        self.meanwhile: list[Meanwhile] = []

    def clean_version(self) -> datetime | None:
        """The version as a time. None is the form of a script, which has looked at nothing."""
        text: str = self.cleaned_data["version"]
        try:
            return datetime.fromisoformat(text) if text else None
        except ValueError:
            raise forms.ValidationError("The form is broken. Reload the page and try again.") from None

    @property
    def touched(self) -> dict[str, Any]:
        """What the user changed, by field."""
        return {name: self.cleaned_data[name] for name in self.changed_data if name != "version"}

    def saved_to(self, row: Editable, *, by: Actor) -> bool:
        """Saves into ``row``; False when the form is invalid or somebody was faster, and the form says which."""
        if not self.is_valid():
            return False
        try:
            row.change(by=by, seen=self.cleaned_data["version"], **self.touched)
        except ChangedMeanwhile as moved:
            self.meanwhile = self._changed_in(moved.current)
            if not self.meanwhile:
                # The row has moved on in fields that this form does not show, which is nobody's loss.
                self.cleaned_data["version"] = moved.current.updated_at  # type: ignore[attr-defined]
                return self.saved_to(row, by=by)
            self._take_over(moved.current)
            return False
        return True

    def _changed_in(self, current: models.Model) -> list[Meanwhile]:
        """The fields whose value is no longer the one that the form showed."""
        now = model_to_dict(current, fields=list(self.fields))
        return [
            Meanwhile(str(self[name].label), shown(current, name))
            for name, value in now.items()
            if self.fields[name].has_changed(value, self.data.get(self[name].html_initial_name, ""))
        ]

    def _take_over(self, current: models.Model) -> None:
        """Makes ``current`` what the form was made from; what its user typed stays."""
        touched = self.touched
        data = self.data.copy()  # type: ignore[attr-defined]
        data[self.add_prefix("version")] = current.updated_at.isoformat()  # type: ignore[attr-defined]
        for name, value in model_to_dict(current, fields=list(self.fields)).items():
            text = "" if value is None else str(self.fields[name].prepare_value(value))
            data[self[name].html_initial_name] = text
            if name not in touched:
                data[self[name].html_name] = text
        self.data = data
        self.add_error(
            None,
            "Somebody else saved a change while you were editing. Look at what changed, then save again.",
        )


def shown(row: models.Model, name: str) -> str:
    """The value of a field as people read it."""
    display = getattr(row, f"get_{name}_display", None)
    value = display() if display is not None else getattr(row, name)
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return "(empty)" if value in ("", None) else str(value)
