"""Viewing the portal as somebody else, and going back. django-hijack switches the session."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, resolve_url
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from hijack.views import AcquireUserView, ReleaseUserView

from portal.accounts.actors import Actor
from portal.accounts.events import EventKind
from portal.accounts.forms import ViewAsForm
from portal.accounts.impersonation import BACK, may_impersonate, remember_start
from portal.accounts.models import Event, User
from portal.accounts.rights import IMPERSONATE, SIGNED_IN
from portal.accounts.views.signing_in import safe_next
from portal.web.access import requires
from portal.web.client_ip import client_ip
from portal.web.errors import forbidden
from portal.web.htmx import done
from portal.web.requests import UserRequest

switch_to = AcquireUserView.as_view()
switch_back = ReleaseUserView.as_view()


@require_POST
@requires(IMPERSONATE)
@never_cache
def acquire(request: UserRequest) -> HttpResponseBase:
    form = ViewAsForm(request.POST)
    seen = get_object_or_404(User, pk=form.cleaned_data["user_pk"] if form.is_valid() else None)
    if request.impersonator is not None:
        return forbidden(request, f"You are viewing as {request.user} already. Stop that first.")
    if not may_impersonate(hijacker=request.user, hijacked=seen):
        return forbidden(request, f"{seen} is not below you: you can view as active people who may do less than you.")
    impersonator, back = request.user, safe_next(request, form.cleaned_data["back"])
    with transaction.atomic():
        switch_to(request)
        remember_start(request, impersonator, back=back)
        by = Actor.of(impersonator, ip=client_ip(request))
        Event.record(EventKind.IMPERSONATION_STARTED, by=by, subject=seen, partner=seen.partner)
    return done(request, redirect_to=resolve_url("home"))


@require_POST
@requires(SIGNED_IN)
@never_cache
def release(request: UserRequest) -> HttpResponseBase:
    """Back to one's own account. Pressed twice, the second time changes nothing."""
    if request.impersonator is None:
        return done(request, redirect_to=resolve_url("home"))
    seen, impersonator = request.user, request.impersonator
    back = request.session.get(BACK, resolve_url("home"))
    with transaction.atomic():
        switch_back(request)
        by = Actor.of(impersonator, ip=client_ip(request))
        Event.record(EventKind.IMPERSONATION_ENDED, by=by, subject=seen, partner=seen.partner)
    return done(request, redirect_to=back)
