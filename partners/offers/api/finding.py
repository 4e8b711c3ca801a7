"""How the Network API finds offers: filters, search terms and orders, and the 400s for those that there are not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from django.db.models import F, Func, TextField, Value
from django.http import HttpRequest
from ninja.errors import HttpError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictStr, WithJsonSchema, create_model
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from partners.offers.api.offers import LARGEST_ID
from partners.offers.models import Application, Offer, OfferPayout, PayoutType
from partners.offers.models.offer import OfferQuerySet
from portal.network.currencies import DECIMALS
from portal.web.api import PAGED, filters_in
from portal.web.storable import storable

MOST_VALUES = 1000
MOST_TERMS = 20
LONGEST_VALUE = 200
TEXT: JsonDict = {"type": "string", "maxLength": LONGEST_VALUE}
NUMBER: JsonDict = {"type": "integer", "minimum": 0}
# In a body both kinds are taken either way, as clients write them.
IN_BODIES: Sequence[tuple[JsonDict, JsonDict]] = (
    (TEXT, {"type": "integer"}),
    (NUMBER, {"type": "string", "pattern": "^[0-9]+$"}),
)

Narrow = Callable[[OfferQuerySet, list[str]], OfferQuerySet]


@dataclass(frozen=True, slots=True)
class Criterion:
    """Something that offers are filtered by; its values are texts, and any of them will do."""

    description: str
    values: JsonDict
    narrow: Narrow


def by_number(field: str, description: str) -> Criterion:
    def narrow(offers: OfferQuerySet, values: list[str]) -> OfferQuerySet:
        for value in values:
            if not (value.isascii() and value.isdecimal()):
                raise Unanswerable(f"{value[:80]} is not a number")
        numbers = [int(value) for value in values if len(value) < 20 and int(value) <= LARGEST_ID]
        return offers.filter(**{f"{field}__in": numbers})

    return Criterion(description, NUMBER, narrow)


def by_choice(description: str, choices: Iterable[str], narrow: Narrow) -> Criterion:
    offered = list(choices)

    def narrow_to_choices(offers: OfferQuerySet, values: list[str]) -> OfferQuerySet:
        for value in values:
            if value not in offered:
                raise Unanswerable(f"{value[:80]} is not one. There are {', '.join(offered)}")
        return narrow(offers, values)

    return Criterion(description, {"enum": list(offered)}, narrow_to_choices)


def by_field(field: str) -> Narrow:
    return lambda offers, values: offers.filter(**{f"{field}__in": values})


def by_payout_type(offers: OfferQuerySet, values: list[str]) -> OfferQuerySet:
    return offers.filter(pk__in=OfferPayout.objects.filter(event_name="", payout_type__in=values).values("offer"))


def by_labels(offers: OfferQuerySet, values: list[str]) -> OfferQuerySet:
    for value in values:
        if len(value) > LONGEST_VALUE:
            raise Unanswerable(f"at most {LONGEST_VALUE} characters are looked for")
    return offers.filter(labels__overlap=[storable(value, LONGEST_VALUE) for value in values])


def by_applications(offers: OfferQuerySet, values: list[str]) -> OfferQuerySet:
    of_status = {
        Application.Status.PENDING: Application.objects.pending(),
        Application.Status.APPROVED: Application.objects.approved(),
        Application.Status.REJECTED: Application.objects.rejected(),
    }
    wanted = Application.objects.none()
    for value in values:
        wanted |= of_status[Application.Status(value)]
    return offers.applied_for(wanted)


class Unanswerable(Exception):
    """A value that a criterion does not have; the message is the rest of a sentence that names the criterion."""


FILTERS = {
    "network_offer_id": by_number("pk", "Offers with this number."),
    "network_advertiser_id": by_number("advertiser", "Offers of this advertiser."),
    "network_category_id": by_number("category", "Offers of this category."),
    "offer_status": by_choice("active, paused, pending or deleted.", Offer.Status.values, by_field("status")),
    "visibility": by_choice("public, require_approval or private.", Offer.Visibility.values, by_field("visibility")),
    "currency_id": by_choice("Offers whose amounts are in this currency.", DECIMALS, by_field("currency")),
    "payout_type": by_choice("Offers whose default payout is of this type.", PayoutType.values, by_payout_type),
    "labels": Criterion("Offers with this label.", TEXT, by_labels),
    "application_status": by_choice(
        "Offers that an affiliate has applied for; pending: and waits for an answer.",
        Application.Status.values,
        by_applications,
    ),
}


def containing(field: str) -> Callable[[OfferQuerySet, str], OfferQuerySet]:
    return lambda offers, text: offers.filter(**{f"{field}__icontains": text})


def with_label_containing(offers: OfferQuerySet, text: str) -> OfferQuerySet:
    joined = Func(F("labels"), Value("\n"), function="array_to_string", output_field=TextField())
    return offers.alias(joined_labels=joined).filter(joined_labels__icontains=text)


# What is searched for a text, in any case.
TERMS: dict[str, Callable[[OfferQuerySet, str], OfferQuerySet]] = {
    "text": OfferQuerySet.search,
    "name": containing("name"),
    "network_advertiser_name": containing("advertiser__name"),
    "network_category_name": containing("category__name"),
    "labels": with_label_containing,
}
# Each order ends in the primary key, or rows could trade places between two pages.
ORDERS: dict[str, Sequence[str]] = {
    "network_offer_id": ("pk",),
    "name": ("name", "pk"),
    "network_advertiser_name": ("advertiser__name", "name", "pk"),
    "network_category_name": ("category__name", "name", "pk"),
    "offer_status": ("status", "name", "pk"),
    "visibility": ("visibility", "name", "pk"),
    "pending_applications": ("pending_count", "name", "pk"),
    "time_created": ("created_at", "pk"),
    "time_saved": ("updated_at", "pk"),
}
# What a client may ask to have in an offer's relationship; all of it is always there.
RELATIONSHIPS = (
    "all",
    "advertiser",
    "category",
    "creatives",
    "encoded_value",
    "labels",
    "payout_revenue",
    "payouts",
    "remaining_caps",
    "ruleset",
    "urls",
)


def values_of(given: object) -> list[str]:
    listed = given if isinstance(given, list) else [given]
    if len(listed) > MOST_VALUES:
        raise PydanticCustomError("values", f"At most {MOST_VALUES} values can be looked for")
    if any(isinstance(value, bool) or not isinstance(value, str | int) for value in listed):
        raise PydanticCustomError("values", "It has to be a text, a number or a list of them")
    return [str(value) for value in listed]


def filter_field(criterion: Criterion) -> Any:
    value: JsonDict = {"anyOf": [criterion.values, *(also for values, also in IN_BODIES if values is criterion.values)]}
    schema: JsonDict = {"anyOf": [value, {"type": "array", "items": value, "maxItems": MOST_VALUES}]}
    values = Annotated[list[str], BeforeValidator(values_of), WithJsonSchema(schema)]
    return values | None, Field(default=None, description=f"{criterion.description} Of several values: any.")


OfferFilters: type[BaseModel] = create_model(
    "OfferFilters",
    __config__=ConfigDict(extra="forbid"),
    **{name: filter_field(criterion) for name, criterion in FILTERS.items()},
)


class OfferTerm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    search_type: str = Field(
        description="What is searched: text (name, category, advertiser or number), or one of them. The names of "
        "filters are search types, too; their value is looked for as it is.",
        json_schema_extra={"enum": list(dict.fromkeys([*TERMS, *FILTERS]))},
    )
    value: StrictStr = Field(description="What it contains, in any case.", max_length=LONGEST_VALUE)


class PageAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    page: Any = Field(default=None, description="Which page, from 1.")
    page_size: Any = Field(default=None, description="How many on a page, at most 2000.")


class OfferSearch(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "filters": {"offer_status": "active", "network_category_id": [3, 4]},
                    "search_terms": [{"search_type": "name", "value": "candles"}],
                    "order_field": "name",
                    "page": 1,
                    "page_size": 50,
                }
            ]
        },
    )

    filters: OfferFilters | None = Field(default=None, description="All of them.")  # type: ignore[valid-type]
    search_terms: list[OfferTerm] | None = Field(default=None, description="All of them.", max_length=MOST_TERMS)
    order_field: str = Field(default="", description="See the query string, which counts before it.")
    order_direction: str = Field(default="", description="See the query string, which counts before it.")
    page: Any = Field(default=None, description="Which page, from 1. The query string counts before it.")
    page_size: Any = Field(
        default=None, description="How many on a page, at most 2000. The query string counts before it."
    )
    paging: PageAsked | None = Field(default=None, description="page and page_size again, as some clients send them.")

    @property
    def paging_fields(self) -> dict[str, Any]:
        inner = self.paging or PageAsked()
        return {"page": self.page or inner.page, "page_size": self.page_size or inner.page_size}


def choice(name: str, description: str, values: Iterable[str]) -> dict[str, Any]:
    schema = {"type": "string", "enum": ["", *values], "default": ""}
    return {"name": name, "in": "query", "description": description, "schema": schema}


ORDERED = [
    choice("order_field", "What to put them in order by; their number when it is left out.", ORDERS),
    choice("order_direction", "asc or desc; asc when it is left out.", ("asc", "desc")),
]
RELATED: dict[str, Any] = {
    "name": "relationship",
    "in": "query",
    "description": "What to have in relationship. All of it is there, whatever is asked for.",
    "schema": {"type": "array", "items": {"enum": list(RELATIONSHIPS)}, "minItems": 1},
}
LISTED = [
    *(
        {
            "name": name,
            "in": "query",
            "description": f"{criterion.description} May be repeated: any of the values.",
            "schema": {"type": "array", "items": criterion.values, "minItems": 1},
        }
        for name, criterion in FILTERS.items()
    ),
    RELATED,
    *ORDERED,
    *PAGED["parameters"],
]
SEARCHED = [RELATED, *ORDERED, *PAGED["parameters"]]


def listed(request: HttpRequest, offers: OfferQuerySet) -> OfferQuerySet:
    """The offers that the query string asks for, in the order it asks for.

    :raises HttpError: 400 that names an unknown filter, value or order
    """
    refuse_unrelated(request)
    return ordered(request, narrowed(offers, filters_in(request)))


def searched(request: HttpRequest, search: OfferSearch, offers: OfferQuerySet) -> OfferQuerySet:
    """The offers that the body asks for, in the order that it or the query string asks for.

    :raises HttpError: 400 that names an unknown search type, value or order
    """
    refuse_unrelated(request)
    filters: BaseModel | None = search.filters
    if filters is not None:
        offers = narrowed(offers, filters.model_dump(exclude_none=True), "filters.")
    for place, term in enumerate(search.search_terms or []):
        if term.search_type in TERMS:
            offers = TERMS[term.search_type](offers, term.value)
        elif term.search_type in FILTERS:
            offers = narrowed(offers, {term.search_type: [term.value]}, f"search_terms.{place}.")
        else:
            names = ", ".join(dict.fromkeys([*TERMS, *FILTERS]))
            raise HttpError(400, f"search_type: {term.search_type[:80]} is not one. There are {names}")
    return ordered(request, offers, search.order_field, search.order_direction)


def refuse_unrelated(request: HttpRequest) -> None:
    for value in request.GET.getlist("relationship"):
        if value not in RELATIONSHIPS:
            raise HttpError(400, f"relationship: {value[:80]} is not one. There are {', '.join(RELATIONSHIPS)}")


def narrowed(offers: OfferQuerySet, asked: Mapping[str, list[str]], where: str = "") -> OfferQuerySet:
    for name, values in asked.items():
        if name not in FILTERS:
            raise HttpError(400, f"{name[:80]} is not a filter. There are {', '.join(FILTERS)}")
        try:
            offers = FILTERS[name].narrow(offers, values)
        except Unanswerable as reason:
            raise HttpError(400, f"{where}{name}: {reason}") from None
    return offers


def ordered(request: HttpRequest, offers: OfferQuerySet, field: str = "", direction: str = "") -> OfferQuerySet:
    field = request.GET.get("order_field") or field or "network_offer_id"
    direction = request.GET.get("order_direction") or direction or "asc"
    if field not in ORDERS:
        raise HttpError(400, f"order_field: {field[:80]} is not one. There are {', '.join(ORDERS)}")
    if direction not in ("asc", "desc"):
        raise HttpError(400, f"order_direction: {direction[:80]} is not one. There are asc, desc")
    sign = "-" if direction == "desc" else ""
    return offers.order_by(*(f"{sign}{column}" for column in ORDERS[field]))
