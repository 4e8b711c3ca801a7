"""Answers POST /leaks itself, before all that is for people: who reports leaked keys has no session, no cookie and no
CSRF token, and would follow no redirect. Until its signature is checked, every sender is told the same."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed, UnreadablePostError

from keys.leaks import reports
from keys.leaks.signing import NotSigned, ensure_signed
from portal.accounts.actors import Actor
from portal.web.client_ip import client_ip
from portal.web.limits import TooMany, by_client_ip, limited

log = logging.getLogger(__name__)

PATHS = ("/leaks", "/leaks/")
REPORTER = "GitHub secret scanning"
# The database is away, busy or full.
OUTAGES = (OperationalError, InterfaceError, InternalError)
RETRY_SECONDS = 60


class LeakReportMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return answer(request) if request.path_info in PATHS else self.get_response(request)


def answer(request: HttpRequest) -> HttpResponseBase:
    response: HttpResponseBase
    if request.method != "POST":
        return sealed(HttpResponseNotAllowed(["POST"], headers={"Content-Length": "0"}))
    try:
        response = take(request)
    except TooMany as limit:
        response = refuse(429, limit.sentence)
        response["Retry-After"] = str(limit.seconds)
    except Exception as failure:
        # The edge: what could not be settled is not confirmed, and may be sent again.
        log.error("A report of leaked keys was not settled", exc_info=None if isinstance(failure, OUTAGES) else failure)
        response = refuse(503, "Send it again later: nothing is done twice.")
        response["Retry-After"] = str(RETRY_SECONDS)
    return sealed(response)


@limited("300/m", by=by_client_ip, what="Reporting leaked keys")
def take(request: HttpRequest) -> HttpResponse:
    try:
        body = request.body
    except RequestDataTooBig:
        return refuse(413, "The report is too long.")
    except UnreadablePostError:
        return refuse(400, "The report did not arrive as a whole.")
    try:
        ensure_signed(
            body,
            identifier=request.headers.get("Github-Public-Key-Identifier", ""),
            signature=request.headers.get("Github-Public-Key-Signature", ""),
        )
    except NotSigned as reason:
        named = request.headers.get("Github-Public-Key-Identifier", "")[:100]
        log.error("A report of leaked keys from %s, key %r, was refused: %s", client_ip(request), named, reason)
        return refuse(401, "The report is not signed by anybody who may make one.")
    return settle(request, body)


def settle(request: HttpRequest, body: bytes) -> HttpResponse:
    try:
        matches = reports.read(body)
    except reports.NoReport:
        return refuse(400, "The report is no array of objects with token, type, url and source.")
    except reports.TooLong:
        return refuse(413, f"The report has more than {reports.MOST_REPORTED} matches.")
    feedback = reports.settle(matches, by=Actor(label=REPORTER, ip=client_ip(request)))
    ours = sum(each["label"] == "true_positive" for each in feedback)
    log.warning("%s reported %d matches; %d of them are keys of ours", REPORTER, len(matches), ours)
    return as_json(200, feedback)


def refuse(status: int, sentence: str) -> HttpResponse:
    return as_json(status, {"error": sentence})


def as_json(status: int, told: object) -> HttpResponse:
    body = json.dumps(told).encode()
    headers = {"Content-Length": str(len(body))}
    return HttpResponse(body, status=status, content_type="application/json", headers=headers)


def sealed(response: HttpResponseBase) -> HttpResponseBase:
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    # What is worth a line has one.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response
