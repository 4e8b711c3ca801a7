"""One-time links: made from "Send it safely", opened by people who have no account."""

from __future__ import annotations

import logging

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from keys.models import LinkExpired, LinkUsed, NotRevealable, ShareLink
from keys.sealing import CannotUnseal, UnknownEncryptionKey
from keys.views.partner import key_of
from keys.views.secrets import why
from portal.accounts.actors import Actor
from portal.accounts.rights import ISSUE_PARTNER_KEYS
from portal.web.access import public, requires
from portal.web.client_ip import client_ip
from portal.web.htmx import done, render_page
from portal.web.limits import by_client_ip, by_user, limited
from portal.web.requests import UserRequest

log = logging.getLogger(__name__)


@require_POST
@requires(ISSUE_PARTNER_KEYS)
@never_cache
@limited("30/m", by=by_user, what="Making one-time links")
def make(request: UserRequest, partner_id: int, key_id: int) -> HttpResponse:
    key = key_of(request, partner_id, key_id)
    send_url = reverse("keys:send", args=[partner_id, key_id])
    try:
        _, token = ShareLink.make(key, by=request.actor)
    except NotRevealable:
        messages.warning(request, f"{key} is {key.state.label.lower()}: it opens nothing and is not shown again.")
        return done(request, redirect_to=reverse("keys:partner", args=[partner_id]), event="keys:changed")
    url = settings.BASE_URL + reverse("keys:shared", args=[token])
    return render_page(request, "keys/share.html", {"key": key, "url": url, "back": send_url}, partial="share-link")


@require_http_methods(["GET", "HEAD", "POST"])
@public(reason="For people without an account; the token is the proof, and shows its key once.")
@never_cache
@limited("20/m", by=by_client_ip, what="Opening one-time links")
def shared(request: HttpRequest, token: str) -> HttpResponse:
    link = ShareLink.objects.opened_by(token).first()
    if link is None:
        return gone(request, "There is no such link. Check that it is complete.", status=404)
    try:
        if request.method != "POST":
            # Chats and mail programs open links to show what is behind them; they must not use it up.
            link.ensure_good()
            return answer(request, "keys/shared.html", {"link": link})
        secret = link.view(by=Actor.stranger(ip=client_ip(request)))
    except LinkUsed:
        return gone(request, "This link has shown its key, and it does so once.")
    except LinkExpired:
        if link.was_ended:
            return gone(request, "This link was found where strangers could read it, so it was closed.")
        return gone(request, "This link was good for 24 hours, and they are over.")
    except NotRevealable:
        return gone(request, "The key behind this link opens nothing any more.")
    except (UnknownEncryptionKey, CannotUnseal) as error:
        log.exception("Key %s cannot be unsealed", link.key_id)
        return gone(request, f"The key cannot be shown: {why(error)} Tell whoever sent you the link.", status=500)
    return answer(request, "keys/shared.html", {"link": link, "secret": secret})


def gone(request: HttpRequest, reason: str, *, status: int = 410) -> HttpResponse:
    return answer(request, "keys/shared_gone.html", {"reason": reason}, status=status)


def answer(request: HttpRequest, template: str, context: dict[str, object], *, status: int = 200) -> HttpResponse:
    response = render(request, template, context, status=status)
    # The address is as good as the key until it was used. That no other site learns it from here is the site's
    # Referrer-Policy: same-origin; no-referrer would be stricter, but browsers then post the form without an origin.
    response["X-Robots-Tag"] = "noindex"
    # Django would write a line for a refusal, with the path and so with the token.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response
