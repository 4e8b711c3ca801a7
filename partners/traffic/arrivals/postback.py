"""The advertiser's server reports a conversion (wire.md section 11).

Its token says who it is: in the Authorization header, or as the parameter ``token`` where a system can only call URLs.
"""

from __future__ import annotations

import json
import logging
import re
from decimal import ROUND_HALF_UP, Decimal
from urllib.parse import parse_qsl
from uuid import UUID

from django.conf import settings
from django.db import DataError, InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse

from partners.offers.models import Advertiser, CouponCode
from partners.traffic.models import Click, Conversion, Impression, Report, Source, UnknownEvent
from partners.traffic.terms import CENTS
from portal.accounts.actors import Actor
from portal.web.client_ip import client_ip
from portal.web.storable import from_wire, storable

log = logging.getLogger(__name__)

OUTAGES = (OperationalError, InterfaceError, InternalError)
AMOUNT = re.compile(r"[0-9]{1,10}(\.[0-9]{1,20})?", re.ASCII)
TRANSACTION = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
ADVS = tuple(f"adv{number}" for number in range(1, 6))
LONGEST = {"order_id": 120, "event": 80, "coupon_code": 80}
STATUSES = (Conversion.Status.APPROVED, Conversion.Status.PENDING, Conversion.Status.REJECTED)
MOST_FIELDS = 200
RETRY_SECONDS = 5


class Refused(Exception):
    """The report is not taken; the sentence says why."""

    def __init__(self, status: int, sentence: str) -> None:
        self.status = status
        self.sentence = sentence
        super().__init__(sentence)


def answer(request: HttpRequest) -> HttpResponse:
    try:
        response = as_json(200, take(request))
    except Refused as refusal:
        response = refuse(refusal.status, refusal.sentence)
    except DataError:
        # All else that is stored has been looked at; what the amount comes to is known only with the terms.
        response = refuse(400, "amount: what it comes to is more than can be paid.")
    except Exception as failure:
        # The edge: a report is confirmed when its row is committed, and never otherwise.
        log.error("A report could not be recorded", exc_info=None if isinstance(failure, OUTAGES) else failure)
        response = refuse(503, "The report could not be recorded. Send it again: nothing is counted twice.")
        response["Retry-After"] = str(RETRY_SECONDS)
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Length"] = str(len(response.content))
    # Django would write a line for every refusal, with an address that holds a token.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def take(request: HttpRequest) -> dict[str, str]:
    """Records what the request reports.

    :raises Refused: with 400, 401, 404, 405 or 413
    """
    if request.method not in ("GET", "POST"):
        raise Refused(405, f"{request.method} is not allowed here; GET and POST are.")
    said = parameters_of(request)
    advertiser = Advertiser.objects.holding(token_of(request, said))
    if advertiser is None:
        raise Refused(401, "The token is missing or opens nothing. Send it as “Authorization: Bearer TOKEN”.")
    ip = client_ip(request)
    report = report_of(said, ip=str(ip) if ip else None)
    source = source_of(said, advertiser)
    try:
        conversion, _ = Conversion.record(source=source, report=report, by=Actor.system(f"Advertiser {advertiser}"))
    except UnknownEvent as unknown:
        listed = ", ".join(unknown.known) or "none"
        raise Refused(400, f"event: the offer has no event {report.event_name}; its events are: {listed}.") from unknown
    return {"conversion_id": conversion.id.hex, "status": conversion.status}


def token_of(request: HttpRequest, said: dict[str, str]) -> str:
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else said.get("token", "")


def parameters_of(request: HttpRequest) -> dict[str, str]:
    """What the query and the body say: a form, or a JSON object of texts and numbers. The body goes before the query.

    :raises Refused: when the body cannot be read or has more than that in it
    """
    said = pairs_of(from_wire(request.META.get("QUERY_STRING", "")))
    body = body_of(request) if request.method == "POST" else b""
    if "json" in (request.content_type or ""):
        return said | (members_of(body) if body.strip() else {})
    if request.content_type == "multipart/form-data":
        raise Refused(400, "Send the report as application/x-www-form-urlencoded or as JSON, not as multipart.")
    return said | pairs_of(body.decode("utf-8", "replace"))


def pairs_of(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, errors="replace", max_num_fields=MOST_FIELDS))
    except ValueError as error:
        raise Refused(400, f"There are more than {MOST_FIELDS} parameters.") from error


def members_of(body: bytes) -> dict[str, str]:
    try:
        # Numbers stay the texts they are: an amount must not pass through a float.
        members = json.loads(body, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "The body is not JSON.") from error
    if not isinstance(members, dict):
        raise Refused(400, "The body is not a JSON object.")
    for name, value in members.items():
        if value is not None and not isinstance(value, str):
            raise Refused(400, f"{storable(name, 40)}: it must be a text or a number.")
    return {name: value for name, value in members.items() if value}


