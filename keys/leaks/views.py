"""Where keys were found in public, and what happens to those that are. The reports come in at middleware.py."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from keys.leaks.forms import DismissForm, RuleForm
from keys.leaks.middleware import PATHS
from keys.leaks.models import Leak, NothingOpen
from keys.models import Key
from keys.views.network import network_key_of
from keys.views.partner import key_of
from portal.accounts.events import EventKind
from portal.accounts.rights import (
    CHANGE_SYSTEM_SETTINGS,
    ISSUE_PARTNER_KEYS,
    VIEW_PARTNERS,
    VIEW_SYSTEM_SETTINGS,
    CoreRight,
)
from portal.network.models import Network
from portal.web.access import demand, requires
from portal.web.htmx import done, render_page
from portal.web.requests import UserRequest


# Whoever sees the key may see where it was found; dismissing that needs what revoking the key does.
@require_http_methods(["GET", "HEAD", "POST"])
@requires(VIEW_PARTNERS)
@never_cache
def of_partner_key(request: UserRequest, partner_id: int, key_id: int) -> HttpResponse:
    key = key_of(request, partner_id, key_id)
    back = reverse("keys:partner", args=[partner_id])
    return show(request, key, ISSUE_PARTNER_KEYS, back, reverse("keys:revoke", args=[partner_id, key_id]))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(VIEW_SYSTEM_SETTINGS)
@never_cache
def of_network_key(request: UserRequest, key_id: int) -> HttpResponse:
    key = network_key_of(key_id)
    revoke_url = reverse("keys:network_revoke", args=[key_id])
    return show(request, key, CHANGE_SYSTEM_SETTINGS, reverse("keys:network"), revoke_url)


def show(request: UserRequest, key: Key, right: CoreRight, back: str, revoke_url: str) -> HttpResponse:
    leaks = list(key.leaks.all())
    if request.method == "POST":
        demand(request, right)
    form = DismissForm(request.POST if request.method == "POST" else None, leaks=leaks)
    if form.is_valid():
        try:
            Leak.dismiss(key, by=request.actor, **form.cleaned_data)
            messages.success(request, f"What was found of {key} is dismissed.")
        except NothingOpen:
            messages.info(request, f"Nothing that was found of {key} was open any more.")
        return done(request, redirect_to=back, event="keys:changed")
    is_open = key.is_live and any(leak.dismissed_at is None for leak in leaks)
    context = {"key": key, "leaks": leaks, "form": form, "is_open": is_open, "back": back, "revoke_url": revoke_url}
    return render_page(request, "leaks/of_key.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_SYSTEM_SETTINGS)
@never_cache
def rule(request: UserRequest) -> HttpResponse:
    back = reverse("keys:network")
    network = Network.load()
    form = RuleForm(request.POST if request.method == "POST" else None, revokes=network.revokes_leaked_keys)
    if not form.is_valid():
        context = {"form": form, "back": back, "report_url": settings.BASE_URL + PATHS[0]}
        return render_page(request, "leaks/rule.html", context, status=422 if form.is_bound else 200)
    revokes = form.cleaned_data["revokes"]
    network.change(kind=EventKind.LEAK_RULE_CHANGED, by=request.actor, revokes_leaked_keys=revokes)
    messages.success(request, f"A key that is reported as leaked is {'revoked' if revokes else 'flagged only'}.")
    return done(request, redirect_to=back, event="leak-rule:changed")
