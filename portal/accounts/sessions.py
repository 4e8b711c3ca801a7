"""Who may start a session, and the events that its start and its end leave."""

from __future__ import annotations

from django.contrib.auth import authenticate, login, logout
from django.db import transaction
from django.http import HttpRequest

from portal.accounts.actors import Actor
from portal.accounts.events import EventKind
from portal.accounts.models import Event, User
from portal.web.client_ip import client_ip
from portal.web.requests import UserRequest


@transaction.atomic
def sign_in(request: HttpRequest, *, email: str, password: str) -> User | None:
    """Starts a session in a new id; None when the address or the password is wrong, or the user is deactivated."""
    ip = client_ip(request)
    user = authenticate(request, email=email, password=password)
    if user is None:
        # The subject is whose account it was, if it is anybody's; what was typed as the password is kept nowhere.
        aimed_at = User.objects.filter(email__iexact=email).first() or User(name=email)
        Event.record(EventKind.SIGN_IN_FAILED, by=Actor.stranger(ip=ip), subject=aimed_at)
        return None
    login(request, user)
    Event.record(EventKind.SIGNED_IN, by=Actor.of(user, ip=ip), subject=user, partner=user.partner)
    return user


@transaction.atomic
def sign_out(request: UserRequest) -> None:
    """Ends the session; while impersonating, the impersonation and the impersonator's own session with it."""
    person = request.impersonator or request.user
    by = Actor.of(person, ip=client_ip(request))
    if request.impersonator is not None:
        Event.record(EventKind.IMPERSONATION_ENDED, by=by, subject=request.user, partner=request.user.partner)
    Event.record(EventKind.SIGNED_OUT, by=by, subject=person, partner=person.partner)
    logout(request)
