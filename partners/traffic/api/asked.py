"""What the searches of clicks and of conversions have in common: their questions, and the answers they pass on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import pydantic_core
from django.http import Http404, HttpRequest, HttpResponse
from ninja.errors import HttpError
from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr

from partners.traffic.periods import NoSuchPeriod, Period
from partners.traffic.rows import AS_RECORDED, Offered, Selection, Shape, looked_up, page_of
from partners.traffic.search import Criterion, Unanswerable, hex_id
from portal.web.api import PAGED, paged, paging

JSON = "application/json; charset=utf-8"
NDJSON = "application/x-ndjson"
# More of them than anybody picks by hand; each is a value that every row is compared with.
MOST_FILTERS = 1000
MOST_TERMS = 20
LONGEST_VALUE = 500

# The pattern is for the documentation alone: what has another form is not there, which is a 404.
HexId = Annotated[str, Field(description="32 hexadecimal digits.", json_schema_extra={"pattern": "^[0-9a-f]{32}$"})]


@contextmanager
def naming_what_is_wrong() -> Iterator[None]:
    """:raises HttpError: 400 for what cannot be asked, with the sentence that names it"""
    try:
        yield
    except (NoSuchPeriod, Unanswerable) as refusal:
        raise HttpError(400, str(refusal)) from None


class RowFilter(BaseModel):
    model_config = ConfigDict(extra="forbid")

    resource_type: str = Field(description="What is filtered by; the operation says which there are.")
    filter_id_value: StrictStr | StrictInt | StrictFloat = Field(
        description="The value it has to have: a text or a number."
    )

    @property
    def pair(self) -> tuple[str, str]:
        value = self.filter_id_value
        return self.resource_type, str(int(value) if isinstance(value, float) and value.is_integer() else value)


class RowSearchTerm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    search_type: str = Field(description="What is searched by; the same as for filters.")
    value: str = Field(
        description="For a text: what it contains, in any case. For anything else: what it is.",
        max_length=LONGEST_VALUE,
    )

    @property
    def pair(self) -> tuple[str, str]:
        return self.search_type, self.value


class RowFilters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    filters: list[RowFilter] | None = Field(
        default=None,
        description="Of the same resource_type: one of them; of different ones: all.",
        max_length=MOST_FILTERS,
    )


class RowQuery(RowFilters):
    search_terms: list[RowSearchTerm] | None = Field(default=None, description="All of them.", max_length=MOST_TERMS)


class Asked(BaseModel):
    """Of which time."""

    model_config = ConfigDict(extra="forbid")

    from_: str = Field(
        alias="from",
        description="The first day or moment: YYYY-MM-DD or YYYY-MM-DD HH:MM:SS, in the time zone.",
        examples=["2026-05-01"],
    )
    to: str = Field(description="The last day or moment, which belongs to it.", examples=["2026-05-31"])
    timezone_id: StrictInt | StrictStr | None = Field(
        default=None, description="See /v1/meta/timezones. Left out: the network's.", examples=[67]
    )
    page: Any = Field(default=None, description="Which page, from 1. The query string counts before it.")
    page_size: Any = Field(
        default=None, description="How many on a page, at most 2000. The query string counts before it."
    )

    def period(self, most_days: int) -> Period:
        """:raises NoSuchPeriod:"""
        return Period.asked(self.from_, self.to, self.timezone_id, most_days=most_days)

    @property
    def paging_fields(self) -> dict[str, Any]:
        return {"page": self.page, "page_size": self.page_size}


def answer(content: bytes) -> HttpResponse:
    return HttpResponse(content, content_type=JSON)


def answer_page(
    request: HttpRequest, asked: Asked, name: str, rows: Selection, shape: Shape, offered: Offered = AS_RECORDED
) -> HttpResponse:
    """The page of the rows that was asked for, under ``name``, with its paging. The rows are JSON already."""
    page, page_size = paged(request, asked.paging_fields)
    found, total = page_of(rows, page, page_size, shape, offered)
    numbers = pydantic_core.to_json(paging(page, page_size, total))[1:]
    return answer(b'{"%s":[%s],%s' % (name.encode(), b",".join(found), numbers))


def one_answer(rows: Selection, text: str, shape: Shape) -> HttpResponse:
    """The row with the id that a path names.

    :raises Http404: when none of the rows has it
    """
    try:
        found = looked_up(rows, [hex_id(text)], shape)
    except ValueError:
        raise Http404 from None
    if not found:
        raise Http404
    return answer(found[0])


def criteria_said(criteria: Mapping[str, Criterion]) -> str:
    return ", ".join(f"`{name}`" for name in criteria)


def in_query(name: str, description: str, values: Sequence[str]) -> dict[str, Any]:
    schema = {"type": "string", "enum": ["", *values], "default": ""}
    return {"name": name, "in": "query", "description": description, "schema": schema}


def ordered_by(orders: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        in_query("order_field", "What to put them in order by; the newest first when it is left out.", list(orders)),
        in_query("order_direction", "asc or desc; desc when it is left out.", ["asc", "desc"]),
    ]


PAGES = PAGED["parameters"]
