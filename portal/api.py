"""The API as a whole: its routers put together, and the life of a call around them (design.md section 6)."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, wraps
from time import perf_counter
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, TooManyFieldsSent
from django.db import InterfaceError, InternalError, OperationalError, connection, transaction
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    StreamingHttpResponse,
)
from django.urls import Resolver404, ResolverMatch, resolve
from ninja import NinjaAPI, Router
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from psycopg_pool import PoolTimeout
from pydantic_core import from_json, to_json

import apilog.api
import keys.api
import partners.api
import partners.billing.api
import partners.billing.network_api
import partners.firehose.api
import partners.network_api
import partners.offers.api
import partners.offers.api.network
import partners.postbacks.api
import partners.postbacks.network_api
import partners.reporting.api
import partners.reporting.network_api
import partners.traffic.api
import partners.traffic.api.network
import partners.traffic.api.offers
import portal.network.api
from apilog.models import OF_ONE_ROW, write, write_alone, write_together
from keys.gate import (
    Call,
    Decision,
    Outcome,
    Question,
    Realm,
    Refused,
    admit,
    decide_together,
    heed,
    question_of,
    refuse_key_in_url,
)
from portal.api_document import COMMON_COMPONENTS, ERROR_SCHEMA, RELATED, add_examples, add_parameter, complete
from portal.api_streams import LoggedStream, begin
from portal.web.api import NotNow, OperationLimit, error_answer
from portal.web.combining import Combiner, WorkStopped

log = logging.getLogger(__name__)

PREFIX = "/v1"
# Announced but not released: a client that asks for one learns that it is early, not wrong.
ANNOUNCED = ("/v1/advertisers",)
# How many wrong fields a refusal names.
MOST_SENTENCES = 12
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})

# The database is away, busy or full; a client does well to try again. Its other errors are mistakes of ours.
OUTAGES = (OperationalError, InterfaceError, InternalError, WorkStopped)


def outcome_of(status: int) -> Outcome:
    """The outcome of an error that an operation, not the gate, has answered."""
    if status >= 500:
        return Outcome.ERROR
    return Outcome.NOT_FOUND if status == 404 else Outcome.BAD_REQUEST


class CallRequest(HttpRequest):
    """A request of the API, with the call it makes."""

    call: Call


Run = Callable[..., HttpResponse]
Answer = HttpResponse | LoggedStream


def passing_the_gate(realm: Realm | None) -> Callable[[Run], Run]:
    """Around an operation: its name for the log, the gate before it, and a change committed with its row."""

    def decorate(run: Run) -> Run:
        routed: Operation = run.__self__  # type: ignore[attr-defined]
        operation = routed.view_func
        action, limit = operation.__name__, getattr(operation, "limit", None)
        is_quick = getattr(operation, "is_quick", False)
        is_reading = getattr(operation, "is_reading", False)
        run = taking_only(taken_by(routed, realm), run)

        @wraps(run)
        def guarded(request: CallRequest, **parameters: Any) -> HttpResponse:
            call = request.call
            call.action = action
            if realm is not None and is_quick and call.method not in CHANGING:
                return settle(Quick(request, question_of(request, call, realm, limit), run, parameters))
            if realm is not None:
                # Before any transaction, so that what is spent stays spent and no lock is held on.
                admit(request, call, realm, limit)
            if is_reading or call.method not in CHANGING:
                return run(request, **parameters)
            with transaction.atomic():
                response = run_or_take_back(run, request, parameters)
                # A stream has changed nothing: it has not even begun, and its row waits until it has.
                if not response.streaming:
                    record(call, response, write_alone)
            return response

        return guarded

    return decorate


def taking_only(taken: tuple[str, ...], run: Run) -> Run:
    """Around an operation, behind the gate: a parameter that it does not take is refused, for an answer without what
    it was to ask for would look like one with it (wire.md)."""
    has = f"There are {', '.join(taken)}" if taken else "There are none"

    @wraps(run)
    def knowing(request: CallRequest, **parameters: Any) -> HttpResponse:
        try:
            given = request.GET
        except TooManyFieldsSent:
            most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
            raise Refused(Outcome.BAD_REQUEST, 400, f"The URL has more than {most} parameters.") from None
        if unknown := [name for name in given if name not in taken]:
            named = ", ".join(name[:80] for name in unknown[:MOST_SENTENCES])
            raise Refused(Outcome.BAD_REQUEST, 400, f"{named}: there is no such parameter in this URL. {has}.")
        return run(request, **parameters)

    return knowing


def taken_by(operation: Operation, realm: Realm | None) -> tuple[str, ...]:
    """The names in a query string that an operation takes: those that are documented with it."""
    taken = [each["name"] for each in (operation.openapi_extra or {}).get("parameters", ()) if each["in"] == "query"]
    for model in operation.models:
        if model.__ninja_param_source__ == "query":
            taken += model.__ninja_flatten_map__
    if is_related(realm, operation.methods):
        taken.append(RELATED["name"])
    return tuple(dict.fromkeys(taken))


def is_related(realm: Realm | None, methods: Iterable[str]) -> bool:
    """Whether a client may name what it wants in ``relationship``: clients do with whatever they read behind a key."""
    return realm is not None and "GET" in methods


@dataclass(slots=True)
class Quick:
    """A quick operation's call, ready to be decided, carried out and logged together with others."""

    request: CallRequest
    question: Question
    run: Run
    parameters: dict[str, Any]


