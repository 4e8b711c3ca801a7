"""What a report is asked by people: a query string, which is the page's URL, and the request it comes to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.apps import apps
from django.db import models
from django.http import QueryDict
from django.utils import timezone
from django.utils.functional import cached_property
from pydantic import ValidationError

from partners.models import Partner
from partners.offers.models import Offer
from partners.reporting.columns import Column, Kind, columns_of
from partners.reporting.metrics import Metric, Unit, metrics_of
from partners.reporting.question import Misunderstood, Question, number, timezone_id_of
from partners.traffic.models import Conversion
from portal.network.countries import COUNTRIES
from portal.network.currencies import DECIMALS, currency_choices
from portal.network.models import Network
from portal.network.timezones import BY_NAME, TIMEZONES

PARTNERS_METRICS = ("imp", "total_click", "cv", "cvr", "event", "rpc", "revenue")
NETWORKS_METRICS = ("total_click", "cv", "cvr", "revenue", "payout", "profit", "margin")
MOST_SUGGESTED = 3
MOST_CONDITIONS = 40


def days_up_to(today: date, count: int) -> tuple[date, date]:
    return today - timedelta(days=count - 1), today


def month_before(today: date) -> tuple[date, date]:
    last = today.replace(day=1) - timedelta(days=1)
    return last.replace(day=1), last


RANGES: dict[str, tuple[str, Callable[[date], tuple[date, date]]]] = {
    "today": ("Today", lambda today: (today, today)),
    "yesterday": ("Yesterday", lambda today: (today - timedelta(days=1), today - timedelta(days=1))),
    "7_days": ("7 days", lambda today: days_up_to(today, 7)),
    "30_days": ("30 days", lambda today: days_up_to(today, 30)),
    "this_month": ("This month", lambda today: (today.replace(day=1), today)),
    "last_month": ("Last month", month_before),
    "90_days": ("90 days", lambda today: days_up_to(today, 90)),
}
DEFAULT_RANGE = "30_days"
COMPARED = {
    "greater_than": "is more than",
    "greater_than_or_equal": "is at least",
    "less_than": "is less than",
    "less_than_or_equal": "is at most",
    "equal": "is exactly",
    "not_equal": "is not",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A filter in force: unticking it takes it away."""

    field: str
    text: str
    title: str
    how: str
    value: str


class Several(forms.MultipleChoiceField):
    """Check boxes whose order is that of the query string."""

    widget = forms.CheckboxSelectMultiple


class Texts(forms.Field):
    """Every value of a name that the query string has."""

    widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> list[str]:
        return list(dict.fromkeys(value or []))