def body_of(request: HttpRequest) -> bytes:
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0
    length = request.META.get("CONTENT_LENGTH") or ""
    if length.isdecimal():
        if len(length) > 20 or int(length) > most:
            raise Refused(413, "The body is too large.")
        return request.body
    if "chunked" not in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
        return b""
    body: bytes = request.META["wsgi.input"].read(most + 1)
    if len(body) > most:
        raise Refused(413, "The body is too large.")
    return body


def report_of(said: dict[str, str], *, ip: str | None) -> Report:
    """:raises Refused: 400, naming the parameter that is wrong"""
    for name, length in LONGEST.items():
        text = said.get(name, "")
        if len(text) > length:
            raise Refused(400, f"{name}: it is longer than {length} characters.")
        if storable(text, length) != text:
            raise Refused(400, f"{name}: it has a character in it that cannot be stored.")
    status = said.get("status", "").lower()
    if status and status not in STATUSES:
        raise Refused(400, "status: it is approved, pending or rejected; without one the offer's own rules decide.")
    return Report(
        event_name=said.get("event", ""),
        order_id=said.get("order_id", ""),
        sale_amount=amount_of(said.get("amount", "")),
        coupon_code=said.get("coupon_code", ""),
        adv={name: storable(said[name], 500) for name in ADVS if name in said},
        ip=ip,
        status=status,
    )


def amount_of(text: str) -> Decimal:
    """:raises Refused: 400, when it is no amount of money"""
    text = text.strip()
    if not text:
        return Decimal(0)
    if not AMOUNT.fullmatch(text):
        raise Refused(400, "amount: it must be a number such as 49.90, not negative, without currency or thousands.")
    return Decimal(text).quantize(CENTS, ROUND_HALF_UP)


def source_of(said: dict[str, str], advertiser: Advertiser) -> Source:
    """Whose conversion it is. A sale with one partner's coupon is that partner's, whatever was clicked before it.

    :raises Refused: 400 when nothing says whose; 404 when there is no such click, or it is another advertiser's
    """
    transaction, code = said.get("transaction_id", "").strip(), said.get("coupon_code", "")
    if not transaction and not code:
        raise Refused(400, "transaction_id: it is missing, and so is a coupon_code that would do in its place.")
    if transaction and not TRANSACTION.fullmatch(transaction):
        raise Refused(400, "transaction_id: it must be the 32 hexadecimal characters that the click carried.")
    visit = visit_of(UUID(transaction), advertiser) if transaction else None
    if coupon := coupon_of(code, advertiser):
        assert coupon.partner is not None
        if visit is None or (coupon.partner_id, coupon.offer_id) != (visit.partner_id, visit.offer_id):
            return of_coupon(coupon, visit, said)
    if visit is not None:
        return Source.of_visit(visit)
    if transaction:
        raise Refused(404, "transaction_id: there is no such click or impression.")
    raise Refused(404, "coupon_code: it is not assigned to a partner for one of your offers.")


def of_coupon(coupon: CouponCode, visit: Click | Impression | None, said: dict[str, str]) -> Source:
    """:raises Refused: 400, when nothing would tell a repeated report from another sale"""
    if visit is None and not said.get("order_id"):
        raise Refused(400, "order_id: with a coupon code alone it is needed, or a repetition could not be told.")
    return Source.of_coupon(coupon, visit)


def visit_of(visit_id: UUID, advertiser: Advertiser) -> Click | Impression | None:
    """The click or the impression of that number, when its offer is the advertiser's."""
    for kind in (Click, Impression):
        found = kind.objects.filter(id=visit_id).select_related("partner", "offer").first()
        if found is not None:
            return found if found.offer.advertiser_id == advertiser.pk else None
    return None


def coupon_of(code: str, advertiser: Advertiser) -> CouponCode | None:
    """One partner's coupon for one of the advertiser's offers. An expired one still counts: its last sales are told
    late."""
    if not code:
        return None
    coupons = CouponCode.objects.named(code).filter(offer__advertiser=advertiser, partner__isnull=False)
    return coupons.select_related("partner", "offer").first()


def refuse(status: int, sentence: str) -> HttpResponse:
    response = as_json(status, {"code": str(status), "error": sentence, "Error": sentence})
    if status == 405:
        response["Allow"] = "GET, POST"
    if status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="Latchkey"'
    return response


def as_json(status: int, content: dict[str, str]) -> HttpResponse:
    return HttpResponse(json.dumps(content), status=status, content_type="application/json")