def settle_together(batch: list[Quick]) -> list[HttpResponse | Exception]:
    """Decides over the calls, carries out those that pass, and writes all their rows: three steps for a whole batch,
    and one wait for each thread instead of two (ADR 8). A call's own failure is its own result."""
    decisions = decide_together([each.question for each in batch])
    results = [carry_out(each, decision) for each, decision in zip(batch, decisions, strict=True)]
    ended = [each.request.call for each, result in zip(batch, results, strict=True) if isinstance(result, HttpResponse)]
    try:
        write_together(ended)
    except OF_ONE_ROW:
        # One of them cannot be stored. Each is written by itself then, by the thread that it belongs to.
        return results
    for call in ended:
        call.is_recorded = True
    return results


def carry_out(each: Quick, decision: Decision) -> HttpResponse | Exception:
    try:
        heed(each.request.call, decision)
        response = each.run(each.request, **each.parameters)
    except Refused as refusal:
        response = refuse(each.request, refusal)
    except Exception as failure:  # noqa: BLE001
        return failure
    conclude(each.request.call, response)
    return response


together = Combiner(settle_together)


def settle(quick: Quick) -> HttpResponse:
    result = together(quick)
    if isinstance(result, Exception):
        raise result
    return result


def run_or_take_back(run: Run, request: CallRequest, parameters: dict[str, Any]) -> HttpResponse:
    """Runs an operation that may change data; a refusal halfway takes back what it had changed."""
    with transaction.atomic():
        response = run(request, **parameters)
        if response.status_code >= 400:
            transaction.set_rollback(True)
    return response


