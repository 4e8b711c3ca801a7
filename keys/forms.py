from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django import forms

from keys.models import Key, OperationLimit
from keys.networks import HostBitsSet, MeansAnyAddress, parse_network, written
from keys.readiness import Concern
from keys.secret import LOOKS_LIKE_A_KEY
from portal.web.api import OperationLimit as DeclaredLimit
from portal.web.client_ip import Address, Network


def refuse_keys(text: str) -> None:
    """:raises forms.ValidationError: because a label is shown to everyone, and a pasted key would be too"""
    if LOOKS_LIKE_A_KEY.search(text):
        raise forms.ValidationError("This looks like an API key. Labels are shown in lists and logs: use plain words.")


class LabelForm(forms.Form):
    label = forms.CharField(
        max_length=80,
        validators=[refuse_keys],
        help_text="What the key is for, one per integration, so that one can be revoked without breaking the others.",
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "off", "placeholder": "Reporting import"}),
        error_messages={"required": "Say what the key is for, such as “Reporting import”."},
    )


class AddKeyForm(LabelForm):
    """Issues a key. ``submission`` makes pressing OK twice issue one; ``anyway`` lists the concerns that were read."""

    submission = forms.UUIDField(widget=forms.HiddenInput)
    anyway = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, concerns: list[Concern], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.concerns = concerns
        self.initial.setdefault("submission", uuid.uuid4())

    @property
    def acknowledgement(self) -> str:
        return " ".join(concern.code for concern in self.concerns)

    def clean_anyway(self) -> str:
        anyway: str = self.cleaned_data["anyway"]
        if not {concern.code for concern in self.concerns} <= set(anyway.split()):
            raise forms.ValidationError("Read what stands against it, and tick this box to issue the key anyway.")
        return anyway


class AllowForm(forms.Form):
    """Adds a network to a key's allowlist. ``anyway`` is the address that may be locked out."""

    network = forms.CharField(
        label="Address or network",
        max_length=64,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "autocapitalize": "off",
                "spellcheck": "false",
                "placeholder": "203.0.113.0/24",
            }
        ),
        error_messages={"required": "Enter an address, such as 203.0.113.7, or a network, such as 203.0.113.0/24."},
    )
    label = forms.CharField(
        max_length=80,
        required=False,
        validators=[refuse_keys],
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "Office Berlin"}),
    )
    anyway = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, key: Key, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.key = key
        self.meant: str | None = None
        self.locked_out: Address | None = None

    def clean_network(self) -> Network:
        text: str = self.cleaned_data["network"]
        try:
            network = parse_network(text)
        except HostBitsSet as error:
            self.meant = written(error.meant)
            raise forms.ValidationError(f"{text} has host bits set; did you mean {self.meant}?") from None
        except MeansAnyAddress as error:
            raise forms.ValidationError(
                f"{error} means any address. To let any address in, leave the allowlist empty."
            ) from None
        except ValueError:
            raise forms.ValidationError(
                f"{text} is neither an address, such as 203.0.113.7 or 2001:db8::7, "
                "nor a network, such as 203.0.113.0/24 or 2001:db8::/48."
            ) from None
        if any(entry.network == network for entry in self.key.allowlist.all()):
            raise already_listed(network)
        return network

    def clean(self) -> None:
        network = self.cleaned_data.get("network")
        if network is None:
            return
        listed = tuple(entry.network for entry in self.key.allowlist.all())
        lost = self.key.address_lost_with((*listed, network))
        if lost is not None and self.cleaned_data.get("anyway") != str(lost):
            self.locked_out = lost
            raise forms.ValidationError(f"This would lock out {lost}, the address this key was last used from.")

    def add_listed_error(self) -> None:
        """Someone added the same network after this form had looked."""
        self.add_error("network", already_listed(self.cleaned_data["network"]))


def already_listed(network: Network) -> forms.ValidationError:
    return forms.ValidationError(f"{written(network)} is on the allowlist already.")


class GenerateForm(forms.Form):
    """Generates the network key. ``replacing`` is the live one that the page has shown; empty when there was none."""

    replacing = forms.IntegerField(required=False, widget=forms.HiddenInput)
    sure = forms.BooleanField(required=False)

    def __init__(self, *args: Any, live: Key | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("replacing", live.pk if live else None)
        if live is not None:
            self.fields["sure"].label = f"I know that {live.hint} stops working at once"
            self.fields["sure"].widget.attrs["required"] = True

    def clean(self) -> None:
        # Asked of the key that the page has shown. Whether that is still the live one, the verb decides.
        if self.cleaned_data.get("replacing") and not self.cleaned_data.get("sure"):
            self.add_error("sure", "Tick this box to replace the live key.")

    def replaced_key(self) -> Key | None:
        """The key the page has shown, whatever has become of it since."""
        return Key.objects.of_network().filter(pk=self.cleaned_data["replacing"]).first()


class CeilingForm(forms.Form):
    ceiling = forms.IntegerField(
        label="Calls per window",
        required=False,
        min_value=1,
        help_text="Leave it empty and the key may use whatever is left of the network's budget.",
    )


class RotateForm(forms.Form):
    """How long the old key works on once its successor has made its first call."""

    grace = forms.TypedChoiceField(
        label="When the new key is first used, the old one works on for",
        choices=[
            (0, "no longer: it ends at once"),
            (3600, "an hour"),
            (86_400, "24 hours"),
            (3 * 86_400, "3 days"),
            (7 * 86_400, "7 days"),
        ],
        coerce=lambda seconds: timedelta(seconds=int(seconds)),
        initial=86_400,
        widget=forms.RadioSelect,
    )


class LimitForm(forms.Form):
    """The figures of one stricter limit; its prefix is the limit's name."""

    requests = forms.IntegerField(label="Requests", min_value=1, max_value=1_000_000)
    seconds = forms.IntegerField(label="Seconds", min_value=1, max_value=86_400)

    def __init__(self, data: Any, *, limit: DeclaredLimit) -> None:
        in_force = OperationLimit.in_force(limit)
        initial = {"requests": in_force.requests, "seconds": in_force.seconds}
        super().__init__(data, prefix=limit.name, initial=initial)
        self.limit = limit


class BudgetForm(forms.Form):
    budget_requests = forms.IntegerField(label="Requests", min_value=1, max_value=1_000_000)
    budget_seconds = forms.IntegerField(
        label="Seconds", min_value=1, max_value=86_400, help_text="How long a window lasts, up to a day (86,400)."
    )
