"""Conversions that the network's own systems report, many at once, and what it decides about one."""

from __future__ import annotations

import json
from decimal import ROUND_HALF_UP, Decimal
from hashlib import sha256
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from pydantic import BaseModel, ConfigDict, Field, IPvAnyAddress, StrictStr, TypeAdapter, ValidationError
from pydantic import WithJsonSchema as Documented
from pydantic.config import JsonDict

from partners.models import Partner
from partners.offers.models import CouponCode, Offer
from partners.traffic.models import Click, Conversion, Impression, Report, Source, UnknownEvent
from partners.traffic.models.conversions import Told
from partners.traffic.models.recording import Dues
from partners.traffic.terms import CENTS
from portal.accounts.actors import Actor
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.network.models import Network
from portal.web.api import error_answer, speaks_json

MOST_ROWS = 10_000
MOST_BYTES = 8 * 2**20
# As many wrong rows as anybody reads; the answer says how many there are.
MOST_NAMED = 1000
HEX = r"^[0-9a-fA-F]{32}$"
ROW: JsonDict = {
    "transaction_id": "0197148f02aa7b1c9d3e4f5a6b7c8d9e",
    "order_id": "A-1001",
    "sale_amount": 99.9,
    "status": "approved",
}
ADVS = tuple(f"adv{number}" for number in range(1, 6))
Adv = Annotated[StrictStr, Field(default="", description="What the advertiser adds.", max_length=500)]


class IngestRow(BaseModel):
    model_config = ConfigDict(extra="forbid")

    transaction_id: Annotated[StrictStr, Field(pattern=HEX)] | None = Field(
        default=None, description="The click's or the impression's id: 32 hexadecimal digits."
    )
    coupon_code: StrictStr = Field(
        default="",
        description="A code that is one partner's: the sale is that partner's, with or without a click.",
        max_length=80,
    )
    order_id: StrictStr = Field(
        default="",
        description="The order's number. The same order of the same click or coupon is one conversion, however often "
        "it is sent.",
        max_length=120,
    )
    conversion_id: Annotated[StrictStr, Field(pattern=HEX)] | None = Field(
        default=None,
        description="In place of order_id: an id of your own, 32 hexadecimal digits, or that of a conversion which is "
        "recorded here. The same id is one conversion, however often it is sent.",
    )
    event: StrictStr = Field(
        default="", description="Name of the event; empty for the conversion itself.", max_length=80
    )
    sale_amount: Decimal = Field(
        default=Decimal(0),
        description="What was bought for, in the offer's currency.",
        ge=0,
        lt=10**10,
        json_schema_extra={"type": "number", "minimum": 0, "exclusiveMaximum": 10**10},
    )
    status: Literal["", "approved", "pending", "rejected"] = Field(
        default="", description="pending and rejected make less of it; otherwise the offer's own rules decide."
    )
    conversion_user_ip: IPvAnyAddress | None = Field(default=None, description="The address it was made from.")
    adv1: Adv
    adv2: Adv
    adv3: Adv
    adv4: Adv
    adv5: Adv

    @property
    def visit_id(self) -> UUID | None:
        return UUID(self.transaction_id) if self.transaction_id else None

    @property
    def report(self) -> Report:
        return Report(
            event_name=self.event,
            order_id=self.order_id,
            sale_amount=self.sale_amount.quantize(CENTS, ROUND_HALF_UP),
            coupon_code=self.coupon_code,
            adv={name: getattr(self, name) for name in ADVS},
            ip=str(self.conversion_user_ip) if self.conversion_user_ip else None,
            status=self.status,
        )


def schema_of_rows() -> dict[str, Any]:
    row = IngestRow.model_json_schema()
    row["properties"]["sale_amount"] = {
        "type": "number",
        "minimum": 0,
        "exclusiveMaximum": 10**10,
        "default": 0,
        "description": "What was bought for, in the offer's currency.",
    }
    return {"type": "array", "minItems": 1, "maxItems": MOST_ROWS, "items": row}


class Ingest(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"conversions": [ROW]}]})

    # Each row is looked at by itself, so that the answer can name all that are wrong and not only the first.
    conversions: Annotated[list[Any], Documented(schema_of_rows())] = Field(
        description=f"1 to {MOST_ROWS:,} of them.", min_length=1, max_length=MOST_ROWS
    )