class Renderer(BaseRenderer):
    """JSON by pydantic, whose models the answers are: a fraction of the time the standard library's encoder takes."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        return to_json(data)


class JsonParser(Parser):
    """Takes what can be stored and sent on: no halves of characters, no NUL, no numbers that JSON does not have.

    The standard library's parser takes them all, and the database then refuses them halfway through an operation.
    """

    def parse_body(self, request: HttpRequest) -> Any:
        if NUL.search(request.body):
            raise ValueError("a text holds a NUL character")
        return from_json(request.body, allow_inf_nan=False)


# The escape alone, and not its letters after a backslash that is itself escaped.
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Api(NinjaAPI):
    """Puts each router behind the gate, and documents with each operation what it has in common with all others: keys,
    errors and headers."""

    def __init__(self, **options: Any) -> None:
        super().__init__(docs_url=None, openapi_url=None, renderer=Renderer(), parser=JsonParser(), **options)
        # Which realm's keys open what stands under a prefix; None: no key is needed.
        self.realms: dict[str, Realm | None] = {}
        # Paths of operations that take larger bodies than the rest, with how many bytes.
        self.most_bytes: dict[str, int] = {}
        self._paths: set[str] = set()

    def mount(self, prefix: str, router: Router, *, opened_by: Realm | None) -> None:
        """Puts a router's operations under a prefix, each behind the gate once. Several may share a prefix and realm.

        :raises ImproperlyConfigured: when a path of it stands in another router, which would hide one of the two
        """
        paths = {PARAMETER.sub("{}", f"{prefix}{path}") for path in router.path_operations}
        if taken := paths & self._paths:
            raise ImproperlyConfigured(f"Two routers have {', '.join(sorted(taken))}: its methods belong into one.")
        if self.realms.setdefault(prefix, opened_by) is not opened_by:
            raise ImproperlyConfigured(f"What stands under {prefix} is opened by keys of one realm.")
        self._paths |= paths
        for path, view in router.path_operations.items():
            for operation in view.operations:
                if most := getattr(operation.view_func, "most_bytes", None):
                    self.most_bytes[f"{PREFIX}{prefix}{path}"] = most
        router.add_decorator(passing_the_gate(opened_by), mode="view")
        self.add_router(prefix, router)

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        document = super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params)
        document["components"].update(COMMON_COMPONENTS)
        document["components"]["schemas"]["Error"] = ERROR_SCHEMA
        add_examples(document["components"]["schemas"])
        limits = self._limits()
        for path, operations in document["paths"].items():
            realm = next((realm for prefix, realm in self.realms.items() if f"{prefix}/" in path), None)
            for method, operation in operations.items():
                if is_related(realm, [method.upper()]):
                    add_parameter(operation, RELATED)
                complete(operation, is_guarded=realm is not None, limit=limits.get(operation["operationId"]))
        return document

    def _limits(self) -> dict[str, OperationLimit]:
        """The stricter limit of each operation that declares one, by the operation's id."""
        operations = (
            operation
            for _, router in self._routers
            for view in router.path_operations.values()
            for operation in view.operations
        )
        return {
            self.get_openapi_operation_id(operation): operation.view_func.limit
            for operation in operations
            if hasattr(operation.view_func, "limit")
        }


PARAMETER = re.compile(r"\{[^}]*\}")

api = Api(title="Latchkey", version="1", urls_namespace="api")
mount = api.mount

mount("/affiliates", partners.api.affiliates, opened_by=Realm.AFFILIATE)
for router in partners.offers.api.routers:
    mount("/affiliates", router, opened_by=Realm.AFFILIATE)
for router in partners.traffic.api.routers:
    mount("/affiliates", router, opened_by=Realm.AFFILIATE)
mount("/affiliates", partners.postbacks.api.affiliates, opened_by=Realm.AFFILIATE)
mount("/affiliates", partners.billing.api.router, opened_by=Realm.AFFILIATE)
mount("/affiliates", partners.firehose.api.affiliates, opened_by=Realm.AFFILIATE)
mount("/affiliates", partners.reporting.api.affiliates, opened_by=Realm.AFFILIATE)
mount("/networks", partners.network_api.networks, opened_by=Realm.NETWORK)
mount("/networks", keys.api.networks, opened_by=Realm.NETWORK)
mount("/networks", partners.traffic.api.offers.networks, opened_by=Realm.NETWORK)
mount("/networks", partners.offers.api.network.networks, opened_by=Realm.NETWORK)
mount("/networks", partners.postbacks.network_api.networks, opened_by=Realm.NETWORK)
mount("/networks", partners.billing.network_api.networks, opened_by=Realm.NETWORK)
mount("/networks", apilog.api.networks, opened_by=Realm.NETWORK)
mount("/networks", partners.traffic.api.network.networks, opened_by=Realm.NETWORK)
mount("/networks", partners.reporting.network_api.networks, opened_by=Realm.NETWORK)
mount("/meta", portal.network.api.meta, opened_by=None)


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


