"""What is answered to those who follow links and load pictures. None of it sets a cookie or runs a script, and none
may be kept by anybody: the next visitor, and the next click of the same one, has to arrive here again."""

from __future__ import annotations

from base64 import b64decode
from functools import lru_cache

from django.http import HttpResponse
from django.template.loader import render_to_string

# One transparent dot.
DOT = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
RETRY_SECONDS = 5
UNAVAILABLE = (
    "This offer is not available",
    "The link is right, but what it leads to cannot be reached from here at the moment.",
)
UNKNOWN = (
    "This link leads nowhere",
    "Perhaps a part of it is missing. Ask whoever gave it to you for the whole link.",
)
AWAY = (
    "Please try again",
    "We could not take you on just now. Reload this page in a few seconds.",
)


def redirect(destination: str) -> HttpResponse:
    response = HttpResponse(
        status=302,
        headers={
            "Location": destination,
            # What browsers do by themselves, also for pages that want more to be told: the advertiser learns the site
            # that the visitor came from, as it needs to for its own checks, and not the page with all that its address
            # holds.
            "Referrer-Policy": "strict-origin-when-cross-origin",
            "Cache-Control": "no-store",
            "Content-Length": "0",
        },
    )
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def dot() -> HttpResponse:
    response = HttpResponse(DOT, content_type="image/gif")
    # Shown on other people's pages, which may demand of whatever they show that it says so.
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return sealed(response)


def unavailable() -> HttpResponse:
    """The same for whatever reason, which is nobody's but the network's and the partner's."""
    return page(403, UNAVAILABLE)


def unknown() -> HttpResponse:
    return page(404, UNKNOWN)


def away() -> HttpResponse:
    response = page(503, AWAY)
    response["Retry-After"] = str(RETRY_SECONDS)
    return response


def page(status: int, said: tuple[str, str]) -> HttpResponse:
    response = HttpResponse(rendered(*said), status=status)
    response["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; frame-ancestors 'none'"
    )
    response["X-Robots-Tag"] = "noindex"
    return sealed(response)


@lru_cache(maxsize=8)
def rendered(title: str, text: str) -> str:
    return render_to_string("traffic/link.html", {"title": title, "text": text})


def sealed(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Length"] = str(len(response.content))
    # The click is a row already; Django would write another line for each refused one.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response
