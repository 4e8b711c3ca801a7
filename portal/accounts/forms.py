from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator

from portal.accounts.events import EventKind
from portal.accounts.levels import AREAS, Level
from portal.accounts.models import (
    AboveOwnLevels,
    EventQuerySet,
    NoLongerActive,
    OwnRole,
    Role,
    User,
    UserQuerySet,
)
from portal.accounts.partners import partners

SUPER_USER = "super"

EMAIL_TAKEN = "Somebody has an account with this address already."
NAME_TAKEN = "There is a role with this name already."
WRONG_SIGN_IN = "This e-mail address and password do not open an account. Check both, or choose a new password."

# Beyond these the arithmetic of time zones overflows, and there are no events.
DAYS = [MinValueValidator(date(2000, 1, 1)), MaxValueValidator(date(2999, 12, 31))]

Refusal = (AboveOwnLevels, OwnRole, NoLongerActive)


def in_words(refusal: Exception) -> str:
    """Why a change of rights was refused, for the one who asked for it."""
    if isinstance(refusal, AboveOwnLevels):
        return "This goes above your own levels. You can give, and change, only what you hold yourself in every area."
    if isinstance(refusal, OwnRole):
        return "This is about yourself. Nobody changes their own role or standing; ask somebody else who may."
    return "Your account was deactivated a moment ago. Nothing was changed."


