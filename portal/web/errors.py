"""Error answers for people: pages for a browser, toasts for htmx."""

from __future__ import annotations

from collections.abc import Callable

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from portal.web.access import Forbidden, to_sign_in
from portal.web.htmx import is_htmx, toast
from portal.web.limits import TooMany


class RefusalMiddleware:
    """Turns a missing right into the 403 that names it, a spent limit into the 429 that says when to try again, and
    what is not there for this user into 404: a toast under htmx, a page otherwise."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, Forbidden):
            return forbidden(request, exception.sentence)
        if isinstance(exception, TooMany):
            return too_many(request, exception)
        if isinstance(exception, Http404):
            return not_found(request)
        return None


def forbidden(request: HttpRequest, sentence: str) -> HttpResponse:
    if not is_htmx(request):
        return render(request, "403.html", {"sentence": sentence}, status=403)
    response = HttpResponse(sentence, status=403, content_type="text/plain; charset=utf-8")
    toast(request, response, title="Forbidden", text=sentence)
    return response


NOT_FOUND = "There is no such page, or it is not yours to see."


def not_found(request: HttpRequest) -> HttpResponse:
    """The same whether a thing does not exist or may not be known to exist, and whether DEBUG is on or off."""
    if not is_htmx(request):
        return render(request, "404.html", status=404)
    response = HttpResponse(NOT_FOUND, status=404, content_type="text/plain; charset=utf-8")
    toast(request, response, title="Not found", text=NOT_FOUND)
    return response


def too_many(request: HttpRequest, limit: TooMany) -> HttpResponse:
    if is_htmx(request):
        response = HttpResponse(limit.sentence, status=429, content_type="text/plain; charset=utf-8")
        toast(request, response, title="Too many requests", text=limit.sentence)
    else:
        response = render(request, "429.html", {"sentence": limit.sentence}, status=429)
    response["Retry-After"] = str(limit.seconds)
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without a valid token: most often a page that was open while its session ended."""
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return to_sign_in(request)
    return forbidden(
        request,
        "This page was open too long. Reload it and try again; nothing was changed.",
    )
