"""The last known states in a file beside the process, for when the database that holds them cannot be asked.

The worker writes it after each round of probes, and a web process when it has just read newer states, so that a machine
that runs no worker has one too.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from portal.status.judgement import State, is_fresh
from portal.status.overview import Overview, PublicRow, public_rows, rows_at
from portal.status.probes import PROBES

log = logging.getLogger(__name__)

RENEWED_AFTER = timedelta(seconds=30)
DATABASE = "database"


def keep(overview: Overview) -> None:
    """Writes the states to the snapshot's file, unless somebody did so a moment ago. Failing to is logged, no more:
    whoever asked for the states has them."""
    path = Path(settings.STATUS_SNAPSHOT)
    known = read()
    if known is not None and known.as_of and overview.as_of and overview.as_of - known.as_of < RENEWED_AFTER:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Readers see the old file or the new one, and never half of one.
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w") as file:
            json.dump(written(overview), file)
        Path(name).replace(path)
    except OSError:
        log.exception("The snapshot of System Status could not be written to %s", path)


def read() -> Overview | None:
    """The states as they were written; None when there are none that can be read."""
    try:
        kept: dict[str, Any] = json.loads(Path(settings.STATUS_SNAPSHOT).read_text())
        return Overview(
            as_of=datetime.fromisoformat(kept["as_of"]),
            rows=tuple(
                PublicRow(
                    slug=row["slug"],
                    name=row["name"],
                    state=State(row["state"]),
                    checked_at=datetime.fromisoformat(row["checked_at"]) if row["checked_at"] else None,
                    interval=timedelta(seconds=row["interval"]),
                    is_quiet=bool(row["is_quiet"]),
                )
                for row in kept["rows"]
            ),
        )
    except (OSError, ValueError, KeyError, TypeError):
        # No file yet, or one of an older release.
        return None


def written(overview: Overview) -> dict[str, Any]:
    return {
        "as_of": overview.as_of.isoformat() if overview.as_of else None,
        "rows": [
            {
                "slug": row.slug,
                "name": row.name,
                "state": row.state,
                "checked_at": row.checked_at.isoformat() if row.checked_at else None,
                "interval": row.interval.total_seconds(),
                "is_quiet": row.is_quiet,
            }
            for row in overview.rows
        ],
    }


def overview_at(now: datetime, *, trouble: str) -> Overview:
    """The states from the database, or, when that is in ``trouble``, the last known ones as far as they still hold."""
    if not trouble:
        overview = Overview(now, tuple(public_rows(rows_at(now, with_past=False))))
        keep(overview)
        return overview
    known = read() or Overview(None, tuple(never_checked()))
    return Overview(known.as_of, tuple(aged(row, now) for row in known.rows), trouble)


def aged(row: PublicRow, now: datetime) -> PublicRow:
    # That it does not answer has just been seen; what the others do is what was last known, until that is too old.
    if row.slug == DATABASE:
        return replace(row, state=State.OUTAGE, checked_at=now, is_quiet=False)
    if is_fresh(row.checked_at, now=now, interval=row.interval):
        return row
    return replace(row, state=State.UNKNOWN, is_quiet=False)


def never_checked() -> list[PublicRow]:
    return [PublicRow(probe.slug, probe.name, State.UNKNOWN, None, probe.interval) for probe in PROBES]