class SignInForm(forms.Form):
    email = forms.EmailField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    password = forms.CharField(
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class NewPasswordForm(forms.Form):
    new_password = forms.CharField(
        label="New password",
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 10 characters; a few unrelated words are easy to remember and hard to guess.",
    )
    repeated = forms.CharField(
        label="New password, again",
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        self.user = user
        super().__init__(*args, **kwargs)

    def clean_new_password(self) -> str:
        password: str = self.cleaned_data["new_password"]
        validate_password(password, self.user)
        return password

    def clean_repeated(self) -> str:
        repeated: str = self.cleaned_data["repeated"]
        if "new_password" in self.cleaned_data and repeated != self.cleaned_data["new_password"]:
            raise ValidationError("The two passwords differ.")
        return repeated


class ChangePasswordForm(NewPasswordForm):
    current_password = forms.CharField(
        label="Current password",
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )

    field_order = ["current_password"]

    def clean_current_password(self) -> str:
        current: str = self.cleaned_data["current_password"]
        if not self.user.check_password(current):
            raise ValidationError("This is not your current password.")
        return current


class ForgottenPasswordForm(forms.Form):
    email = forms.EmailField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )


class StandingField(forms.ChoiceField):
    """A role, or Super User; ``cleaned_data`` has what the verbs take: ``{"role": …, "is_superuser": …}``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=standings, **kwargs)

    def clean(self, value: Any) -> dict[str, Any]:
        chosen = super().clean(value)
        if chosen == SUPER_USER:
            return {"role": None, "is_superuser": True}
        return {"role": Role.objects.get(pk=chosen), "is_superuser": False}


def standings() -> list[tuple[str, str]]:
    roles = [(str(pk), name) for pk, name in Role.objects.order_by("name", "pk").values_list("pk", "name")]
    return [("", "Choose a role"), *roles, (SUPER_USER, "Super User")]


class InvitationForm(forms.Form):
    name = forms.CharField(max_length=120, widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}))
    email = forms.EmailField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        help_text="The invitation goes there, with a link to choose a password.",
    )

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if User.objects.filter(email__iexact=email).exists():
            raise ValidationError(EMAIL_TAKEN)
        return email

    def standing(self) -> dict[str, Any]:
        """What the invited person will be, as ``User.invite`` takes it."""
        raise NotImplementedError


class NetworkInvitationForm(InvitationForm):
    role = StandingField(help_text="Roles and what they may do are listed in Security Settings.")

    def standing(self) -> dict[str, Any]:
        chosen: dict[str, Any] = self.cleaned_data["role"]
        return chosen


class PartnerInvitationForm(InvitationForm):
    partner: forms.ModelChoiceField[Any] = forms.ModelChoiceField(
        queryset=None,
        empty_label="Choose a partner",
        help_text="They will see this partner alone.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["partner"]
        field.queryset = partners().order_by("name", "pk")

    def standing(self) -> dict[str, Any]:
        return {"partner": self.cleaned_data["partner"]}


class ChangeRoleForm(forms.Form):
    role = StandingField()


class ConfirmForm(forms.Form):
    """A dialog's question; it holds nothing but why the answer was refused."""


class ViewAsForm(forms.Form):
    user_pk = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    back = forms.CharField(required=False, max_length=2000)


class RoleForm(forms.Form):
    """A role's name and its level in each area."""

    name = forms.CharField(max_length=60, widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, data: Any = None, *, role: Role | None = None) -> None:
        self.role = role
        levels = {area: getattr(role, area, "none") for area, _ in AREAS.values()}
        super().__init__(data, initial={"name": role.name if role else "", **levels})
        for kind, (area, label) in AREAS.items():
            self.fields[area] = forms.ChoiceField(
                label=label,
                choices=[(level.value, explained(level)) for level in kind],
                widget=forms.RadioSelect,
            )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        others = Role.objects.exclude(pk=self.role.pk) if self.role else Role.objects.all()
        if others.filter(name__iexact=name).exists():
            raise ValidationError(NAME_TAKEN)
        return name

    @property
    def levels(self) -> dict[str, str]:
        return {area: self.cleaned_data[area] for area, _ in AREAS.values()}


def explained(level: Level) -> str:
    return f"{level.name_in_words}: {level.explanation}"


class PeopleFilter(forms.Form):
    """The filters of Accounts. What is not a choice filters nothing out: it came from an old link."""

    q = forms.CharField(
        label="Search by name or e-mail",
        required=False,
        widget=forms.SearchInput(attrs={"placeholder": "Name or e-mail", "autocomplete": "off"}),
    )
    status = forms.ChoiceField(
        required=False,
        choices=[("", "Any status"), ("active", "Active"), ("invited", "Invited"), ("deactivated", "Deactivated")],
    )

    def __init__(self, data: Any) -> None:
        # Ids of their own: a dialog over the list asks for a role, too.
        super().__init__(data, auto_id="filter-%s")

    def apply(self, people: UserQuerySet) -> UserQuerySet:
        self.is_valid()
        chosen = self.cleaned_data
        if chosen.get("q"):
            people = people.search(chosen["q"])
        if chosen.get("status") == "active":
            people = people.joined()
        elif chosen.get("status") == "invited":
            people = people.invited()
        elif chosen.get("status") == "deactivated":
            people = people.deactivated()
        return people


class NetworkPeopleFilter(PeopleFilter):
    role = forms.ChoiceField(required=False)

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        field: Any = self.fields["role"]
        field.choices = [("", "Any role"), *standings()[1:]]

    def apply(self, people: UserQuerySet) -> UserQuerySet:
        people = super().apply(people)
        role = self.cleaned_data.get("role")
        if role == SUPER_USER:
            return people.filter(is_superuser=True)
        return people.filter(role=role) if role else people


class HistoryFilter(forms.Form):
    """The filters of the History Logs, each of them in the URL. A day begins and ends in the network's time zone."""

    kind = forms.ChoiceField(label="What", required=False, choices=[("", "Anything"), *EventKind.choices])
    person = forms.CharField(
        label="Who",
        required=False,
        max_length=120,
        widget=forms.TextInput(
            attrs={"placeholder": "Name or e-mail", "autocomplete": "off", "list": "people", "size": "16"}
        ),
    )
    partner = forms.CharField(
        required=False,
        max_length=120,
        widget=forms.TextInput(attrs={"placeholder": "Name or number", "autocomplete": "off", "size": "14"}),
    )
    since = forms.DateField(
        label="From", required=False, validators=DAYS, widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.DateField(label="To", required=False, validators=DAYS, widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, data: Any, *, zone: tzinfo) -> None:
        self.zone = zone
        super().__init__(data, auto_id="filter-%s")

    def clean(self) -> dict[str, Any]:
        chosen = self.cleaned_data
        since, until = chosen.get("since"), chosen.get("until")
        if since and until and until < since:
            self.add_error("until", "This is before the first day.")
        return chosen

    def apply(self, events: EventQuerySet) -> EventQuerySet:
        """The events that the filters let through; none when one of them makes no sense."""
        if not self.is_valid():
            return events.none()
        chosen = self.cleaned_data
        if chosen["kind"]:
            events = events.filter(kind=chosen["kind"])
        if chosen["person"]:
            events = events.concerning_somebody_called(chosen["person"])
        if chosen["partner"]:
            events = events.about_partner_called(chosen["partner"])
        if chosen["since"]:
            events = events.filter(occurred_at__gte=self.start_of(chosen["since"]))
        if chosen["until"]:
            events = events.filter(occurred_at__lt=self.start_of(chosen["until"] + timedelta(days=1)))
        return events

    @property
    def chosen(self) -> dict[str, str]:
        """What is filtered by, for the event that an export leaves."""
        return {field: str(value) for field, value in self.cleaned_data.items() if value}

    def start_of(self, day: date) -> datetime:
        return datetime.combine(day, time.min, tzinfo=self.zone)
