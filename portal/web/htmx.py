"""The two helpers that know whether a browser or htmx is asking."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

DIALOG = "dialog-body"


def render_page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any] | None = None,
    *,
    partial: str | tuple[str, ...] | Mapping[str, str] = (),
    status: int = 200,
) -> HttpResponse:
    """Answers the page, or the one partial of it that htmx wants to replace.

    A partial has the name of the element that it replaces, so the target htmx names selects it; only those
    in ``partial`` (and the dialog's) may be asked for. Where an element's id carries a number, ``partial`` is a
    mapping of that id to the name of its partial.
    """
    if not isinstance(partial, Mapping):
        partial = {name: name for name in ((partial,) if isinstance(partial, str) else partial)}
    target = request.headers.get("HX-Target", "")
    name = {DIALOG: DIALOG, **partial}.get(target)
    if is_htmx(request) and name is not None:
        template = f"{template}#{name}"
    response = render(request, template, context, status=status)
    response["Vary"] = "HX-Request, HX-Target, Cookie"
    return response


def done(
    request: HttpRequest,
    *,
    redirect_to: str,
    event: str = "",
    keep_dialog: bool = False,
    next_dialog: str = "",
) -> HttpResponse:
    """Answers a change that was made: a browser goes to ``redirect_to``; htmx is told what changed.

    With an ``event`` the regions that listen for it fetch themselves anew and the dialog closes, unless it is
    kept (because such a region is inside it) or goes on to the one at ``next_dialog``;
    without one htmx leaves for ``redirect_to``.
    """
    if not is_htmx(request):
        redirect = HttpResponseRedirect(redirect_to)
        redirect.status_code = 303
        return redirect
    response = HttpResponse(status=204)
    if not event:
        response["HX-Redirect"] = redirect_to
        return response
    told: dict[str, Any] = {event: True}
    if next_dialog:
        told["dialog:open"] = next_dialog
    elif not keep_dialog:
        told["dialog:close"] = True
    response["HX-Trigger"] = trigger({**told, "toast": pending_toasts(request)})
    return response


def toast(
    request: HttpRequest,
    response: HttpResponse,
    *,
    title: str,
    text: str,
    level: str = "error",
) -> None:
    """Makes htmx show a toast and leave the page as it is."""
    response["HX-Trigger"] = trigger({"toast": [{"level": level, "title": title, "text": text}]})
    response["HX-Reswap"] = "none"


def is_htmx(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def pending_toasts(request: HttpRequest) -> list[dict[str, str]]:
    return [
        {
            "level": message.level_tag,
            "title": message.extra_tags or "",
            "text": str(message.message),
        }
        for message in messages.get_messages(request)
    ]


def trigger(events: dict[str, Any]) -> str:
    # A header is Latin-1; json escapes everything beyond ASCII.
    return json.dumps(events)
