"""The API Log as a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apilog.models import LoggedCall

COLUMNS = (
    *("request_id", "received_at", "realm", "method", "path", "query", "action", "status", "outcome", "limited_by"),
    *("ip", "key_id", "key_hint", "key_label", "partner_id", "partner_name", "duration_ms", "response_size"),
    "user_agent",
)


def exported(calls: Iterable[LoggedCall]) -> Iterator[dict[str, object]]:
    for call in calls:
        row = {column: getattr(call, column) for column in COLUMNS if column != "request_id"}
        yield {"request_id": str(call.pk), **row}
