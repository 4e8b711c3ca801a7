"""How a secret leaves: once, in the answer to the POST that asked for it, and nowhere else."""

from __future__ import annotations

import logging

from django.contrib import messages
from django.http import HttpResponse

from keys.models import Key, NotRevealable
from keys.sealing import CannotUnseal, UnknownEncryptionKey
from portal.web.htmx import done, render_page
from portal.web.requests import UserRequest

log = logging.getLogger(__name__)


def answer_secret(request: UserRequest, key: Key, *, reveal_url: str, back: str) -> HttpResponse:
    """The secret as text for Copy, or as the element or page that shows it. Views that answer it are never cached."""
    copies = request.get_preferred_type(["text/html", "text/plain"]) == "text/plain"
    try:
        secret = key.reveal(by=request.actor, how="copied" if copies else "shown")
    except NotRevealable:
        messages.warning(request, f"{key} is {key.state.label.lower()}: it opens nothing and is not shown again.")
        return done(request, redirect_to=back, event="keys:changed")
    except (UnknownEncryptionKey, CannotUnseal) as error:
        log.exception("Key %s cannot be unsealed", key.pk)
        messages.error(request, f"{key} cannot be shown: {why(error)} Tell whoever runs this deployment.")
        return done(request, redirect_to=back, event="keys:changed")
    if copies:
        return HttpResponse(secret, content_type="text/plain; charset=utf-8")
    context = {"key": key, "secret": secret, "reveal_url": reveal_url, "back": back}
    return render_page(request, "keys/revealed.html", context, partial={f"key-{key.pk}-secret": "secret"})


def why(error: Exception) -> str:
    if isinstance(error, UnknownEncryptionKey):
        return f"it is sealed under encryption key {error}, which KEY_ENCRYPTION_KEYS no longer names."
    return "what is stored of it is damaged."