def answer(request: HttpRequest) -> Answer:
    call = Call.of(request)
    request.call = call  # type: ignore[attr-defined]
    response: Answer
    try:
        response = operate(request, call)
        if not call.is_recorded:
            record(call, response, write)
    except Exception as failure:  # noqa: BLE001
        # This is the edge of the API: whatever went wrong inside becomes an answer here, and a row if that can be.
        response = answer_failure(request, call, failure)
    # Django would write a line for every refusal, with a path that may hold a key; the API Log has them all.
    response._has_been_logged = True  # type: ignore[union-attr]
    response["X-Request-ID"] = str(call.id)
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    if call.budget is not None:
        for name, value in call.budget.headers.items():
            response[name] = value
    if isinstance(response, LoggedStream):
        response.release()
        return response
    if response.status_code != 204:
        response["Content-Length"] = str(len(response.content))
    if call.method == "HEAD":
        response.content = b""
    return response


def operate(request: HttpRequest, call: Call) -> Answer:
    """Routes the call and runs its operation; a refusal becomes its answer."""
    try:
        refuse_key_in_url(call)
        match = route(call)
        if call.method == "OPTIONS":
            return answer_options(request, match)
        take_body(request)
        if call.method == "HEAD":
            request.method = "GET"
        response: HttpResponse | StreamingHttpResponse = match.func(request, *match.args, **match.kwargs)
        if isinstance(response, StreamingHttpResponse):
            return begin_stream(request, call, response)
    except Refused as refusal:
        return refuse(request, refusal)
    if isinstance(response, HttpResponseNotAllowed):
        allowed = response["Allow"]
        call.outcome = Outcome.METHOD_NOT_ALLOWED
        response = error_answer(request, 405, f"{call.method} is not allowed here; {allowed} is.")
        response["Allow"] = allowed
    return response


def begin_stream(request: HttpRequest, call: Call, response: StreamingHttpResponse) -> Answer:
    assert not call.is_recorded, f"{call.action} is declared @quick and streams."
    try:
        return begin(call, response)
    except Refused:
        raise
    except Exception as failure:  # noqa: BLE001
        # As if the operation had raised it: what it streams is a part of it that runs a moment later.
        answer: HttpResponse = api.on_exception(request, failure)
        return answer


def route(call: Call) -> ResolverMatch:
    """:raises Refused: 418 for an announced path, 404 for one that is neither released nor announced"""
    match = find(call.path)
    if match is not None:
        return match
    if any(call.path == path or call.path.startswith(f"{path}/") for path in ANNOUNCED):
        raise Refused(Outcome.UNRELEASED, 418, "This endpoint is announced but not released yet.")
    raise Refused(Outcome.NOT_FOUND, 404, "There is no such endpoint. Paths have no slash at the end.")


@lru_cache(maxsize=1024)
def find(path: str) -> ResolverMatch | None:
    """The operation at a path. Kept, because most calls ask for few paths and the resolver tries every route anew."""
    try:
        match = resolve(path)
    except Resolver404:
        return None
    return None if match.url_name == "api-root" else match


def take_body(request: HttpRequest) -> None:
    """Sees that the body is not too large, and reads one of unannounced length, which Django would take for empty.

    :raises Refused: 413, before anything is spent
    """
    usual = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    assert usual is not None
    most = api.most_bytes.get(request.path_info, usual)
    length = request.META.get("CONTENT_LENGTH") or ""
    if length.isdecimal():
        # A number that long need not be read to be too large, and int() refuses to.
        too_large = len(length) > 20 or int(length) > most
        if not too_large and most > usual:
            # Django reads no more than is usual.
            request._body = request.META["wsgi.input"].read(int(length))
    elif "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
        request._body = request.META["wsgi.input"].read(most + 1)
        too_large = len(request.body) > most
    else:
        too_large = False
    if too_large:
        raise Refused(
            Outcome.BAD_REQUEST, 413, f"The body is too large: at most {most // 2**20} MB can be sent in one call."
        )


def answer_options(request: HttpRequest, match: ResolverMatch) -> HttpResponse:
    """Which methods the path has; it needs no key, because it says nothing that the documentation does not."""
    request.method = "OPTIONS"
    methods = match.func(request, *match.args, **match.kwargs)["Allow"]
    response = HttpResponse(status=204)
    response["Allow"] = methods
    return response


