"""The SQL of a report: sums over clicks, impressions and conversions, each by itself, brought together by the columns.

    parts     what each table has (or each rollup that can stand in for it), grouped by what the rows themselves say,
              and by offer and day when money has to be converted; side by side
    sums      the parts by the report's columns; money converted
    ranked    the lines in their order, those that the metric filters leave, cut where a report ends
    the rest  metrics worked out and ids given their names

Every value is a bound parameter; names of tables and columns are constants of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

from psycopg import sql

from partners.reporting.buckets import buckets
from partners.reporting.columns import Column, Kind
from partners.reporting.metrics import AMOUNTS, COUNTS, SUMS, Metric, Unit, decimals_of, metrics_of
from partners.reporting.question import OPERATORS, Choice, Question, Redirects
from partners.reporting.rollups import Rollup, Stretch, stretches
from partners.traffic.models import Conversion
from portal.network.countries import COUNTRIES
from portal.network.currencies import DECIMALS
from portal.network.rates import Factor
from portal.web.ids import first_id_at

Sql = sql.Composable
DAY_IN_UTC = sql.SQL("(at AT TIME ZONE 'UTC')::date")
TIME_FORMATS = {
    "hour": "YYYY-MM-DD HH24:00",
    "date": "YYYY-MM-DD",
    "week": "YYYY-MM-DD",
    "month": "YYYY-MM",
    "year": "YYYY",
}
# Whose row has a column that is not the visit's own: how it is joined, and how a filter finds the visits.
OWNERS = {
    "offer": ("offer_id", "offers_offer"),
    "partner": ("partner_id", "partners_partner"),
}
# What a row of each kind adds to the sums; `{money}` is the realm's column, `{counts}` whether its status counts.
CLICKS = {
    "valid": "count(*) FILTER (WHERE error_code = 0)",
    "uniques": "count(*) FILTER (WHERE error_code = 0 AND is_unique)",
    "invalid": "count(*) FILTER (WHERE error_code <> 0)",
    "earned": "sum({money})",
    "redirected": "sum({money}) FILTER (WHERE redirected_from IS NOT NULL)",
    "paid": "sum(payout)",
}
IMPRESSIONS = {"impressions": "count(*)", "earned": "sum({money})", "paid": "sum(payout)"}
CONVERSIONS = {
    "conversions": "count(*) FILTER (WHERE {counts} AND NOT is_event)",
    "view_through": "count(*) FILTER (WHERE {counts} AND NOT is_event AND is_view_through)",
    "events": "count(*) FILTER (WHERE {counts} AND is_event)",
    "held": "count(*) FILTER (WHERE status = 'on_hold' AND NOT is_event)",
    "earned": "sum({money}) FILTER (WHERE {counts})",
    "redirected": "sum({money}) FILTER (WHERE {counts} AND redirected_from IS NOT NULL)",
    "held_amount": "sum({money}) FILTER (WHERE status = 'on_hold')",
    "sales": "sum(sale_amount) FILTER (WHERE {counts})",
    "paid": "sum(payout) FILTER (WHERE {counts})",
}
ROLLED_UP = {
    **{name: f"sum({name})" for name in ("impressions", "valid", "uniques", "invalid")},
    "earned": "sum({money})",
    "redirected": "sum(redirected_{money})",
    "paid": "sum(payout)",
}
# Time is looked at by itself, and these only conversions have.
NOT_OF_VISITS = {"at", "event_name", "status"}


@dataclass(slots=True)
class Values:
    """The parameters of a statement, each under a name of its own."""

    bound: dict[str, Any] = field(default_factory=dict)

    def __call__(self, value: Any, cast: str = "") -> Sql:
        name = f"p{len(self.bound)}"
        self.bound[name] = value
        placeholder = sql.Placeholder(name)
        return sql.SQL("{}::" + cast).format(placeholder) if cast else placeholder


@dataclass(frozen=True, slots=True)
class Part:
    """A selection from one table, grouped, and which of the sums it adds to."""

    selection: Sql
    adds: Set[str]


class Statement:
    """The parts of one question's SQL.

    ``factors`` is how its money is converted, None when nothing has to be. ``sealed`` are the days whose rollups may be
    read: the statement has to see the same of them.
    """

    def __init__(
        self,
        question: Question,
        *,
        columns: Sequence[Column] | None = None,
        factors: Sequence[Factor] | None = None,
        sealed: Set[date] = frozenset(),
    ) -> None:
        self.question = question
        self.columns = tuple(question.columns if columns is None else columns)
        self.factors = factors
        self.sealed = sealed
        self.marks: list[datetime] = []
        self.values = Values()
        self.metrics = list(metrics_of(is_network=question.is_network).values())
        self.sums = [name for name in SUMS if question.is_network or name != "paid"]
        self.decimals = DECIMALS.get(question.currency, 2)
        self.fields = self._fields()
        self.time = self._time()

    def _fields(self) -> list[str]:
        """What the parts are grouped by, of what the rows say; time is the bucket they are in."""
        named = [OWNERS[column.of][0] if column.of else column.field for column in self.columns]
        converting = ["offer_id"] if self.factors is not None else []
        return list(dict.fromkeys([*named, *converting]))

    def _time(self) -> Sql | None:
        """The bucket of a row by its ``at``: the moment the bucket begins."""
        column = next((column for column in self.columns if column.is_time), None)
        if column is None:
            return None
        beginnings = self.marks = self.buckets(column)
        steps = {later - earlier for earlier, later in pairwise(beginnings)}
        first = self.values(beginnings[0], "timestamptz")
        if not steps:
            return first
        if len(steps) == 1 and self.question.end - beginnings[-1] <= min(steps):
            return sql.SQL("date_bin({}, at, {})").format(self.values(min(steps), "interval"), first)
        known = self.values(beginnings, "timestamptz[]")
        return sql.SQL("({known})[width_bucket(at, {known})]").format(known=known)

    def buckets(self, column: Column) -> list[datetime]:
        return buckets(column.name, self.question.start, self.question.end, self.question.zone)

    # The parts: a selection from each table, with a row for each group that it has.

    def parts(self) -> Sql:
        """The selections side by side, which takes a fraction of what adding up all their rows once more would."""
        parts: list[Part] = []
        for stretch in self.stretches():
            if stretch.rollup is None:
                parts += self.visits("traffic_click", CLICKS, stretch)
                parts += self.visits("traffic_impression", IMPRESSIONS, stretch)
            elif self.takes_visits(stretch.rollup.table):
                parts.append(self.rolled_up(stretch, stretch.rollup))
        parts.append(self.conversions(Stretch(self.question.start, self.question.end)))
        keys = [sql.Identifier(name) for name in self.part_keys()]
        # Without keys each part is one row.
        join = sql.SQL(" FULL JOIN {} USING ({})" if keys else " CROSS JOIN {}")
        using = sql.SQL(", ").join(keys)
        first, *others = [sql.SQL("({}) AS {}").format(part.selection, named_part(n)) for n, part in enumerate(parts)]
        added = [sql.SQL("{} AS {}").format(added_up(name, parts), sql.Identifier(name)) for name in self.sums]
        return sql.SQL("SELECT {} FROM {}{}").format(
            sql.SQL(", ").join([*keys, *added]), first, sql.Composed([join.format(other, using) for other in others])
        )

    def stretches(self) -> list[Stretch]:
        question = self.question
        if question.redirects is not Redirects.INCLUDED:
            return [Stretch(question.start, question.end)]
        chosen = (choice.column for choice in (*question.filters, *question.exclusions))
        needed = {OWNERS[column.of][0] if column.of else column.field for column in chosen} | set(self.fields)
        return stretches(question.start, question.end, needed - NOT_OF_VISITS, self.marks, self.sealed)

    def rolled_up(self, stretch: Stretch, rollup: Rollup) -> Part:
        table = sql.SQL("(SELECT *, began_at AS at FROM {}) AS {}").format(*[sql.Identifier(rollup.table)] * 2)
        times = self.values(stretch.start, "timestamptz"), self.values(stretch.end, "timestamptz")
        within = sql.SQL("began_at >= {} AND began_at < {}").format(*times)
        return self.part(table, ROLLED_UP, [within, *self.of_partner(), *self.conditions(of_conversions=False)])

    def visits(self, table: str, adds: dict[str, str], stretch: Stretch) -> list[Part]:
        if not self.takes_visits(table):
            return []
        conditions = [*self.within(stretch), *self.conditions(of_conversions=False)]
        if table == "traffic_click":
            conditions += self.redirect_conditions()
        return [self.part(sql.Identifier(table), adds, conditions)]

    def conversions(self, stretch: Stretch) -> Part:
        conditions = [*self.within(stretch), *self.conditions(of_conversions=True), *self.redirect_conditions()]
        if not self.question.is_about_status:
            conditions.append(sql.SQL("status IN ('approved', 'on_hold')"))
        counts = "true" if self.question.is_about_status else "status = 'approved'"
        return self.part(
            sql.Identifier("traffic_conversion"),
            {name: added.replace("{counts}", counts) for name, added in CONVERSIONS.items()},
            conditions,
            of_conversions=True,
        )

    def takes_visits(self, table: str) -> bool:
        """Whether clicks or impressions can be in the report: they have no event and no status, and impressions are
        handed on by no other offer."""
        if table == "traffic_impression" and self.question.redirects is Redirects.ALONE:
            return False
        wanted = all("" in choice.values for choice in self.question.filters if choice.column.is_of_conversions)
        unwanted = any("" in choice.values for choice in self.question.exclusions if choice.column.is_of_conversions)
        return wanted and not unwanted

    def part(
        self, table: Sql, adds: dict[str, str], conditions: Iterable[Sql], *, of_conversions: bool = False
    ) -> Part:
        money = "payout" if not self.question.is_network else "revenue"
        keys = [self.key(name, of_conversions=of_conversions) for name in self.fields]
        if self.factors is not None:
            keys.append(sql.SQL("{} AS day").format(DAY_IN_UTC))
        adds = {name: added.replace("{money}", money) for name, added in adds.items() if name in self.sums}
        selected = sql.SQL(", ").join([*keys, *(sql.SQL(f"{added} AS {name}") for name, added in adds.items())])
        selection = sql.SQL("SELECT {} FROM {} WHERE {}{}").format(
            selected, table, sql.SQL(" AND ").join(conditions), grouped(len(keys))
        )
        return Part(selection, adds.keys())

    def part_keys(self) -> list[str]:
        """What the parts call that by which they are grouped."""
        fields = ["at_bucket" if name == "at" else name for name in self.fields]
        return [*fields, "day"] if self.factors is not None else fields

    def key(self, name: str, *, of_conversions: bool) -> Sql:
        if name == "at":
            assert self.time is not None
            return sql.SQL("{} AS at_bucket").format(self.time)
        if name in {"event_name", "status"} and not of_conversions:
            return sql.SQL("''::text AS {}").format(sql.Identifier(name))
        return sql.Identifier(name)

    def within(self, stretch: Stretch) -> list[Sql]:
        """Of this time, and of the partner. The ids' range is the time's too; it chooses partitions and the index."""
        start, end = self.values(stretch.start, "timestamptz"), self.values(stretch.end, "timestamptz")
        first, last = self.values(first_id_at(stretch.start), "uuid"), self.values(first_id_at(stretch.end), "uuid")
        conditions = [
            sql.SQL("id >= {} AND id < {}").format(first, last),
            sql.SQL("at >= {} AND at < {}").format(start, end),
        ]
        return conditions + self.of_partner()

    def of_partner(self) -> list[Sql]:
        partner = self.question.partner
        return [] if partner is None else [sql.SQL("partner_id = {}").format(self.values(partner.pk, "bigint"))]

    def conditions(self, *, of_conversions: bool) -> list[Sql]:
        told = [(choice, False) for choice in self.question.filters]
        told += [(choice, True) for choice in self.question.exclusions]
        return [
            self.condition(choice, excluded=excluded)
            for choice, excluded in told
            if of_conversions or not choice.column.is_of_conversions
        ]

    def condition(self, choice: Choice, *, excluded: bool) -> Sql:
        column = choice.column
        values = self.values(list(choice.values), "bigint[]" if column.kind is Kind.NUMBER else "text[]")
        one_of = sql.SQL("{} = ANY({})").format(sql.Identifier(column.field), values)
        if column.of:
            ours, table = OWNERS[column.of]
            one_of = sql.SQL("{} IN (SELECT id FROM {} WHERE coalesce({}, 0) = ANY({}))").format(
                sql.Identifier(ours), sql.Identifier(table), sql.Identifier(column.field), values
            )
        return sql.SQL("NOT ({})").format(one_of) if excluded else one_of

    def redirect_conditions(self) -> list[Sql]:
        told: dict[Redirects, list[Sql]] = {
            Redirects.INCLUDED: [],
            Redirects.IGNORED: [sql.SQL("redirected_from IS NULL")],
            Redirects.ALONE: [sql.SQL("redirected_from IS NOT NULL")],
        }
        return told[self.question.redirects]

    # The sums: the parts together.

    def together(self, *, with_total: bool = False) -> Sql:
        """A row for each line, with its columns as k0, k1 … and its sums; ``with_total``: and one for all of them,
        whose columns are null."""
        keys = [sql.SQL("{} AS {}").format(self.final_key(column), key(n)) for n, column in enumerate(self.columns)]
        if self.factors is None and not with_total and not any(column.of for column in self.columns):
            # The parts have a row for each line already.
            return sql.SQL("SELECT {} FROM parts").format(sql.SQL(", ").join([*keys, *map(sql.Identifier, self.sums)]))
        sums = [sql.SQL(f"coalesce(sum({name}), 0)::bigint AS {name}") for name in COUNTS]
        factor = " * rates.factor" if self.factors is not None else ""
        sums += [sql.SQL(f"coalesce(sum({name}{factor}), 0) AS {name}") for name in self.sums if name in AMOUNTS]
        grouping = sql.SQL(" GROUP BY GROUPING SETS ((1), ())") if with_total else grouped(len(keys))
        return sql.SQL("SELECT {} FROM parts{}{}").format(sql.SQL(", ").join([*keys, *sums]), self.joins(), grouping)

    def final_key(self, column: Column) -> Sql:
        if column.is_time:
            return sql.SQL("parts.at_bucket")
        if column.of:
            return sql.SQL("coalesce({}.{}, 0)").format(sql.Identifier(column.of), sql.Identifier(column.field))
        return sql.SQL("parts.{}").format(sql.Identifier(column.field))

    def joins(self) -> Sql:
        owners = {column.of for column in self.columns if column.of} | (
            {"offer"} if self.factors is not None else set()
        )
        joins: list[Sql] = [
            sql.SQL(" LEFT JOIN {} AS {} ON {}.id = parts.{}").format(
                sql.Identifier(OWNERS[owner][1]),
                sql.Identifier(owner),
                sql.Identifier(owner),
                sql.Identifier(OWNERS[owner][0]),
            )
            for owner in sorted(owners)
        ]
        if self.factors is not None:
            joins.append(self.rates(self.factors))
        return sql.Composed(joins)

    def rates(self, factors: Sequence[Factor]) -> Sql:
        """What the day's rate makes of an amount in the offer's currency."""
        columns = [
            self.values([each.currency for each in factors], "text[]"),
            self.values([each.since for each in factors], "date[]"),
            self.values([each.until for each in factors], "date[]"),
            self.values([each.factor for each in factors], "numeric[]"),
        ]
        return sql.SQL(
            " LEFT JOIN unnest({}) AS rates(currency, since, until, factor)"
            " ON rates.currency = offer.currency AND parts.day >= rates.since AND parts.day < rates.until"
        ).format(sql.SQL(", ").join(columns))

    # The lines.

    def measure(self, metric: Metric) -> Sql:
        """A metric as it is answered: rounded, and 0 where it would be divided by zero."""
        if metric.unit is Unit.COUNT:
            return sql.SQL(metric.expression)
        decimals = decimals_of(metric.unit, self.decimals)
        if not metric.divisor:
            return sql.SQL(f"round({metric.expression}, {decimals})")
        return sql.SQL(f"coalesce(round(({metric.expression})::numeric / nullif({metric.divisor}, 0), {decimals}), 0)")

    def bounds(self) -> Sql:
        metrics = {metric.name: metric for metric in self.metrics}
        conditions = [
            sql.SQL("{} {} {}").format(
                self.measure(metrics[bound.metric]),
                sql.SQL(OPERATORS[bound.operator]),
                self.values(bound.value, "numeric"),
            )
            for bound in self.question.bounds
        ]
        return sql.SQL(" WHERE {}").format(sql.SQL(" AND ").join(conditions)) if conditions else sql.SQL("")

    def order(self) -> Sql:
        """Time first and forward, then what earned most and was clicked most; the columns themselves decide at last."""
        times = [key(n) for n, column in enumerate(self.columns) if column.is_time]
        weights = [sql.SQL(f"{name} DESC") for name in ("earned", "valid + invalid", "impressions")]
        keys = [
            key(n) if column.kind is Kind.NUMBER else sql.SQL('{} COLLATE "C"').format(key(n))
            for n, column in enumerate(self.columns)
            if not column.is_time
        ]
        return sql.SQL(" ORDER BY {}").format(sql.SQL(", ").join([*times, *weights, *keys]))

    def lines(self, selected: Sequence[Sql], *, limit: int | None) -> Sql:
        """The whole statement; what is ``selected`` of a line may name its columns, its names and its sums."""
        counted = sql.SQL(", count(*) OVER () AS total_rows") if limit is not None else sql.SQL("")
        cut = sql.SQL(" LIMIT {}").format(self.values(limit)) if limit is not None else sql.SQL("")
        order = self.order()
        return sql.SQL(
            "WITH parts AS ({parts}), sums AS ({sums}), ranked AS (SELECT *{counted} FROM sums{bounds}{order}{cut}) "
            "SELECT {selected} FROM ranked{names}{order}"
        ).format(
            parts=self.parts(),
            sums=self.together(),
            counted=counted,
            bounds=self.bounds(),
            order=order,
            cut=cut,
            selected=sql.SQL(", ").join(selected),
            names=sql.Composed([self.names(n, column) for n, column in enumerate(self.columns)]),
        )

    def names(self, n: int, column: Column) -> Sql:
        """The table with the names of a column's ids, joined."""
        if column.kind is Kind.NUMBER:
            source: Sql = sql.Identifier(column.table)
        elif column.kind in NAMES:
            ids, names = zip(*NAMES[column.kind].items(), strict=True)
            source = sql.SQL("unnest({}, {})").format(
                self.values(list(ids), "text[]"), self.values(list(names), "text[]")
            )
            return sql.SQL(" LEFT JOIN {} AS {}(id, name) ON {}.id = {}").format(source, named(n), named(n), key(n))
        else:
            return sql.SQL("")
        return sql.SQL(" LEFT JOIN {} AS {} ON {}.id = {}").format(source, named(n), named(n), key(n))

    def id_of(self, n: int, column: Column) -> Sql:
        if column.is_time:
            return sql.SQL("extract(epoch FROM {})::bigint").format(key(n))
        return key(n)

    def label_of(self, n: int, column: Column) -> Sql:
        if column.is_time:
            return sql.SQL("to_char({} AT TIME ZONE {}, {})").format(
                key(n), self.values(self.question.zone.key), self.values(TIME_FORMATS[column.name])
            )
        if column.kind is Kind.TEXT:
            return key(n)
        if column.name == "offer_url":
            return sql.SQL("CASE WHEN {} = 0 THEN 'Default' ELSE coalesce({}.name, '') END").format(key(n), named(n))
        # What has no name any more, or a code that is nobody's, is still told from nothing at all.
        unnamed = sql.SQL("''") if column.kind is Kind.NUMBER else key(n)
        return sql.SQL("coalesce({}.name, {})").format(named(n), unnamed)


