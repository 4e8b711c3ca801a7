"""What a report is asked: the request as it comes in, and the question that it is once it has been understood."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from partners.models import Partner
from partners.reporting.columns import Column, Kind, columns_of
from partners.reporting.metrics import metrics_of
from partners.traffic.periods import YEAR_DAYS, NoSuchPeriod, Period
from portal.network.currencies import DECIMALS
from portal.network.models import Network
from portal.network.timezones import BY_NAME

MOST_COLUMNS = 10
MOST_FILTERS = 1000
MOST_METRIC_FILTERS = 50
LARGEST_ID = 2**63 - 1
LARGEST_NUMBER = Decimal(10) ** 18

OPERATORS = {
    "equal": "=",
    "not_equal": "<>",
    "greater_than": ">",
    "greater_than_or_equal": ">=",
    "less_than": "<",
    "less_than_or_equal": "<=",
}
# Traffic that another offer has handed on is what the dialect calls fail traffic. It has campaigns, which we have not.
SETTINGS = ("ignore_fail_traffic", "only_include_fail_traffic", "campaign_data_only")


class Misunderstood(Exception):
    """The request cannot be answered; the message is a sentence that names what is wrong and says what is known."""


class AskedColumn(BaseModel):
    # Clients of the dialect send along what their own tables need.
    model_config = ConfigDict(extra="ignore")

    column: str = Field(description="The column's name.")


class AskedFilter(BaseModel):
    model_config = ConfigDict(extra="ignore")

    resource_type: str = Field(description="A column's name; none of the time columns.")
    filter_id_value: StrictInt | StrictStr | StrictFloat = Field(
        description="The column's id: a number for offer, creative and offer_url (0: none), the text itself otherwise."
    )


class AskedMetricFilter(BaseModel):
    model_config = ConfigDict(extra="ignore")

    metric_type: str = Field(description="A metric's name.")
    operator: str = Field(description=f"{', '.join(OPERATORS)}.", json_schema_extra={"enum": list(OPERATORS)})
    metric_value: StrictInt | StrictFloat | StrictStr = Field(
        description="A number. It is compared with the figure as it is answered."
    )


class AskedSettings(BaseModel):
    model_config = ConfigDict(extra="allow")

    ignore_fail_traffic: StrictBool = Field(
        default=False, description="Without clicks and conversions that another offer had handed on."
    )
    only_include_fail_traffic: StrictBool = Field(default=False, description="With those alone.")
    campaign_data_only: StrictBool = Field(default=False, description="False; there are no campaigns here.")


class AskedQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    filters: list[AskedFilter] = Field(
        default=[],
        description="Only rows that have one of the values of each resource_type named: of the same one OR, of "
        "different ones AND.",
    )
    exclusions: list[AskedFilter] = Field(default=[], description="No rows that have one of these values.")
    metric_filters: list[AskedMetricFilter] = Field(
        default=[], description="Only lines of the table whose figures are so; all of them have to be."
    )
    settings: AskedSettings = Field(default_factory=AskedSettings)
    user_metrics: list[Any] = Field(default=[], max_length=0, description="Empty; there are none here.")


class AskedReport(BaseModel):
    """The body of a request, and what the portal's pages build."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: str = Field(
        alias="from", description="The first day, YYYY-MM-DD, or the first second, YYYY-MM-DD HH:MM:SS, in timezone_id."
    )
    to: str = Field(description=f"The last day or second, itself included; at most {YEAR_DAYS} days in all.")
    timezone_id: StrictInt | StrictStr | None = Field(
        default=None, description="Of /v1/meta/timezones. Without it, the network's time zone."
    )
    currency_id: str | None = Field(default=None, description="ISO 4217. Without it, the network's currency.")
    columns: list[AskedColumn] = Field(
        description=f"What a line of the report is: 1 to {MOST_COLUMNS} columns, one of time at most."
    )
    query: AskedQuery = Field(default_factory=AskedQuery)


class Redirects(Enum):
    """What a report makes of traffic that another offer has handed on."""

    INCLUDED = "included"
    IGNORED = "ignored"
    ALONE = "alone"


@dataclass(frozen=True, slots=True)
class Choice:
    """Some values of a column."""

    column: Column
    values: tuple[str, ...] | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """What a metric has to be for its line to be in the table."""

    metric: str
    operator: str
    value: Decimal


@dataclass(frozen=True, slots=True)
class Question:
    """A report that can be asked for. All the rows it is about are the partner's, or the network's without one.

    ``start`` and ``end`` are half-open. Without columns it is one line, even when there is nothing to count.
    """

    partner: Partner | None
    start: datetime
    end: datetime
    zone: ZoneInfo
    currency: str
    columns: tuple[Column, ...] = ()
    filters: tuple[Choice, ...] = ()
    exclusions: tuple[Choice, ...] = ()
    bounds: tuple[Bound, ...] = ()
    redirects: Redirects = Redirects.INCLUDED

    @classmethod
    def of(cls, asked: AskedReport | dict[str, Any], *, partner: Partner | None) -> Question:
        """What was asked about a partner's traffic, or about the whole network's when that is None.

        :raises Misunderstood: with a sentence for the one who asks
        :raises pydantic.ValidationError: when it is a mapping and has not the form of AskedReport
        """
        if isinstance(asked, dict):
            asked = AskedReport.model_validate(asked)
        network = Network.load()
        period = period_of(asked)
        known = columns_of(is_network=partner is None)
        return cls(
            partner=partner,
            start=period.start,
            end=period.end,
            zone=period.zone,
            currency=currency_of(asked.currency_id, network),
            columns=asked_columns(asked.columns, known),
            filters=choices("filters", asked.query.filters, known),
            exclusions=choices("exclusions", asked.query.exclusions, known),
            bounds=bounds(asked.query.metric_filters, is_network=partner is None),
            redirects=redirects(asked.query.settings),
        )

    @property
    def is_network(self) -> bool:
        return self.partner is None

    @property
    def time(self) -> Column | None:
        return next((column for column in self.columns if column.is_time), None)

    @property
    def is_about_status(self) -> bool:
        """Whether conversions of every status are counted, because their status is asked about."""
        asked = (*self.columns, *(choice.column for choice in (*self.filters, *self.exclusions)))
        return any(column.kind is Kind.STATUS for column in asked)


