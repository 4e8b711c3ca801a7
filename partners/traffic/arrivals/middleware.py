"""Answers /t/…, /i/… and /postback itself (wire.md section 11). Visitors have no session here, no cookie and no CSRF
token, are asked for none, and are never redirected but to where the link leads."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.db import InterfaceError, InternalError, OperationalError, close_old_connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed

from partners.offers.codes import offer_pk_of, partner_pk_of
from partners.traffic import agents
from partners.traffic.arrivals import answers, clicks, impressions, postback
from partners.traffic.arrivals.arrival import Arrival
from partners.traffic.arrivals.footing import footings_of
from portal.web.combining import WorkStopped
from portal.web.precedence import Application

log = logging.getLogger(__name__)

LINKS = ("/t/", "/i/")
PATH = re.compile(r"/(t|i)/([0-9A-Za-z]{1,24})/([0-9A-Za-z]{1,24})/?")
# The database is away, busy or full.
OUTAGES = (OperationalError, InterfaceError, InternalError, WorkStopped)


def links_first(site: Application) -> Application:
    """The WSGI application, with links answered before Django's handler.

    What that does around its middleware serves views, and costs a click as much as deciding over it. Links that come to
    the handler all the same, as from a test's client, are answered by ``TrackingMiddleware``.
    """

    def answering(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith(LINKS):
            return site(environ, start_response)
        try:
            response = answer(WSGIRequest(environ), follow)
        finally:
            # What the handler does for others when their answer has left: the connection goes back to the pool.
            close_old_connections()
        start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
        return [response.content]

    return answering


class TrackingMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        # Made before the first visitors come, who would each make one.
        agents.parser()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = request.path_info
        if path.startswith(LINKS):
            return answer(request, follow)
        if path in ("/postback", "/postback/"):
            return postback.answer(request)
        return self.get_response(request)


def answer(request: HttpRequest, take: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
    try:
        response = take(request)
    except Exception as failure:
        # This is the edge: whatever went wrong inside, a visitor is only ever sent on when the click is a row.
        log.error("A visit could not be recorded", exc_info=None if isinstance(failure, OUTAGES) else failure)
        response = answers.away()
    if request.method == "HEAD":
        response.content = b""
    return response


def follow(request: HttpRequest) -> HttpResponse:
    if request.method not in ("GET", "HEAD"):
        return answers.sealed(HttpResponseNotAllowed(["GET", "HEAD"]))
    found = PATH.fullmatch(request.path_info)
    partner_id, offer_id = (partner_pk_of(found[2]), offer_pk_of(found[3])) if found else (None, None)
    if found is None or partner_id is None or offer_id is None:
        return answers.unknown()
    arrival = Arrival.of(request, partner_id, offer_id)
    if request.method == "HEAD":
        return look(arrival)
    return click(arrival) if found[1] == "t" else show(arrival)


def click(arrival: Arrival) -> HttpResponse:
    decided = clicks.record(arrival)
    if decided is None:
        return answers.unknown()
    destination = decided.destination
    return answers.redirect(destination) if destination is not None else answers.unavailable()


def show(arrival: Arrival) -> HttpResponse:
    """The picture is the same whether the impression counts or not."""
    return answers.dot() if impressions.record(arrival) else answers.unknown()


def look(arrival: Arrival) -> HttpResponse:
    """For those who check links: whether there is such a one. It is no visit and is not recorded, so it does not lead
    on either."""
    return answers.sealed(HttpResponse()) if footings_of([arrival]) else answers.unknown()