class ReportForm(forms.Form):
    """Nothing needs to be given: then it is the last 30 days by offer. All of it stands in the URL, so that a report
    can be kept as a bookmark and sent to somebody.

    ``filter`` and ``exclude`` are conditions in force on what is counted, such as ``country:US``; the fields of ``by``
    add one more. ``bound`` are those on the figures of a line, such as ``cv:greater_than:10``; the fields of ``figure``
    add one.
    """

    range = forms.ChoiceField(required=False, widget=forms.HiddenInput)
    column = Several(label="Columns", required=False)
    metric = Several(label="Figures", required=False)
    timezone = forms.ChoiceField(label="Time zone", required=False)
    currency = forms.ChoiceField(label="Currency", required=False, choices=currency_choices)
    filter = Texts(required=False)
    exclude = Texts(required=False)
    bound = Texts(required=False)
    by = forms.ChoiceField(label="Filter by", required=False)
    how = forms.ChoiceField(label="Condition", required=False, choices=[("is", "is"), ("not", "is not")])
    value = forms.CharField(label="Value", required=False, max_length=500)
    figure = forms.ChoiceField(label="Only lines whose", required=False)
    compared = forms.ChoiceField(label="Comparison", required=False, choices=list(COMPARED.items()))
    number = forms.CharField(
        label="Number", required=False, max_length=40, widget=forms.TextInput(attrs={"inputmode": "decimal"})
    )

    def __init__(self, data: QueryDict, *, partner: Partner | None, now: datetime | None = None) -> None:
        self.partner, self.now = partner, now or timezone.now()
        self.network = Network.load()
        self.known = columns_of(is_network=partner is None)
        self.metrics = metrics_of(is_network=partner is None)
        self.asked = self.filled(data)
        super().__init__(self.asked)
        # `from` is no name in Python's own grammar.
        self.fields["from"], self.fields["to"] = day_field("From"), day_field("To")
        filterable = [(name, column.title) for name, column in self.known.items() if not column.is_time]
        choices: dict[str, list[tuple[str, str]]] = {
            "range": [(name, label) for name, (label, _) in RANGES.items()],
            "column": [(name, column.title) for name, column in self.known.items()],
            "metric": [(name, metric.title) for name, metric in self.metrics.items()],
            "timezone": [(zone.timezone, zone.timezone_name) for zone in TIMEZONES],
            "by": [("", "Choose"), *filterable],
            "figure": [("", "Choose"), *((name, metric.title) for name, metric in self.metrics.items())],
        }
        for name, offered in choices.items():
            self.fields[name].choices = offered  # type: ignore[attr-defined]

    def filled(self, data: QueryDict) -> QueryDict:
        """What was asked, and for what was not, what is usual; so that the fields show what the report is of."""
        filled = data.copy()
        whose = self.partner or self.network
        usual: dict[str, list[str]] = {
            "column": ["offer"] if self.partner else ["affiliate"],
            "metric": list(PARTNERS_METRICS if self.partner else NETWORKS_METRICS),
            "timezone": [whose.timezone if whose.timezone in BY_NAME else self.network.timezone],
            "currency": [whose.currency if whose.currency in DECIMALS else self.network.currency],
            "how": ["is"],
            "compared": ["greater_than"],
        }
        for name, values in usual.items():
            if not any(filled.getlist(name)):
                filled.setlist(name, values)
        if filled.get("from") or filled.get("to"):
            filled.pop("range", None)
        else:
            filled.setdefault("range", DEFAULT_RANGE)
            zone = BY_NAME.get(str(filled["timezone"]))
            if filled["range"] in RANGES and zone is not None:
                first, last = RANGES[str(filled["range"])][1](self.now.astimezone(zone.zone).date())
                filled["from"], filled["to"] = first.isoformat(), last.isoformat()
        return filled

    @property
    def chosen_range(self) -> str:
        """The preset that is in force; empty when somebody chose the days."""
        return str(self.asked.get("range", ""))

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "range" in self.errors:
            self.add_error(None, "There is no such range. Choose one, or the days themselves.")
        else:
            for name in ("from", "to"):
                if name not in self.errors and cleaned.get(name) is None:
                    self.add_error(name, "Choose a day.")
        for name in ("filter", "exclude"):
            cleaned[name] = [pair for text in cleaned.get(name, []) if (pair := self.understood(text)) is not None]
        if cleaned.get("value", "").strip() and not cleaned.get("by"):
            self.add_error("by", "Choose what the value is of.")
        elif cleaned.get("by") and "value" in cleaned:
            self.add_condition(cleaned)
        cleaned["bound"] = [bound for text in cleaned.get("bound", []) if (bound := self.understood_bound(text))]
        self.add_bound(cleaned)
        if not self.errors:
            self.ask(cleaned)
        if not self.errors:
            # It is a condition in force now, with a check box of its own; unticking that has to be enough.
            for name in ("by", "how", "value", "figure", "compared", "number"):
                self.asked.pop(name, None)
        return cleaned

    def understood(self, text: str) -> tuple[str, str] | None:
        name, separator, value = text.partition(":")
        if separator and name in self.known and not self.known[name].is_time:
            return name, value
        self.add_error(None, f"“{text[:60]}” is no filter that a report has.")
        return None

    def understood_bound(self, text: str) -> tuple[str, str, str] | None:
        metric, _, rest = text.partition(":")
        operator, _, value = rest.partition(":")
        if metric in self.metrics and operator in COMPARED and is_number(value):
            return metric, operator, value
        self.add_error(None, f"“{text[:60]}” is no filter that a figure has.")
        return None

    def add_bound(self, cleaned: dict[str, Any]) -> None:
        text, metric = cleaned.get("number", "").strip(), cleaned.get("figure")
        if text and not metric and "figure" not in self.errors:
            self.add_error("figure", "Choose what the number is of.")
        elif metric and "number" in cleaned and cleaned.get("compared"):
            if not is_number(text):
                self.add_error("number", "Enter a number, such as 10 or 2.5.")
            elif (bound := (metric, cleaned["compared"], text)) not in cleaned["bound"]:
                cleaned["bound"].append(bound)

    def add_condition(self, cleaned: dict[str, Any]) -> None:
        column = self.known[cleaned["by"]]
        try:
            identity = self.identified(column, cleaned["value"].strip())
        except forms.ValidationError as refusal:
            self.add_error("value", refusal)
            return
        where = "exclude" if cleaned.get("how") == "not" else "filter"
        if (column.name, identity) not in cleaned[where]:
            cleaned[where].append((column.name, identity))

    def identified(self, column: Column, text: str) -> str:
        """What a report knows the value by, of what people call it.

        :raises ValidationError: with a sentence, when it means nothing or several things
        """
        if column.kind is Kind.COUNTRY or column.name == "country_code":
            codes = {name.casefold(): code for code, name in COUNTRIES.items()}
            code = codes.get(text.casefold(), text.upper())
            if code in COUNTRIES or not code:
                return code
            raise forms.ValidationError(f"There is no country “{text[:60]}”.")
        if column.kind is Kind.STATUS:
            statuses = {label.casefold(): value for value, label in Conversion.Status.choices}
            return str(statuses.get(text.casefold(), text.casefold()))
        if column.kind is not Kind.NUMBER or text.isdecimal():
            return text
        things = self.named(column)
        called = things.filter(name__icontains=text).order_by("pk") if things is not None else None
        found = list(called[: MOST_SUGGESTED + 1]) if called is not None else []
        exact = [thing for thing in found if thing.name.casefold() == text.casefold()]
        if len(exact) == 1 or len(found) == 1:
            return str((exact or found)[0].pk)
        if not found:
            raise forms.ValidationError(f"Nothing is called “{text[:60]}”. Try its number.")
        names = ", ".join(f"{thing.name} ({thing.pk})" for thing in found[:MOST_SUGGESTED])
        raise forms.ValidationError(f"“{text[:60]}” could be {names}. Enter the number.")

    def named(self, column: Column) -> models.QuerySet[Any] | None:
        """What a column's numbers are of, as far as the one who asks may know the names."""
        if self.partner is not None:
            return Offer.objects.visible_to_partner(self.partner) if column.name == "offer" else None
        model = next(model for model in apps.get_models() if model._meta.db_table == column.table)
        return model._default_manager.all()

    def ask(self, cleaned: dict[str, Any]) -> None:
        try:
            self.question = Question.of(self.body_of(cleaned), partner=self.partner)
        except Misunderstood as reason:
            self.add_error(None, in_words(str(reason)))
        except ValidationError as refusal:
            self.add_error(None, str(refusal.errors()[0]["msg"]))

    def body_of(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        def conditions(name: str) -> list[dict[str, str]]:
            return [{"resource_type": column, "filter_id_value": value} for column, value in cleaned[name]]

        bounds = [
            {"metric_type": metric, "operator": operator, "metric_value": as_json(value)}
            for metric, operator, value in cleaned["bound"]
        ]
        query = {"filters": conditions("filter"), "exclusions": conditions("exclude"), "metric_filters": bounds}
        return {
            "from": cleaned["from"].isoformat(),
            "to": cleaned["to"].isoformat(),
            "timezone_id": timezone_id_of(BY_NAME[cleaned["timezone"]].zone),
            "currency_id": cleaned["currency"],
            "columns": [{"column": name} for name in cleaned["column"]],
            "query": {name: asked for name, asked in query.items() if asked},
        }

    @property
    def body(self) -> dict[str, Any]:
        """The same question as a request to the API."""
        return self.body_of(self.cleaned_data)

    @cached_property
    def conditions(self) -> list[Condition]:
        """The filters in force, in words."""
        cleaned = getattr(self, "cleaned_data", {})
        pairs = [(name, pair) for name in ("filter", "exclude") for pair in cleaned.get(name, []) if pair]
        names = self.names([pair for _, pair in pairs])
        how = {"filter": "is", "exclude": "is not"}
        return [
            Condition(
                field, f"{column}:{value}", self.known[column].title, how[field], names.get((column, value)) or value
            )
            for field, (column, value) in pairs
        ] + [
            Condition("bound", ":".join(bound), self.metrics[bound[0]].title, COMPARED[bound[1]], self.with_unit(bound))
            for bound in cleaned.get("bound", [])
            if bound
        ]

    def with_unit(self, bound: tuple[str, str, str]) -> str:
        metric, _, value = bound
        unit = self.metrics[metric].unit
        if unit is Unit.COUNT:
            return value
        return f"{value}\N{NO-BREAK SPACE}{'%' if unit is Unit.PERCENT else self.asked.get('currency', '')}"

    def names(self, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """What people call the values: a query for each column that has names."""
        by_column: dict[str, list[str]] = {}
        for name, value in pairs:
            by_column.setdefault(name, []).append(value)
        found: dict[tuple[str, str], str] = {}
        for name, values in by_column.items():
            column = self.known[name]
            if column.kind is Kind.COUNTRY:
                found |= {(name, value): COUNTRIES.get(value, value) for value in values}
            elif column.kind is Kind.STATUS:
                found |= {(name, value): dict(Conversion.Status.choices).get(value, value) for value in values}
            elif column.kind is Kind.NUMBER and (things := self.named(column)) is not None:
                numbers = [value for value in values if value.isdecimal() and len(value) < 19]
                called = things.filter(pk__in=numbers).values_list("pk", "name")
                found |= {(name, str(pk)): thing for pk, thing in called}
        return found

    @property
    def chosen_metrics(self) -> list[Metric]:
        return [self.metrics[name] for name in self.cleaned_data["metric"]]

    def query(self, *, without: Iterable[str] = (), and_filter: str = "") -> str:
        """The query string of this very report, or one like it. What is as usual is left out of it."""
        left_out = {"from", "to"} if self.chosen_range else {"range"}
        left_out |= set(without)
        cleaned = getattr(self, "cleaned_data", {})
        pairs: list[tuple[str, str]] = []
        for name in ("range", "from", "to", "timezone", "currency", "column", "metric"):
            if name not in left_out:
                pairs += [(name, value) for value in self.asked.getlist(name) if value]
        for name in ("filter", "exclude", "bound"):
            pairs += [(name, ":".join(condition)) for condition in cleaned.get(name, [])]
        if and_filter and ("filter", and_filter) not in pairs:
            pairs.append(("filter", and_filter))
        return urlencode(pairs)

    @property
    def column_titles(self) -> list[str]:
        """Those chosen, in the order in which the report has them."""
        return [self.known[name].title for name in self.asked.getlist("column") if name in self.known]

    @property
    def metric_titles(self) -> list[str]:
        return [self.metrics[name].title for name in self.asked.getlist("metric") if name in self.metrics]

    def ranges(self) -> list[tuple[str, str, bool]]:
        """Name, query string and whether it is in force, of each preset."""
        kept = self.query(without=("range", "from", "to"))
        return [
            (label, urlencode({"range": name}) + (f"&{kept}" if kept else ""), name == self.chosen_range)
            for name, (label, _) in RANGES.items()
        ]


def day_field(label: str) -> forms.DateField:
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(label=label, required=False, widget=widget)


def is_number(text: str) -> bool:
    try:
        number(text)
    except Misunderstood:
        return False
    return True


def as_json(text: str) -> float | str:
    """A number as JSON has it; as a text, which is understood as well, where it could not keep every digit."""
    given = Decimal(text)
    if given == given.to_integral_value():
        return int(given)
    return float(text) if Decimal(str(float(text))) == given else text


def in_words(reason: str) -> str:
    """The API's sentence without the name of its field: that is no name of ours."""
    _, separator, sentence = reason.partition(": ")
    said = sentence if separator else reason
    return f"{said[:1].upper()}{said[1:]}."
