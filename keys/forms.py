from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms

from keys.models import Key, KeyRequest, OperationLimit
from keys.networks import HostBitsSet, MeansAnyAddress, parse_network, written
from keys.readiness import Concern
from keys.secret import LOOKS_LIKE_A_KEY
from portal.web.api import OperationLimit as DeclaredLimit
from portal.web.client_ip import Address, Network
from portal.web.submissions import SubmittedOnce

# Of a request; an office and its servers are a handful.
MOST_NETWORKS = 50


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


class ConcernedForm(LabelForm):
    """Issues a key that something may stand against; ``anyway`` lists the concerns that were read."""

    anyway = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, concerns: list[Concern], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.concerns = concerns

    @property
    def acknowledgement(self) -> str:
        return " ".join(concern.code for concern in self.concerns)

    def clean_anyway(self) -> str:
        anyway: str = self.cleaned_data["anyway"]
        if not {concern.code for concern in self.concerns} <= set(anyway.split()):
            raise forms.ValidationError("Read what stands against it, and tick this box to issue the key anyway.")
        return anyway


class AddKeyForm(SubmittedOnce, ConcernedForm):
    """Issues a key, one when OK is pressed twice."""


class NetworksField(forms.CharField):
    """Addresses and networks, one in each line; cleans to a list of networks, each once."""

    widget = forms.Textarea(
        attrs={
            "rows": 3,
            "autocomplete": "off",
            "autocapitalize": "off",
            "spellcheck": "false",
            "placeholder": "203.0.113.7\n2001:db8:40::/48",
        }
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=64 * MOST_NETWORKS, **kwargs)

    def clean(self, value: Any) -> list[Network]:
        lines = str(super().clean(value)).replace(",", "\n").splitlines()
        found: dict[Network, None] = {}
        wrong: list[forms.ValidationError] = []
        for line in filter(None, map(str.strip, lines)):
            try:
                found[network_in(line)] = None
            except forms.ValidationError as error:
                wrong.append(error)
        if len(found) > MOST_NETWORKS:
            wrong.append(forms.ValidationError(f"These are more than {MOST_NETWORKS}: name networks instead."))
        if wrong:
            raise forms.ValidationError(wrong)
        return list(found)


class OneParagraphField(forms.CharField):
    """Room to write, for a text that is shown in lists and logs, where it has no lines."""

    def clean(self, value: Any) -> str:
        return str(super().clean(" ".join(str(value or "").split())))


class KeyRequestForm(forms.Form):
    """What a partner says when it asks for a key."""

    purpose = OneParagraphField(
        label="What is it for?",
        max_length=300,
        validators=[refuse_keys],
        widget=forms.Textarea(attrs={"rows": 2, "autofocus": True, "placeholder": "Nightly import of our conversions"}),
        error_messages={"required": "Say what the key is for, such as “Nightly import of our conversions”."},
    )
    contact_email = forms.EmailField(
        label="Technical contact’s e-mail",
        help_text="Who works with the key on your side, and is told when it has to be replaced.",
    )
    networks = NetworksField(
        label="Fixed addresses",
        required=False,
        help_text="The key then works from your servers’ addresses alone. One address or network a line; "
        "without any, it works from everywhere.",
    )


class ApproveForm(ConcernedForm):
    """Approves a request: the key's label, and its allowlist as asked for or as changed."""

    networks = NetworksField(
        label="IP allowlist",
        required=False,
        help_text="One address or network a line. Without any, any address may use the key.",
    )

    def __init__(self, *args: Any, request: KeyRequest, **kwargs: Any) -> None:
        initial = {"label": str(request), "networks": "\n".join(request.addresses)}
        super().__init__(*args, initial=initial, **kwargs)


class DeclineForm(forms.Form):
    reason = OneParagraphField(
        max_length=300,
        validators=[refuse_keys],
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True}),
        help_text="The partner reads it, here and by mail: say what would have to be different.",
        error_messages={"required": "Give the partner a reason."},
    )


class SelfServiceForm(forms.Form):
    partners_may_request_keys = forms.BooleanField(
        label="Partners may request keys",
        required=False,
        help_text="A partner without a live key then finds a form for it in My Account. "
        "Requests that wait stay, and can be decided either way.",
    )


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
        try:
            network = network_in(self.cleaned_data["network"])
        except forms.ValidationError as error:
            self.meant = (error.params or {}).get("meant")
            raise
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


def network_in(text: str) -> Network:
    """The network that ``text`` is.

    :raises forms.ValidationError: when it is none an allowlist can hold; ``params`` has what is ``meant``, if known
    """
    try:
        return parse_network(text)
    except HostBitsSet as error:
        meant = {"text": text, "meant": written(error.meant)}
        raise forms.ValidationError("%(text)s has host bits set; did you mean %(meant)s?", params=meant) from None
    except MeansAnyAddress as error:
        raise forms.ValidationError(
            f"{error} means any address. To let any address in, leave the allowlist empty."
        ) from None
    except ValueError:
        raise forms.ValidationError(
            f"{text} is neither an address, such as 203.0.113.7 or 2001:db8::7, "
            "nor a network, such as 203.0.113.0/24 or 2001:db8::/48."
        ) from None


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
