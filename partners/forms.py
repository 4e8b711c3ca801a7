from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, ClassVar

from django import forms
from django.db.models import Q

from partners.models import Flag, Partner, PartnerQuerySet
from portal.accounts.models import User
from portal.network.countries import country_choices
from portal.web.edits import EditForm

ANY = [("", "Any")]
NOBODY = "none"
KEYS = [("with", "With a live key"), ("without", "Without"), ("requests", "Requests a key")]


class PartnerFilter(forms.Form):
    """The filters of Manage. A value that means nothing filters nothing: such URLs are old bookmarks."""

    q = forms.CharField(
        label="Search partners",
        required=False,
        widget=forms.SearchInput(attrs={"placeholder": "Name, e-mail or number"}),
    )
    status = forms.ChoiceField(required=False, choices=[*ANY, *Partner.Status.choices])
    manager = forms.ChoiceField(required=False)
    flags = forms.ChoiceField(required=False, choices=[*ANY, ("any", "Flagged"), *Flag.Kind.choices, ("none", "None")])
    keys = forms.ChoiceField(required=False, choices=[*ANY, *KEYS])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        managers = User.objects.who_manage_partners().values_list("pk", "name")
        manager = self.fields["manager"]
        assert isinstance(manager, forms.ChoiceField)
        manager.choices = [*ANY, *((str(pk), name) for pk, name in managers), (NOBODY, "Nobody")]

    @property
    def is_used(self) -> bool:
        return any(self.asked.values())

    @property
    def asked(self) -> dict[str, str]:
        self.is_valid()
        return self.cleaned_data

    def narrow(self, partners: PartnerQuerySet) -> PartnerQuerySet:
        asked = self.asked
        if text := asked.get("q"):
            partners = partners.search(text)
        if status := asked.get("status"):
            partners = partners.filter(status=status)
        if manager := asked.get("manager"):
            partners = partners.filter(manager=None if manager == NOBODY else int(manager))
        if flags := asked.get("flags"):
            kinds = {"any": {"has_open_flags": True}, "none": {"has_open_flags": False}}
            partners = partners.filter(**kinds[flags]) if flags in kinds else partners.flagged(Flag.Kind(flags))
        if keys := asked.get("keys"):
            wanted = {"with": Q(live_keys__gt=0), "without": Q(live_keys=0), "requests": Q(requests_key=True)}
            partners = partners.filter(wanted[keys])
        return partners


class PartnerFields(forms.Form):
    """What the forms for a new partner and for an old one say alike."""

    website = forms.URLField(required=False, max_length=300, assume_scheme="https")
    country_code = forms.ChoiceField(
        label="Country", required=False, choices=lambda: [("", "Unknown"), *country_choices()]
    )

    class Meta:
        model = Partner
        labels: ClassVar = {"technical_contact_name": "Technical contact"}
        help_texts: ClassVar = {
            "technical_contact_name": "Who works with the key on the partner’s side.",
            "technical_contact_email": "The partner can change both in My Account.",
            "manager": "The partner sees the name and e-mail address in My Account.",
        }
        fields: ClassVar = [
            "name",
            "website",
            "manager",
            "technical_contact_name",
            "technical_contact_email",
            "country_code",
            "timezone",
            "currency",
        ]


def offer_managers(form: forms.BaseForm, *, current: int | None) -> None:
    """Lets the form choose among the network's active users, and whoever is the manager already."""
    manager = form.fields["manager"]
    assert isinstance(manager, forms.ModelChoiceField)
    manager.queryset = User.objects.of_the_network().filter(Q(is_active=True) | Q(pk=current)).order_by("name", "pk")
    manager.empty_label = "Nobody yet"


class NewPartnerForm(PartnerFields, forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker alone
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer_managers(self, current=None)

    class Meta(PartnerFields.Meta):
        pass


class PartnerForm(PartnerFields, EditForm):
    def __init__(self, *args: Any, instance: Partner, **kwargs: Any) -> None:
        super().__init__(*args, instance=instance, **kwargs)
        offer_managers(self, current=instance.manager_id)

    class Meta(PartnerFields.Meta):
        fields: ClassVar = ["status", *PartnerFields.Meta.fields, "notes"]
        widgets: ClassVar = {"notes": forms.Textarea(attrs={"rows": 4})}
        help_texts: ClassVar = {**PartnerFields.Meta.help_texts, "notes": "The partner never sees them."}


class AffiliateForm(PartnerFields, forms.ModelForm):  # type: ignore[type-arg]  # generic for the checker alone
    """What a call of the Network API says of a partner, under the rules of the pages."""

    def __init__(self, data: Mapping[str, Any], *, instance: Partner | None = None) -> None:
        # Validation writes into its instance; what changes, and what it was, is for the verb to see.
        super().__init__(data, instance=copy(instance))
        offer_managers(self, current=instance.manager_id if instance is not None else None)

    class Meta(PartnerFields.Meta):
        fields: ClassVar = ["status", *PartnerFields.Meta.fields, "notes"]


class TechnicalContactForm(EditForm):
    """What a partner may change about itself."""

    class Meta:
        model = Partner
        fields: ClassVar = ["technical_contact_name", "technical_contact_email"]
        labels: ClassVar = {"technical_contact_name": "Name", "technical_contact_email": "E-mail"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # An account without a technical contact gets no key, so this form replaces one but takes none away.
        self.fields["technical_contact_email"].required = True


class FlagForm(forms.Form):
    kind = forms.ChoiceField(choices=Flag.Kind.choices, widget=forms.RadioSelect)
    note = forms.CharField(
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What you saw, so that a colleague can judge it. The partner never sees it.",
    )


class ClosingForm(forms.Form):
    note = forms.CharField(
        label="What became of it",
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="It stays with the flag and in the History Logs.",
    )
