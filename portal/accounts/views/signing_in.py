"""Signing in and out."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts import sessions
from portal.accounts.forms import WRONG_SIGN_IN, SignInForm
from portal.accounts.rights import SIGNED_IN
from portal.web.access import public, requires
from portal.web.htmx import done, render_page
from portal.web.limits import by_client_ip, by_email, limited
from portal.web.requests import UserRequest


@require_http_methods(["GET", "HEAD", "POST"])
@public(reason="Nobody is signed in before they have signed in.")
@never_cache
@sensitive_post_parameters("password")
@limited("120/h", by=by_client_ip, what="Signing in from one address")
@limited("20/h", by=by_email, what="Signing in to one account")
def sign_in(request: HttpRequest) -> HttpResponse:
    next_url = safe_next(request, request.POST.get("next") or request.GET.get("next", ""))
    if request.user.is_authenticated:
        return HttpResponseRedirect(next_url)
    form = SignInForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        if sessions.sign_in(request, **form.cleaned_data):
            return HttpResponseRedirect(next_url)
        form.add_error(None, WRONG_SIGN_IN)
    status = 422 if form.errors else 200
    return render_page(request, "accounts/sign_in.html", {"form": form, "next": next_url}, status=status)


@require_POST
@requires(SIGNED_IN)
@never_cache
def sign_out(request: UserRequest) -> HttpResponse:
    sessions.sign_out(request)
    return done(request, redirect_to=resolve_url(settings.LOGOUT_REDIRECT_URL))


def safe_next(request: HttpRequest, url: str) -> str:
    """``url`` when it leads somewhere inside the portal, else the start page."""
    inside = url_has_allowed_host_and_scheme(url, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return url if inside else redirect(settings.LOGIN_REDIRECT_URL).url
