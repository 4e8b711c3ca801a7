"""The API as a whole: its routers put together, and the life of a call around them (design.md section 6)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from time import perf_counter
from typing import Any

from django.db import Error as DatabaseError
from django.db import transaction
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
)
from django.urls import Resolver404, ResolverMatch, resolve
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

import apilog.models
import partners.api
import portal.network.api
from keys.gate import Call, Outcome, Realm, Refused, admit, refuse_key_in_url
from portal.web.api import error_answer

log = logging.getLogger(__name__)

PREFIX = "/v1"
# Announced but not released: a client that asks for one learns that it is early, not wrong.
ANNOUNCED = ("/v1/advertisers",)
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})

OUTCOMES = {400: Outcome.BAD_REQUEST, 404: Outcome.NOT_FOUND, 413: Outcome.BAD_REQUEST}


class CallRequest(HttpRequest):
    """A request of the API, with the call it makes."""

    call: Call


def opened_by(realm: Realm) -> Callable[[CallRequest], object]:
    def authenticate(request: CallRequest) -> object:
        admit(request, request.call, realm)
        return request.call.key

    return authenticate


api = NinjaAPI(title="Latchkey", version="1", docs_url=None, openapi_url=None, urls_namespace="api")


def names_its_action(run: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Puts the operation's name on the call, before anything can refuse it."""
    action = run.__self__.view_func.__name__  # type: ignore[attr-defined]

    @wraps(run)
    def named(request: CallRequest, **parameters: Any) -> HttpResponse:
        request.call.action = action
        return run(request, **parameters)

    return named


api.add_decorator(names_its_action, mode="view")
api.add_router("/affiliates", partners.api.affiliates, auth=opened_by(Realm.AFFILIATE))
api.add_router("/networks", partners.api.networks, auth=opened_by(Realm.NETWORK))
api.add_router("/meta", portal.network.api.meta)


class ApiMiddleware:
    """Answers everything under /v1 itself. A call has no cookie, no session and no CSRF token, is never redirected,
    and has its row in the API Log committed before its answer leaves."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = request.path_info
        if path == PREFIX or path.startswith(f"{PREFIX}/"):
            return answer(request)
        return self.get_response(request)


def answer(request: HttpRequest) -> HttpResponse:
    call = Call.of(request)
    request.call = call  # type: ignore[attr-defined]
    try:
        # A change and its row commit together, or not at all.
        with transaction.atomic() if call.method in CHANGING else nullcontext():
            response = operate(request, call)
            record(call, response)
    except Exception as failure:  # noqa: BLE001
        # This is the edge of the API: whatever went wrong inside becomes an answer here, and a row if that can be.
        response = answer_failure(request, call, failure)
    response["X-Request-ID"] = str(call.id)
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    if call.method == "HEAD":
        response.content = b""
    return response


def operate(request: HttpRequest, call: Call) -> HttpResponse:
    """Routes the call and runs its operation; a refusal takes back what the operation had changed."""
    try:
        refuse_key_in_url(call)
        match = route(call)
        if call.method == "OPTIONS":
            return answer_options(request, match)
        if call.method == "HEAD":
            request.method = "GET"
        with transaction.atomic() if call.method in CHANGING else nullcontext():
            response: HttpResponse = match.func(request, *match.args, **match.kwargs)
            if response.status_code >= 400 and call.method in CHANGING:
                transaction.set_rollback(True)
    except Refused as refusal:
        return refuse(request, refusal)
    if isinstance(response, HttpResponseNotAllowed):
        allowed = response["Allow"]
        call.outcome = Outcome.METHOD_NOT_ALLOWED
        response = error_answer(request, 405, f"{call.method} is not allowed here; {allowed} is.")
        response["Allow"] = allowed
    return response


def route(call: Call) -> ResolverMatch:
    """:raises Refused: 418 for an announced path, 404 for one that is neither released nor announced"""
    if any(call.path == path or call.path.startswith(f"{path}/") for path in ANNOUNCED):
        raise Refused(Outcome.UNRELEASED, 418, "This endpoint is announced but not released yet.")
    try:
        match = resolve(call.path)
    except Resolver404:
        match = None
    if match is None or match.url_name == "api-root":
        raise Refused(
            Outcome.NOT_FOUND,
            404,
            "There is no such endpoint. Paths have no slash at the end.",
        )
    return match


def answer_options(request: HttpRequest, match: ResolverMatch) -> HttpResponse:
    """Which methods the path has; it needs no key, because it says nothing that the documentation does not."""
    request.method = "OPTIONS"
    methods = match.func(request, *match.args, **match.kwargs)["Allow"]
    response = HttpResponse(status=204)
    response["Allow"] = methods
    return response


def record(call: Call, response: HttpResponse) -> None:
    call.status = response.status_code
    call.response_size = len(response.content)
    apilog.models.write(call, duration_us=round((perf_counter() - call.started) * 1_000_000))


def answer_failure(request: HttpRequest, call: Call, failure: Exception) -> HttpResponse:
    log.error("Call %s ended in an unexpected error", call.id, exc_info=failure)
    call.outcome = Outcome.ERROR
    sentence = f"Something went wrong on our side. Your request id is {call.id}."
    response = error_answer(request, 503 if isinstance(failure, DatabaseError) else 500, sentence)
    try:
        record(call, response)
    except DatabaseError:
        log.exception("Call %s could not be logged, so it is not answered", call.id)
        sentence = f"The call could not be recorded, so nothing was done. Try again. Your request id is {call.id}."
        response = error_answer(request, 503, sentence)
    return response


def refuse(request: HttpRequest, refusal: Refused) -> HttpResponse:
    request.call.outcome = refusal.outcome  # type: ignore[attr-defined]
    response = error_answer(request, refusal.status, refusal.sentence)
    if refusal.status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="Latchkey"'
    return response


def refuse_with(request: HttpRequest, status: int, sentence: str) -> HttpResponse:
    return refuse(request, Refused(OUTCOMES.get(status, Outcome.BAD_REQUEST), status, sentence))


@api.exception_handler(Refused)
def refused(request: HttpRequest, refusal: Refused) -> HttpResponse:
    return refuse(request, refusal)


@api.exception_handler(Http404)
def not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return refuse_with(request, 404, "There is no such object.")


@api.exception_handler(HttpError)
def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    return refuse_with(request, error.status_code, f"{error}.".replace("..", "."))


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    first = error.errors[0]
    field = ".".join(str(part) for part in first["loc"][1:] if part != "payload") or "The body"
    return refuse_with(request, 400, f"{field}: {first['msg']}.")


@api.exception_handler(Exception)
def unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    raise error
