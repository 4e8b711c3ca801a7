from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from apilog.models import LoggedCall, write_alone
from keys.gate import Call, Outcome, Realm
from portal.status.judgement import State
from portal.status.models import Check
from portal.status.probes import PROBES
from portal.web.ids import first_id_at

Log = Callable[..., None]
Checked = Callable[..., Check]


@pytest.fixture(autouse=True)
def snapshot_path(tmp_path: Path, settings: Any) -> Path:
    """Each test has a snapshot of its own."""
    path: Path = tmp_path / "kept" / "status.json"
    settings.STATUS_SNAPSHOT = path
    return path


@pytest.fixture
def log(db: None) -> Log:
    """``log(20, ms=90)``: so many calls, written as the gate writes them."""

    def write(
        calls: int = 1,
        *,
        at: datetime | None = None,
        ms: float = 10,
        outcome: Outcome = Outcome.OK,
        realm: Realm | None = Realm.AFFILIATE,
        partner_id: int | None = None,
    ) -> None:
        at = at or timezone.now()
        for _ in range(calls):
            call_id = UUID(int=first_id_at(at).int | secrets.randbits(72))
            call = Call("GET", "/v1/affiliates/affiliate", "", "curl", None, call_id, at, 0.0)
            call.outcome, call.realm, call.partner_id = outcome, realm, partner_id
            call.duration_us = round(ms * 1000)
            write_alone(call)

    return write


@pytest.fixture
def checked(db: None) -> Checked:
    """``checked("database", state="slow")``: what a probe has found."""

    def write(slug: str, *, at: datetime | None = None, state: str = State.OPERATIONAL, **figures: Any) -> Check:
        figures = {"slow_run": -2, "outage_run": -2, "answered": 5, "errors": 0} | figures
        return Check.objects.create(probe=slug, measured_at=at or timezone.now(), state=state, **figures)

    return write


@pytest.fixture
def all_checked(checked: Checked) -> None:
    for probe in PROBES:
        checked(probe.slug)


@pytest.fixture
def broken_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """``broken_database()``: from now on every connection of this process is refused, as if the server were gone."""
    host = connection.settings_dict["HOST"]
    options = connection.settings_dict["OPTIONS"]
    pool = options["pool"]

    def drop_connections() -> None:
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]

    def break_it() -> None:
        drop_connections()
        connection.settings_dict["HOST"] = "/nonexistent/latchkey"
        options["pool"] = {**pool, "min_size": 0, "timeout": 0.3}
        monkeypatch.setattr("portal.status.database.PATIENCE_SECONDS", 0.3)

    yield break_it
    if connection.settings_dict["HOST"] != host:
        drop_connections()
    connection.settings_dict["HOST"] = host
    options["pool"] = pool


def logged() -> int:
    return LoggedCall.objects.count()