NAMES: dict[Kind, dict[str, str]] = {
    Kind.COUNTRY: COUNTRIES,
    Kind.STATUS: {status.value: str(status.label) for status in Conversion.Status},
}


def key(n: int) -> Sql:
    return sql.Identifier(f"k{n}")


def named(n: int) -> Sql:
    return sql.Identifier(f"n{n}")


def named_part(n: int) -> Sql:
    return sql.Identifier(f"part{n}")


def added_up(name: str, parts: Sequence[Part]) -> Sql:
    """What the parts add to one of the sums, where not each of them has a row for each group."""
    added = [
        sql.SQL("coalesce({}.{}, 0)").format(named_part(n), sql.Identifier(name))
        for n, part in enumerate(parts)
        if name in part.adds
    ]
    return sql.SQL(" + ").join(added) if added else sql.SQL("0::bigint" if name in COUNTS else "0::numeric")


def grouped(count: int) -> Sql:
    """By the first so many columns of the selection."""
    return sql.SQL(f" GROUP BY {', '.join(str(n + 1) for n in range(count))}") if count else sql.SQL("")


def utc_days(question: Question) -> tuple[date, date]:
    """The first and the last day, in UTC, that has a part of the question's time."""
    last = question.end - timedelta(microseconds=1)
    return question.start.astimezone(UTC).date(), max(last, question.start).astimezone(UTC).date()
