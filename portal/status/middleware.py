"""Keeps the pages of System Status from needing the database before they know whether it answers."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from portal.status.database import trouble
from portal.web.access import to_page


class StatusMiddleware:
    """The public pages are answered without a session, which stands in the database: whoever asks is nobody to them.
    Who opens System Status while the database does not answer is sent to the public page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.public = {reverse(f"status:{name}") for name in ("public", "json", "livez", "readyz")}
        self.page = reverse("status:page")

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info in self.public:
            request.COOKIES.pop(settings.SESSION_COOKIE_NAME, None)
        elif request.path_info == self.page and request.method in ("GET", "HEAD") and trouble():
            return to_page(request, reverse("status:public"))
        return self.get_response(request)
