"""What an offer is promoted with: landing pages and creatives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms

from partners.offers.forms.fields import DestinationField, WebAddressField
from partners.offers.models import AlreadyWithdrawn, Creative, NameIsTaken, Offer, OfferUrl
from portal.web.edits import ChangedMeanwhile
from portal.web.submissions import SubmittedOnce

if TYPE_CHECKING:
    from portal.accounts.actors import Actor

SHOWN_BY_ADDRESS = (Creative.Type.IMAGE, Creative.Type.VIDEO)


class LandingPageForm(forms.Form):
    """A further place that links can lead to: a new one, or one that is there."""

    name = forms.CharField(max_length=120, help_text="Partners choose it by this name, such as Spring sale.")
    destination_url = DestinationField()
    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Mapping[str, Any] | None = None, *, offer: Offer, url: OfferUrl | None = None) -> None:
        self.offer, self.url = offer, url
        initial: dict[str, Any] = {}
        if url is not None:
            initial = {"name": url.name, "destination_url": url.destination_url, "seen": url.standing}
        super().__init__(data, initial=initial)

    def saved(self, *, by: Actor) -> bool:
        if not self.is_valid():
            return False
        given = {name: self.cleaned_data[name] for name in ("name", "destination_url")}
        try:
            if self.url is None:
                self.offer.add_url(**given, by=by)
            else:
                self.url.change(**given, by=by, seen=self.cleaned_data["seen"] if "seen" in self.data else None)
        except NameIsTaken:
            self.add_error("name", "Another landing page of this offer has that name.")
        except ChangedMeanwhile as moved:
            self.refuse(moved.current)
        except AlreadyWithdrawn:
            self.add_error(None, "Somebody else withdrew this landing page: links do not lead there any more.")
        return self.is_valid()

    def refuse(self, current: Any) -> None:
        said = f"it is “{current.name}” now and leads to {current.destination_url}"
        self.add_error(None, f"Somebody else was faster: {said}. Save again to replace that.")
        data = self.data.copy()  # type: ignore[attr-defined]
        data["seen"] = current.standing
        self.data = data


class CreativeForm(SubmittedOnce):
    name = forms.CharField(max_length=120)
    creative_type = forms.ChoiceField(label="What it is", choices=Creative.Type.choices)
    resource_url = WebAddressField(
        label="Its address", required=False, help_text="Of an image or a video, where browsers load it from."
    )
    width = forms.IntegerField(label="Width in pixels", required=False, min_value=0, max_value=20_000)
    height = forms.IntegerField(label="Height in pixels", required=False, min_value=0, max_value=20_000)
    html_code = forms.CharField(
        label="Its text or HTML",
        required=False,
        max_length=100_000,
        strip=False,
        widget=forms.Textarea(attrs={"class": "mono", "rows": 5, "spellcheck": "false", "autocapitalize": "off"}),
        help_text="{tracking_link} becomes the partner’s own link.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        by_address = cleaned.get("creative_type") in SHOWN_BY_ADDRESS
        needed = "resource_url" if by_address else "html_code"
        if "creative_type" in cleaned and needed not in self.errors and not cleaned.get(needed, "").strip():
            said = "An image or a video needs its address." if by_address else "Without it there is nothing to show."
            self.add_error(needed, said)
        return cleaned

    @property
    def given(self) -> dict[str, Any]:
        sizes = {name: self.cleaned_data[name] or 0 for name in ("width", "height")}
        return {**self.cleaned_data, **sizes, "creative_type": Creative.Type(self.cleaned_data["creative_type"])}