class IngestedConversion(BaseModel):
    index: int = Field(description="Which of the rows that were sent, from 0.")
    conversion_id: str = Field(description="The conversion's id here: 32 hexadecimal digits.")
    status: str = Field(description="approved, pending, rejected, invalid or on_hold, as it is now.")
    error_message: str = Field(description="Why it is rejected or invalid; empty otherwise.")
    is_new: bool = Field(description="Whether this call has recorded it; false: it was reported before.")


class Ingested(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "received": 1,
                    "recorded": 1,
                    "repeated": 0,
                    "conversions": [
                        {
                            "index": 0,
                            "conversion_id": "019714a5c1d07c3e8f2b6a1d4e5f6a7b",
                            "status": "approved",
                            "error_message": "",
                            "is_new": True,
                        }
                    ],
                }
            ]
        }
    )

    received: int = Field(description="How many rows were sent.")
    recorded: int = Field(description="How many of them are new conversions.")
    repeated: int = Field(description="How many had been reported before, or stand in the request twice.")
    conversions: list[IngestedConversion] = Field(description="One for each row, in their order.")


REFUSED = {
    # As text: what an operation has by number goes beside it.
    "400": {
        "description": "Nothing was recorded. `rows` names every row that is wrong, up to the first "
        f"{MOST_NAMED:,} of them.",
        "headers": {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}},
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "code": {"type": "string"},
                        "error": {"type": "string"},
                        "Error": {"type": "string"},
                        "rows": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "properties": {
                                    "index": {"type": "integer"},
                                    "field": {"type": "string"},
                                    "error": {"type": "string"},
                                },
                                "required": ["index", "field", "error"],
                            },
                        },
                    },
                    "required": ["code", "error", "Error"],
                }
            },
            "text/html": {"schema": {"type": "string"}},
        },
    }
}


class Wrong(Exception):
    """A row cannot be recorded; ``field`` is what is wrong about it."""

    def __init__(self, field: str, sentence: str) -> None:
        self.field = field
        self.sentence = sentence
        super().__init__(f"{field}: {sentence}")


class RowsRefused(Exception):
    """Some rows are wrong, and so nothing is recorded: each with its index and its field."""

    def __init__(self, wrong: list[tuple[int, Wrong]]) -> None:
        self.wrong = sorted(wrong, key=lambda each: each[0])
        super().__init__(f"{len(wrong)} rows")


ROWS = TypeAdapter(list[IngestRow])
Visit = TypeVar("Visit", Click, Impression)


def ingest(rows: list[Any], *, by: Actor) -> dict[str, Any]:
    """Records what the rows report, all of them or none, and says what became of each.

    :raises RowsRefused: naming every row that is wrong
    """
    read = read_rows(rows)
    known = recorded_as({UUID(row.conversion_id) for row in read if row.conversion_id})
    asked = [
        (index, row) for index, row in enumerate(read) if not row.conversion_id or UUID(row.conversion_id) not in known
    ]
    told = told_by(asked)
    found = dict(zip((index for index, _ in asked), Conversion.record_together(told, by=by), strict=True))
    results = [found.get(index) or (known[UUID(row.conversion_id or "")], False) for index, row in enumerate(read)]
    recorded = sum(is_new for _, is_new in results)
    details = {"received": len(rows), "recorded": recorded}
    Event.record(EventKind.CONVERSIONS_REPORTED, by=by, subject=Network.load(), details=details)
    return {
        **details,
        "repeated": len(rows) - recorded,
        "conversions": [
            {
                "index": index,
                "conversion_id": conversion.id.hex,
                "status": conversion.status,
                "error_message": conversion.error_message,
                "is_new": is_new,
            }
            for index, (conversion, is_new) in enumerate(results)
        ],
    }


def read_rows(rows: list[Any]) -> list[IngestRow]:
    """:raises RowsRefused: naming each row once, by the first of its fields that is wrong"""
    try:
        return ROWS.validate_python(rows)
    except ValidationError as errors:
        wrong: dict[int, Wrong] = {}
        for each in errors.errors(include_url=False, include_context=False, include_input=False):
            index, *where = each["loc"]
            wrong.setdefault(int(index), Wrong(str(where[0]) if where else "row", each["msg"]))
        raise RowsRefused(list(wrong.items())) from None


def recorded_as(ids: set[UUID]) -> dict[UUID, Conversion]:
    return {each.id: each for each in Conversion.objects.filter(id__in=ids)} if ids else {}


