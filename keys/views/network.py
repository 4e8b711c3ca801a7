"""System Settings → API: the network key and the budget that all calls share."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from keys.forms import BudgetForm, GenerateForm, LimitForm, SelfServiceForm
from keys.models import AboveBudget, Key, KeyRequest, NetworkKeyChanged, OperationLimit
from keys.views.partner import revoke_and_tell
from portal.accounts.actors import Actor
from portal.accounts.events import EventKind
from portal.accounts.rights import CHANGE_SYSTEM_SETTINGS, VIEW_SYSTEM_SETTINGS
from portal.network.models import Network
from portal.web.access import requires
from portal.web.api import OPERATION_LIMITS
from portal.web.htmx import done, render_page
from portal.web.limits import by_user, limited
from portal.web.requests import UserRequest

EARLIER_KEYS_SHOWN = 5


@require_safe
@requires(VIEW_SYSTEM_SETTINGS)
@never_cache
def key(request: UserRequest) -> HttpResponse:
    network_keys = Key.objects.of_network().for_listing()
    context = {
        "key": network_keys.live().first(),
        "earlier_keys": network_keys.filter(revoked_at__isnull=False)[:EARLIER_KEYS_SHOWN],
        "settings": Network.load(),
        "waiting": KeyRequest.objects.open().count(),
        "limits": [(limit, OperationLimit.in_force(limit)) for limit in OPERATION_LIMITS],
    }
    parts = ("network-key", "budget", "leak-rule", "self-service")
    return render_page(request, "keys/network.html", context, partial=parts)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_SYSTEM_SETTINGS)
@never_cache
@limited("10/h", by=by_user, what="Generating a network key")
def generate(request: UserRequest) -> HttpResponse:
    live = Key.objects.of_network().live().first()
    back = reverse("keys:network")
    form = GenerateForm(request.POST or None, live=live)
    if not form.is_valid():
        context = {"key": live, "form": form, "back": back}
        return render_page(request, "keys/generate.html", context, status=422 if form.is_bound else 200)
    try:
        new, secret = Key.generate_network_key(by=request.actor, replacing=form.replaced_key())
    except NetworkKeyChanged:
        messages.warning(request, what_changed())
        return done(request, redirect_to=back)
    return render_page(request, "keys/generated.html", {"key": new, "secret": secret, "replaced": live, "back": back})


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_SYSTEM_SETTINGS)
def revoke(request: UserRequest, key_id: int) -> HttpResponse:
    network_key = network_key_of(key_id)
    back = reverse("keys:network")
    if request.method != "POST":
        return render_page(request, "keys/revoke.html", {"key": network_key, "back": back})
    return revoke_and_tell(request, network_key, back=back)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_SYSTEM_SETTINGS)
def budget(request: UserRequest) -> HttpResponse:
    back = reverse("keys:network")
    settings = Network.load()
    form = BudgetForm(request.POST or None, initial=vars(settings))
    if not form.is_valid():
        context = {"form": form, "back": back}
        return render_page(request, "keys/budget.html", context, status=422 if form.is_bound else 200)
    settings.change(kind=EventKind.BUDGET_CHANGED, by=request.actor, **form.cleaned_data)
    requests, seconds = form.cleaned_data["budget_requests"], form.cleaned_data["budget_seconds"]
    messages.success(request, f"The budget is now {requests:,} requests per {seconds:,} s.")
    return done(request, redirect_to=back, event="budget:changed")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_SYSTEM_SETTINGS)
@never_cache
def limits(request: UserRequest) -> HttpResponse:
    back = reverse("keys:network")
    forms = [LimitForm(request.POST if request.method == "POST" else None, limit=limit) for limit in OPERATION_LIMITS]
    # Each is asked, so that each says what is wrong with it.
    are_valid = [form.is_valid() for form in forms]
    if all(are_valid) and set_limits(forms, by=request.actor):
        messages.success(request, "The stricter limits are set. They hold from the next call on.")
        return done(request, redirect_to=back, event="budget:changed")
    context = {"forms": forms, "settings": Network.load(), "back": back}
    return render_page(request, "keys/limits.html", context, status=422 if request.method == "POST" else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_SYSTEM_SETTINGS)
@never_cache
def self_service(request: UserRequest) -> HttpResponse:
    back = reverse("keys:network")
    settings = Network.load()
    form = SelfServiceForm(request.POST if request.method == "POST" else None, initial=vars(settings))
    if not form.is_valid():
        return render_page(request, "keys/self_service.html", {"form": form, "back": back})
    settings.change(by=request.actor, **form.cleaned_data)
    on = form.cleaned_data["partners_may_request_keys"]
    messages.success(request, f"Partners may {'now' if on else 'no longer'} request keys.")
    return done(request, redirect_to=back, event="self-service:changed")


@transaction.atomic
def set_limits(forms: list[LimitForm], *, by: Actor) -> bool:
    """Sets all of the limits or none; a form says which figure is above the budget."""
    for form in forms:
        try:
            OperationLimit.change(form.limit, by=by, **form.cleaned_data)
        except AboveBudget as above:
            form.add_error("requests", f"The network's budget allows {above.most:,} in that time.")
    if any(form.errors for form in forms):
        transaction.set_rollback(True)
        return False
    return True


def network_key_of(key_id: int) -> Key:
    return get_object_or_404(Key.objects.of_network().for_listing(), pk=key_id)


def what_changed() -> str:
    """Why no key was generated, for whoever was overtaken (or pressed the button twice)."""
    live = Key.objects.of_network().live().first()
    if live is None:
        return "The network key was revoked meanwhile, so nothing was replaced. Generate one if you still need it."
    return (
        f"No key was generated: {live.hint} had been a moment before, by {live.created_by}. "
        "It was shown that one time. If nobody has copied it, generate another."
    )
