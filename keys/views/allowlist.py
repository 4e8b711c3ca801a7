"""The IP allowlist of a key, a partner's or the network's: one page, which is a dialog too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from keys.forms import AllowForm
from keys.models import AllowlistEntry, AlreadyListed, Key
from keys.views.network import network_key_of
from keys.views.partner import key_of
from portal.accounts.rights import (
    CHANGE_SYSTEM_SETTINGS,
    ISSUE_PARTNER_KEYS,
    VIEW_PARTNERS,
    VIEW_SYSTEM_SETTINGS,
)
from portal.web.access import requires
from portal.web.client_ip import client_ip
from portal.web.htmx import done, render_page
from portal.web.requests import UserRequest


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
def of_partner_key(request: UserRequest, partner_id: int, key_id: int) -> HttpResponse:
    return show(request, Place.of(key_of(request, partner_id, key_id)))


@require_POST
@requires(ISSUE_PARTNER_KEYS)
@never_cache
def allow_partner_key(request: UserRequest, partner_id: int, key_id: int) -> HttpResponse:
    return allow(request, Place.of(key_of(request, partner_id, key_id)))


@require_POST
@requires(ISSUE_PARTNER_KEYS)
@never_cache
def disallow_partner_key(request: UserRequest, partner_id: int, key_id: int, entry_id: int) -> HttpResponse:
    return disallow(request, Place.of(key_of(request, partner_id, key_id)), entry_id)


@require_safe
@requires(VIEW_SYSTEM_SETTINGS)
@never_cache
def of_network_key(request: UserRequest, key_id: int) -> HttpResponse:
    return show(request, Place.of(network_key_of(key_id)))


@require_POST
@requires(CHANGE_SYSTEM_SETTINGS)
@never_cache
def allow_network_key(request: UserRequest, key_id: int) -> HttpResponse:
    return allow(request, Place.of(network_key_of(key_id)))


@require_POST
@requires(CHANGE_SYSTEM_SETTINGS)
@never_cache
def disallow_network_key(request: UserRequest, key_id: int, entry_id: int) -> HttpResponse:
    return disallow(request, Place.of(network_key_of(key_id)), entry_id)


@dataclass(frozen=True)
class Place:
    """A key with the names and arguments of the URLs at which its allowlist lives."""

    key: Key
    prefix: str
    args: tuple[int, ...]
    back: str

    @classmethod
    def of(cls, key: Key) -> Place:
        if key.partner_id is None:
            return cls(key, "network_", (key.pk,), reverse("keys:network"))
        return cls(key, "", (key.partner_id, key.pk), reverse("keys:partner", args=[key.partner_id]))

    @property
    def dry_run_url(self) -> str:
        """Where the API Log tells what the allowlist would have done to the key's last calls."""
        return reverse(f"apilog:{self.prefix}dry_run", args=self.args)

    @property
    def page_url(self) -> str:
        return reverse(f"keys:{self.prefix}allowlist", args=self.args)

    @property
    def allow_url(self) -> str:
        return reverse(f"keys:{self.prefix}allow", args=self.args)

    @property
    def lines(self) -> list[tuple[AllowlistEntry, AllowlistEntry | None, str]]:
        """Each entry, the wider one that covers it, and the URL that removes it."""
        return [
            (entry, wider, reverse(f"keys:{self.prefix}disallow", args=[*self.args, entry.pk]))
            for entry, wider in self.key.covered_entries()
        ]


def show(request: UserRequest, place: Place, *, status: int = 200, **context: Any) -> HttpResponse:
    here = client_ip(request)
    context = {
        "form": AllowForm(key=place.key),
        "place": place,
        "key": place.key,
        "here": here,
        "is_here_listed": place.key.allowlist.all() and place.key.admits(here),
        **context,
    }
    return render_page(request, "keys/allowlist.html", context, partial="allowlist", status=status)


def allow(request: UserRequest, place: Place) -> HttpResponse:
    key = place.key
    form = AllowForm(request.POST, key=key)
    if not form.is_valid():
        return show(request, place, form=form, status=422)
    try:
        entry = key.allow(network=form.cleaned_data["network"], label=form.cleaned_data["label"], by=request.actor)
    except AlreadyListed:
        form.add_listed_error()
        return show(request, place, form=form, status=422)
    wider = next((other for other in key.allowlist.all() if other.covers(entry.network)), None)
    note = f" {wider} had its addresses in it already." if wider else ""
    messages.success(request, f"{entry} was added to the allowlist.{note}")
    return done(request, redirect_to=place.page_url, event="keys:changed", keep_dialog=True)


def disallow(request: UserRequest, place: Place, entry_id: int) -> HttpResponse:
    key = place.key
    entry = key.allowlist.filter(pk=entry_id).first()
    if entry is None:
        messages.info(request, "That entry had been removed already.")
        return done(request, redirect_to=place.page_url, event="keys:changed", keep_dialog=True)
    remaining = tuple(other.network for other in key.allowlist.all() if other.pk != entry.pk)
    risk = {"removing": entry, "opens": not remaining, "lost": key.address_lost_with(remaining)}
    if (risk["opens"] or risk["lost"]) and request.POST.get("anyway") != acknowledgement(risk):
        return show(request, place, **risk, acknowledgement=acknowledgement(risk), status=422)
    key.disallow(entry, by=request.actor)
    messages.success(request, f"{entry} was removed from the allowlist.")
    return done(request, redirect_to=place.page_url, event="keys:changed", keep_dialog=True)


def acknowledgement(risk: dict[str, Any]) -> str:
    """What the second click says was read, so that it cannot stand for another risk than the one shown."""
    return "open to any address" if risk["opens"] else f"locks out {risk['lost']}"