def told_by(asked: list[tuple[int, IngestRow]]) -> list[Told]:
    """:raises RowsRefused:"""
    visits = visits_of({row.visit_id for _, row in asked if row.visit_id})
    coupons = coupons_of({row.coupon_code.upper() for _, row in asked if row.coupon_code})
    wrong: list[tuple[int, Wrong]] = []
    sources: list[tuple[int, IngestRow, Source]] = []
    for index, row in asked:
        try:
            sources.append((index, row, source_of(row, visits, coupons)))
        except Wrong as reason:
            wrong.append((index, reason))
    dues, told = Dues(source for _, _, source in sources), []
    for index, row, source in sources:
        report = row.report
        try:
            due = dues.of(source, report)
        except UnknownEvent as unknown:
            listed = ", ".join(unknown.known) or "none"
            sentence = f"offer {source.offer.pk} has no event {report.event_name}; its events are: {listed}"
            wrong.append((index, Wrong("event", sentence)))
            continue
        told.append(Told(source, report, due, digest_of(row, source, report)))
    if wrong:
        raise RowsRefused(wrong)
    return told


def digest_of(row: IngestRow, source: Source, report: Report) -> bytes:
    """What is reported with an id is known by that alone; anything else as it is at the advertisers' own reports."""
    if row.conversion_id is None:
        return source.digest_of(report)
    return sha256(json.dumps(["conversion", row.conversion_id.lower()]).encode()).digest()


def source_of(row: IngestRow, visits: dict[UUID, Click | Impression], coupons: dict[str, CouponCode]) -> Source:
    """Whose conversion it is. A sale with one partner's coupon is that partner's, whatever was clicked before it.

    :raises Wrong:
    """
    if row.visit_id is None and not row.coupon_code:
        raise Wrong("transaction_id", "it is missing, and so is a coupon_code that would do in its place")
    visit = visits.get(row.visit_id) if row.visit_id else None
    coupon = coupons.get(row.coupon_code.upper())
    if coupon is not None and visit is not None and coupon.offer.advertiser_id != visit.offer.advertiser_id:
        coupon = None
    if coupon is not None and (
        visit is None or (coupon.partner_id, coupon.offer_id) != (visit.partner_id, visit.offer_id)
    ):
        if visit is None and not row.order_id and not row.conversion_id:
            raise Wrong("order_id", "with a coupon code alone it is needed, or a repetition could not be told")
        return Source.of_coupon(coupon, visit)
    if visit is not None:
        return Source.of_visit(visit)
    if row.visit_id:
        raise Wrong("transaction_id", "there is no such click or impression")
    raise Wrong("coupon_code", "it is not assigned to a partner")


def visits_of(ids: set[UUID]) -> dict[UUID, Click | Impression]:
    """The clicks and impressions of these ids, with their partners and offers, in at most four statements."""
    if not ids:
        return {}
    visits: dict[UUID, Click | Impression] = {each.id: each for each in Click.objects.filter(id__in=ids)}
    if rest := ids - visits.keys():
        visits |= {each.id: each for each in Impression.objects.filter(id__in=rest)}
    partners = Partner.objects.in_bulk({each.partner_id for each in visits.values()})
    offers = Offer.objects.in_bulk({each.offer_id for each in visits.values()})
    for each in visits.values():
        each.partner, each.offer = partners[each.partner_id], offers[each.offer_id]
    return visits


def coupons_of(codes: set[str]) -> dict[str, CouponCode]:
    """One partner's coupons by their codes in capitals. An expired one still counts: its last sales are told late."""
    if not codes:
        return {}
    coupons: QuerySet[CouponCode] = CouponCode.objects.named_any(codes).filter(partner__isnull=False)
    return {each.code.upper(): each for each in coupons.select_related("partner", "offer")}


def refused(request: HttpRequest, refusal: RowsRefused) -> HttpResponse:
    """400, naming every row that is wrong."""
    index, first = refusal.wrong[0]
    more = f" {len(refusal.wrong)} rows are wrong; `rows` names them." if len(refusal.wrong) > 1 else ""
    sentence = f"conversions.{index}.{first.field}: {first.sentence}. Nothing was recorded.{more}"
    if not speaks_json(request):
        return error_answer(request, 400, sentence)
    rows = [
        {"index": index, "field": wrong.field, "error": wrong.sentence} for index, wrong in refusal.wrong[:MOST_NAMED]
    ]
    content = json.dumps({"code": "400", "error": sentence, "Error": sentence, "rows": rows})
    return HttpResponse(content, status=400, content_type="application/json")
