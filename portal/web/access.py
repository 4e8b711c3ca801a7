"""Who may call a view. Every routed view says so in its decorators; a system check refuses one that does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Protocol

from django.contrib.auth.views import redirect_to_login
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.http import url_has_allowed_host_and_scheme

View = Callable[..., HttpResponseBase]


class Right(Protocol):
    """What a view asks of whoever calls it."""

    @property
    def label(self) -> str:
        """What Forbidden says is missing, e.g. "Partners: full"."""

    def is_reached_by(self, user: Any) -> bool:
        """Whether the user may know that the page exists. If not, the answer is 404."""

    def is_held_by(self, user: Any) -> bool: ...

    def is_held_by_impersonator(self, user: Any) -> bool:
        """Whether someone who views the portal as another user may do it on that user's behalf."""


class Forbidden(PermissionDenied):
    """The user may see this but not do it; answered as 403 that names the missing right."""

    def __init__(self, right: Right, *, who: str = "") -> None:
        self.right = right
        self.who = who
        super().__init__(self.sentence)

    @property
    def sentence(self) -> str:
        if self.who:
            return f"This needs {self.right.label}, which {self.who} does not have."
        return f"This needs {self.right.label}. Ask a network admin for it."


def requires(right: Right) -> Callable[[View], View]:
    """Lets a view be called only by who holds ``right``; under impersonation both users must hold it.

    Nobody signed in: to the sign-in page. A user for whom the page does not exist: 404. Otherwise
    :raises Forbidden: when the right is missing
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return to_sign_in(request)
            if not right.is_reached_by(request.user):
                raise Http404
            demand(request, right)
            return view(request, *args, **kwargs)

        guarded.access = right  # type: ignore[attr-defined]
        return guarded

    return decorate


def demand(request: HttpRequest, right: Right) -> None:
    """:raises Forbidden: when the user, or the one who impersonates them, lacks ``right``"""
    if not right.is_held_by(request.user):
        raise Forbidden(right)
    impersonator = getattr(request, "impersonator", None)
    if impersonator is not None and not right.is_held_by_impersonator(impersonator):
        raise Forbidden(right, who=str(impersonator))


def public(*, reason: str) -> Callable[[View], View]:
    """Marks a view that anyone may call, and why that is right."""

    def decorate(view: View) -> View:
        @wraps(view)
        def opened(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return view(request, *args, **kwargs)

        opened.access = reason  # type: ignore[attr-defined]
        return opened

    return decorate


def to_sign_in(request: HttpRequest) -> HttpResponse:
    """Sends a browser to the sign-in page and back afterwards."""
    if request.headers.get("HX-Request") == "true":
        next_url = request.headers.get("HX-Current-URL", "")
    else:
        next_url = request.get_full_path() if request.method == "GET" else ""
    if not url_has_allowed_host_and_scheme(next_url, allowed_hosts={request.get_host()}):
        next_url = "/"
    return to_page(request, redirect_to_login(next_url).url)


def to_page(request: HttpRequest, url: str) -> HttpResponse:
    """Makes the whole page go to ``url``, whether a browser or htmx is asking."""
    if request.headers.get("HX-Request") != "true":
        return HttpResponseRedirect(url)
    response = HttpResponse(status=204)
    response["HX-Redirect"] = url
    return response


def routed_views(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every path of the site with its pattern, API operations included."""
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from routed_views(entry, path)
        else:
            yield path, entry


@register()
def every_view_declares_its_access(app_configs: object, **kwargs: object) -> list[CheckMessage]:
    return [
        Error(
            f"The view at /{path} does not say who may call it.",
            hint="Decorate it with @requires(...) or @public(reason=...) from portal.web.access.",
            id="latchkey.E001",
        )
        for path, pattern in routed_views()
        if not hasattr(pattern.callback, "access") and not path.startswith("v1/")
    ]
