"""Asking: one engine for the API's tables and exports, for both realms, and for what the portal draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypedDict

import psycopg
from django.db import Error, connection, models, transaction
from psycopg import sql
from psycopg.types.numeric import FloatLoader

from partners.offers.models import Offer
from partners.reporting.columns import COLUMNS, Column, Kind
from partners.reporting.metrics import metrics_of
from partners.reporting.question import Question
from partners.reporting.rollups import sealed_days
from partners.reporting.statement import Statement, key, utc_days
from partners.traffic.models import Click, Conversion, Impression
from portal.network.rates import Factor, factors_needed
from portal.web.csv_rows import CsvRow
from portal.web.json_rows import Bare
from portal.web.streams import Blocks, csv_out, json_array

MOST_ROWS = 10_000
# A series of a range up to this is by hour, a longer one by day.
HOURLY_UP_TO = timedelta(days=2, hours=2)

TEXT_IDS = {Kind.COUNTRY, Kind.STATUS}

Figures = dict[str, int | float]


class Cell(TypedDict):
    column_type: str
    id: str
    label: str


class Row(TypedDict):
    columns: list[Cell]
    reporting: Figures


@dataclass(frozen=True, slots=True)
class Report:
    """Lines in their order, at most 10,000 of ``total_rows``. A figure is a number: counts are whole, money is in the
    question's currency and rounded to it."""

    question: Question
    rows: list[Row]
    total_rows: int

    @property
    def is_incomplete(self) -> bool:
        return len(self.rows) < self.total_rows


@dataclass(frozen=True, slots=True)
class Series:
    """The same figures over time: one for each bucket, those in which nothing happened too, and all of them together.

    ``unit`` is hour, date, week, month or year. Metric filters choose lines of a table and have no part in it.
    """

    question: Question
    unit: str
    points: list[tuple[datetime, Figures]]
    total: Figures


@contextmanager
def one_snapshot() -> Iterator[None]:
    """All that is asked within sees the same rows, and changes none. Within a transaction it is that transaction."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        # Compiling a report's plan takes longer than running it, and its groups fit into this much memory.
        cursor.execute(
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;"
            "SET LOCAL jit = off; SET LOCAL work_mem = '64MB'"
        )
        yield


def ask(question: Question) -> Report:
    """The report's lines.

    :raises portal.network.rates.RateMissing: when money cannot be converted into the question's currency
    """
    with one_snapshot():
        statement = prepared(question)
        selected = [
            *(
                part
                for n, column in enumerate(statement.columns)
                for part in (statement.id_of(n, column), statement.label_of(n, column))
            ),
            *(statement.measure(metric) for metric in statement.metrics),
            sql.SQL("total_rows"),
        ]
        found = fetch(statement.lines(selected, limit=MOST_ROWS), statement)
    names = [column.name for column in statement.columns]
    metrics = [metric.name for metric in statement.metrics]
    width = 2 * len(names)
    rows: list[Row] = [
        {
            "columns": [
                {"column_type": name, "id": str(line[2 * n]), "label": line[2 * n + 1]} for n, name in enumerate(names)
            ],
            "reporting": dict(zip(metrics, line[width:-1], strict=True)),
        }
        for line in found
    ]
    return Report(question, rows, found[0][-1] if found else 0)


def total(question: Question) -> Figures:
    """The figures of all that the question is about, in one line.

    :raises portal.network.rates.RateMissing: when money cannot be converted into the question's currency
    """
    with one_snapshot():
        statement = prepared(question, ())
        found = fetch(over_time(statement, with_total=False), statement)
    return figures_of(statement, found[0][1:])


def series(question: Question, unit: str = "") -> Series:
    """The figures over time; by hour for up to two days and by day for more, when no unit is named.

    :raises portal.network.rates.RateMissing: when money cannot be converted into the question's currency
    """
    unit = unit or ("hour" if question.end - question.start <= HOURLY_UP_TO else "date")
    column = COLUMNS[unit]
    with one_snapshot():
        statement = prepared(question, (column,))
        found = {line[0]: line[1:] for line in fetch(over_time(statement, with_total=True), statement)}
    nothing: list[Any] = [0] * len(statement.metrics)
    points = [(bucket, figures_of(statement, found.get(bucket, nothing))) for bucket in statement.buckets(column)]
    return Series(question, unit, points, figures_of(statement, found[None]))


def prepared(question: Question, columns: Sequence[Column] | None = None) -> Statement:
    """The question's statement, for the columns if they are named; to be carried out in the same snapshot."""
    sealed = sealed_days(question.start, question.end)
    return Statement(question, columns=columns, factors=factors_for(question), sealed=sealed)


def over_time(statement: Statement, *, with_total: bool) -> sql.Composable:
    return sql.SQL("WITH parts AS ({}), sums AS ({}) SELECT {} FROM sums").format(
        statement.parts(),
        statement.together(with_total=with_total),
        sql.SQL(", ").join(
            [key(0) if with_total else sql.SQL("NULL"), *(statement.measure(metric) for metric in statement.metrics)]
        ),
    )


def figures_of(statement: Statement, line: Sequence[Any]) -> Figures:
    return dict(zip((metric.name for metric in statement.metrics), line, strict=True))


