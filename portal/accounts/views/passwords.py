"""Choosing a password: one's own, a forgotten one, the first one."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils.http import urlsafe_base64_decode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from portal.accounts import sessions
from portal.accounts.actors import Actor
from portal.accounts.events import EventKind
from portal.accounts.forms import ChangePasswordForm, ForgottenPasswordForm, NewPasswordForm
from portal.accounts.jobs import send_password_changed, send_password_reset
from portal.accounts.models import Event, User
from portal.accounts.rights import OWN_PASSWORD
from portal.web.access import public, requires
from portal.web.client_ip import client_ip
from portal.web.htmx import done, render_page
from portal.web.limits import by_client_ip, by_email, by_user, limited
from portal.web.requests import UserRequest


@require_http_methods(["GET", "HEAD", "POST"])
@requires(OWN_PASSWORD)
@never_cache
@sensitive_post_parameters()
@limited("10/h", by=by_user, what="Changing a password")
def password_change(request: UserRequest) -> HttpResponse:
    form = ChangePasswordForm(request.POST if request.method == "POST" else None, user=request.user)
    if not form.is_valid():
        status = 422 if form.errors else 200
        return render_page(request, "accounts/password_change.html", {"form": form}, status=status)
    with transaction.atomic():
        request.user.choose_password(form.cleaned_data["new_password"], by=request.actor)
        send_password_changed.defer(user_id=request.user.pk)
    # A new session id for this browser, and the only session of the user that goes on.
    update_session_auth_hash(request, request.user)
    messages.success(request, "Your password was changed. You are signed out everywhere else.")
    return done(request, redirect_to=resolve_url("home"))


@require_http_methods(["GET", "HEAD", "POST"])
@public(reason="Whoever forgot their password cannot sign in.")
@never_cache
@limited("30/h", by=by_client_ip, what="Asking for a new password from one address")
@limited("5/h", by=by_email, what="Asking for a new password")
def password_reset(request: UserRequest) -> HttpResponse:
    form = ForgottenPasswordForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        status = 422 if form.errors else 200
        return render_page(request, "accounts/password_reset.html", {"form": form}, status=status)
    ask_for_reset(form.cleaned_data["email"], by=Actor.stranger(ip=client_ip(request)))
    return done(request, redirect_to=reverse("accounts:password_reset_sent"))


@transaction.atomic
def ask_for_reset(email: str, *, by: Actor) -> None:
    """Queues the mail. Does the same for an address nobody has, so that neither answer nor time tells them apart."""
    user = User.objects.active().filter(email__iexact=email).first()
    Event.record(EventKind.PASSWORD_RESET_REQUESTED, by=by, subject=user or User(name=email))
    send_password_reset.defer(user_id=user.pk if user else None)


@require_safe
@public(reason="Whoever forgot their password cannot sign in.")
def password_reset_sent(request: UserRequest) -> HttpResponse:
    return render_page(request, "accounts/password_reset_sent.html")


@require_http_methods(["GET", "HEAD", "POST"])
@public(reason="The link in the mail is the proof.")
@never_cache
@sensitive_post_parameters()
@limited("30/h", by=by_client_ip, what="Choosing a password from one address")
def set_password(request: UserRequest, who: str, token: str) -> HttpResponse:
    user = whom_the_link_opens(who, token)
    if user is None:
        return render_page(request, "accounts/set_password_expired.html", status=404)
    is_first = not user.has_usable_password()
    form = NewPasswordForm(request.POST if request.method == "POST" else None, user=user)
    if not form.is_valid():
        context = {"form": form, "person": user, "is_first": is_first}
        return render_page(request, "accounts/set_password.html", context, status=422 if form.errors else 200)
    by = Actor.of(user, ip=client_ip(request))
    user.choose_password(form.cleaned_data["new_password"], by=by, kind=EventKind.PASSWORD_RESET)
    # Whoever is signed in in this browser may be somebody else.
    if request.user.is_authenticated:
        sessions.sign_out(request)
    messages.success(request, "Your password is set. Sign in with it.")
    return done(request, redirect_to=reverse("accounts:sign_in"))


def whom_the_link_opens(who: str, token: str) -> User | None:
    """The active user of the link; None when it was used, is too old, or is no link of ours."""
    try:
        user_id = int(urlsafe_base64_decode(who))
    except ValueError:
        return None
    user = User.objects.active().filter(pk=user_id).first()
    return user if user is not None and default_token_generator.check_token(user, token) else None
