"""Viewing the portal as another user ("View as"): who may, for how long, and who is at the keyboard.

django-hijack does the switch and its way back; the session keeps who came from where in ``hijack_history``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY, login, logout
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.crypto import constant_time_compare
from hijack.signals import no_update_last_login

from portal.accounts.actors import Actor
from portal.accounts.events import EventKind
from portal.accounts.models import Event, User
from portal.accounts.rights import IMPERSONATE
from portal.web.access import to_page, to_sign_in
from portal.web.client_ip import client_ip
from portal.web.requests import UserRequest

HISTORY = "hijack_history"
STARTED_AT = "impersonation_started_at"
IMPERSONATOR_HASH = "impersonator_hash"
BACK = "impersonation_back"


def may_impersonate(*, hijacker: User, hijacked: User) -> bool:
    """Never oneself, an equal or someone higher, and nobody who could not sign in."""
    return hijacked.is_active and IMPERSONATE.is_held_by(hijacker) and hijacker.stands_above(hijacked)


class ImpersonationMiddleware:
    """Puts ``impersonator`` and ``actor`` on the request, and ends an impersonation that may not go on.

    All of it is asked anew with every request, so a role that is taken away, an impersonator who is deactivated or
    changes their password, and the end of the hour act at once.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, plain: HttpRequest) -> HttpResponseBase:
        request = cast(UserRequest, plain)
        request.impersonator = None
        history = request.session.get(HISTORY, [])
        if history:
            # Before anything asks who the user is: that flushes a session whose user is no longer good.
            seen_id = request.session.get(SESSION_KEY, 0)
            impersonator = User.objects.active().select_related("role").filter(pk=history[-1]).first()
            if impersonator is None or not is_whom_the_session_knows(request, impersonator):
                logout(request)
                return to_sign_in(request)
            if not plain.user.is_authenticated or not may_go_on(request, impersonator):
                return end(request, impersonator, seen_id=seen_id)
            request.impersonator = impersonator
        if request.user.is_authenticated:
            request.actor = Actor.of(request.user, impersonator=request.impersonator, ip=client_ip(request))
        return self.get_response(request)


def remember_start(request: HttpRequest, impersonator: User, *, back: str) -> None:
    """Keeps in the new session what every later request is judged by, and the page that ``release`` returns to."""
    request.session[STARTED_AT] = time.time()
    request.session[BACK] = back
    request.session[IMPERSONATOR_HASH] = impersonator.get_session_auth_hash()


def is_whom_the_session_knows(request: HttpRequest, impersonator: User) -> bool:
    return constant_time_compare(request.session.get(IMPERSONATOR_HASH, ""), impersonator.get_session_auth_hash())


def may_go_on(request: UserRequest, impersonator: User) -> bool:
    lasted = time.time() - request.session.get(STARTED_AT, 0)
    return lasted < settings.IMPERSONATION_SECONDS and may_impersonate(hijacker=impersonator, hijacked=request.user)


def end(request: UserRequest, impersonator: User, *, seen_id: str) -> HttpResponseBase:
    """Back to the impersonator's own account, in a new session."""
    # Not request.user: whoever was deactivated or chose another password meanwhile is anonymous by now.
    seen = User.objects.select_related("partner").filter(pk=seen_id).first()
    logout(request)
    # Coming back is not another sign-in, so last_login stays as it is.
    with no_update_last_login():
        login(request, impersonator)
    if seen is not None:
        by = Actor.of(impersonator, ip=client_ip(request))
        Event.record(EventKind.IMPERSONATION_ENDED, by=by, subject=seen, partner=seen.partner)
        messages.info(
            request,
            f"Viewing as {seen} has ended: it lasts an hour at most, and only while you may. You are yourself again.",
        )
    return to_page(request, resolve_url(settings.LOGIN_REDIRECT_URL))
