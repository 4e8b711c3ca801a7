from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from portal.web.ids import first_id_at
from portal.web.postgresql import staging
from portal.web.postgresql.partitions import PartitionedTable, Span
from portal.web.postgresql.staging import Staging, TablesInUse, lock_alone

pytestmark = pytest.mark.django_db

VISITS = PartitionedTable("visit", Span.MONTH)
MAY, JUNE = date(2026, 5, 1), date(2026, 6, 1)
INDEXES = """
SELECT regexp_replace(pg_get_indexdef(indexrelid), '^CREATE (UNIQUE )?INDEX .* USING', '\\1'), indisprimary,
       indexrelid IN (SELECT inhrelid FROM pg_inherits)
FROM pg_index WHERE indrelid = %s::regclass ORDER BY 1
"""


@pytest.fixture(autouse=True)
def visits(db: None) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("""
            CREATE TABLE visit (
                place text NOT NULL DEFAULT '', id uuid NOT NULL, pages int CHECK (pages > 0), PRIMARY KEY (place, id)
            ) PARTITION BY RANGE (id);
            CREATE TABLE visit_default PARTITION OF visit DEFAULT;
            CREATE INDEX visit_pages ON visit (pages DESC, id) INCLUDE (place) WHERE pages > 1;
            CREATE FUNCTION visit_seen() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'A visit of % pages was seen.', NEW.pages; END $$;
            CREATE TRIGGER visit_written AFTER INSERT ON visit FOR EACH ROW WHEN (NEW.pages = 99)
                EXECUTE FUNCTION visit_seen();
        """)
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE visit; DROP FUNCTION visit_seen")


def visit(day: date, pages: int = 1, *, into: str = "visit") -> None:
    with connection.cursor() as cursor:
        at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        cursor.execute(f"INSERT INTO {into} (id, pages) VALUES (%s, %s)", [first_id_at(at), pages])


def stage(*days: date, pages: int = 1) -> Staging:
    tables = Staging(VISITS, min(days), max(days))
    tables.create()
    for day in days:
        visit(day, pages, into=tables.name_for(day))
    tables.index_before(date.max)
    return tables


def places() -> list[tuple[str, int]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text, pages FROM visit ORDER BY id, pages")
        return list(cursor.fetchall())


@contextmanager
def another_reader() -> Iterator[BaseDatabaseWrapper]:
    """Who has read the visits, in a transaction that goes on."""
    reader = connection.copy()
    reader.set_autocommit(False)
    try:
        with reader.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '60s'; SELECT count(*) FROM visit")
        yield reader
    finally:
        reader.close()


def test_a_staging_table_becomes_the_partition_of_its_span() -> None:
    VISITS.create(MAY, MAY)

    with transaction.atomic():
        stage(date(2026, 5, 31), JUNE, pages=3).take_in()

    assert places() == [("visit_202605", 3), ("visit_202606", 3)]
    assert VISITS.starts() == [MAY, JUNE]


def test_before_it_is_taken_in_nobody_sees_it() -> None:
    stage(MAY)

    assert places() == []


def test_it_has_all_that_a_partition_has_which_was_made_ahead() -> None:
    VISITS.create(MAY, MAY)
    stage(JUNE).take_in()

    with connection.cursor() as cursor:
        ahead, staged = (cursor.execute(INDEXES, [f"visit_{month}"]).fetchall() for month in ("202605", "202606"))
        constraints = cursor.execute(
            "SELECT conname, array_agg(conrelid::regclass::text ORDER BY 1) FROM pg_constraint "
            "WHERE contype = 'c' AND conrelid IN ('visit_202605'::regclass, 'visit_202606'::regclass) GROUP BY conname"
        ).fetchall()

    assert staged == ahead
    assert len(ahead) == 2
    assert constraints == [("visit_pages_check", ["visit_202605", "visit_202606"])]
    with pytest.raises(IntegrityError), transaction.atomic():
        visit(date(2026, 6, 2), 0)
    with pytest.raises(ProgrammingError, match="A visit of 99 pages was seen"), transaction.atomic():
        visit(date(2026, 6, 2), 99)


def test_rows_come_to_those_that_their_span_has_already() -> None:
    visit(MAY, 1)
    VISITS.create(JUNE, JUNE)
    visit(JUNE, 1)

    stage(date(2026, 5, 2), date(2026, 6, 2), pages=2).take_in()

    assert places() == [("visit_default", 1), ("visit_default", 2), ("visit_202606", 1), ("visit_202606", 2)]
    assert VISITS.starts() == [JUNE]


def test_a_row_of_another_span_is_refused() -> None:
    tables = Staging(VISITS, MAY, JUNE)
    tables.create()
    visit(JUNE, into=tables.name_for(MAY))

    with pytest.raises(IntegrityError, match="visit_202605_staging_bounds"), transaction.atomic():
        tables.index_before(JUNE)


@pytest.mark.django_db(transaction=True)
def test_who_wants_tables_alone_lets_others_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        # Nobody stands in line meanwhile, so who comes now need not wait.
        with another_reader() as latecomer:
            latecomer.rollback()
        if len(pauses) == 3:
            reader.rollback()

    monkeypatch.setattr(staging, "LOCK_TIMEOUT", "20ms")
    monkeypatch.setattr("portal.web.postgresql.staging.time.sleep", pause)
    with another_reader() as reader, transaction.atomic():
        lock_alone([VISITS])
        visit(MAY)

    assert len(pauses) == 3
    assert places() == [("visit_default", 1)]


@pytest.mark.django_db(transaction=True)
def test_who_never_gets_tables_alone_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "LOCK_TIMEOUT", "20ms")
    monkeypatch.setattr(staging, "TURNS", 2)
    monkeypatch.setattr(staging, "PAUSE_SECONDS", 0)

    with another_reader(), pytest.raises(TablesInUse), transaction.atomic():
        lock_alone([VISITS])