def period_of(asked: AskedReport) -> Period:
    try:
        return Period.asked(asked.from_, asked.to, asked.timezone_id)
    except NoSuchPeriod as reason:
        raise Misunderstood(str(reason)) from None


def timezone_id_of(zone: ZoneInfo) -> int:
    """How a request names the zone."""
    return BY_NAME[zone.key].timezone_id


def currency_of(currency_id: str | None, network: Network) -> str:
    if currency_id is None:
        return network.currency
    if currency_id.upper() not in DECIMALS:
        raise Misunderstood(f"currency_id: there is no currency {shown(currency_id)}; /v1/meta/currencies lists them")
    return currency_id.upper()


def asked_columns(asked: Iterable[AskedColumn], known: dict[str, Column]) -> tuple[Column, ...]:
    names = [each.column for each in asked]
    if not 1 <= len(names) <= MOST_COLUMNS:
        raise Misunderstood(f"columns: {len(names)} were asked for; a report has 1 to {MOST_COLUMNS}")
    for number, name in enumerate(names):
        if name not in known:
            raise Misunderstood(f"columns: there is no column {shown(name)}; there are {', '.join(known)}")
        if name in names[:number]:
            raise Misunderstood(f"columns: {name} is there twice")
    columns = tuple(known[name] for name in names)
    times = [column.name for column in columns if column.is_time]
    if len(times) > 1:
        raise Misunderstood(f"columns: {' and '.join(times)} are both of time; a report has one such column at most")
    return columns


def choices(where: str, asked: list[AskedFilter], known: dict[str, Column]) -> tuple[Choice, ...]:
    if len(asked) > MOST_FILTERS:
        raise Misunderstood(f"{where}: {len(asked)} are too many; a report has at most {MOST_FILTERS}")
    filterable = {name: column for name, column in known.items() if not column.is_time}
    values: dict[str, list[Any]] = {}
    for each in asked:
        if each.resource_type not in filterable:
            raise Misunderstood(
                f"{where}: there is no resource_type {shown(each.resource_type)}; there are {', '.join(filterable)}"
            )
        column = filterable[each.resource_type]
        values.setdefault(column.name, []).append(value_of(where, column, each.filter_id_value))
    return tuple(Choice(filterable[name], tuple(dict.fromkeys(chosen))) for name, chosen in values.items())


def value_of(where: str, column: Column, given: str | float) -> str | int:
    if isinstance(given, float) and given.is_integer():
        # Some languages write every number with a decimal point.
        given = int(given)
    if column.kind is not Kind.NUMBER:
        text = str(given)
        if "\0" in text:
            raise Misunderstood(f"{where}: a value of {column.name} holds a NUL character")
        return text.upper() if column.kind is Kind.COUNTRY or column.name == "country_code" else text
    text = str(given).strip()
    if not text.isascii() or not text.isdecimal() or len(text) > 19 or int(text) > LARGEST_ID:
        raise Misunderstood(f"{where}: {shown(str(given))} is not the number of any {column.name}")
    return int(text)


def bounds(asked: list[AskedMetricFilter], *, is_network: bool) -> tuple[Bound, ...]:
    if len(asked) > MOST_METRIC_FILTERS:
        raise Misunderstood(f"metric_filters: {len(asked)} are too many; a report has at most {MOST_METRIC_FILTERS}")
    known = metrics_of(is_network=is_network)
    for each in asked:
        if each.metric_type not in known:
            raise Misunderstood(
                f"metric_filters: there is no metric_type {shown(each.metric_type)}; there are {', '.join(known)}"
            )
        if each.operator not in OPERATORS:
            raise Misunderstood(
                f"metric_filters: there is no operator {shown(each.operator)}; there are {', '.join(OPERATORS)}"
            )
    return tuple(Bound(each.metric_type, each.operator, number(each.metric_value)) for each in asked)


def number(given: object) -> Decimal:
    try:
        value = Decimal(str(given).strip())
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or abs(value) > LARGEST_NUMBER or value.as_tuple().exponent < -LARGEST_NUMBER.adjusted():  # type: ignore[operator]  # finite
        raise Misunderstood(f"metric_filters: metric_value {shown(str(given))} is not a number that a figure can have")
    return value


def redirects(settings: AskedSettings) -> Redirects:
    if settings.model_extra:
        unknown = next(iter(settings.model_extra))
        raise Misunderstood(f"settings: there is no setting {shown(unknown)}; there are {', '.join(SETTINGS)}")
    if settings.campaign_data_only:
        raise Misunderstood("settings: campaign_data_only cannot be true: there are no campaigns here")
    if settings.ignore_fail_traffic and settings.only_include_fail_traffic:
        raise Misunderstood("settings: ignore_fail_traffic and only_include_fail_traffic exclude each other")
    if settings.ignore_fail_traffic:
        return Redirects.IGNORED
    return Redirects.ALONE if settings.only_include_fail_traffic else Redirects.INCLUDED


def shown(text: str) -> str:
    """What somebody sent, for a sentence: in quotes, without what a line cannot hold, and not too long."""
    printable = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return f"“{printable[:60]}…”" if len(printable) > 60 else f"“{printable}”"