def record(call: Call, response: Answer, write: Callable[[Any], object]) -> None:
    conclude(call, response)
    try:
        write(call)
    except BaseException:
        if isinstance(response, LoggedStream):
            response.abandon()
        raise
    call.is_recorded = True


def conclude(call: Call, response: Answer) -> None:
    """Puts how the call ended on it, for its row; of a stream, how it began."""
    call.status = response.status_code
    if call.status >= 400 and call.outcome is Outcome.OK:
        # An operation that answers an error by itself, without raising it.
        call.outcome = outcome_of(call.status)
    call.response_size = 0 if isinstance(response, LoggedStream) else len(response.content)
    call.duration_us = round((perf_counter() - call.started) * 1_000_000)


def answer_failure(request: HttpRequest, call: Call, failure: Exception) -> HttpResponse:
    log.error("Call %s ended in an unexpected error", call.id, exc_info=failure)
    call.outcome = Outcome.ERROR
    sentence = f"Something went wrong on our side. Your request id is {call.id}."
    response = error_answer(request, 503 if isinstance(failure, OUTAGES) else 500, sentence)
    try:
        if connection.connection is None and is_away(failure):
            # Waiting for a connection once more would only keep the client, and a thread, for as long again.
            raise failure
        record(call, response, write_alone)
    except Exception:
        log.exception("Call %s could not be logged, so it is not answered", call.id)
        # A commit whose confirmation was lost may have been one, so this cannot say that nothing was done.
        sentence = (
            "The call could not be recorded, so it is not answered. Before you send a change again, look whether it "
            f"was made. Your request id is {call.id}."
        )
        response = error_answer(request, 503, sentence)
    return response


def is_away(failure: BaseException | None) -> bool:
    """Whether there was no connection to be had."""
    return failure is not None and (isinstance(failure, PoolTimeout) or is_away(failure.__cause__))


def refuse(request: HttpRequest, refusal: Refused) -> HttpResponse:
    request.call.outcome = refusal.outcome  # type: ignore[attr-defined]
    response = error_answer(request, refusal.status, refusal.sentence)
    if refusal.status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="Latchkey"'
    seconds = refusal.retry_after
    if not seconds and refusal.outcome is Outcome.RATE_LIMITED:
        seconds = request.call.budget.resets_in  # type: ignore[attr-defined]
    if seconds:
        response["Retry-After"] = str(seconds)
    return response


def refuse_with(request: HttpRequest, status: int, sentence: str) -> HttpResponse:
    return refuse(request, Refused(outcome_of(status), status, sentence))


@api.exception_handler(Refused)
def refused(request: HttpRequest, refusal: Refused) -> HttpResponse:
    return refuse(request, refusal)


@api.exception_handler(Http404)
def not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return refuse_with(request, 404, "There is no such object.")


@api.exception_handler(HttpError)
def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    status, sentence = error.status_code, f"{error}.".replace("..", ".")
    retry_after = error.retry_after if isinstance(error, NotNow) else None
    return refuse(request, Refused(outcome_of(status), status, sentence, retry_after=retry_after))


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    return refuse_with(request, 400, " ".join(said_of(error.errors)))


# What the loc of an error has beside names: which of several forms a value was held against.
FORMS = re.compile(r"(str|int|float|bool|list|dict)(\[.*\])?|[a-z-]+-[a-z-]+(\[.*\])?|[A-Z]\w*")


def said_of(errors: Iterable[Mapping[str, Any]]) -> list[str]:
    """A sentence for each field that is wrong, a dozen of them at most."""
    sentences: dict[str, str] = {}
    for error in errors:
        # A name that is unknown is the client's, and may be as long as its body.
        parts = [str(part)[:80] for part in error["loc"][1:] if part != "payload"]
        if error["type"] != "extra_forbidden" and len(parts) > 1 and FORMS.fullmatch(parts[-1]):
            sentences.setdefault(".".join(parts[:-1]), f"{'.'.join(parts)}: {error['msg']}.")
        else:
            sentences.setdefault(".".join(parts), f"{'.'.join(parts) or 'The body'}: {error['msg']}.")
    return list(sentences.values())[:MOST_SENTENCES]


@api.exception_handler(Exception)
def unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    raise error
