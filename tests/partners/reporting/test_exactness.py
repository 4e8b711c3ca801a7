from __future__ import annotations

import csv
import io
import json
import random
from datetime import UTC, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from partners.models import Partner
from partners.reporting.columns import columns_of
from partners.reporting.engine import ask, export_csv, export_json, series, total
from partners.reporting.metrics import metrics_of
from partners.reporting.question import OPERATORS, Question
from partners.reporting.rollups import note_horizons, sealed_days, work_out
from partners.reporting.statement import OWNERS
from partners.traffic.models import Click, Conversion, Impression
from portal.network.timezones import BY_NAME
from tests.partners.reporting import naive
from tests.partners.reporting.naive import TIMES, World
from tests.partners.reporting.world import ANCHORS, CODES, EVENTS, TEXTS, populate

ROLLED_UP = ["offer", "sub1", "country", "country_code", "device_type", "affiliate", "advertiser", "conversion_status"]
ZONES = ["UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]
# One load of random rows for each test, and as many questions to it.
many = settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def world(db: None) -> World:
    """Half of its days are sealed, so that a report is put together from rollups and rows."""
    world = populate(random.SystemRandom().randrange(1_000_000))
    days = sorted({row.at.astimezone(UTC).date() for row in world.rows})
    note_horizons(days[0], days[-1])
    for day in days:
        if random.random() < 0.7:
            work_out(day)
    assert len(sealed_days(world.rows[0].at - timedelta(days=300), world.rows[0].at + timedelta(days=300))) > 4
    return world


@st.composite
def ranges(draw: st.DrawFn) -> dict[str, str]:
    start = draw(st.sampled_from(ANCHORS)) + timedelta(days=draw(st.integers(-3, 1)))
    end = start + timedelta(days=draw(st.sampled_from([0, 1, 2, 5, 40, 300])))
    since, until = f"{start:%Y-%m-%d}", f"{end:%Y-%m-%d}"
    if draw(st.booleans()):
        since += draw(st.sampled_from([" 00:00:00", " 00:30:00", " 01:17:03"]))
    if draw(st.booleans()):
        until += draw(st.sampled_from([" 23:59:59", " 01:59:59", " 12:00:00"]))
    return (
        {"from": min(since, until), "to": max(since, until)}
        if since[:10] == until[:10]
        else {"from": since, "to": until}
    )


def values(column: str, world: World) -> st.SearchStrategy[str]:
    if column in world.names:
        return st.sampled_from([str(number) for number in (0, *world.names[column])])
    if column in {"country", "country_code"}:
        return st.sampled_from(CODES)
    if column == "event_name":
        return st.sampled_from(["", *EVENTS])
    if column == "conversion_status":
        return st.sampled_from(["", *naive.STATUSES])
    return st.sampled_from(TEXTS)


@st.composite
def questions(draw: st.DrawFn, world: World, *, is_network: bool) -> dict[str, Any]:
    everything = [name for name in columns_of(is_network=is_network) if name not in TIMES]
    rolled_up = [name for name in ROLLED_UP if name in everything]
    known = draw(st.sampled_from([everything, rolled_up]))
    columns = draw(st.lists(st.sampled_from(known), max_size=3, unique=True))
    if not columns or draw(st.booleans()):
        columns.insert(draw(st.integers(0, len(columns))), draw(st.sampled_from(TIMES)))
    filters = [
        {"resource_type": column, "filter_id_value": draw(values(column, world))}
        for column in draw(st.lists(st.sampled_from([*columns[:1], *known]), max_size=2))
        if column not in TIMES
        for _ in range(draw(st.integers(1, 3)))
    ]
    exclusions = [
        {"resource_type": column, "filter_id_value": draw(values(column, world))}
        for column in draw(st.lists(st.sampled_from(known), max_size=1))
    ]
    bound = st.fixed_dictionaries(
        {
            "metric_type": st.sampled_from(list(metrics_of(is_network=is_network))),
            "operator": st.sampled_from(list(OPERATORS)),
            "metric_value": st.sampled_from([0, 1, 2, 0.5, 3.75, 100]),
        }
    )
    setting = st.sampled_from([{}, {}, {}, {}, {"ignore_fail_traffic": True}, {"only_include_fail_traffic": True}])
    return {
        **draw(ranges()),
        "timezone_id": BY_NAME[draw(st.sampled_from(ZONES))].timezone_id,
        "currency_id": draw(st.sampled_from(["USD", "USD", "EUR", "JPY"])),
        "columns": [{"column": column} for column in columns],
        "query": {
            "filters": filters,
            "exclusions": exclusions,
            "metric_filters": draw(st.lists(bound, max_size=1)),
            "settings": draw(setting),
        },
    }


def zone_of(asked: dict[str, Any]) -> ZoneInfo:
    return next(ZoneInfo(name) for name in ZONES if BY_NAME[name].timezone_id == asked["timezone_id"])


@many
@given(data=st.data())
def test_a_report_is_what_a_loop_over_the_rows_adds_up_to(world: World, data: st.DataObject) -> None:
    partner: Partner | None = data.draw(st.sampled_from([None, *world.partners.values()]))
    asked = data.draw(questions(world, is_network=partner is None))
    note(repr(asked))

    report = ask(Question.of(asked, partner=partner))

    assert report.rows == naive.table(world, asked, partner, zone_of(asked))
    assert report.total_rows == len(report.rows)


@many
@given(data=st.data())
def test_the_series_and_the_total_are_what_a_loop_adds_up_to(world: World, data: st.DataObject) -> None:
    partner: Partner | None = data.draw(st.sampled_from([None, *world.partners.values()]))
    asked = data.draw(questions(world, is_network=partner is None))
    unit = data.draw(st.sampled_from(TIMES))
    note(repr(asked))
    question = Question.of(asked, partner=partner)
    about_status = [{"column": c} for c in ("conversion_status",) if question.is_about_status]
    plain = {**asked, "columns": [{"column": unit}, *about_status], "query": {**asked["query"], "metric_filters": []}}

    over_time = series(question, unit)

    assert over_time.total == total(question) == naive.total(world, plain, partner, zone_of(asked))
    if not about_status:
        expected = {
            int(line["columns"][0]["id"]): line["reporting"]
            for line in naive.table(world, plain, partner, zone_of(asked))
        }
        drawn = {int(begun.timestamp()): figures for begun, figures in over_time.points}
        assert {second: drawn[second] for second in expected} == expected
        assert all(not any(figures.values()) for second, figures in drawn.items() if second not in expected)


def test_nothing_that_a_report_is_grouped_by_can_be_null() -> None:
    grouped_by = {
        OWNERS[column.of][0] if column.of else column.field for column in columns_of(is_network=True).values()
    }

    nullable = {
        field.attname
        for model in (Click, Impression, Conversion)
        for field in model._meta.concrete_fields
        if field.null and field.attname in grouped_by
    }

    # Sums of several tables are joined by these, and a null never equals another.
    assert nullable == set()


@settings(many, max_examples=15)
@given(data=st.data())
def test_an_export_has_the_lines_of_the_table(world: World, data: st.DataObject) -> None:
    partner: Partner | None = data.draw(st.sampled_from([None, *world.partners.values()]))
    question = Question.of(data.draw(questions(world, is_network=partner is None)), partner=partner)
    note(repr(question))

    rows = ask(question).rows
    as_json = json.loads(b"".join(export_json(question)))
    as_csv = list(csv.DictReader(io.StringIO(b"".join(export_csv(question)).decode())))

    assert as_json == {"table": rows}
    assert [{name: float(line[name]) for name in row["reporting"]} for line, row in zip(as_csv, rows, strict=True)] == [
        row["reporting"] for row in rows
    ]
    for line, row in zip(as_csv, rows, strict=True):
        for cell in row["columns"]:
            assert line[cell["column_type"]].removeprefix("'") == cell["label"].removeprefix("'")