def fetch(composed: sql.Composable, statement: Statement) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        # Figures leave as JSON numbers, and are rounded already.
        cursor.cursor.adapters.register_loader("numeric", FloatLoader)
        cursor.execute(composed.as_string(cursor.cursor), statement.values.bound)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


# Exports: the same lines, all of them, written by PostgreSQL itself.


def export_csv(question: Question) -> Blocks:
    """A line of names, then the report's lines: for each column its id and what people read, then the metrics.

    :raises portal.network.rates.RateMissing: at once, when money cannot be converted into the question's currency
    """
    row = csv_row(question)
    return exported(question, lambda _: sql.SQL(row.columns), partial(csv_out, row=row))


def csv_row(question: Question) -> CsvRow:
    fields: dict[str, str] = {}
    for n, column in enumerate(question.columns):
        if column.has_label:
            identity = f"id{n}" if column.kind in TEXT_IDS else Bare(f"id{n}")
            fields[f"{column.name}_{'unix' if column.is_time else 'id'}"] = identity
        fields[column.name] = f"label{n}"
    return CsvRow(fields | {name: Bare(name) for name in metrics_of(is_network=question.is_network)})


def export_json(question: Question) -> Blocks:
    """The lines in the form of a report's table, as one object.

    :raises portal.network.rates.RateMissing: at once, when money cannot be converted into the question's currency
    """
    return exported(question, json_line, partial(json_array, "table"))


def json_line(statement: Statement) -> sql.Composable:
    cells = ", ".join(
        f"json_build_object('column_type', '{column.name}', 'id', id{n}::text, 'label', label{n})"
        for n, column in enumerate(statement.columns)
    )
    figures = ", ".join(f"'{metric.name}', {metric.name}" for metric in statement.metrics)
    return sql.SQL(
        f"json_build_object('columns', json_build_array({cells}), 'reporting', json_build_object({figures}))"
    )


def exported(
    question: Question,
    line: Callable[[Statement], sql.Composable],
    copy: Callable[[sql.Composable, dict[str, Any]], Blocks],
) -> Blocks:
    """All lines, each as ``line`` writes it."""
    with one_snapshot():
        statement = prepared(question)
        plain = Statement(question, factors=statement.factors)
    return begun(copy(*lines_of(statement, line)), lambda: copy(*lines_of(plain, line)))


def begun(blocks: Blocks, otherwise: Callable[[], Blocks]) -> Blocks:
    """The blocks, or others: when somebody writes into a sealed day before the first of them is there.

    COPY runs in a transaction of its own, later than the seals were read, and looks at them again.
    """
    try:
        first = next(blocks, b"")
    except (psycopg.Error, Error) as failure:
        if "no longer sealed" not in str(failure):
            raise
        blocks.close()
        blocks = otherwise()
        first = next(blocks, b"")
    with closing(blocks):
        yield first
        yield from blocks


def lines_of(
    statement: Statement, line: Callable[[Statement], sql.Composable]
) -> tuple[sql.Composable, dict[str, Any]]:
    parts = [
        part
        for n, column in enumerate(statement.columns)
        for part in (
            sql.SQL(f"{{}} AS id{n}").format(statement.id_of(n, column)),
            sql.SQL(f"{{}} AS label{n}").format(statement.label_of(n, column)),
        )
    ]
    parts += [sql.SQL(f"{{}} AS {metric.name}").format(statement.measure(metric)) for metric in statement.metrics]
    lines = statement.lines(parts, limit=None)
    seals = statement.values(sorted(statement.sealed), "date[]")
    query = sql.SQL("SELECT {} FROM ({}) AS lines WHERE reporting_still_sealed({})").format(
        line(statement), lines, seals
    )
    return query, statement.values.bound


# Money: how it is converted, where that is needed at all.


def factors_for(question: Question) -> list[Factor] | None:
    """What converts the money of the question's rows; None when all of it is in the asked currency already.

    A currency nobody has given a rate for only matters when the question has rows in it.
    :raises portal.network.rates.RateMissing:
    """
    offers = offers_in(question)
    currencies = set(offers.order_by().values_list("currency", flat=True).distinct())
    if currencies <= {question.currency}:
        return None
    first, last = utc_days(question)
    return factors_needed(
        currencies, question.currency, first, last, is_needed=lambda currency: has_rows(question, currency)
    )


def offers_in(question: Question) -> models.QuerySet[Offer]:
    """The offers that the question's filters leave."""
    offers = Offer.objects.all()
    for choice in question.filters:
        if choice.column.name == "offer":
            offers = offers.filter(pk__in=choice.values)
        elif choice.column.of == "offer":
            offers = offers.filter(**{f"{choice.column.field}__in": choice.values})
    return offers


def has_rows(question: Question, currency: str) -> bool:
    offers = offers_in(question).filter(currency=currency).values("pk")
    for model in (Click, Impression, Conversion):
        rows = model._default_manager.between(question.start, question.end).filter(offer__in=offers)
        if question.partner is not None:
            rows = rows.filter(partner=question.partner)
        if rows.exists():
            return True
    return False
